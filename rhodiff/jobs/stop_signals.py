"""The signals that a job's body gets: stop soon (SIGUSR1, SIGUSR2), or the job is being ended (SIGTERM, SIGINT).

``SIGUSR1`` comes before the time limit (``--signal=B:USR1@120``), with a preemption where the site sends it, and by
``scancel --batch --signal=USR1``. ``SIGTERM`` comes with the time limit itself, with ``scancel``, and with a
preemption: who sent it cannot be told, so that the scheduler is left to do what it is about to do.
"""

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

__all__ = ["StopSignals", "listen_for_signals"]

ENDS_THE_JOB = {signal.SIGTERM, signal.SIGINT}


class StopSignals:
    """What was received, and when."""

    def __init__(self) -> None:
        self.reason: str | None = None
        self.asked_at: float | None = None
        self.ended_at: float | None = None

    @property
    def asked(self) -> bool:
        """Whether the job was asked to stop, in whatever way."""
        return self.asked_at is not None

    @property
    def is_ending(self) -> bool:
        """Whether the scheduler is ending the job."""
        return self.ended_at is not None

    def receive(self, number: int, _frame: FrameType | None = None) -> None:
        """Take in a signal."""
        now, name = time.monotonic(), signal.Signals(number).name
        if number in ENDS_THE_JOB and self.ended_at is None:
            self.ended_at, self.reason = now, f"the job is being ended ({name})"
        if self.asked_at is None:
            self.asked_at = now
            self.reason = (
                self.reason or f"the job was asked to stop ({name}: time limit or preemption near, or by hand)"
            )


@contextmanager
def listen_for_signals() -> Iterator[StopSignals]:
    """Collect signals while the block runs; the handlers of before come back after it."""
    received = StopSignals()
    numbers = (signal.SIGUSR1, signal.SIGUSR2, *ENDS_THE_JOB)
    previous = {number: signal.signal(number, received.receive) for number in numbers}
    try:
        yield received
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
