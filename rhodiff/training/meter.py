"""What is logged of a training: mean loss and gradient norm since the last reading, and the speed."""

import time

import torch

from rhodiff.config.training import Training
from rhodiff.errors import RhodiffError
from rhodiff.runtime.processes import Processes

__all__ = ["ADVICE", "Meter"]

ADVICE = "lower training.optimizer.learning_rate, set gradient_clip, or take precision float32"
"""What helps against a diverging training."""


class Meter:
    """Gathers what the steps report, without waiting for the device until it is read.

    Args:
        processes: the joined processes; the loss is that of the global batch.
        settings: the ``training`` section.
        iteration: steps made before.
    """

    def __init__(self, processes: Processes, settings: Training, iteration: int) -> None:
        self._processes, self._settings = processes, settings
        self._last = (iteration, time.perf_counter())
        self._losses: list[torch.Tensor] = []
        self._norms: list[torch.Tensor] = []
        self._values: dict[str, float] = {}

    def add(self, losses: torch.Tensor, norm: torch.Tensor) -> None:
        """Take in one step: losses of this process's samples, ``[n]``, and the gradient's norm."""
        self._losses.append(losses.sum())
        self._norms.append(norm.detach())

    def read(self, iteration: int) -> dict[str, float]:
        """Means since the last reading; all processes read at the same steps.

        Raises:
            RhodiffError: if the loss is not finite.
        """
        steps = len(self._losses)
        total = self._processes.sum(torch.stack(self._losses).sum(dtype=torch.float64).float().reshape(1))
        loss = float(total[0]) / (steps * self._settings.batch_size)
        last_iteration, last_time = self._last
        now = time.perf_counter()
        if not torch.isfinite(total).all():
            self._processes.end_together(
                RhodiffError(
                    f"the loss is {loss} at iteration {iteration}: training has diverged. The checkpoints before are "
                    f"intact; {ADVICE}"
                )
            )
        self._values = {
            "loss": loss,
            "gradient_norm": float(torch.stack(self._norms).mean()),
            "iterations_per_second": (iteration - last_iteration) / (now - last_time),
        }
        self._last = (iteration, now)
        self._losses.clear()
        self._norms.clear()
        return self._values

    def describe(self, iteration: int) -> str:
        """The last reading with the time left, for people; nothing before the first."""
        if not self._values:
            return ""
        speed = self._values["iterations_per_second"]
        left_s = (self._settings.iterations - iteration) / speed
        return f"loss {self._values['loss']:.4f}, {speed:.2f} it/s, {_duration(left_s)} left"


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
