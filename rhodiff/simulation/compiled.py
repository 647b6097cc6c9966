"""Where numba keeps compiled code, and loading what it compiles.

Compiling the walk takes a few seconds; the tasks of an array read it from a folder of the user's instead, the first
that can be written of

    $NUMBA_CACHE_DIR        $XDG_CACHE_HOME/rhodiff/numba        ~/.cache/rhodiff/numba        <temporary folder>/...

A folder holds code for one version of numba and pytreegrav; numba itself tells kinds of CPU and changes of our source
apart. It writes into a temporary file and renames it: tasks that start together may compile the same code twice, but
none reads half of it, so that no file lock is needed (Lustre and NFS do not always grant one).
"""

import importlib
import importlib.metadata
import os
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType

from rhodiff.errors import EnvironmentLacksError

__all__ = ["INSTALL", "cache_folder", "load_tree_walk"]

INSTALL = "pip install 'rhodiff[simulation]'"


def load_tree_walk() -> ModuleType:
    """The module of the compiled walk, with numba's folder of compiled code set.

    Raises:
        EnvironmentLacksError: if numba or pytreegrav cannot be loaded.
    """
    try:
        numba = importlib.import_module("numba")
        numba.config.CACHE_DIR = str(cache_folder(os.environ))
        return importlib.import_module("rhodiff.simulation.tree_walk")
    except ImportError as error:
        raise EnvironmentLacksError(
            f"the engine 'treegrav' needs numba and pytreegrav, which cannot be loaded ({error}): {INSTALL}"
        ) from error


def cache_folder(environment: Mapping[str, str]) -> Path:
    """The first folder for compiled code that can be written; it is made.

    Args:
        environment: usually ``os.environ``.

    Raises:
        EnvironmentLacksError: if none can be written.
    """
    tried = list(_candidates(environment))
    for folder in tried:
        if _is_writable(folder):
            return folder
    raise EnvironmentLacksError(
        f"no folder for compiled code can be written (tried {', '.join(map(str, tried))}): set NUMBA_CACHE_DIR to one"
    )


def _candidates(environment: Mapping[str, str]) -> Iterator[Path]:
    version = "-".join(f"{name}-{importlib.metadata.version(name)}" for name in ("numba", "pytreegrav"))
    for name, below in (
        ("NUMBA_CACHE_DIR", ""),
        ("XDG_CACHE_HOME", "rhodiff/numba"),
        ("HOME", ".cache/rhodiff/numba"),
    ):
        if environment.get(name):
            yield Path(environment[name]) / below / version
    yield Path(tempfile.gettempdir()) / f"rhodiff-numba-{os.getuid()}" / version


def _is_writable(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False
