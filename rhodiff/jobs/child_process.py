"""One attempt's process: the command itself, or the launcher that starts it on all nodes."""

import signal
import subprocess
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

from rhodiff.jobs.local_processes import processes_with, signal_processes

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
        mark: variable whose value no process of another command has.
        finds_launcher: the command is a script around a launcher, which alone hands signals on (``ibrun``).
    """

    def __init__(
        self,
        words: Sequence[str],
        environment: Mapping[str, str],
        folder: Path,
        write: Callable[[str], None],
        *,
        mark: str,
        finds_launcher: bool = False,
    ) -> None:
        self._finds_launcher, self._mark = finds_launcher, {mark: environment[mark]}
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
        """Exit code once it has ended, negative: the signal that ended it; what it left behind here is ended too."""
        code = self._process.poll()
        if code is not None:
            signal_processes(processes_with(self._mark), signal.SIGKILL)
            self._reader.join(LAST_WORDS_S)
        return code

    def send(self, number: signal.Signals) -> None:
        """Send a signal to all its ranks, as far as its launcher hands it on."""
        signal_processes(self._launchers() or [self._process.pid], number)

    def terminate(self) -> None:
        """End it: a launcher ends all its ranks then."""
        signal_processes([*self._launchers(), self._process.pid], signal.SIGTERM)

    def kill(self) -> None:
        """End it and all below it on this node at once."""
        signal_processes([*processes_with(self._mark), self._process.pid], signal.SIGKILL)

    def _launchers(self) -> list[int]:
        if not self._finds_launcher:
            return []
        return [pid for pid in processes_with(self._mark) if _name(pid).startswith(LAUNCHERS)][:1]

    def _read(self, pipe: BinaryIO, write: Callable[[str], None]) -> None:
        with pipe:
            for line in pipe:
                text = line.decode("utf-8", "replace").rstrip("\n")
                self._lines.append(text)
                write(text)


def _name(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""
