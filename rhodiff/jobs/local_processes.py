"""Processes of this machine, told apart for good: process ids are used again, so a start time goes with each.

All that belongs to a local job is known by the variables it was started with, which every process below it inherits,
whatever session or process group it made for itself. Linux only (``/proc``).
"""

import os
import signal
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from rhodiff.jobs.this_job import JOB_ID, JOB_INDEX

__all__ = [
    "Machine",
    "is_running",
    "processes_of",
    "processes_with",
    "signal_processes",
    "start_ticks",
]

PROC = Path("/proc")
ENDED_STATES = {"Z", "X"}
STATE, FLAGS, START_TIME = 0, 6, 19
"""Places in ``/proc/<pid>/stat`` after the name, which may itself hold spaces and brackets."""

KERNEL_THREAD = 0x00200000
EXEC_S, EXEC_PAUSE_S = 0.05, 0.0005
"""How long a process may take to become another program: Linux shows no environment meanwhile."""


@dataclass(frozen=True)
class Machine:
    """Where process ids mean something.

    Attributes:
        host: its name.
        boot: identity of this run of its kernel.
        namespace: its table of processes: a container has one of its own.
    """

    host: str
    boot: str
    namespace: str

    @classmethod
    def here(cls) -> "Machine":
        """The machine we are on."""
        boot = (PROC / "sys/kernel/random/boot_id").read_text().strip()
        return cls(socket.gethostname(), boot, os.readlink(PROC / "self/ns/pid"))  # noqa: PTH115 - no file's path


def start_ticks(pid: int) -> int | None:
    """Start of a process in clock ticks since the boot; None if there is none, or it has ended."""
    fields = _stat(pid)
    return None if fields is None else int(fields[START_TIME])


def _stat(pid: int) -> list[str] | None:
    """What ``/proc/<pid>/stat`` says after the name; None if there is no such process, or it has ended."""
    try:
        fields = (PROC / str(pid) / "stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[STATE] in ENDED_STATES else fields


def is_running(pid: int, ticks: int) -> bool:
    """Whether the process that started then still runs."""
    return start_ticks(pid) == ticks


def processes_of(job_id: str, index: int | None = None) -> list[int]:
    """Running processes of a local job, or of one of its tasks, without ourselves."""
    return processes_with({JOB_ID: job_id} | ({} if index is None else {JOB_INDEX: str(index)}))


def processes_with(variables: Mapping[str, str]) -> list[int]:
    """Our running processes that were started with some environment variables, without ourselves."""
    wanted = {f"{name}={value}".encode() for name, value in variables.items()}
    return [pid for pid in _own_processes() if wanted <= _environment(pid) and start_ticks(pid) is not None]


def _own_processes() -> Iterator[int]:
    user, ourselves = os.getuid(), os.getpid()
    with os.scandir(PROC) as entries:
        for entry in entries:
            with suppress(FileNotFoundError):
                if entry.name.isdecimal() and entry.stat().st_uid == user and int(entry.name) != ourselves:
                    yield int(entry.name)


def _environment(pid: int) -> set[bytes]:
    """What it was started with; looked at again where it is empty, since it may be becoming another program."""
    deadline = time.monotonic() + EXEC_S
    while True:
        try:
            found = (PROC / str(pid) / "environ").read_bytes()
        except OSError:  # ended meanwhile, or not ours to look at
            return set()
        if found or time.monotonic() > deadline or not _has_memory(pid):
            return set(found.split(b"\0"))
        time.sleep(EXEC_PAUSE_S)


def _has_memory(pid: int) -> bool:
    """Whether it is a program: neither ended nor a thread of the kernel."""
    fields = _stat(pid)
    return fields is not None and not int(fields[FLAGS]) & KERNEL_THREAD


def signal_processes(pids: list[int], number: signal.Signals) -> None:
    """Send a signal; processes that have ended meanwhile are no error."""
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)
