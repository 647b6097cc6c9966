"""The supervisor of a piece on local processes: waits for what it depends on, runs its jobs, ends them in time.

What Slurm's daemons do for a job array, for one piece and one machine: as many bodies at a time as the throttle and
the free CPUs allow, the time limit, cancellation, another attempt for a body that asks for one (it leaves with 75
although nothing says that it is to stay so). Every change goes to the record first seen by ``status``.
"""

import os
import select
import signal
import sys
from collections.abc import Mapping, Sequence
from types import FrameType

from rhodiff.errors import StoppedEarly
from rhodiff.jobs.local_dependencies import Awaited
from rhodiff.jobs.local_processes import Machine
from rhodiff.jobs.local_record import LocalRecord
from rhodiff.jobs.local_requests import RequestReader
from rhodiff.jobs.local_slots import Slots
from rhodiff.jobs.local_task import RunningTask, TimeLimit, describe_end
from rhodiff.jobs.submission_plan import Piece, SubmissionPlan
from rhodiff.jobs.this_job import JOB_ID, JOB_INDEX, RESTART
from rhodiff.store.layout import SubmissionFolder

__all__ = ["Supervisor", "body_command", "may_run_again"]

LOCAL_REASON = "LocalCpus"
"""Why jobs wait where other local jobs have this machine's CPUs; Slurm has no word for it."""
LONGEST_NAP_S = 0.5
DEPENDENCY_NAP_S = 1.0


def body_command(folder: SubmissionFolder, piece: int) -> list[str]:
    """The body of a job, as Slurm starts it."""
    return [sys.executable, "-m", "rhodiff.jobs.body", str(folder.path), "--piece", str(piece)]


def may_run_again(folder: SubmissionFolder, plan: SubmissionPlan, elements: Sequence[int], restarts: int) -> bool:
    """Whether a body that left with 75 wants another attempt: it was not cancelled, and left no marker to stay so.

    Args:
        folder: folder of the submission.
        plan: its plan.
        elements: elements of the job.
        restarts: times that it was started again.
    """
    if not plan.rules.may_requeue or restarts + 1 >= plan.rules.max_attempts or folder.cancelled.exists():
        return False
    ends = [marker for k in elements for marker in (folder.stopped(k), folder.cancelled_element(k))]
    return not any(marker.exists() for marker in ends)


