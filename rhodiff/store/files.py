"""Writing files so that no later run can trust a half-written one.

Every write goes to a temporary file in the same folder, is synced, and is renamed over the target. A done-marker is
written last and vouches for files by size and SHA-256. A full disk or quota ends in one error, with the temporary
file removed and whatever stood there before intact.
"""

import errno
import hashlib
import json
import os
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from rhodiff.errors import DataError, RhodiffError

__all__ = [
    "Marker",
    "StorageError",
    "checksum",
    "read_json",
    "read_marker",
    "storage_errors",
    "write_atomic",
    "write_json",
    "write_marker",
]

Marker = dict[str, dict[str, int | str]]
"""Relative path -> {"size": bytes, "sha256": hex}."""

DISK_ERRORS = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the quota (bytes or inodes) is used up",
    errno.EROFS: "the file system is read-only",
    errno.EACCES: "permission is denied",
    errno.EPERM: "permission is denied",
    errno.EFBIG: "the file is over the size limit of this process or file system",
    errno.ENOTDIR: "a file stands where a folder is needed",
    errno.ENAMETOOLONG: "the name is too long for the file system",
    errno.EIO: "the file system reports an input/output error",
    errno.ESTALE: "the network file system lost the file (stale handle)",
}

CLOSED = "get the right to write there, or let the paths section name a folder that you may write to,"
REMEDIES = {errno.EROFS: CLOSED, errno.EACCES: CLOSED, errno.EPERM: CLOSED}
"""What to do where room is not what is lacking."""


class StorageError(RhodiffError):
    """A file could not be written; what stood there before is intact (exit code 1)."""


@contextmanager
def storage_errors(path: Path) -> Iterator[None]:
    """Turn the operating system's refusals while writing ``path`` into one :class:`StorageError`."""
    try:
        yield
    except OSError as error:
        if error.errno not in DISK_ERRORS:
            raise
        remedy = REMEDIES.get(error.errno)
        raise StorageError(
            f"cannot write {path}: {DISK_ERRORS[error.errno]}{'' if remedy else _room(path)}. Nothing written before "
            f"is lost: {remedy or 'make room (or change the paths section)'} and repeat the command"
        ) from error


def _room(path: Path) -> str:
    """Bytes and files that the file system has left, where it says so."""
    existing = next((p for p in (path, *path.parents) if p.exists()), None)
    if existing is None:
        return ""
    left = os.statvfs(existing)
    files = f", {left.f_favail or 'no'} file{'s' * (left.f_favail > 0)} more" if left.f_files else ""
    return f" (room for {left.f_bavail * left.f_frsize / 1e6:.1f} MB{files} at {existing})"


def write_atomic(path: Path, write: Callable[[BinaryIO], Any]) -> str:
    """Write a file whole or not at all.

    Args:
        path: target; its folder is made.
        write: called with the open temporary file.

    Returns:
        SHA-256 of what was written.

    Raises:
        StorageError: if the disk is full, over quota or refuses; the old file stays.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with temporary.open("xb") as handle:
                write(handle)
                handle.flush()
                os.fsync(handle.fileno())
            digest = checksum(temporary)
            temporary.replace(path)
            _sync(path.parent)
        finally:
            temporary.unlink(missing_ok=True)
    return digest


def _sync(path: Path) -> None:
    """Force a file's content, or a folder's entries, to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def checksum(path: Path) -> str:
    """SHA-256 of a file, hexadecimal."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def write_json(path: Path, value: Any) -> None:
    """Write a JSON file atomically."""
    text = json.dumps(value, indent=1, allow_nan=False) + "\n"
    write_atomic(path, lambda handle: handle.write(text.encode()))


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Raises:
        DataError: if it is missing or not JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DataError(f"{path} is missing") from None
    except (OSError, ValueError) as error:
        raise DataError(f"{path} is damaged ({error}): remove it and repeat the command") from error


def write_marker(path: Path, files: Sequence[Path], facts: Mapping[str, Any] | None = None) -> None:
    """Vouch for files, last of all: they are synced first, so that no crash can leave the marker without them.

    Args:
        path: the marker.
        files: finished files, recorded relative to the marker's parent's parent with size and SHA-256.
        facts: anything else to record, JSON values.
    """
    root = path.parent.parent
    with storage_errors(path):
        for file in files:
            _sync(file)
    vouched = {str(f.relative_to(root)): {"size": f.stat().st_size, "sha256": checksum(f)} for f in files}
    write_json(path, {"files": vouched, **(facts or {})})


def read_marker(path: Path) -> dict[str, Any] | None:
    """A marker's content, or None if there is none (a damaged marker vouches for nothing)."""
    if not path.exists():
        return None
    try:
        content = read_json(path)
    except DataError:
        return None
    return content if isinstance(content, dict) and "files" in content else None
