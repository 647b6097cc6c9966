"""The folder that runs are written to: whether writing and locking work, the room that is left, and its clock."""

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from rhodiff.runtime.health.checks import Check, Result, State
from rhodiff.store.files import StorageError, write_atomic
from rhodiff.store.locks import file_system_time, hold_lock

__all__ = ["RIVAL", "FileSystem", "find_file_system", "folder_checks", "parse_quota"]

TITLE = "folder of the runs"
LITTLE_BYTES, NO_BYTES = 2e9, 1e8
LITTLE_FILES, NO_FILES = 5000, 200
CLOCK_S = 30.0
LOCAL_TYPES = {"tmpfs", "ramfs"}
RIVAL = (
    "import sys\nfrom pathlib import Path\nfrom rhodiff.errors import RunBusyError\n"
    "from rhodiff.store.locks import hold_lock\n"
    "try:\n    with hold_lock(Path(sys.argv[1]), 'doctor'):\n        sys.exit(7)\n"
    "except RunBusyError:\n    sys.exit(0)\n"
)
"""A process that wants a lock which another one holds: it ends with 0 if it is refused, with 7 if it gets it."""


@dataclass(frozen=True)
class FileSystem:
    """Where a folder is mounted from.

    Attributes:
        kind: type, e.g. ``lustre``, ``nfs4``, ``ext4``.
        source: device or server.
        mount: where it is mounted.
    """

    kind: str
    source: str
    mount: str


def folder_checks(folder: Path, statvfs: Callable[[Path], os.statvfs_result] = os.statvfs) -> list[Check]:
    """All checks of a folder.

    Args:
        folder: for the runs; where it does not exist yet, the one that it would be made in is looked at.
        statvfs: asks the operating system for the room.
    """
    there = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.is_dir())
    return [
        Check(TITLE, "folder", lambda: check_writing(there), 20.0),
        Check(TITLE, "locking", lambda: check_locking(there), 30.0),
        Check(TITLE, "clock", lambda: check_clock(there), 20.0),
        Check(TITLE, "space", lambda: check_room(there, statvfs)),
        Check(TITLE, "quota", lambda: check_quota(there), 10.0),
    ]


def check_writing(folder: Path) -> Iterator[Result]:
    """Write, rename and remove a file, as all of a run is written."""
    system = find_file_system(folder)
    began = time.monotonic()
    try:
        with TemporaryDirectory(dir=folder, prefix=".doctor-") as scratch:
            write_atomic(Path(scratch) / "probe", lambda handle: handle.write(bytes(65536)))
    except (OSError, StorageError) as error:
        fix = "get the right to write there, make room, or name another folder (paths.runs, or --folder)"
        yield Result("folder", "fault", f"{folder} ({system.kind}) cannot be written: {_reason(error)}", fix)
        return
    found = f"{folder} on {system.kind} ({system.source}): a file was written and synced in "
    found += f"{1000 * (time.monotonic() - began):.0f} ms"
    if system.kind in LOCAL_TYPES:
        fix = "take a folder on a file system that outlives this node: paths.runs"
        yield Result("folder", "warning", f"{found}; it is kept in memory only", fix)
    else:
        yield Result("folder", "ok", found)


def _reason(error: Exception) -> str:
    return (error.strerror or str(error)) if isinstance(error, OSError) else str(error)


def check_locking(folder: Path) -> Iterator[Result]:
    """Hold a lock, and let another process try to get it."""
    if not os.access(folder, os.W_OK):
        return
    with TemporaryDirectory(dir=folder, prefix=".doctor-") as scratch:
        lock = Path(scratch) / "lock"
        with hold_lock(lock, "doctor"):
            rival = subprocess.run(
                [sys.executable, "-c", RIVAL, str(lock)], capture_output=True, text=True, timeout=25, check=False
            )
        is_free_again = not lock.exists()
    if rival.returncode == 0 and is_free_again:
        yield Result("locking", "ok", "a second process was kept out of a lock, and it was free afterwards")
    elif rival.returncode == 7:
        fix = "take another file system for the runs: two jobs could work on one run here"
        yield Result("locking", "fault", "two processes got the same lock (exclusive creation does not work)", fix)
    else:
        said = (rival.stderr.strip().splitlines() or ["no message"])[-1]
        yield Result("locking", "fault", f"a second process could not try: {said}", "see that message")


