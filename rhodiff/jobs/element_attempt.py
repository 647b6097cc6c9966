"""One attempt at an element: recorded when it starts, watched while it runs, judged when it ends."""

import glob
import signal
import socket
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from rhodiff.errors import RhodiffError
from rhodiff.jobs.attempts import LOST, Attempt, read_attempts, write_end, write_start
from rhodiff.jobs.child_process import ChildProcess
from rhodiff.jobs.container_entry import enter_container
from rhodiff.jobs.launch import ElementStart, candidate_ports, child_environment, launch_command, num_processes
from rhodiff.jobs.progress_files import fingerprint
from rhodiff.jobs.submission_plan import SubmissionPlan
from rhodiff.jobs.this_job import ThisJob
from rhodiff.jobs.verdict import Ending, Verdict, judge_ending
from rhodiff.jobs.watchdog import Watchdog
from rhodiff.runtime.heartbeat import HEARTBEAT_VARIABLE, read_heartbeat
from rhodiff.runtime.node_list import first_host
from rhodiff.store.journal import utc_now
from rhodiff.store.layout import SubmissionFolder

__all__ = ["ElementAttempt", "close_lost_attempt"]

STACKS_S = 5.0
"""Time for all ranks to write their stacks."""
GRACE_S = 10.0
"""Time for a launcher to end its ranks."""
LOOK_S = 1.0


@dataclass(frozen=True)
class _Step:
    """What is done to a process that is to end, and how long that may take."""

    signal: signal.Signals
    patience_s: float


END = (_Step(signal.SIGTERM, GRACE_S), _Step(signal.SIGKILL, float("inf")))
SHOW_STACKS_AND_END = (_Step(signal.SIGUSR2, STACKS_S), *END)


class ElementAttempt:
    """A running attempt.

    Args:
        folder: folder of the submission.
        plan: its plan.
        job: the job.
        element: the element.
        number: number of the attempt.
        environment: the body's environment.
        log: takes lines for the job's log.
    """

    def __init__(
        self,
        folder: SubmissionFolder,
        plan: SubmissionPlan,
        job: ThisJob,
        element: int,
        number: int,
        environment: Mapping[str, str],
        log: Callable[[str], None],
    ) -> None:
        self.element = element
        self._folder, self._plan, self._log = folder, plan, log
        self._watchdog = Watchdog(plan.rules.stall_timeout_s)
        self._steps: list[_Step] = []
        self._next_step, self._next_look = 0.0, 0.0
        self._stop: str | None = None
        self._stalled = False
        before = fingerprint(plan.rules.progress_globs) if plan.rules.progress_globs else None
        self._record = Attempt(number, job.name, job.restart, job.nodes, job.host, utc_now(), before)
        folder.heartbeat(element).unlink(missing_ok=True)
        folder.stopped(element).unlink(missing_ok=True)
        write_start(folder.attempts(element), self._record)
        self._began = time.monotonic()
        self._child = self._start(job, environment)

    def _start(self, job: ThisJob, environment: Mapping[str, str]) -> ChildProcess:
        plan = self._plan
        address = None
        if num_processes(plan) > 1:
            address = first_host(job.nodes), free_port(candidate_ports(job.name, self._record.number))
        start = ElementStart(
            str(self._folder.heartbeat(self.element)), f"{plan.cluster}/{plan.token}/{self.element}", address
        )
        command = plan.element_command(self.element)
        variables = child_environment(plan, job, start, environment)
        if plan.container is not None:
            code = None if plan.code is None else str(self._folder.path.parent / plan.code)
            command, variables = enter_container(plan.container, command, variables, plan.folder, code, self._log)
        words = launch_command(plan, command)
        prefix = f"[{self.element}] " if plan.side_by_side > 1 else ""
        try:
            return ChildProcess(
                words,
                variables,
                Path(plan.folder),
                lambda line: self._log(prefix + line),
                mark=HEARTBEAT_VARIABLE,
                finds_launcher=plan.launch.kind == "ibrun",
            )
        except OSError as error:
            raise RhodiffError(f"cannot start {words[0]} in {plan.folder}: {error.strerror}") from error

    @property
    def last_lines(self) -> list[str]:
        """The end of what it printed."""
        return self._child.last_lines

    def ask_to_stop(self, reason: str) -> None:
        """Ask it to save and leave; once."""
        if self._stop is None:
            self._stop = reason
            self._child.send(signal.SIGUSR1)

    def end(self) -> None:
        """End it; :meth:`poll` goes on with it."""
        if not self._steps:
            self._steps = list(END)

    def poll(self) -> tuple[Attempt, Verdict] | None:
        """Look after it.

        Returns:
            What became of it, once it has ended.
        """
        code = self._child.poll()
        if code is not None:
            return self._ended(code)
        now = time.monotonic()
        if self._steps and now >= self._next_step:
            self._take_step(now)
        elif not self._steps and now >= self._next_look:
            self._next_look = now + LOOK_S
            self._look_for_stall()
        return None

    def _take_step(self, now: float) -> None:
        step = self._steps[0] if len(self._steps) == 1 else self._steps.pop(0)
        self._next_step = now + step.patience_s
        if step.signal is signal.SIGKILL:
            self._child.kill()
        elif step.signal is signal.SIGTERM:
            self._child.terminate()
        else:
            self._child.send(step.signal)

    def _look_for_stall(self) -> None:
        if self._watchdog.sees_stall(read_heartbeat(self._folder.heartbeat(self.element))):
            self._stalled = True
            stall_s = self._plan.rules.stall_timeout_s
            self._log(
                f"rhodiff: element {self.element}: no step for {stall_s:.0f} s; stacks of all its processes follow"
            )
            self._steps = list(SHOW_STACKS_AND_END)

    def _ended(self, code: int) -> tuple[Attempt, Verdict]:
        stall_s = self._plan.rules.stall_timeout_s if self._stalled else None
        is_proven = _is_proven(self._plan)
        ending = Ending(code, self._plan.launch.kind, self._stop, stall_s, self._child.last_lines, is_proven)
        verdict = judge_ending(ending)
        ended = replace(
            self._record,
            ended=utc_now(),
            elapsed_s=round(time.monotonic() - self._began, 3),
            exit_code=code,
            verdict=verdict.kind,
            reason=verdict.reason,
            progress=verdict.kind == "done"
            or _brought_something(self._folder, self._plan, self.element, self._record),
        )
        self._folder.heartbeat(self.element).unlink(missing_ok=True)
        return ended, verdict


