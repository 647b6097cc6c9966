"""Ending submissions, or elements of them: the marker first, then one call of the scheduler for all jobs.

The marker is what makes it final: a job that is told to stop looks for it and does not put itself back into the
queue, a driver that comes later submits nothing more, and a job that is taken up although nobody saw it accepted
leaves at once. What is done stays done.
"""

import getpass
import socket
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

from rhodiff.errors import ConfigError, SchedulerUnreachableError
from rhodiff.jobs.calls import CallRecord
from rhodiff.jobs.element_state import ElementState
from rhodiff.jobs.scheduler import Scheduler
from rhodiff.jobs.selection import describe_elements
from rhodiff.jobs.state import FindScheduler, SubmissionState
from rhodiff.store.files import write_json
from rhodiff.store.journal import utc_now
from rhodiff.store.layout import JobsFolder, SubmissionFolder
from rhodiff.store.locks import hold_lock

__all__ = ["CANCELLABLE", "Cancellation", "cancel_submissions", "plan_cancellation"]

CANCELLABLE = (ElementState.RUNNING, ElementState.PENDING, ElementState.UNKNOWN, ElementState.NOT_SUBMITTED)
"""States of elements that something may still be done for."""


@dataclass(frozen=True)
class Cancellation:
    """What is cancelled of one submission.

    Attributes:
        state: how it stands.
        elements: elements that are cancelled.
        jobs: ids for the scheduler: of whole jobs or arrays, or ``<array>_<index>``.
        is_whole: nothing of the submission is to go on.
    """

    state: SubmissionState
    elements: tuple[int, ...]
    jobs: tuple[str, ...]
    is_whole: bool

    def describe(self) -> str:
        """``submission 3 (sample): 4 running and 8 pending; 5 done stay done``."""
        plan, counts = self.state.plan, self.state.count()
        chosen = set(self.elements)
        ended = [status.state for status in self.state.elements if status.element in chosen]
        numbers = [f"{ended.count(state)} {state.words}" for state in CANCELLABLE if state in ended]
        kept = counts.get(ElementState.DONE, 0)
        rest = f"; {kept} done stay{'s' * (kept == 1)} done" if kept else ""
        noun = f", element{'s' * (len(self.elements) > 1)} {describe_elements(self.elements)}"
        which = "" if self.is_whole else noun
        return f"submission {plan.number} ({plan.stage}){which}: {' and '.join(numbers)}{rest}"


def plan_cancellation(state: SubmissionState, only: Sequence[ElementState] = ()) -> Cancellation | None:
    """What is to be done to cancel the selected elements of a submission.

    Args:
        state: how the selected elements stand.
        only: states that are meant; empty: all.

    Returns:
        The cancellation; None if nothing of it can be cancelled any more.

    Raises:
        SchedulerUnreachableError: if states are asked for that nobody can tell now.
        ConfigError: if a job is shared with elements that are not to be cancelled, or for states that have ended.
    """
    ended = [one.words for one in only if one not in CANCELLABLE]
    if ended:
        raise ConfigError(f"--state {ended[0]}: what is {ended[0]} has ended; {_words(CANCELLABLE)} can be cancelled")
    if only and state.silence:
        raise SchedulerUnreachableError(
            f"which elements of submission {state.plan.number} are {_words(only)} is not known: {state.silence}"
        )
    wanted = [one for one in state.elements if one.state in CANCELLABLE and (not only or one.state in only)]
    if not wanted:
        return None
    elements = tuple(one.element for one in wanted)
    live = [one for one in state.elements if one.state in CANCELLABLE]
    if len(wanted) == len(live) and len(state.elements) == len(state.plan.elements):
        return Cancellation(state, elements, tuple(state.jobs.values()), is_whole=True)
    return Cancellation(state, elements, _jobs_of(state, elements), is_whole=False)


def _words(states: Sequence[ElementState]) -> str:
    return " or ".join(one.words for one in states)


def _jobs_of(state: SubmissionState, elements: Sequence[int]) -> tuple[str, ...]:
    """Ids of the jobs that some elements have to themselves."""
    plan, chosen = state.plan, set(elements)
    numbers = {element: number // plan.pack for number, element in enumerate(plan.elements)}
    jobs = sorted({numbers[element] for element in elements})
    for job in jobs:
        _refuse_shared(state, job, chosen)
    return tuple(
        f"{state.jobs[piece.index]}_{job - piece.first}" if piece.is_array else state.jobs[piece.index]
        for piece in plan.pieces
        if piece.index in state.jobs
        for job in jobs
        if piece.first <= job < piece.first + piece.count
    )


def _refuse_shared(state: SubmissionState, job: int, chosen: set[int]) -> None:
    ended = {element for element in state.plan.elements_of(job) if element in state.marks.final}
    others = set(state.plan.elements_of(job)) - chosen - ended
    if others:
        number = state.plan.number
        together = describe_elements(others | (chosen & set(state.plan.elements_of(job))))
        raise ConfigError(
            f"submission {number}: element{'s' * (len(others) > 1)} {describe_elements(others)} would end too: "
            f"a job is shared. Cancel all that share it, as {number}:{together}"
        )


def cancel_submissions(planned: Sequence[Cancellation], find: FindScheduler) -> None:
    """Cancel.

    Args:
        planned: what.
        find: gives the scheduler of a submission.

    Raises:
        RunBusyError: if somebody submits for the same run just now.
        SchedulerUnreachableError: if it does not answer; the markers are written, and the same command goes on.
        SubmissionUncertainError: if it cannot be said now whether a job exists; likewise.
    """
    for one in planned:
        _mark(one)
    schedulers: dict[str, Scheduler] = {}
    jobs: dict[str, list[str]] = {}
    for one in planned:
        cluster = one.state.plan.cluster
        scheduler = schedulers.setdefault(cluster, find(one.state.folder, one.state.plan))
        if scheduler.cluster != cluster:
            raise SchedulerUnreachableError(
                f"submission {one.state.plan.number} was made on {cluster}, and this is {scheduler.cluster}: it is "
                "marked as cancelled and puts nothing back into the queue; repeat the command there to end its jobs"
            )
        jobs.setdefault(cluster, []).extend([*one.jobs, *_found_late(one, scheduler)])
    for cluster, ids in jobs.items():
        if ids:
            schedulers[cluster].cancel(ids)


def _mark(one: Cancellation) -> None:
    """Write the markers."""
    folder = one.state.folder
    facts = {
        "time": utc_now(),
        "user": getpass.getuser(),
        "host": socket.gethostname(),
        "reason": "cancelled by hand",
    }
    with _hold(folder):
        if one.is_whole:
            write_json(folder.cancelled, facts)
            return
        for element in one.elements:
            write_json(folder.cancelled_element(element), facts)


def _found_late(one: Cancellation, scheduler: Scheduler) -> Iterable[str]:
    """Jobs of pieces that were handed over without anybody seeing the end of it."""
    folder, plan = one.state.folder, one.state.plan
    if not one.is_whole:
        return
    record = CallRecord(folder)
    doubtful = {number for number, calls in record.read().items() if calls.is_open and calls.job is None}
    for piece in [piece for piece in plan.pieces if piece.index in doubtful]:
        job_id = scheduler.recover(folder, plan, piece)
        if job_id is not None:
            with _hold(folder):
                record.accept(piece.index, plan.job_name(piece.index), job_id)
            yield job_id


def _hold(folder: SubmissionFolder) -> AbstractContextManager[None]:
    """Nobody else submits for this run meanwhile."""
    return hold_lock(JobsFolder(folder.path.parent).lock, "cancelling jobs")
