"""How an element stands, from its own marks and from what the scheduler says of its jobs.

The order of truth: a done marker; then a job that runs or waits; then the other markers; then how the job ended.
Silence, words that cannot be read, and jobs that the scheduler does not know are "unknown", never "finished" or
"failed". All of this is decided here and nothing is asked.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from rhodiff.errors import StoppedEarly
from rhodiff.jobs.element_state import ElementState, ElementStatus
from rhodiff.jobs.job_states import JobPhase, describe_end, phase_of
from rhodiff.jobs.marks import Marks
from rhodiff.jobs.scheduler import JobRecord
from rhodiff.jobs.submission_plan import Piece, SubmissionPlan

__all__ = ["Evidence", "has_settled", "judge"]

LAG = timedelta(seconds=60)
"""How long a marker may take from a node's cache to here (NFS attribute caches: 60 s)."""


@dataclass(frozen=True)
class Evidence:
    """What is known of a submission.

    Attributes:
        marks: its markers.
        jobs: piece -> id of its job, for the pieces that were handed over.
        doubtful: pieces that the scheduler may or may not have taken.
        records: what the scheduler says, whosever jobs they are.
        silence: why the scheduler says nothing; empty where it answered.
        now: time of the question.
    """

    marks: Marks
    jobs: Mapping[int, str] = field(default_factory=dict)
    doubtful: frozenset[int] = frozenset()
    records: Sequence[JobRecord] = ()
    silence: str = ""
    now: datetime = field(default_factory=lambda: datetime.now(UTC))


@dataclass(frozen=True)
class _Seen:
    """One job of an element: a member of its chain."""

    piece: Piece
    job: str
    record: JobRecord | None
    phase: JobPhase | None


def has_settled(marks: Marks, elements: Iterable[int]) -> bool:
    """Whether markers alone tell how elements stand, so that the scheduler need not be asked."""
    settled = {"done", "failed", "cancelled"}
    return all(
        marks.final.get(element) == "done"
        or (marks.final.get(element) in settled and element not in marks.heartbeats)
        for element in elements
    )


def judge(plan: SubmissionPlan, elements: Iterable[int], evidence: Evidence) -> list[ElementStatus]:
    """How elements of a submission stand.

    Args:
        plan: the submission.
        elements: those to judge.
        evidence: what is known.
    """
    return _Judge(plan, evidence).judge_all(elements)


