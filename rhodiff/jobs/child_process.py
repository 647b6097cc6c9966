"""One attempt's process: the command itself, or the launcher that starts it on all nodes."""

import os
import signal
import subprocess
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

__all__ = ["ChildProcess"]

NUM_LAST_LINES = 40
LAST_WORDS_S = 5.0
LAUNCHERS = ("srun", "mpiexec", "mpirun", "prterun")
"""Names of processes that hand signals on to all ranks."""


class ChildProcess:
    """A running command whose output goes to the log, its last lines kept.

    Args:
        words: the command.
        environment: all its variables.
        folder: where it runs.
        write: takes each line of its output.
        finds_launcher: the command is a script around a launcher, which alone hands signals on (``ibrun``).
    """

    def __init__(
        self,
        words: Sequence[str],
        environment: Mapping[str, str],
        folder: Path,
        write: Callable[[str], None],
        *,
        finds_launcher: bool = False,
    ) -> None:
        self._finds_launcher = finds_launcher
        self._lines: deque[str] = deque(maxlen=NUM_LAST_LINES)
        self._process = subprocess.Popen(
            words,
            env=dict(environment),
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        assert self._process.stdout is not None, "a pipe was asked for"
        self._reader = threading.Thread(target=self._read, args=(self._process.stdout, write), daemon=True)
        self._reader.start()

    @property
    def last_lines(self) -> list[str]:
        """The end of what it printed."""
        return list(self._lines)

    def poll(self) -> int | None:
        """Exit code once it has ended; negative: the signal that ended it."""
        code = self._process.poll()
        if code is not None:
            self._reader.join(LAST_WORDS_S)  # a process that it left behind may hold the pipe open
        return code

    def send(self, number: signal.Signals) -> None:
        """Send a signal to all its ranks, as far as its launcher hands it on."""
        for pid in self._launchers() or [self._process.pid]:
            _kill(pid, number)

    def terminate(self) -> None:
        """End it: a launcher ends all its ranks then."""
        for pid in [*self._launchers(), self._process.pid]:
            _kill(pid, signal.SIGTERM)

    def kill(self) -> None:
        """End it and all below it on this node at once."""
        for pid in [*descendants(self._process.pid), self._process.pid]:
            _kill(pid, signal.SIGKILL)

    def _launchers(self) -> list[int]:
        if not self._finds_launcher:
            return []
        return [pid for pid in descendants(self._process.pid) if _name(pid).startswith(LAUNCHERS)][:1]

    def _read(self, pipe: BinaryIO, write: Callable[[str], None]) -> None:
        with pipe:
            for line in pipe:
                text = line.decode("utf-8", "replace").rstrip("\n")
                self._lines.append(text)
                write(text)


def descendants(pid: int) -> list[int]:
    """Processes below one, parents before children."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            children.setdefault(_parent(entry), []).append(int(entry.name))
    found, waiting = [], deque([pid])
    while waiting:
        below = children.get(waiting.popleft(), [])
        found += below
        waiting += below
    return found


def _parent(entry: Path) -> int:
    try:
        return int((entry / "stat").read_text().rpartition(")")[2].split()[1])
    except (OSError, IndexError):
        return -1


def _name(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""


def _kill(pid: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)
