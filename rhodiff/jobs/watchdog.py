"""Whether a running attempt still moves: its heartbeat must change within a time, by the watcher's own clock."""

import time
from collections.abc import Callable

__all__ = ["Watchdog"]


class Watchdog:
    """Watches the contents of one heartbeat file; times in it are not looked at, nodes' clocks differ.

    Args:
        timeout_s: seconds without anything new that are too many; None: it never minds.
        clock: seconds, monotonic.
    """

    def __init__(self, timeout_s: float | None, clock: Callable[[], float] = time.monotonic) -> None:
        self._timeout_s, self._clock = timeout_s, clock
        self._last: object = None
        self._since = clock()

    def sees_stall(self, content: object) -> bool:
        """Take a look.

        Args:
            content: what the heartbeat says now; None where there is none.

        Returns:
            Whether it has said the same for too long.
        """
        now = self._clock()
        if content != self._last:
            self._last, self._since = content, now
        return self._timeout_s is not None and now - self._since > self._timeout_s
