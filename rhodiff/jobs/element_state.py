"""How an element of a submission stands."""

from dataclasses import dataclass
from enum import StrEnum

from rhodiff.jobs.scheduler import JobRecord

__all__ = ["ElementState", "ElementStatus"]


class ElementState(StrEnum):
    """States of an element; the order is that of a table."""

    DONE = "done"
    RUNNING = "running"
    PENDING = "pending"
    FAILED = "failed"
    STOPPED = "stopped"
    CANCELLED = "cancelled"
    UNKNOWN = "unknown"
    NOT_SUBMITTED = "not_submitted"

    @property
    def words(self) -> str:
        """As a sentence has it."""
        return self.value.replace("_", " ")

    @property
    def may_go_on_by_itself(self) -> bool:
        """Whether waiting can change it."""
        return self in {ElementState.RUNNING, ElementState.PENDING, ElementState.UNKNOWN}


@dataclass(frozen=True)
class ElementStatus:
    """How one element stands.

    Attributes:
        element: its number.
        state: its state.
        reason: why, in words; empty where its marker holds the reason, or there is none to give.
        job: the job that it runs, waits or ended in: ``12`` or ``12_3``; None where there is none.
        record: what the scheduler says of that job; None where it was not asked or does not know.
    """

    element: int
    state: ElementState
    reason: str = ""
    job: str | None = None
    record: JobRecord | None = None