def _is_proven(plan: SubmissionPlan) -> bool | None:
    """Whether what proves the end of an element is there; None where nothing but its exit code does."""
    return None if plan.rules.proof_glob is None else bool(glob.glob(plan.rules.proof_glob))  # noqa: PTH207


def close_lost_attempt(folder: SubmissionFolder, plan: SubmissionPlan, element: int) -> tuple[list[Attempt], bool]:
    """Record the end of an attempt that was killed together with its job's body.

    Args:
        folder: folder of the submission.
        plan: its plan.
        element: the element.

    Returns:
        All attempts at the element, each with an end; and whether the last one was lost.

    Raises:
        StorageError: if it cannot be recorded.
    """
    attempts = read_attempts(folder.attempts(element))
    if not attempts or attempts[-1].verdict is not None:
        return attempts, False
    progress = _brought_something(folder, plan, element, attempts[-1])
    lost = replace(attempts[-1], verdict=LOST, reason="it was killed together with its job's body", progress=progress)
    write_end(folder.attempts(element), lost)
    return [*attempts[:-1], lost], True


def _brought_something(folder: SubmissionFolder, plan: SubmissionPlan, element: int, attempt: Attempt) -> bool:
    """Whether an attempt that just ended, or was lost, made progress."""
    if plan.rules.progress_globs and attempt.files is not None:
        return fingerprint(plan.rules.progress_globs) != attempt.files
    beat = read_heartbeat(folder.heartbeat(element))
    return beat is not None and beat.done > 0


def free_port(candidates: Iterable[int]) -> int:
    """The first port that nobody on this node listens on.

    Raises:
        RhodiffError: if all are taken.
    """
    for port in candidates:
        with socket.socket() as probe:
            try:
                probe.bind(("", port))
            except OSError:
                continue
            return port
    raise RhodiffError("every port that was tried on this node is taken: the job is to be started on another one")
