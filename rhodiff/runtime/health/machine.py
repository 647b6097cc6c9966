"""What a node itself gives to its processes: open files, shared memory, a home, CPUs."""

import os
import resource
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from rhodiff.runtime.cpus import available_cpus
from rhodiff.runtime.health.checks import Check, Result

__all__ = ["machine_checks"]

TITLE = "this node"
DESCRIPTORS = 1024
"""Open files that a process of a training on a full node may need: a connection to each peer, and its data."""
FEWEST_DESCRIPTORS = 256
SHARED_MEMORY = 64 * 2**20
"""What container engines give by default: oneCCL and gloo place their buffers between processes there."""


class _Room(NamedTuple):
    """Bytes of a file system."""

    size: int
    free: int


def machine_checks(environment: Mapping[str, str]) -> list[Check]:
    """All checks of this node.

    Args:
        environment: usually ``os.environ``.
    """
    return [
        Check(TITLE, "descriptors", check_descriptors),
        Check(TITLE, "shared-memory", lambda: check_shared_memory(Path("/dev/shm"))),
        Check(TITLE, "home", lambda: check_home(environment)),
        Check(TITLE, "cpus", lambda: check_cpus(environment)),
    ]


def check_descriptors() -> Iterator[Result]:
    """How many files a process may have open."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    found = f"{_limit(soft)} open files a process (could be {_limit(hard)})"
    if soft == resource.RLIM_INFINITY or soft >= DESCRIPTORS:
        yield Result("descriptors", "ok", found)
        return
    reach = "'ulimit -n \"$(ulimit -H -n)\"' in your shell, and in 'setup' of the site profile for jobs"
    fix = reach if hard == resource.RLIM_INFINITY or hard >= DESCRIPTORS else "ask the site for more: limits.conf"
    yield Result("descriptors", "fault" if soft < FEWEST_DESCRIPTORS else "warning", found, fix)


def _limit(value: int) -> str:
    return "any number of" if value == resource.RLIM_INFINITY else f"{value:,}"


def check_shared_memory(folder: Path) -> Iterator[Result]:
    """Memory that the processes of a node share.

    Args:
        folder: ``/dev/shm``.
    """
    fix = "a container is given more by its engine (apptainer: it is the host's; docker: --shm-size=8g)"
    if not folder.is_dir() or not os.access(folder, os.W_OK):
        yield Result("shared-memory", "fault", f"{folder} is not there, or cannot be written", fix)
        return
    told = os.statvfs(folder)
    room = _Room(told.f_blocks * told.f_frsize, told.f_bavail * told.f_frsize)
    found = f"{room.free / 1e6:,.0f} of {room.size / 1e6:,.0f} MB of {folder} are free"
    if room.free < SHARED_MEMORY // 4:
        rest = f"remove what ended processes left in {folder}; {fix}"
        yield Result("shared-memory", "fault", found, rest)
    elif room.size <= SHARED_MEMORY:
        yield Result("shared-memory", "warning", f"{found}: little for several processes on a node", fix)
    else:
        yield Result("shared-memory", "ok", found)


def check_home(environment: Mapping[str, str]) -> Iterator[Result]:
    """Whether there is a home folder to keep caches in: some sites mount none on compute nodes."""
    home = Path(environment.get("HOME") or "/nonexistent")
    if home.is_dir() and os.access(home, os.W_OK):
        yield Result("home", "ok", f"{home} is there")
        return
    why = "cannot be written" if home.is_dir() else "is not there"
    fix = "set XDG_CACHE_HOME and MPLCONFIGDIR to a folder on scratch ('environment' of the site profile)"
    yield Result("home", "warning", f"{home} {why}: what is cached there is made again by each process", fix)


def check_cpus(environment: Mapping[str, str]) -> Iterator[Result]:
    """CPUs of this process, against the threads that numerical libraries were told to start."""
    cpus, threads = available_cpus(), environment.get("OMP_NUM_THREADS", "")
    found = f"{cpus} of the node's {os.cpu_count()} for this process" + (
        f", OMP_NUM_THREADS={threads}" if threads else ""
    )
    if threads.isdecimal() and int(threads) > cpus:
        yield Result(
            "cpus", "warning", found, f"OMP_NUM_THREADS={cpus}, or unset it: threads stand in each other's way"
        )
    else:
        yield Result("cpus", "ok", found)
