"""The training loop.

A step: the gradient of the mean loss over the global batch (:mod:`rhodiff.training.gradient`), clipped; one optimizer
update; the weight average. Then, where they are due: metrics, a checkpoint, a sheet, the question whether to stop.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn

from rhodiff.config.training import Training
from rhodiff.diffusion.formulation import Formulation
from rhodiff.errors import ConfigError, RhodiffError, StoppedEarly
from rhodiff.runtime.processes import Processes
from rhodiff.runtime.progress import Observer
from rhodiff.runtime.stop_agreement import StopAgreement
from rhodiff.runtime.stopping import StopRequest
from rhodiff.runtime.streams import address
from rhodiff.training.batches import BatchSource
from rhodiff.training.gradient import batch_gradient
from rhodiff.training.meter import ADVICE, Meter
from rhodiff.training.metrics import MetricsSink
from rhodiff.training.parallel import share_network
from rhodiff.training.schedule import checkpoint_iterations, learning_rate
from rhodiff.training.state import TrainingState

__all__ = ["Trainer"]


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

    def __post_init__(self) -> None:
        self._checkpoint_iterations = frozenset(checkpoint_iterations(self.settings))

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
        network = share_network(state.network, settings, self.processes)
        positions = self.processes.share(place.rank, settings.batch_size)
        meter = Meter(self.processes, settings, state.iteration)
        stop_check = StopAgreement(self.processes, self.stop)
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
            for average in state.averages:
                average.update(state.network, state.iteration)
            meter.add(losses, norm)
            self._after_step(state, meter, rate, stop_check)

    def _after_step(self, state: TrainingState, meter: Meter, rate: float, stop_check: StopAgreement) -> None:
        done = state.iteration == self.settings.iterations
        if done or state.iteration % self.settings.metrics_every == 0:
            self._write_metrics(state.iteration, {**meter.read(state.iteration), "learning_rate": rate})
        self.observer.progress(state.iteration, self.settings.iterations, meter.describe(state.iteration))
        stopping = stop_check.is_agreed(state.iteration) and not done
        if stopping or state.iteration in self._checkpoint_iterations:
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
