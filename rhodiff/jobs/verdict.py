"""What an ended attempt means: done, failed for good, stopped on purpose, or to be tried again. Nothing is done here.

Exit codes of our commands: 0 done, 1 to 74 failed, 75 stopped with the state saved, 76 another process was lost. A
process ended by a signal has 128 + signal (a shell, ``srun``), the bare signal (``mpiexec``), or a negative code
(seen by its parent). ``srun --kill-on-bad-exit`` ends all processes once the first leaves with another code than 0,
and then has the greatest code of all: 143 of those that it ended hides that of the one that failed, or that stopped
with the state saved; it is in the first line that it prints about a task. After a request to stop, 143 or 137 beside
75 is the way of the launcher.
So is 0: ``srun`` whose step Slurm ends (seen with ``scontrol requeue``) may leave before its processes and forget
their codes. Whether all was done by then the next attempt finds out, which has nothing to do then.
"""

import re
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from rhodiff.errors import PeerLostError, StoppedEarly
from rhodiff.jobs.attempts import Attempt, num_without_progress
from rhodiff.jobs.submission_plan import BodyRules

__all__ = ["Ending", "Verdict", "exhaustion", "judge_ending", "speaks_against_node"]

SIGNALS_OF_MPIEXEC = {signal.SIGABRT, signal.SIGBUS, signal.SIGKILL, signal.SIGSEGV, signal.SIGTERM}
FATE_OF_TASK = re.compile(r"srun: error: \S+: tasks? [\d,\[\]-]+: (?:Exited with exit code (\d+)|(.+))")
"""How ``srun`` says that one of its processes has ended badly."""
SRUN_WAS_TOLD_TO_END = 15
STEP_WAS_ENDED = "srun: Job step aborted"
"""What ``srun`` says when it was not its own processes that ended the step."""
AFTER_A_REQUEST = {0, StoppedEarly.exit_code, PeerLostError.exit_code, SRUN_WAS_TOLD_TO_END}
"""Processes that were asked to stop leave one by one: a slow one may miss the others."""
NOT_STARTED = {126: "cannot be executed", 127: "was not found"}


@dataclass(frozen=True)
class Ending:
    """How an attempt ended.

    Attributes:
        exit_code: exit code; negative: the signal that ended it.
        launcher: kind of its launcher.
        stop: why it had been asked to stop; None: it had not.
        stall_s: seconds without a step after which the watchdog ended it; None: it did not.
        last_lines: the end of what it printed.
        is_proven: whether its result is there; None: only its exit code can tell.
    """

    exit_code: int
    launcher: str = "none"
    stop: str | None = None
    stall_s: float | None = None
    last_lines: Sequence[str] = ()
    is_proven: bool | None = None

    @property
    def is_sure_of_success(self) -> bool:
        """Whether exit code 0 means that all processes ended with it, and all is done."""
        if self.is_proven is not None:
            return self.is_proven
        ended_by_others = any(STEP_WAS_ENDED in line for line in self.last_lines)
        return self.launcher == "none" or (self.stop is None and not ended_by_others)


@dataclass(frozen=True)
class Verdict:
    """What follows.

    Attributes:
        kind: what.
        reason: why, for people.
        died: it ended by itself, without having come to a decision.
    """

    kind: Literal["done", "failed", "stopped", "again"]
    reason: str
    died: bool = False


def judge_ending(ending: Ending) -> Verdict:
    """What an ended attempt means."""
    code, number = ending.exit_code, _signal_of(ending.exit_code, ending.launcher)
    if code == 0 and ending.is_sure_of_success:
        return Verdict("done", "")
    if ending.stall_s is not None:
        return Verdict("again", f"no step for {ending.stall_s:.0f} s: it was ended")
    if ending.stop is not None and (number is not None or code in AFTER_A_REQUEST):
        return Verdict("stopped", ending.stop)
    if code == 0:
        return Verdict("again", "it ended before its work was done: its step was ended by Slurm")
    first = _first_exit(ending) if number == signal.SIGTERM else None
    if first is not None:
        code, number = first, _signal_of(first, ending.launcher)
    if code == StoppedEarly.exit_code:
        return Verdict("stopped", "it stopped early by itself, with its state saved")
    if code == PeerLostError.exit_code:
        return Verdict("again", "the connection to another of its processes was lost", died=True)
    if number is not None:
        return Verdict("again", f"it was killed by {_name(number)}", died=True)
    if code in NOT_STARTED:
        return Verdict("failed", f"exit code {code}: its command {NOT_STARTED[code]}")
    return Verdict("failed", f"exit code {code}")


def exhaustion(attempts: Sequence[Attempt], rules: BodyRules) -> str | None:
    """Why there is to be no further attempt; None: there may be one."""
    without = num_without_progress(attempts)
    if without >= rules.max_attempts_without_progress:
        return f"{without} attempts in a row brought nothing new (max_attempts_without_progress)"
    if len(attempts) >= rules.max_attempts:
        return f"all {len(attempts)} attempts are used up (max_attempts)"
    return None


def speaks_against_node(verdict: Verdict, elapsed_s: float, *, progress: bool, rules: BodyRules) -> bool:
    """Whether an attempt died so soon, with nothing done, that its node may be the reason."""
    return verdict.died and elapsed_s < rules.early_death_s and not progress


def _first_exit(ending: Ending) -> int | None:
    """Exit code of the process that left first and had ``srun`` end the others; None: a signal ended it."""
    fates = (match for line in ending.last_lines if (match := FATE_OF_TASK.search(line)))
    first = next(fates, None)
    return None if first is None or first[1] is None else int(first[1])


def _signal_of(code: int, launcher: str) -> int | None:
    """Signal that ended a process, or None."""
    if code < 0:
        return -code
    if code > 128:
        return code - 128
    return code if launcher in {"mpiexec", "ibrun"} and code in SIGNALS_OF_MPIEXEC else None


def _name(number: int) -> str:
    try:
        name = signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
    return f"{name} (out of memory?)" if number == signal.SIGKILL else name
