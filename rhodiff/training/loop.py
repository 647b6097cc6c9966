"""The training loop.

A step: the gradient of the mean loss over the global batch, clipped; one optimizer update; the weight average. Each
process computes its share of the batch and weights it per sample, so an uneven split gives the gradient of the whole:
torch's data parallelism averages over processes, hence the factor (number of processes) / (batch size) on the sum of
a process's losses.
"""

import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from rhodiff.config.training import Training
from rhodiff.diffusion.formulation import Formulation
from rhodiff.errors import ConfigError, RhodiffError, StoppedEarly
from rhodiff.runtime.processes import Processes
from rhodiff.runtime.progress import Observer
from rhodiff.runtime.stopping import StopRequest
from rhodiff.runtime.streams import address
from rhodiff.training.batches import Batch, BatchSource
from rhodiff.training.metrics import MetricsSink
from rhodiff.training.schedule import learning_rate
from rhodiff.training.state import TrainingState

__all__ = ["Trainer", "batch_gradient"]

STOP_CHECK_S = 1.0
MOST_ITERATIONS_UNCHECKED = 100
"""Several processes agree on a stop about once a second, at least this often; one process looks at every step."""
ADVICE = "lower training.optimizer.learning_rate, set gradient_clip, or take precision float32"


@dataclass
class Trainer:
    """Everything a training needs that does not change while it runs.

    Attributes:
        settings: the ``training`` section.
        formulation: noise levels and loss.
        batches: where batches come from.
        processes: the joined processes.
        save: writes a checkpoint of the state; called on the first process alone.
        draw: draws a sheet of generated fields after ``save``, unless the training is being stopped.
        sinks: where metrics go; empty on all but the first process.
        observer: told about progress.
        stop: set by a stop signal.
        seed: the experiment's seed.
    """

    settings: Training
    formulation: Formulation
    batches: BatchSource
    processes: Processes
    save: Callable[[TrainingState], object]
    draw: Callable[[TrainingState], object]
    sinks: list[MetricsSink]
    observer: Observer
    stop: StopRequest
    seed: int

    def run(self, state: TrainingState) -> None:
        """Train from where the state stands to the end.

        Raises:
            StoppedEarly: after a stop signal, with the state saved.
            RhodiffError: if the loss or the weights are not finite any more.
        """
        place, settings = self.processes.place, self.settings
        if place.world_size > settings.batch_size:
            self.processes.end_together(
                ConfigError(
                    f"training.batch_size {settings.batch_size} is the global batch and gives no field to each of "
                    f"{place.world_size} processes: take fewer processes or a larger batch"
                )
            )
        network = self._wrapped(state.network)
        positions = self.processes.share(place.rank, settings.batch_size)
        meter = _Meter(self.processes, settings, state.iteration)
        stop_check = _StopCheck(self.processes, self.stop)
        for batch in self.batches.batches(state.iteration, settings.iterations, positions):
            torch.manual_seed(address(self.seed, "dropout", state.iteration, place.rank))
            rate = learning_rate(state.iteration, settings.optimizer, settings.iterations, place.world_size)
            for group in state.optimizer.param_groups:
                group["lr"] = rate
            state.optimizer.zero_grad(set_to_none=True)
            losses = batch_gradient(network, self.formulation, batch, settings, self.processes)
            norm = nn.utils.clip_grad_norm_(network.parameters(), settings.optimizer.gradient_clip or float("inf"))
            state.optimizer.step()
            state.iteration += 1
            if state.average is not None:
                state.average.update(state.network, state.iteration)
            meter.add(losses, norm)
            self._after_step(state, meter, rate, stop_check)

    def _after_step(self, state: TrainingState, meter: "_Meter", rate: float, stop_check: "_StopCheck") -> None:
        done = state.iteration == self.settings.iterations
        if done or state.iteration % self.settings.metrics_every == 0:
            self._write_metrics(state.iteration, {**meter.read(state.iteration), "learning_rate": rate})
            self.observer.progress(state.iteration, self.settings.iterations, meter.describe(state.iteration))
        stopping = stop_check.is_agreed(state.iteration) and not done
        if done or stopping or state.iteration % self.settings.checkpoint_every == 0:
            self._refuse_broken(state)
            self.processes.on_first(lambda: self.save(state))
            if not stopping:
                self.processes.on_first(lambda: self.draw(state))
        if stopping:
            stopped = StoppedEarly(
                f"stopped by {self.stop.reason or 'a signal to another process'} at iteration {state.iteration} of "
                f"{self.settings.iterations}; the state is saved, the same command goes on"
            )
            self.processes.end_together(stopped)

    def _write_metrics(self, iteration: int, values: dict[str, float]) -> None:
        def write() -> None:
            for sink in self.sinks:
                sink.write(iteration, values)

        self.processes.on_first(write)

    def _refuse_broken(self, state: TrainingState) -> None:
        """No checkpoint is written of weights that are not numbers; all processes hold the same ones."""
        broken = state.find_non_finite()
        if broken is not None:
            self.processes.end_together(
                RhodiffError(
                    f"the state is not finite at iteration {state.iteration} ({broken}): training has diverged. It "
                    f"is not saved, and the checkpoints before are intact; {ADVICE}"
                )
            )

    def _wrapped(self, network: nn.Module) -> nn.Module:
        compiled = torch.compile(network) if self.settings.compile else network
        assert isinstance(compiled, nn.Module)
        if self.processes.place.world_size == 1:
            return compiled
        device = self.processes.device
        return DistributedDataParallel(compiled, device_ids=None if device.type == "cpu" else [device])


