"""What submissions reserved, used and lost, in node-hours: what a project is charged for, whoever counts it.

    reserved = jobs x nodes x time limit        used = sum over attempts of a job of nodes x elapsed time

Slurm's accounting counts every attempt of a job. Where it is disabled, forbidden or behind, our own records
count: the attempts of the job's elements, an open one up to its last heartbeat (both by its node's clock). They miss
the seconds before the body starts, and attempts that died with their node before the first heartbeat.

*Lost* is what attempts took that brought nothing new: no checkpoint, no shard, no step.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from rhodiff.jobs.attempts import Attempt, read_attempts
from rhodiff.jobs.element_state import ElementState
from rhodiff.jobs.scheduler import JobRecord
from rhodiff.jobs.state import SubmissionState
from rhodiff.jobs.submission_plan import SubmissionPlan
from rhodiff.runtime.heartbeat import read_heartbeat

__all__ = ["Spending", "spending_of"]

HOUR_S = 3600.0


@dataclass(frozen=True)
class Spending:
    """What a submission took.

    Attributes:
        reserved_node_h: node-hours if every job had run once to its time limit.
        used_node_h: node-hours so far, of all attempts.
        lost_node_h: those of them that brought nothing new.
        num_jobs: jobs that have begun.
        num_accounted: those of them that Slurm's accounting told about.
        num_unmeasured: attempts whose length nobody recorded.
        longest_s: the longest time that a job of which all elements are done took in one go; None without such.
    """

    reserved_node_h: float
    used_node_h: float
    lost_node_h: float
    num_jobs: int
    num_accounted: int
    num_unmeasured: int
    longest_s: float | None


@dataclass(frozen=True)
class _Job:
    """One job: its attempts, and what the scheduler says."""

    attempts: tuple[Attempt, ...]
    record: JobRecord | None

    def used_s(self, side_by_side: int) -> float:
        """Seconds that it ran."""
        own = sum(attempt.elapsed_s or 0.0 for attempt in self.attempts) / side_by_side
        if self.record is None:
            return own
        if self.record.total_elapsed_s is not None:
            return self.record.total_elapsed_s
        return max(own, self.record.elapsed_s)

    def lost_s(self, side_by_side: int) -> float:
        """Seconds for which there is nothing to show."""
        in_vain = [attempt for attempt in self.attempts if attempt.progress is False and attempt.verdict != "done"]
        known = sum(attempt.elapsed_s or 0.0 for attempt in in_vain) / side_by_side
        if all(attempt.elapsed_s is not None for attempt in in_vain) or self.record is None:
            return known
        measured = sum(attempt.elapsed_s or 0.0 for attempt in self.attempts) / side_by_side
        return known + max(self.used_s(side_by_side) - measured, 0.0)


def spending_of(state: SubmissionState) -> Spending:
    """What the selected elements of a submission took.

    Args:
        state: the submission, with the scheduler's records of all its jobs as far as there are any.
    """
    plan = state.plan
    attempts = [one for status in state.elements for one in _attempts_of(state, status.element)]
    jobs = _by_job(attempts, state.records, _names_of(state))
    lanes, nodes = _lanes(plan), plan.allocation.nodes
    begun = [job for job in jobs.values() if job.attempts or (job.record and job.record.elapsed_s > 0)]
    return Spending(
        reserved_node_h=_num_selected_jobs(state) * nodes * plan.allocation.walltime_min / 60,
        used_node_h=nodes * sum(job.used_s(lanes) for job in begun) / HOUR_S,
        lost_node_h=nodes * sum(job.lost_s(lanes) for job in begun) / HOUR_S,
        num_jobs=len(begun),
        num_accounted=sum(job.record is not None and job.record.total_elapsed_s is not None for job in begun),
        num_unmeasured=sum(one.elapsed_s is None and one.verdict is not None for one in attempts),
        longest_s=_longest(state, begun),
    )


def _num_selected_jobs(state: SubmissionState) -> int:
    chosen = {status.element for status in state.elements}
    return len({number // state.plan.pack for number, element in enumerate(state.plan.elements) if element in chosen})


def _attempts_of(state: SubmissionState, element: int) -> list[Attempt]:
    """Attempts at an element; an open one counts up to its last heartbeat."""
    if element not in state.marks.attempted:
        return []
    found = read_attempts(state.folder.attempts(element))
    if found and found[-1].elapsed_s is None and found[-1].verdict is None:
        beat = read_heartbeat(state.folder.heartbeat(element))
        if beat is not None:
            found[-1] = _until(found[-1], beat.time)
    return found


def _until(attempt: Attempt, time: str) -> Attempt:
    began, now = datetime.fromisoformat(attempt.started), datetime.fromisoformat(time)
    return Attempt(**{**vars(attempt), "elapsed_s": max((now - began).total_seconds(), 0.0)})


def _names_of(state: SubmissionState) -> set[str]:
    """Jobs that the selected elements are known to belong to."""
    plan, chosen = state.plan, {status.element for status in state.elements}
    numbers = {number // plan.pack for number, element in enumerate(plan.elements) if element in chosen}
    return {
        f"{state.jobs[piece.index]}_{number - piece.first}" if piece.is_array else state.jobs[piece.index]
        for piece in plan.pieces
        if piece.index in state.jobs
        for number in numbers
        if piece.first <= number < piece.first + piece.count
    }


def _by_job(attempts: Iterable[Attempt], records: Sequence[JobRecord], names: set[str]) -> Mapping[str, _Job]:
    tried: dict[str, list[Attempt]] = {}
    for attempt in attempts:
        tried.setdefault(attempt.job, []).append(attempt)
    said = {_name(record): record for record in records if _name(record) in names}
    return {
        name: _Job(tuple(tried.get(name, ())), said.get(name)) for name in [*tried, *(said.keys() - tried.keys())]
    }


def _name(record: JobRecord) -> str:
    return record.job_id if record.index is None else f"{record.job_id}_{record.index}"


def _longest(state: SubmissionState, jobs: Sequence[_Job]) -> float | None:
    """Longest run of a job, where all is done: what a time limit has to allow."""
    if any(status.state is not ElementState.DONE for status in state.elements):
        return None
    return max((job.record.elapsed_s if job.record else job.used_s(_lanes(state.plan)) for job in jobs), default=None)


def _lanes(plan: SubmissionPlan) -> int:
    return max(min(plan.side_by_side, plan.pack), 1)
