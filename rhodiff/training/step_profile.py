"""Times within a training step of one process that waits for nobody; the model of scaling starts from them."""

import time
from functools import partial
from typing import Any

import numpy as np
import torch

from rhodiff.config.training import Training
from rhodiff.diffusion.formulation import Formulation
from rhodiff.runtime.places import Place
from rhodiff.runtime.processes import Processes
from rhodiff.training.batches import Batch
from rhodiff.training.gradient import batch_gradient
from rhodiff.training.scaling import ComputeTimes
from rhodiff.training.state import TrainingState

__all__ = ["measure_step"]

WARM_UP_STEPS = 2


def measure_step(
    state: TrainingState,
    formulation: Formulation,
    batch: Batch,
    settings: Training,
    device: torch.device,
    repeats: int = 5,
) -> ComputeTimes:
    """Make some steps of a training by itself, and take the median of each time in them.

    Args:
        state: network, optimizer and averages; they are trained on.
        formulation: noise levels and loss.
        batch: the share of one process.
        settings: the ``training`` section; its ``batch_size`` is taken to be that share.
        device: of the network.
        repeats: steps that count; two are made before.
    """
    own = settings.model_copy(update={"batch_size": len(batch.fields)})
    profile = _StepProfile(state, device)
    steps = [profile.step(formulation, batch, own) for _ in range(WARM_UP_STEPS + repeats)][WARM_UP_STEPS:]
    median = np.median(np.array(steps), axis=0)
    sizes = [size for _, size in profile.gradients]
    order = np.argsort(median[:-2], kind="stable")
    return ComputeTimes(
        ready_s=tuple(float(median[index]) for index in order),
        sizes=tuple(sizes[index] for index in order),
        backward_s=float(median[-2]),
        update_s=float(median[-1] - median[-2]),
    )


class _StepProfile:
    """Notes when each gradient is there.

    Args:
        state: what is trained.
        device: of the network.
    """

    def __init__(self, state: TrainingState, device: torch.device) -> None:
        self._state = state
        self._clock: Any = _HostClock() if device.type == "cpu" else _DeviceClock(device)
        self._processes = Processes(Place(), device)
        trained = [one for one in state.network.parameters() if one.requires_grad]
        self.gradients = [(one, one.numel() * one.element_size()) for one in trained]
        self._marks: list[Any] = [None] * len(trained)
        for number, (parameter, _) in enumerate(self.gradients):
            parameter.register_post_accumulate_grad_hook(partial(self._note, number))  # type: ignore[no-untyped-call]

    def _note(self, number: int, _: torch.Tensor) -> None:
        self._marks[number] = self._clock.mark()

    def step(self, formulation: Formulation, batch: Batch, settings: Training) -> list[float]:
        """One step; the time of each gradient, of the end of the backward pass and of the end of the step."""
        state, began = self._state, self._clock.mark()
        state.optimizer.zero_grad(set_to_none=True)
        batch_gradient(state.network, formulation, batch, settings, self._processes)
        backward = self._clock.mark()
        torch.nn.utils.clip_grad_norm_(state.network.parameters(), settings.optimizer.gradient_clip or float("inf"))
        state.optimizer.step()
        state.iteration += 1
        for average in state.averages:
            average.update(state.network, state.iteration)
        marks = [*self._marks, backward, self._clock.mark()]
        return [self._clock.seconds(began, mark) for mark in marks]


class _HostClock:
    """Times of a CPU, which does one thing after another."""

    def mark(self) -> float:
        return time.perf_counter()

    def seconds(self, begin: float, end: float) -> float:
        return end - begin


class _DeviceClock:
    """Times of an accelerator's queue, whose work the host does not wait for."""

    def __init__(self, device: torch.device) -> None:
        self._device = device

    def mark(self) -> torch.Event:
        event = torch.Event(device=self._device.type, enable_timing=True)
        event.record()
        return event

    def seconds(self, begin: torch.Event, end: torch.Event) -> float:
        end.synchronize()
        return float(begin.elapsed_time(end)) / 1e3
