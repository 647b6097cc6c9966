"""Calling ``sbatch`` so that a driver killed at any moment loses nothing.

The call is made by a small shell in a session of its own, which lives on when the driver is killed. It first creates
the answer file, exclusively: that is its licence. Whoever finds an intent without an answer file creates the file
itself and thereby revokes the licence: a shell that comes late ends without calling. The shell writes who it is into
the file and becomes ``sbatch``, whose output goes straight there.

``timeout`` bounds the call, so that after ``CALL_LIMIT_S`` it has ended even where that cannot be seen from here.
"""

import json
import os
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rhodiff.jobs.local_processes import Machine, is_running
from rhodiff.jobs.slurm_commands import run_slurm
from rhodiff.store.files import StorageError, storage_errors
from rhodiff.store.locks import file_system_time

__all__ = ["SbatchCall"]

CALL_LIMIT_S = 120
KILL_AFTER_S = 5
SPEAKS_WITHIN_S = 5.0
"""A shell that has created its file says who it is within this time, or was killed in between."""
POLL_S = 0.1
REVOKED = "revoked\n"
START_TIME = 19
"""Place of a process's start in ``/proc/<pid>/stat`` after its name."""

SHELL = r"""
set -C; exec >"$1" 2>&1; set +C
read -r stat </proc/$$/stat
printf 'child\t%s\t%s\t%s\n' "$2" "$$" "${stat##*)}" && shift 2 && exec "$@"
"""


@dataclass(frozen=True)
class _Child:
    """The process that calls, or called."""

    machine: Machine
    pid: int
    ticks: int

    def may_run(self, here: Machine) -> bool:
        if self.machine == here:
            return is_running(self.pid, self.ticks)
        return not (self.machine.host == here.host and self.machine.boot != here.boot)


class SbatchCall:
    """One call.

    Args:
        answer: its answer file.
    """

    def __init__(self, answer: Path) -> None:
        self.answer = answer

    def make(self, command: Sequence[str]) -> str:
        """Call and wait for the end.

        Args:
            command: words of the call.

        Returns:
            What was printed.

        Raises:
            StorageError: if the answer file cannot be made: nothing was called.
        """
        machine = json.dumps(asdict(Machine.here()))
        limit = ["timeout", f"--kill-after={KILL_AFTER_S}", str(CALL_LIMIT_S)]
        shell = ["/bin/sh", "-c", SHELL, "sh", str(self.answer), machine, *_unhide_locale(), *limit, *command]
        ended = run_slurm(shell, CALL_LIMIT_S + 2 * KILL_AFTER_S)
        if not self.answer.exists():
            raise StorageError(f"cannot write {self.answer} ({ended.describe()}): nothing was submitted; make room")
        return self._said()

    def settle(self) -> str | None:
        """Wait for the end of a call that somebody else made, or forbid it if it has not begun.

        Returns:
            What was printed; None if it was not, and will not be, made.
        """
        if self._revoke():
            return None
        here = Machine.here()
        while self._may_run(here):
            time.sleep(POLL_S)
        return self._said()

    def silent_for_s(self) -> float:
        """Seconds since anything was printed, by the clock of the file system."""
        return file_system_time(self.answer.parent) - self.answer.stat().st_mtime

    def _revoke(self) -> bool:
        try:
            with storage_errors(self.answer), self.answer.open("x") as handle:
                handle.write(REVOKED)
        except FileExistsError:
            return self.answer.read_text(errors="replace") == REVOKED
        return True

    def _may_run(self, here: Machine) -> bool:
        silent_s = self.silent_for_s()
        child = self._child()
        if child is None:
            return silent_s < SPEAKS_WITHIN_S
        return silent_s < CALL_LIMIT_S + 2 * KILL_AFTER_S and child.may_run(here)

    def _child(self) -> _Child | None:
        head = self.answer.read_text(errors="replace").partition("\n")
        if not head[1]:
            return None
        _, machine, pid, stat = head[0].split("\t")
        return _Child(Machine(**json.loads(machine)), int(pid), int(stat.split()[START_TIME]))

    def _said(self) -> str:
        return self.answer.read_text(errors="replace").partition("\n")[2]


def _unhide_locale() -> list[str]:
    """The job inherits the environment of the call: what only our own questions need is taken back."""
    locale = os.environ.get("LC_ALL")
    return ["env", "-u", "SLURM_BITSTR_LEN", *(["-u", "LC_ALL"] if locale is None else [f"LC_ALL={locale}"])]