class _Judge:
    def __init__(self, plan: SubmissionPlan, evidence: Evidence) -> None:
        self.plan, self.evidence, self.marks = plan, evidence, evidence.marks
        self.records = {(record.job_id, record.index): record for record in evidence.records}
        self.job_of = {element: number // plan.pack for number, element in enumerate(plan.elements)}
        self.pieces_of: dict[int, list[Piece]] = {}
        for piece in sorted(plan.pieces, key=lambda one: (one.link, one.index)):
            for job in range(piece.first, piece.first + piece.count):
                self.pieces_of.setdefault(job, []).append(piece)

    def judge_all(self, elements: Iterable[int]) -> list[ElementStatus]:
        return [self._judge_one(element) for element in elements]

    def _judge_one(self, element: int) -> ElementStatus:
        mark = self.marks.final.get(element)
        seen = self._jobs_of(element)
        if mark == "done":
            return _status(element, ElementState.DONE, "", seen[-1] if seen else None)
        status = self._live(element, mark, seen)
        if status is not None:
            return status
        if mark is not None:
            return self._marked(element, mark, seen)
        return self._without_mark(element, seen)

    def _jobs_of(self, element: int) -> list[_Seen]:
        """Jobs of an element that were handed over, in the order of the chain."""
        job = self.job_of[element]
        return [
            self._look_up(piece, job) for piece in self.pieces_of.get(job, []) if piece.index in self.evidence.jobs
        ]

    def _look_up(self, piece: Piece, job: int) -> _Seen:
        job_id = self.evidence.jobs[piece.index]
        index = job - piece.first if piece.is_array else None
        record = self.records.get((job_id, index)) or self.records.get((job_id, None))
        name = job_id if index is None else f"{job_id}_{index}"
        if record is not None and record.name != self.plan.job_name(piece.index):
            return _Seen(piece, name, None, None)
        return _Seen(piece, name, record, None if record is None else phase_of(record))

    def _live(self, element: int, mark: str | None, seen: list[_Seen]) -> ElementStatus | None:
        """The state of an element with a job that runs or waits; None without one."""
        running = next((one for one in seen if one.phase is JobPhase.RUNS), None)
        if running is not None:
            return self._in_running_job(element, mark, running)
        ending = next((one for one in seen if one.phase is JobPhase.ENDS), None)
        if ending is not None and mark is None:
            return _status(element, ElementState.RUNNING, f"job {ending.job} is ending", ending)
        waiting = next((one for one in seen if one.phase is JobPhase.WAITS), None)
        # Later members of a chain leave at once where an element failed for good or was cancelled.
        if waiting is None or (mark in {"failed", "cancelled"} and waiting.piece.link > 0):
            return None
        return _status(element, ElementState.PENDING, "", waiting)

    def _in_running_job(self, element: int, mark: str | None, running: _Seen) -> ElementStatus | None:
        if self._is_at_work(element, mark):
            reason = "was cancelled and is ending" if mark == "cancelled" else ""
            return _status(element, ElementState.RUNNING, reason, running)
        if mark is not None:
            return None
        return _status(element, ElementState.PENDING, f"waits for its turn in job {running.job}, which runs", running)

    def _is_at_work(self, element: int, mark: str | None) -> bool:
        """Whether it is this element that its job, which runs, works on."""
        if element in self.marks.heartbeats:
            return True
        if self.plan.pack == 1:
            return mark != "cancelled"
        return mark is None and element in self.marks.attempted

    def _marked(self, element: int, mark: str, seen: list[_Seen]) -> ElementStatus:
        may_be_live = (mark == "stopped" and self._is_chained) or element in self.marks.heartbeats
        last = seen[-1] if seen else None
        if self.evidence.silence and may_be_live:
            return _status(element, ElementState.UNKNOWN, self.evidence.silence, last)
        return _status(element, ElementState(mark), "", last)

    @property
    def _is_chained(self) -> bool:
        return any(piece.link > 0 for piece in self.plan.pieces)

    def _without_mark(self, element: int, seen: list[_Seen]) -> ElementStatus:
        known = [one for one in seen if one.record is not None]
        if self.evidence.silence and seen:
            return _status(element, ElementState.UNKNOWN, self.evidence.silence, seen[-1])
        if self.marks.is_cancelled:
            return _status(element, ElementState.CANCELLED, "", seen[-1] if seen else None)
        if not seen:
            return self._never_handed_over(element)
        if not known:
            jobs = ", ".join(one.job for one in seen)
            if self._left_its_arrays(element, seen):
                return _status(element, ElementState.CANCELLED, f"job {jobs} was cancelled before it began", seen[-1])
            return _status(element, ElementState.UNKNOWN, f"the scheduler no longer knows job {jobs}", seen[-1])
        return self._ended(element, known[-1])

    def _left_its_arrays(self, element: int, seen: list[_Seen]) -> bool:
        """Whether the scheduler knows the arrays but not this task, which never began.

        Slurm (seen with 22.05) keeps no record of a task that is cancelled by its index while it waits: it is no
        longer in the array, and not in accounting. That says something only where accounting told of other tasks of
        the array: the queue alone forgets tasks that have ended, too.
        """
        names = {job_id: self.plan.job_name(piece) for piece, job_id in self.evidence.jobs.items()}
        told = (record for record in self.evidence.records if record.total_elapsed_s is not None)
        known = {record.job_id for record in told if record.name == names.get(record.job_id)}
        arrays = {self.evidence.jobs[one.piece.index] for one in seen if one.piece.is_array}
        return element not in self.marks.attempted and len(arrays) == len(seen) and arrays <= known

    def _never_handed_over(self, element: int) -> ElementStatus:
        pieces = {piece.index for piece in self.pieces_of.get(self.job_of[element], [])}
        if pieces & self.evidence.doubtful:
            reason = "the scheduler may or may not have taken its job: the same 'submit' again finds out"
            return ElementStatus(element, ElementState.UNKNOWN, reason)
        return ElementStatus(element, ElementState.NOT_SUBMITTED, "its job was not handed to the scheduler yet")

    def _ended(self, element: int, last: _Seen) -> ElementStatus:
        record = last.record
        if record is None or last.phase is JobPhase.UNCLEAR:
            word = "" if record is None else record.state
            return _status(element, ElementState.UNKNOWN, f"the scheduler says '{word}' of job {last.job}", last)
        if last.phase is JobPhase.CANCELLED:
            return _status(element, ElementState.CANCELLED, f"job {last.job} was cancelled", last)
        if record.exit_code == f"{StoppedEarly.exit_code}:0":
            return _status(element, ElementState.STOPPED, f"job {last.job} stopped early and can go on", last)
        if last.phase is not JobPhase.COMPLETED:
            return _status(element, ElementState.FAILED, f"job {last.job} {describe_end(record)}", last)
        if self._ended_just_now(record):
            reason = f"job {last.job} has ended; its result may be on its way through the file system"
            return _status(element, ElementState.UNKNOWN, reason, last)
        return _status(element, ElementState.FAILED, f"job {last.job} ended without a result", last)

    def _ended_just_now(self, record: JobRecord) -> bool:
        """Whether a marker may still arrive; so where the time of the end is not known."""
        if record.ended is None:
            return True
        ended = datetime.fromisoformat(record.ended)
        return self.evidence.now - (ended if ended.tzinfo else ended.replace(tzinfo=UTC)) < LAG


def _status(element: int, state: ElementState, reason: str, seen: _Seen | None) -> ElementStatus:
    if seen is None:
        return ElementStatus(element, state, reason)
    return ElementStatus(element, state, reason, seen.job, seen.record)
