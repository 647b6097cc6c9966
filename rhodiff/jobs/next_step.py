"""What to do about a submission as it stands: one line, or nothing."""

from collections.abc import Sequence

from rhodiff.jobs.element_state import ElementState, ElementStatus
from rhodiff.jobs.job_states import JobPhase, phase_of
from rhodiff.jobs.pending_reasons import explain_pending
from rhodiff.jobs.state import SubmissionState

__all__ = ["advise", "names_of", "taken_on"]


def names_of(states: Sequence[SubmissionState], *, with_run: bool = False) -> list[str]:
    """How to name each of some submissions on the command line.

    Args:
        states: the submissions.
        with_run: name the run too, even where the number alone tells one of these submissions.
    """
    numbers = [state.plan.number for state in states]
    plain = not with_run and len(set(numbers)) == len(numbers)
    return [str(state.plan.number) if plain else f"{state.plan.run} {state.plan.number}" for state in states]


def taken_on(states: Sequence[SubmissionState]) -> list[dict[int, int]]:
    """For each submission its unfinished elements that a later one took on: element -> number of the latest."""
    elements = [frozenset(() if one.plan.is_trial else one.plan.elements) for one in states]
    return [_heirs(one, list(zip(states, elements, strict=True))) for one in states]


def _heirs(one: SubmissionState, others: Sequence[tuple[SubmissionState, frozenset[int]]]) -> dict[int, int]:
    later = [(other.plan.number, elements) for other, elements in others if _repeats(other, one)]
    over = (ElementState.FAILED, ElementState.STOPPED, ElementState.CANCELLED, ElementState.UNKNOWN)
    unfinished = [status.element for status in one.of(*over, ElementState.NOT_SUBMITTED)]
    found = {element: [number for number, elements in later if element in elements] for element in unfinished}
    return {element: max(numbers) for element, numbers in found.items() if numbers}


def _repeats(other: SubmissionState, one: SubmissionState) -> bool:
    """Whether a submission is a later one of the same work."""
    ours, theirs = one.plan, other.plan
    same = (ours.run, ours.stage, ours.num_parts) == (theirs.run, theirs.stage, theirs.num_parts)
    return same and theirs.number > ours.number


def advise(state: SubmissionState, name: str, heirs: dict[int, int]) -> str:
    """What to do next; empty where there is nothing.

    Args:
        state: the submission.
        name: how to name it on the command line.
        heirs: its elements that later submissions took on.
    """
    left = [status for status in state.elements if status.element not in heirs]

    def having(*wanted: ElementState) -> list[ElementStatus]:
        return [status for status in left if status.state in wanted]

    is_live = bool(having(ElementState.RUNNING, ElementState.PENDING))
    if having(ElementState.FAILED):
        return f"rhodiff-hpc why {name}   then   rhodiff-hpc retry {name}"
    if any(_never_starts(status) for status in having(ElementState.PENDING)):
        return f"rhodiff-hpc why {name}"
    if having(ElementState.STOPPED) and not is_live:
        return f"rhodiff-hpc retry {name}   goes on with what is not done"
    if having(ElementState.UNKNOWN) and not state.silence:
        return f"rhodiff-hpc why {name}"
    if having(ElementState.NOT_SUBMITTED):
        return f"rhodiff-hpc submit {state.plan.stage}   hands over the rest"
    return ""


def _never_starts(status: ElementStatus) -> bool:
    record = status.record
    return record is not None and phase_of(record) is JobPhase.WAITS and explain_pending(record.reason).never
