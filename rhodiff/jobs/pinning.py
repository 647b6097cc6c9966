"""Pinning code: the running package as one zip file, which jobs run from, whatever is edited or upgraded meanwhile.

The zip holds sources and shipped files, and beside each source its bytecode, checked against nothing (PEP 552,
"unchecked hash"), so that a job starts without compiling and reads one file instead of hundreds. It is named by a
digest of what it holds. Other packages, and plug-ins, stay those of the environment.
"""

import hashlib
import importlib.util
import json
import marshal
import zipfile
from collections.abc import Iterator, Mapping
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import BinaryIO

from rhodiff import __version__
from rhodiff.config.shipped import SHIPPED_KINDS, shipped_folder
from rhodiff.runtime.code_state import PINNED_RECORD, describe_code
from rhodiff.store.files import write_atomic
from rhodiff.store.layout import JobsFolder

__all__ = ["name_code", "pin_code"]

DIGEST_DIGITS = 12
NO_TIME = (1980, 1, 1, 0, 0, 0)
"""Time of all entries."""
UNCHECKED_HASH = (1).to_bytes(4, "little")


def pin_code(jobs: JobsFolder) -> str:
    """Pin the running package, unless just this state is pinned already.

    Args:
        jobs: the run's jobs, beside whose submissions the zip lies.

    Returns:
        File name of the zip.

    Raises:
        StorageError: if there is no room.
    """
    content = _content()
    path = jobs.code(_digest(content))
    if not path.exists():
        write_atomic(path, lambda handle: _write_zip(handle, path.absolute(), content))
    return path.name


def name_code(jobs: JobsFolder) -> str:
    """File name that :func:`pin_code` gives; nothing is written."""
    return jobs.code(_digest(_content())).name


def _content() -> dict[str, bytes]:
    """Files of the package by name within the zip."""
    found = dict(_files_below(files("rhodiff"), "rhodiff"))
    for kind in SHIPPED_KINDS:
        found |= _files_below(shipped_folder(kind), f"rhodiff/_shipped/{kind}")
    record = {"git": describe_code(), "version": __version__}
    found[f"rhodiff/{PINNED_RECORD}"] = json.dumps(record, indent=1).encode()
    return dict(sorted(found.items()))


def _files_below(folder: Traversable, name: str) -> Iterator[tuple[str, bytes]]:
    for entry in folder.iterdir():
        if entry.name.startswith(".") or entry.name == "__pycache__" or entry.name.endswith(".pyc"):
            continue
        if entry.is_dir():
            yield from _files_below(entry, f"{name}/{entry.name}")
        else:
            yield f"{name}/{entry.name}", entry.read_bytes()


def _digest(content: Mapping[str, bytes]) -> str:
    digest = hashlib.sha256(importlib.util.MAGIC_NUMBER)
    for name, data in content.items():
        digest.update(f"{name}\0{len(data)}\0".encode() + data)
    return digest.hexdigest()[:DIGEST_DIGITS]


def _write_zip(handle: BinaryIO, path: Path, content: Mapping[str, bytes]) -> None:
    """Write sources and bytecode, whose file names are those that modules will have.

    With others, ``inspect`` (pydantic reads docstrings with it) would search all modules for each class: seconds.
    """
    with zipfile.ZipFile(handle, "w") as archive:
        for name, data in content.items():
            archive.writestr(zipfile.ZipInfo(name, NO_TIME), data)
            if name.endswith(".py"):
                archive.writestr(zipfile.ZipInfo(f"{name}c", NO_TIME), _bytecode(data, str(path / name)))


def _bytecode(source: bytes, name: str) -> bytes:
    code = compile(source, name, "exec", dont_inherit=True)
    return importlib.util.MAGIC_NUMBER + UNCHECKED_HASH + importlib.util.source_hash(source) + marshal.dumps(code)