def batch_gradient(
    network: nn.Module, formulation: Formulation, batch: Batch, settings: Training, processes: Processes
) -> torch.Tensor:
    """Add the gradient of the mean loss over the global batch to the parameters.

    Args:
        network: plain, or wrapped for data parallelism.
        formulation: noise levels and loss.
        batch: this process's share.
        settings: the ``training`` section.
        processes: the joined processes.

    Returns:
        Losses of this process's samples, ``[n]``, without graph.
    """
    size = len(batch.fields)
    part = settings.micro_batch or size
    weight = processes.place.world_size / settings.batch_size
    losses = []
    for start in range(0, size, part):
        piece = slice(start, start + part)
        with _no_sync(network, is_last=start + part >= size):
            with _autocast(settings, processes.device):
                loss = formulation.loss(
                    network,
                    batch.fields[piece],
                    batch.noise[piece],
                    formulation.stratify(batch.uniform[piece], batch.positions[piece], settings.batch_size),
                    batch.parameters[piece] if batch.parameters.shape[1] else None,
                )
            (loss.sum() * weight).backward()  # type: ignore[no-untyped-call]
        losses.append(loss.detach())
    return torch.cat(losses)


def _no_sync(network: nn.Module, *, is_last: bool) -> AbstractContextManager[None]:
    """Gradients travel with the last piece of an accumulated batch only."""
    if is_last or not isinstance(network, DistributedDataParallel):
        return nullcontext()
    return network.no_sync()


def _autocast(settings: Training, device: torch.device) -> AbstractContextManager[None]:
    if settings.precision == "float32":
        return nullcontext()
    return torch.autocast(device.type, dtype=torch.bfloat16)


class _StopCheck:
    """Whether to stop: all processes come to the same answer at the same step.

    Asking costs a message, so several processes ask about once a second; the number of steps to the next time follows
    from the mean of their clocks, and so is the same for all.
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
        allowed = int(self._steps * STOP_CHECK_S * size / max(waited_s, 1e-6))
        self._steps = max(1, min(MOST_ITERATIONS_UNCHECKED, allowed))
        self._next, self._last_time = iteration + self._steps, now
        return bool(asked > 0)


class _Meter:
    """Mean loss and gradient norm since the last reading, and the speed."""

    def __init__(self, processes: Processes, settings: Training, iteration: int) -> None:
        self._processes, self._settings = processes, settings
        self._last = (iteration, time.perf_counter())
        self._losses: list[torch.Tensor] = []
        self._norms: list[torch.Tensor] = []
        self._values: dict[str, float] = {}

    def add(self, losses: torch.Tensor, norm: torch.Tensor) -> None:
        self._losses.append(losses.sum())
        self._norms.append(norm.detach())

    def read(self, iteration: int) -> dict[str, float]:
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
        speed = self._values["iterations_per_second"]
        left_s = (self._settings.iterations - iteration) / speed
        return f"loss {self._values['loss']:.4f}, {speed:.2f} it/s, {_duration(left_s)} left"


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
