"""How submissions stand: their markers, one question to each scheduler for all of them, and the verdict.

Where markers alone settle everything nothing is asked. What an element's files hold is not opened here: the names
tell its state, and :mod:`rhodiff.jobs.details` reads what else a screen shows, of a bounded number of elements.
"""

import getpass
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from rhodiff.errors import EnvironmentLacksError, SchedulerUnreachableError
from rhodiff.jobs.calls import CallRecord, PieceCalls
from rhodiff.jobs.element_state import ElementState, ElementStatus
from rhodiff.jobs.judgement import Evidence, has_settled, judge
from rhodiff.jobs.marks import Marks, read_marks
from rhodiff.jobs.scheduler import JobRecord, KnownJob, Scheduler
from rhodiff.jobs.scheduling import scheduler_for
from rhodiff.jobs.selection import Selected
from rhodiff.jobs.submission_plan import SubmissionPlan
from rhodiff.store.layout import SubmissionFolder

__all__ = ["ElementState", "ElementStatus", "SubmissionState", "observe_submissions"]

FindScheduler = Callable[[SubmissionFolder, SubmissionPlan], Scheduler]


@dataclass(frozen=True)
class SubmissionState:
    """How a submission stands.

    Attributes:
        selected: the submission, and which of its elements were asked about.
        elements: how these stand, in the same order.
        marks: its markers.
        jobs: piece -> id of its job.
        records: what the scheduler says of its jobs; empty where it was not asked.
        silence: why the scheduler said nothing; empty where it answered or was not asked.
        is_unreachable: it should have answered, and did not.
    """

    selected: Selected
    elements: tuple[ElementStatus, ...]
    marks: Marks
    jobs: Mapping[int, str] = field(default_factory=dict)
    records: tuple[JobRecord, ...] = ()
    silence: str = ""
    is_unreachable: bool = False

    @property
    def plan(self) -> SubmissionPlan:
        """What it runs."""
        return self.selected.plan

    @property
    def folder(self) -> SubmissionFolder:
        """Its folder."""
        return self.selected.folder

    def count(self) -> dict[ElementState, int]:
        """Elements by state, those that occur, in the order of a table."""
        states = [status.state for status in self.elements]
        return {state: states.count(state) for state in ElementState if state in states}

    def of(self, *states: ElementState) -> list[ElementStatus]:
        """Elements in some states."""
        return [status for status in self.elements if status.state in states]


@dataclass
class _Looked:
    """What was read of a submission before its scheduler is asked."""

    selected: Selected
    marks: Marks
    calls: dict[int, PieceCalls]
    silence: str = ""
    is_unreachable: bool = False
    records: list[JobRecord] = field(default_factory=list)

    @property
    def jobs(self) -> dict[int, KnownJob]:
        return {piece: calls.job for piece, calls in self.calls.items() if calls.job is not None}

    @property
    def is_settled(self) -> bool:
        return has_settled(self.marks, self.selected.elements)


def observe_submissions(
    chosen: Sequence[Selected], find: FindScheduler = scheduler_for, *, records_of_all: bool = False
) -> list[SubmissionState]:
    """How submissions stand now.

    Args:
        chosen: the submissions.
        find: gives the scheduler of a submission.
        records_of_all: ask for the scheduler's records even where markers settle everything, e.g. for what was used.

    Returns:
        Their states, in the same order. That a scheduler is not here or does not answer is part of them, no error.
    """
    looked = [_look(one) for one in chosen]
    to_ask: dict[str, list[_Looked]] = {}
    for one in looked:
        if one.jobs and (records_of_all or not one.is_settled):
            to_ask.setdefault(one.selected.plan.cluster, []).append(one)
    for group in to_ask.values():
        _ask(group, find)
        for one in group:  # what ended while the scheduler was asked has its marker by now
            one.marks = read_marks(one.selected.folder)
    return [_verdict(one) for one in looked]


def _look(selected: Selected) -> _Looked:
    return _Looked(selected, read_marks(selected.folder), CallRecord(selected.folder).read())


def _ask(group: list[_Looked], find: FindScheduler) -> None:
    """One question for all jobs of a cluster."""
    first = group[0].selected
    records: list[JobRecord] = []
    silence, unreachable = "", False
    try:
        scheduler = find(first.folder, first.plan)
        records = scheduler.observe([job for one in group for job in one.jobs.values()])
        # A name belongs to one cluster: only where it is not known here the cluster need be asked for its own.
        silence = "" if records else _describe_elsewhere(first.plan.cluster, scheduler.cluster)
    except (SchedulerUnreachableError, EnvironmentLacksError) as error:
        silence, unreachable = str(error), True
    by_job: dict[KnownJob, list[JobRecord]] = {}
    for record in records:
        by_job.setdefault(KnownJob(record.job_id, record.name), []).append(record)
    for one in group:
        one.records = [record for job in one.jobs.values() for record in by_job.get(job, [])]
        one.silence, one.is_unreachable = silence or _describe_other_user(one), unreachable


def _describe_elsewhere(theirs: str, ours: str) -> str:
    return "" if theirs == ours else f"submitted on the cluster {theirs}, and this is {ours}: look there"


def _describe_other_user(one: _Looked) -> str:
    """The queue tells a user about her own jobs."""
    submitter = one.selected.plan.user
    if one.records or submitter == getpass.getuser():
        return ""
    return f"submitted by {submitter}: only that user can ask the scheduler about it"


def _verdict(one: _Looked) -> SubmissionState:
    jobs = {piece: job.job_id for piece, job in one.jobs.items()}
    evidence = Evidence(
        marks=one.marks,
        jobs=jobs,
        doubtful=frozenset(piece for piece, calls in one.calls.items() if calls.is_open and calls.job is None),
        records=one.records,
        silence=one.silence,
        now=datetime.now(UTC),
    )
    elements = judge(one.selected.plan, one.selected.elements, evidence)
    return SubmissionState(
        one.selected, tuple(elements), one.marks, jobs, tuple(one.records), one.silence, one.is_unreachable
    )
