"""One job of a local piece while it runs: its body's process, the signals due to it, and what its end means."""

import ctypes
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rhodiff.jobs.local_processes import processes_of, signal_processes
from rhodiff.jobs.local_slots import SlotsTaken
from rhodiff.jobs.this_job import JOB_ID, JOB_INDEX

__all__ = ["RunningTask", "TimeLimit", "describe_end", "due_signal"]

PR_SET_PDEATHSIG = 1


@dataclass(frozen=True)
class TimeLimit:
    """How a job is ended, as Slurm does it.

    Attributes:
        walltime_s: seconds after which it is told to end (SIGTERM).
        margin_s: seconds before that at which it is told to stop (SIGUSR1).
        kill_wait_s: seconds from SIGTERM to SIGKILL.
    """

    walltime_s: float
    margin_s: float
    kill_wait_s: float = 30.0


def due_signal(
    limit: TimeLimit, elapsed_s: float, told_s: float | None, *, is_cancelled: bool
) -> signal.Signals | None:
    """The last signal that a job should have got by now.

    Args:
        limit: its time limit.
        elapsed_s: seconds that it has run.
        told_s: seconds after which it got SIGTERM; None if it has not.
        is_cancelled: it is to end.
    """
    if told_s is not None:
        return signal.SIGKILL if elapsed_s >= told_s + limit.kill_wait_s else signal.SIGTERM
    if is_cancelled or elapsed_s >= limit.walltime_s:
        return signal.SIGTERM
    return signal.SIGUSR1 if elapsed_s >= limit.walltime_s - limit.margin_s else None


def describe_end(code: int, *, cancelled: bool, over_time: bool) -> dict[str, Any]:
    """State and exit code in Slurm's words.

    Args:
        code: exit code of the process; negative: the signal that ended it.
        cancelled: it was cancelled.
        over_time: it was told to end because its time was over.
    """
    exit_code = f"0:{-code}" if code < 0 else f"{code}:0"
    if cancelled:
        return {"state": "CANCELLED", "exit_code": exit_code}
    if code == 0:  # Slurm would call it TIMEOUT even so
        return {"state": "COMPLETED", "exit_code": exit_code}
    if over_time:
        return {"state": "TIMEOUT", "reason": "TimeLimit", "exit_code": exit_code}
    return {"state": "FAILED", "reason": "NonZeroExitCode", "exit_code": exit_code}


class RunningTask:
    """A job's body while it runs.

    The body gets a session of its own, so that a signal to the supervisor's group is not its; if the supervisor dies
    the kernel tells the body to stop (SIGTERM), which saves and leaves.

    Args:
        words: command of the body.
        log: file that its output is appended to.
        environment: its environment, with the job's id and number.
        slots: the CPUs that it holds, and is bound to.
        limit: its time limit.
    """

    def __init__(
        self, words: Sequence[str], log: Path, environment: Mapping[str, str], slots: SlotsTaken, limit: TimeLimit
    ) -> None:
        self.limit, self.slots = limit, slots
        self.job_id, self.index = environment[JOB_ID], int(environment[JOB_INDEX])
        self.is_cancelled = False
        self._told_s: float | None = None
        self._sent: set[signal.Signals] = set()
        self._began = time.monotonic()
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                words,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=_set_up(slots.cpus),
            )

    @property
    def over_time(self) -> bool:
        """Whether it was told to end because its time was over."""
        return not self.is_cancelled and self._told_s is not None

    def cancel(self) -> None:
        """End it: SIGTERM with the next :meth:`send_due_signal`, SIGKILL after the grace time."""
        self.is_cancelled = True

    def send_due_signal(self) -> None:
        """Send the signal that is due, once; SIGKILL goes to all that belongs to the job."""
        elapsed_s = time.monotonic() - self._began
        due = due_signal(self.limit, elapsed_s, self._told_s, is_cancelled=self.is_cancelled)
        if due is None or due in self._sent:
            return
        self._sent.add(due)
        if due is signal.SIGTERM:
            self._told_s = elapsed_s
        if due is signal.SIGKILL:
            self._kill_all()
        else:
            self._process.send_signal(due)

    def poll(self) -> int | None:
        """Exit code once the body has ended; what it left behind is ended too, and its CPUs are free."""
        code = self._process.poll()
        if code is not None:
            self._kill_all()
            self.slots.give_back()
        return code

    def _kill_all(self) -> None:
        signal_processes(processes_of(self.job_id, self.index), signal.SIGKILL)


def _set_up(cpus: Sequence[int]) -> Callable[[], None]:
    """What the body's process does before it becomes the body."""
    libc = ctypes.CDLL(None, use_errno=True)

    def set_up() -> None:
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        os.sched_setaffinity(0, cpus)

    return set_up