class Supervisor:
    """Runs one piece.

    Args:
        folder: folder of the submission.
        plan: its plan.
        piece: the piece.
        job_id: id of the job.
        limit: time limit of each job; None: the plan's.
        command: command of a body; None: rhodiff's own.
    """

    def __init__(
        self,
        folder: SubmissionFolder,
        plan: SubmissionPlan,
        piece: Piece,
        job_id: str,
        limit: TimeLimit | None = None,
        command: Sequence[str] | None = None,
    ) -> None:
        self.folder, self.plan, self.piece, self.job_id = folder, plan, piece, job_id
        self.limit = limit or TimeLimit(plan.allocation.walltime_min * 60.0, plan.rules.stop_margin_s)
        self.command = list(command or body_command(folder, piece.index))
        self.record = LocalRecord(folder.local_record(piece.index))
        self._requests = RequestReader(folder.local_requests(piece.index))
        self._slots = Slots()
        self._waiting = list(range(piece.count))
        self._running: dict[int, RunningTask] = {}
        self._restarts: dict[int, int] = {}
        self._wakeup = _Wakeup()
        self._stopped = False
        self._told = ""
        signal.signal(signal.SIGTERM, self._stop)
        signal.signal(signal.SIGINT, self._stop)

    def run(self, awaited: Sequence[Awaited] = ()) -> None:
        """Run all jobs to their ends."""
        self._wait_for(awaited)
        while self._waiting or self._running:
            self._obey()
            self._collect()
            self._start()
            for task in self._running.values():
                task.send_due_signal()
            if self._waiting or self._running:
                self._wakeup.nap(LONGEST_NAP_S)

    def _stop(self, _number: int, _frame: FrameType | None) -> None:
        self._stopped = True

    def _wait_for(self, awaited: Sequence[Awaited]) -> None:
        here, open_ones = Machine.here(), list(awaited)
        if open_ones:
            self._tell("Dependency")
        while open_ones and self._waiting:
            self._obey()
            judged = [(one, one.is_met(here)) for one in open_ones]
            never = [one.text for one, met in judged if met is False]
            if never:
                return self._drop_waiting("DependencyNeverSatisfied: " + ", ".join(never))
            open_ones = [one for one, met in judged if met is None]
            if open_ones:
                self._wakeup.nap(DEPENDENCY_NAP_S)
        return None

    def _drop_waiting(self, reason: str) -> None:
        self.record.write({"task": None, "state": "CANCELLED", "reason": reason})
        self._waiting.clear()

    def _obey(self) -> None:
        """Do what was asked since the last time."""
        if self._stopped and self._waiting:
            self._drop_waiting("SupervisorStopped")
        if self._stopped:
            for task in self._running.values():
                task.cancel()
        for number in self._requests.read():
            self._cancel(number)

    def _cancel(self, number: int | None) -> None:
        if number is None and self._waiting:
            self._drop_waiting("Cancelled")
        if number in self._waiting:
            self._waiting.remove(number)
            self.record.write({"task": number, "state": "CANCELLED", "reason": "Cancelled"})
        for k, task in self._running.items():
            if number is None or number == k:
                task.cancel()

    def _collect(self) -> None:
        """Take note of bodies that have ended."""
        for number, task in list(self._running.items()):
            code = task.poll()
            if code is not None:
                del self._running[number]
                self._take_note(number, task, code)

    def _take_note(self, number: int, task: RunningTask, code: int) -> None:
        restarts = self._restarts.get(number, 0)
        elements = self.plan.elements_of(self.piece.first + number)
        stopped = code == StoppedEarly.exit_code and not task.is_cancelled
        if stopped and may_run_again(self.folder, self.plan, elements, restarts):
            self._restarts[number] = restarts + 1
            self._waiting.insert(0, number)
            self.record.write({"task": number, "state": "PENDING", "reason": "Requeued", "restarts": restarts + 1})
            return
        self.record.write(
            {"task": number, **describe_end(code, cancelled=task.is_cancelled, over_time=task.over_time)}
        )

    def _start(self) -> None:
        """Start as many waiting jobs as there is room for."""
        while self._waiting:
            if len(self._running) >= (self.piece.throttle or self.piece.count):
                return self._tell("JobArrayTaskLimit")
            slots = self._slots.take(_cpus_of(self.plan), devices=self.plan.allocation.gpus_per_node > 0)
            if slots is None:
                return self._tell(LOCAL_REASON)
            number = self._waiting.pop(0)
            log = self.folder.log(self.job_id, number if self.piece.is_array else None)
            self.record.write({"task": number, "state": "RUNNING"})
            self._running[number] = RunningTask(self.command, log, self._environment(number), slots, self.limit)

        return None

    def _tell(self, reason: str) -> None:
        """Record why jobs wait, where that is new."""
        if reason != self._told:
            self._told = reason
            self.record.write({"task": None, "reason": reason})

    def _environment(self, number: int) -> Mapping[str, str]:
        restarts = self._restarts.get(number, 0)
        return {**os.environ, JOB_ID: self.job_id, JOB_INDEX: str(number), RESTART: str(restarts)}


def _cpus_of(plan: SubmissionPlan) -> int:
    """CPUs of one job."""
    return plan.allocation.cpus_per_task * plan.allocation.tasks_per_node * plan.side_by_side


class _Wakeup:
    """Naps that the end of a child, or another signal, cuts short."""

    def __init__(self) -> None:
        self._reader, writer = os.pipe()
        os.set_blocking(self._reader, False)
        os.set_blocking(writer, False)
        signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
        signal.set_wakeup_fd(writer, warn_on_full_buffer=False)

    def nap(self, longest_s: float) -> None:
        ready, _, _ = select.select([self._reader], [], [], longest_s)
        if ready:
            os.read(self._reader, 4096)
