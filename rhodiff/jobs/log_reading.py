"""Logs of jobs: which file tells of an element, its last lines, and what is added to it while we look.

A job has one log; elements that share the job share it, and further attempts of the job are appended. Logs grow to
gigabytes: only their ends are read.
"""

import codecs
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rhodiff.errors import ConfigError
from rhodiff.jobs.attempts import Attempt, read_attempts
from rhodiff.jobs.details import reason_of
from rhodiff.jobs.element_state import ElementState, ElementStatus
from rhodiff.jobs.pending_reasons import explain_pending
from rhodiff.jobs.selection import describe_elements
from rhodiff.jobs.state import SubmissionState

__all__ = ["MOST_LOGS", "ElementLog", "FollowedLog", "choose_elements", "find_logs", "read_tail"]

MOST_LOGS = 20
"""Logs that are shown at a time."""
BLOCK_BYTES = 1 << 16
LONGEST_TAIL_BYTES = 1 << 24
MOST_TELLING = (
    ElementState.RUNNING,
    ElementState.FAILED,
    ElementState.STOPPED,
    ElementState.UNKNOWN,
    ElementState.CANCELLED,
    ElementState.PENDING,
    ElementState.DONE,
    ElementState.NOT_SUBMITTED,
)
"""Whose log is looked at first where none was named."""


@dataclass(frozen=True)
class ElementLog:
    """Where the log of some elements is, and what is to be said of it.

    Attributes:
        submission: folder of the submission.
        elements: elements that share it.
        path: the file; None if there is none yet.
        head: which elements, job, attempt and node, and how they stand.
        states: how each of the elements stands.
    """

    submission: Path
    elements: tuple[int, ...]
    path: Path | None
    head: str
    states: tuple[ElementState, ...]


def choose_elements(
    states: Sequence[SubmissionState], *, all_of_them: bool, goes_on: bool = False
) -> list[SubmissionState]:
    """The elements whose logs are shown.

    Args:
        states: how submissions stand, with the elements that were asked for.
        all_of_them: all of these; else the one that tells most, of the newest submission that runs, else of the
            newest that failed or stopped, else of the newest that began.
        goes_on: prefer what something may still be added to.

    Raises:
        ConfigError: if there are too many for a screen.
    """
    if not all_of_them:
        ranked = [(_rank(state, goes_on=goes_on), -place, state) for place, state in enumerate(states)]
        best = min((one for one in ranked if one[2].elements), default=None, key=lambda one: one[:2])
        if best is None:
            return []
        return [replace(best[2], elements=(_most_telling(best[2], goes_on=goes_on),))]
    chosen = [state for state in states if state.elements]
    jobs = {(state.folder.path, status.job or status.element) for state in chosen for status in state.elements}
    if len(jobs) > MOST_LOGS:
        raise ConfigError(
            f"{len(jobs)} logs: at most {MOST_LOGS} are shown at a time. Name elements, e.g. "
            f"{chosen[0].plan.number}:{chosen[0].elements[0].element}, or see {chosen[0].folder.logs}"
        )
    return chosen


def _rank(state: SubmissionState, *, goes_on: bool) -> int:
    """How little a submission tells of how its run stands."""
    found = {one.state for one in state.elements}
    stages = (
        ElementState.RUNNING in found,
        goes_on and any(one.may_go_on_by_itself for one in found),
        not found.isdisjoint({ElementState.FAILED, ElementState.STOPPED}),
        bool(state.marks.attempted),
    )
    return stages.index(True) if True in stages else len(stages)


def _most_telling(state: SubmissionState, *, goes_on: bool) -> ElementStatus:
    def rank(status: ElementStatus) -> tuple[bool, int]:
        return goes_on and not status.state.may_go_on_by_itself, MOST_TELLING.index(status.state)

    found = min(state.elements, key=rank)
    return state.of(found.state)[-1] if found.state is ElementState.DONE else found


def find_logs(state: SubmissionState, attempt: int | None = None) -> list[ElementLog]:
    """Logs of the elements of a submission, one for those that share it.

    Args:
        state: how they stand.
        attempt: number of the attempt that is wanted; None: the last one.

    Raises:
        ConfigError: if there was no such attempt.
    """
    by_job: dict[str | int, list[ElementStatus]] = {}
    attempts = {one.element: _until(state, one.element, attempt) for one in state.elements}
    for one in state.elements:
        by_job.setdefault(_job_of(one, attempts[one.element]) or one.element, []).append(one)
    return [_describe(state, job, group, attempts[group[-1].element]) for job, group in by_job.items()]