def check_clock(folder: Path) -> Iterator[Result]:
    """This node's clock against that of the file system: locks count by the latter."""
    if not os.access(folder, os.W_OK):
        return
    difference_s = file_system_time(folder) - time.time()
    found = f"{'as' if abs(difference_s) < 1 else f'{difference_s:+.1f} s from'} the file system's"
    if abs(difference_s) < CLOCK_S:
        yield Result("clock", "ok", f"this node's clock is {found}")
    else:
        fix = "ask the site to synchronise it (chrony); times in journals of several nodes do not compare till then"
        yield Result("clock", "warning", f"the file system's clock is {difference_s:+.0f} s from this node's", fix)


def check_room(folder: Path, statvfs: Callable[[Path], os.statvfs_result]) -> Iterator[Result]:
    """Bytes and files that the file system has left."""
    told = statvfs(folder)
    free, size = told.f_bavail * told.f_frsize, told.f_blocks * told.f_frsize
    fix = "remove what is not needed ('keep_checkpoints' bounds a training's), or take another folder: paths.runs"
    state = _judge(free, LITTLE_BYTES, NO_BYTES)
    yield Result("space", state, f"{free / 1e9:,.1f} of {size / 1e9:,.1f} GB are free", "" if state == "ok" else fix)
    if not told.f_files:
        yield Result("inodes", "ok", "the file system does not count files")
        return
    state = _judge(told.f_favail, LITTLE_FILES, NO_FILES)
    found = f"{told.f_favail:,} of {told.f_files:,} files are left"
    yield Result(
        "inodes", state, found, "" if state == "ok" else f"{fix}; a longer data.shard_length makes fewer files"
    )


def _judge(left: float, little: float, none: float) -> State:
    return "fault" if left < none else "warning" if left < little else "ok"


def find_file_system(folder: Path, mounts: str | None = None) -> FileSystem:
    """The file system of a folder.

    Args:
        folder: the folder.
        mounts: text of ``/proc/self/mountinfo``; None: it is read.
    """
    text = Path("/proc/self/mountinfo").read_text() if mounts is None else mounts
    path, best = folder.resolve(), FileSystem("unknown", "?", "")
    for line in text.splitlines():
        before, _, after = line.partition(" - ")
        mount = before.split()[4].replace("\\040", " ")
        kind, source = after.split()[:2]
        if path.is_relative_to(mount) and len(mount) >= len(best.mount):
            best = FileSystem(kind, source, mount)
    return best


def check_quota(folder: Path) -> Iterator[Result]:
    """What the user may still write, where the file system tells."""
    system = find_file_system(folder)
    user = str(os.getuid())
    command = ["quota", "-w", "-p", "-f", system.mount]
    if system.kind == "lustre":
        command = ["lfs", "quota", "-q", "-u", user, system.mount]
    if shutil.which(command[0]) is None:
        yield Result("quota", "absent", f"'{command[0]}' is not here, which would tell of one on {system.kind}")
        return
    told = subprocess.run(command, capture_output=True, text=True, timeout=8, check=False)
    found = list(parse_quota(told.stdout))
    if not found:
        yield Result("quota", "absent", f"'{command[0]}' tells of none on {system.mount}")
    yield from found


def parse_quota(text: str) -> Iterator[Result]:
    """Results of ``lfs quota -q`` or ``quota -w -p``: used, soft and hard limit and grace, of kB and of files."""
    joined = re.sub(r"^\s*(\S+)\n", r"\1 ", text, flags=re.MULTILINE)  # a long name has a line of its own
    words = next((line.split() for line in joined.splitlines() if _is_quota_line(line)), None)
    if words is None:
        return
    for name, at, unit in (("quota", 1, 1e-6), ("quota-files", 5, 1.0)):
        used, soft, hard = (float(word.rstrip("*")) for word in words[at : at + 3])
        limit = hard or soft
        if not limit:
            continue
        what = (
            f"{used * unit:,.1f} of {limit * unit:,.1f} GB"
            if name == "quota"
            else f"{used:,.0f} of {limit:,.0f} files"
        )
        share = used / limit
        state: State = "fault" if share >= 1 else "warning" if share > 0.9 else "ok"
        fix = "" if state == "ok" else "remove what is not needed, or ask the site for more"
        yield Result(name, state, f"{what} of your quota are used", fix)


def _is_quota_line(line: str) -> bool:
    words = line.split()
    return len(words) >= 9 and all(word.rstrip("*").isdecimal() for word in (*words[1:4], *words[5:8]))
