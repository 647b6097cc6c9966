"""Stop requests: SIGTERM (preemption), SIGUSR1 (time limit near) and SIGINT ask a loop to save and leave."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from rhodiff.errors import StoppedEarly

__all__ = ["StopRequest", "listen_for_stop"]


class StopRequest:
    """Remembers the first stop signal."""

    def __init__(self) -> None:
        self.reason: str | None = None

    def __bool__(self) -> bool:
        return self.reason is not None

    def leave_between(self, done: int, total: int) -> None:
        """Leave if that was asked for and a task is left; each finished one is kept.

        Args:
            done: tasks finished.
            total: tasks in all.

        Raises:
            StoppedEarly: after a stop signal.
        """
        if self.reason is not None and done < total:
            raise StoppedEarly(
                f"stopped by {self.reason} after {done} of {total} tasks, which are kept; the same command goes on"
            )

    def _receive(self, number: int, _frame: FrameType | None) -> None:
        if self.reason is not None and number == signal.SIGINT:
            raise KeyboardInterrupt  # the second Ctrl-C means now
        self.reason = self.reason or signal.Signals(number).name


@contextmanager
def listen_for_stop() -> Iterator[StopRequest]:
    """Collect stop signals while the block runs; the handlers of before come back after it."""
    request = StopRequest()
    numbers = (signal.SIGTERM, signal.SIGUSR1, signal.SIGINT)
    previous = {number: signal.signal(number, request._receive) for number in numbers}
    try:
        yield request
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
