"""Locks between processes, possibly on different hosts, on file systems whose flock is not to be trusted.

A lock is a file created exclusively (O_EXCL is atomic on Lustre and NFSv3+) that names its owner. The owner touches
it while it works; a lock whose owner is a dead process of this host, or that was not touched for ``expiry_s``, is
stale. Removing a stale lock is itself work that only one contender may do, and needs a second look: else one who
found it stale a moment ago removes the lock of the one who has just taken it over. So it is done under a lock of its
own, ``<name>.takeover``.

Consecutive attempts of a job at the same work name the same lineage: no two of them ever run at a time, so that a
lock of one's own lineage is a dead one's, though it was touched a moment ago on a node that has lost its power since.

Not promised: an owner that was suspended for longer than ``expiry_s`` is not told that it lost its lock.
"""

import json
import os
import secrets
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from rhodiff.errors import RunBusyError
from rhodiff.store.files import StorageError, storage_errors

__all__ = ["file_system_time", "hold_lock", "lock_owner"]

EXPIRY_S = 300.0
TOUCH_S = 30.0
WRITTEN_WITHIN_S = 10.0
LOOK_S = 5.0


@contextmanager
def hold_lock(
    path: Path, work: str, expiry_s: float = EXPIRY_S, lineage: str | None = None, patience_s: float = 0.0
) -> Iterator[None]:
    """Hold an exclusive lock for the length of the block.

    Args:
        path: lock file; its folder is made.
        work: what the lock is for, named in the error of whoever comes second.
        expiry_s: seconds without a touch after which the owner counts as dead.
        lineage: name that this attempt shares with those before it; None: it has none before it.
        patience_s: seconds to wait for a live owner to leave.

    Raises:
        RunBusyError: if a live owner holds it and does not leave in time.
    """
    token = secrets.token_hex(8)
    owner = {"host": socket.gethostname(), "pid": os.getpid(), "work": work, "token": token, "lineage": lineage}
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    _acquire_in_time(path, owner, work, expiry_s, patience_s)
    released = threading.Event()
    toucher = threading.Thread(target=_keep_touching, args=(path, token, released), daemon=True)
    toucher.start()
    try:
        yield
    finally:
        released.set()
        toucher.join()
        if _told(path, "token") == token:
            path.unlink(missing_ok=True)


def lock_owner(path: Path, expiry_s: float = EXPIRY_S) -> str | None:
    """Who holds a lock, or None if nobody alive does.

    Args:
        path: lock file.
        expiry_s: seconds without a touch after which the owner counts as dead.
    """
    try:
        return _live_owner(path, expiry_s) if path.exists() else None
    except FileNotFoundError:
        return None


def _acquire_in_time(path: Path, owner: Mapping[str, Any], work: str, expiry_s: float, patience_s: float) -> None:
    until = time.monotonic() + patience_s
    while True:
        try:
            return _acquire(path, owner, work, expiry_s)
        except RunBusyError:
            if time.monotonic() >= until:
                raise
        time.sleep(LOOK_S)


def _acquire(path: Path, owner: Mapping[str, Any], work: str, expiry_s: float) -> None:
    for _ in range(20):
        try:
            with storage_errors(path):
                descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644)
        except FileExistsError:
            if _is_stale(path, work, expiry_s, owner["lineage"]):
                _take_away(path, owner, work, expiry_s)
            continue
        try:
            with storage_errors(path), os.fdopen(descriptor, "w") as handle:
                handle.write(json.dumps(owner))
        except StorageError:
            path.unlink(missing_ok=True)  # empty, it would count as one that is just being written
            raise
        return
    raise RunBusyError(f"{work}: the lock {path} changed hands too often; try again")


def _take_away(path: Path, owner: Mapping[str, Any], work: str, expiry_s: float) -> None:
    """Remove a stale lock, if it is still there and still stale."""
    takeover = path.with_name(f"{path.name}.takeover")
    _acquire(takeover, owner, work, expiry_s)
    try:
        if _is_stale(path, work, expiry_s, owner["lineage"]):
            path.unlink(missing_ok=True)
    finally:
        takeover.unlink(missing_ok=True)


def _is_stale(path: Path, work: str, expiry_s: float, lineage: str | None) -> bool:
    """Whether a lock is there and its owner is not; a lock that is gone is not stale: the next may be another's.

    Raises:
        RunBusyError: if a live owner holds it.
    """
    try:
        holder = None if lineage is not None and _told(path, "lineage") == lineage else _live_owner(path, expiry_s)
    except FileNotFoundError:
        return False
    if holder is not None:
        raise RunBusyError(
            f"{work}: {holder} works on it already. Wait for it or end it; if that process no longer exists, "
            f"remove {path}"
        ) from None
    return True


def _live_owner(path: Path, expiry_s: float) -> str | None:
    """Text naming the owner, or None if the lock is stale."""
    now = file_system_time(path.parent)
    with path.open() as handle:
        age_s, text = now - os.fstat(handle.fileno()).st_mtime, handle.read()
    if age_s > expiry_s:
        return None
    try:
        owner = json.loads(text)
    except ValueError:  # created a moment ago and not yet written, or its owner was killed in between
        return "another process, just starting," if age_s < WRITTEN_WITHIN_S else None
    if owner["host"] == socket.gethostname() and not _is_alive(int(owner["pid"])):
        return None
    return f"process {owner['pid']} on {owner['host']} ({owner['work']}, seen {max(age_s, 0):.0f} s ago)"


def file_system_time(folder: Path) -> float:
    """The file server's clock: hosts' own clocks may differ by hours.

    Args:
        folder: a folder on it, in which a file is made and removed.
    """
    probe = folder / f".clock-{secrets.token_hex(4)}"
    with storage_errors(probe):
        probe.touch()
        try:
            return probe.stat().st_mtime
        finally:
            probe.unlink(missing_ok=True)


def _is_alive(pid: int) -> bool:
    """Whether a process of this host runs; one that ended but was not waited for does not."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (OSError, IndexError):
        return True
    return state not in {"Z", "X"}


def _told(path: Path, name: str) -> str | None:
    """What a lock says of its owner; None where it says nothing."""
    try:
        return json.loads(path.read_text()).get(name)  # type: ignore[no-any-return]
    except (FileNotFoundError, ValueError):
        return None


def _keep_touching(path: Path, token: str, released: threading.Event) -> None:
    while not released.wait(TOUCH_S):
        with suppress(OSError):  # a hiccup of the file server: the next touch comes soon enough
            if _told(path, "token") == token:
                os.utime(path)
