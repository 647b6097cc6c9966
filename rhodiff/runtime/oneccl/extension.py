"""The compiled process group: one command of the C++ compiler for each torch, kept in a cache.

It is compiled before the processes of a training start, where the command was typed (the login node), so that
compute nodes need no compiler; they must see the cache. That is ``$RHODIFF_CACHE``, else the folder of the Python
environment, which they see anyway, else ``~/.cache``.
"""

import hashlib
import importlib.util
import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Mapping
from importlib.machinery import ExtensionFileLoader
from importlib.resources import files
from pathlib import Path
from types import ModuleType

import torch

from rhodiff.errors import EnvironmentLacksError
from rhodiff.runtime.oneccl.installation import INSTALL, LIBRARY, Installation
from rhodiff.store.locks import hold_lock

__all__ = [
    "CACHE_VARIABLE",
    "cache_folders",
    "compile_command",
    "find_built",
    "import_extension",
    "provide_extension",
]

CACHE_VARIABLE = "RHODIFF_CACHE"
NAME = "rho_oneccl"
SOURCES = ("process_group.cpp", "operations.hpp", "peer_watch.hpp")
PATIENCE_S = 600.0
"""While another process compiles."""
LAST_LINES = 12


def cache_folders(environment: Mapping[str, str] = os.environ) -> list[Path]:
    """Where compiled files are looked for; the first one that can be written gets new ones."""
    if environment.get(CACHE_VARIABLE):
        return [Path(environment[CACHE_VARIABLE]).expanduser()]
    home = Path(environment.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser())
    return [Path(sys.prefix) / "share" / "rhodiff", home / "rhodiff"]


def find_built(installation: Installation, folders: list[Path]) -> Path | None:
    """The compiled process group for this torch, Python and oneCCL, if it is in a cache."""
    return next((path for folder in folders if (path := folder / _file_name(installation)).exists()), None)


def provide_extension(installation: Installation, environment: Mapping[str, str] = os.environ) -> Path:
    """Find the compiled process group, or compile it; one process at a time.

    Args:
        installation: the oneCCL to compile it for.
        environment: CXX, PATH and the cache's variable.

    Raises:
        EnvironmentLacksError: if it is not in the cache and cannot be compiled.
    """
    folders = cache_folders(environment)
    found = find_built(installation, folders)
    if found is not None:
        return found
    compiler = _compiler(installation, folders, environment)
    folder = _first_writable(folders)
    with hold_lock(folder / f"{NAME}.lock", "compiling oneCCL's process group", patience_s=PATIENCE_S):
        return find_built(installation, [folder]) or _compile(installation, compiler, folder)


def import_extension(path: Path) -> ModuleType:
    """Load the compiled process group; oneCCL's libraries must be loaded."""
    loader = ExtensionFileLoader(NAME, str(path))
    spec = importlib.util.spec_from_file_location(NAME, path, loader=loader)
    assert spec is not None, f"{path} is no module"
    try:
        module = importlib.util.module_from_spec(spec)
        loader.exec_module(module)
    except ImportError as error:
        raise EnvironmentLacksError(
            f"{path} was compiled for torch {torch.__version__}, and cannot be loaded ({error}): remove it, and it "
            "is compiled again"
        ) from error
    return module


def compile_command(installation: Installation, compiler: list[str], source: Path, target: Path) -> list[str]:
    """Words of the compiler's command line.

    Args:
        installation: the oneCCL.
        compiler: the compiler's own words.
        source: ``process_group.cpp``, the other sources beside it.
        target: the shared library to write.
    """
    from torch.utils.cpp_extension import include_paths, library_paths

    includes = [str(installation.include), *include_paths(), sysconfig.get_path("include")]
    abi = int(torch._C._GLIBCXX_USE_CXX11_ABI)
    words = [*compiler, "-shared", "-fPIC", "-std=c++20", "-O2", str(source), "-o", str(target)]
    words += [f"-DTORCH_EXTENSION_NAME={NAME}", "-DTORCH_API_INCLUDE_EXTENSION_H", f"-D_GLIBCXX_USE_CXX11_ABI={abi}"]
    words += [word for folder in includes for word in ("-isystem", folder)]
    words += [f"-L{folder}" for folder in (*library_paths(), str(installation.library.parent))]
    return [*words, "-lc10", "-ltorch_cpu", "-ltorch", "-ltorch_python", f"-l:{LIBRARY}"]


def _file_name(installation: Installation) -> str:
    digest = hashlib.sha256("\n".join(_source_text(name) for name in SOURCES).encode()).hexdigest()[:8]
    python = sysconfig.get_config_var("SOABI") or "python"
    return f"{NAME}-torch{torch.__version__}-ccl{installation.version}-{python}-{digest}.so"


def _source_text(name: str) -> str:
    return files("rhodiff.runtime.oneccl").joinpath(name).read_text(encoding="utf-8")


def _compiler(installation: Installation, folders: list[Path], environment: Mapping[str, str]) -> list[str]:
    """The compiler's words, if all that it needs is there."""
    words = shlex.split(environment.get("CXX") or "c++")
    if shutil.which(words[0], path=environment.get("PATH")) is None:
        raise EnvironmentLacksError(
            f"oneCCL's process group is compiled once for each torch, and there is no C++ compiler here ("
            f"'{words[0]}' is not on the PATH), nor a compiled one for torch {torch.__version__} in "
            f"{' or '.join(map(str, folders))}. Load the site's compiler module, install g++, or run once on a node "
            f"that has one, with a cache that all nodes see ({CACHE_VARIABLE})"
        )
    if installation.include is None:
        raise EnvironmentLacksError(
            f"{installation} has no headers, and the process group is not compiled yet; {INSTALL}"
        )
    return words


def _first_writable(folders: list[Path]) -> Path:
    for folder in folders:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError:
            continue
        if os.access(folder, os.W_OK):
            return folder
    raise EnvironmentLacksError(
        f"nothing can be written to {' or '.join(map(str, folders))}, where oneCCL's process group is to be kept "
        f"once it is compiled: name a folder that all nodes see by {CACHE_VARIABLE}"
    )


def _compile(installation: Installation, compiler: list[str], folder: Path) -> Path:
    path = folder / _file_name(installation)
    with tempfile.TemporaryDirectory(dir=folder, prefix="build-") as scratch:
        for name in SOURCES:  # copied: the package may lie in a zip
            (Path(scratch) / name).write_text(_source_text(name), encoding="utf-8")
        target = Path(scratch) / f"{NAME}.so"
        words = compile_command(installation, compiler, Path(scratch) / SOURCES[0], target)
        ended = subprocess.run(words, capture_output=True, text=True, check=False)
        if ended.returncode != 0:
            said = "\n".join([line for line in ended.stderr.splitlines() if line.strip()][:LAST_LINES])
            raise EnvironmentLacksError(
                f"'{' '.join(compiler)}' cannot compile oneCCL's process group for torch {torch.__version__} (it "
                f"needs C++20: g++ 10 or later, and Python's headers). It says:\n{said}"
            )
        target.replace(path)
    return path
