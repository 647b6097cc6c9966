"""When several processes stop: all of them after the same step."""

import time

import torch

from rhodiff.runtime.processes import Processes
from rhodiff.runtime.stopping import StopRequest

__all__ = ["StopAgreement"]

INTERVAL_S = 1.0
MOST_STEPS_UNASKED = 100


class StopAgreement:
    """Whether to stop: all processes come to the same answer at the same step.

    Asking costs a message, so several processes ask about once a second; the number of steps to the next time follows
    from the mean of their clocks, and so is the same for all. A single process looks at every step.

    Args:
        processes: the joined processes.
        stop: this process's stop signals.
    """

    def __init__(self, processes: Processes, stop: StopRequest) -> None:
        self._processes, self._stop = processes, stop
        self._next, self._steps = 0, 1
        self._last_time = time.perf_counter()

    def is_agreed(self, iteration: int) -> bool:
        """Ask after step number ``iteration``."""
        size = self._processes.place.world_size
        if size == 1:
            return bool(self._stop)
        if iteration < self._next:
            return False
        now = time.perf_counter()
        told = torch.tensor([float(bool(self._stop)), now - self._last_time])
        asked, waited_s = self._processes.sum(told).tolist()
        allowed = int(self._steps * INTERVAL_S * size / max(waited_s, 1e-6))
        self._steps = max(1, min(MOST_STEPS_UNASKED, allowed))
        self._next, self._last_time = iteration + self._steps, now
        return bool(asked > 0)