def _until(state: SubmissionState, element: int, number: int | None) -> list[Attempt]:
    """Attempts at an element, up to the one that is wanted."""
    attempts = read_attempts(state.folder.attempts(element))
    if number is not None and number > len(attempts):
        there = f"attempts 1 to {len(attempts)} were made" if attempts else "no attempt was made yet"
        raise ConfigError(f"--attempt {number}: at element {element} of submission {state.plan.number} {there}")
    return attempts[:number]


def _job_of(status: ElementStatus, attempts: Sequence[Attempt]) -> str | None:
    """The job that worked on an element last; a later member of a chain may wait meanwhile."""
    return attempts[-1].job if attempts else status.job


def _describe(
    state: SubmissionState, job: str | int, group: Sequence[ElementStatus], attempts: Sequence[Attempt]
) -> ElementLog:
    path = state.folder.logs / f"{job}.log" if isinstance(job, str) else None
    found = path if path is not None and path.exists() else None
    words = [
        f"submission {state.plan.number} ({state.plan.stage})",
        *_element_words(state, group),
        *([f"job {job}"] if isinstance(job, str) else []),
        *(_attempt_words(attempts[-1]) if attempts else []),
        _state_words(state, group),
    ]
    elements = tuple(one.element for one in group)
    return ElementLog(state.folder.path, elements, found, ", ".join(words), tuple(one.state for one in group))


def _element_words(state: SubmissionState, group: Sequence[ElementStatus]) -> list[str]:
    if len(state.plan.elements) == 1:
        return []
    return [f"element{'s' * (len(group) > 1)} {describe_elements([one.element for one in group])}"]


def _attempt_words(attempt: Attempt) -> list[str]:
    return [f"attempt {attempt.number} on {attempt.nodes or attempt.host}"]


def _state_words(state: SubmissionState, group: Sequence[ElementStatus]) -> str:
    """``failed: exit code 1``; counts where several elements share a job."""
    if len(group) > 1:
        each = [one.state for one in group]
        return " and ".join(f"{each.count(one)} {one.words}" for one in ElementState if one in each)
    (status,) = group
    return f"{status.state.words}{f': {why}' if (why := _why(state, status)) else ''}"


def _why(state: SubmissionState, status: ElementStatus) -> str:
    if status.state is ElementState.PENDING and not status.reason and status.record is not None:
        return explain_pending(status.record.reason).meaning
    return reason_of(state, status).partition(". ")[0]


def read_tail(path: Path, num_lines: int) -> tuple[str, int]:
    """The last lines of a file, which is not read whole.

    Args:
        path: the file.
        num_lines: how many.

    Returns:
        Their text, and where the file ended in bytes: what is added is found from there.
    """
    with path.open("rb") as handle:
        end = handle.seek(0, os.SEEK_END)
        start, text = end, b""
        while start > 0 and text.count(b"\n") <= num_lines and end - start < LONGEST_TAIL_BYTES:
            start = max(start - BLOCK_BYTES, 0)
            handle.seek(start)
            text = handle.read(end - start)
    lines = text.splitlines(keepends=True)[-num_lines:] if num_lines else []
    return b"".join(lines).decode("utf-8", "replace"), end


class FollowedLog:
    """What is added to a log.

    Args:
        path: the file.
        offset: bytes of it that are known already.
        whole_lines: leave a line that is not finished for later.
    """

    def __init__(self, path: Path, offset: int = 0, *, whole_lines: bool = False) -> None:
        self.path = path
        self._offset, self._whole_lines = offset, whole_lines
        self._decode = codecs.getincrementaldecoder("utf-8")("replace").decode

    def read(self) -> str:
        """What was added since the last time; a file that was cut short is read from its beginning."""
        with self.path.open("rb") as handle:
            if handle.seek(0, os.SEEK_END) < self._offset:
                self._offset = 0
            handle.seek(self._offset)
            added = handle.read(LONGEST_TAIL_BYTES)
        if self._whole_lines:
            added = added[: added.rfind(b"\n") + 1]
        self._offset += len(added)
        return self._decode(added)
