"""Stage train: one network from a prepared data set, on one or many processes, going on from what is there."""

import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from rhodiff.diffusion.build import build_formulation
from rhodiff.diffusion.formulation import Formulation
from rhodiff.diffusion.schedules import noise_range
from rhodiff.errors import DataError, EnvironmentLacksError
from rhodiff.fields.transforms import Transform
from rhodiff.models.build import build_model, count_parameters
from rhodiff.models.conditioning import ConditioningTable
from rhodiff.runtime.containers import read_container_record
from rhodiff.runtime.devices import configure_torch, peak_memory_gb
from rhodiff.runtime.ipex import optimise_for_training
from rhodiff.runtime.launcher_variables import LINEAGE
from rhodiff.runtime.places import Place
from rhodiff.runtime.preparation import Preparation, prepare_process
from rhodiff.runtime.processes import Processes, join_processes
from rhodiff.runtime.progress import Silent
from rhodiff.runtime.stopping import listen_for_stop
from rhodiff.runtime.streams import address
from rhodiff.sources.source import TRAIN
from rhodiff.stages.asked_conditions import check_conditions, trained_table
from rhodiff.stages.sheets import write_sheet
from rhodiff.stages.training_data import conditions_of, fitted_transform, open_training_reader, training_spectrum
from rhodiff.stages.workspace import Workspace
from rhodiff.store.files import StorageError
from rhodiff.store.locks import EXPIRY_S, hold_lock
from rhodiff.training.batches import BatchSource
from rhodiff.training.checkpoints import Checkpoint, CheckpointFolder
from rhodiff.training.loop import Trainer
from rhodiff.training.metrics import JsonLines, MetricsSink, TensorBoard, WeightsAndBiases
from rhodiff.training.order import SampleOrder
from rhodiff.training.schedule import decay_start
from rhodiff.training.state import TrainingState

__all__ = ["TrainingParts", "build_network", "build_parts", "train"]


@dataclass(frozen=True)
class TrainingParts:
    """What a training is made of, before its first step.

    Attributes:
        network: on its device.
        formulation: noise levels, preconditioning and loss.
        transform: fitted on the training split.
        spectrum: power for each mode of the training fields, ``[*rspace]``.
        table: constants of the conditioning parameters.
        batches: where batches come from.
    """

    network: nn.Module
    formulation: Formulation
    transform: Transform
    spectrum: torch.Tensor
    table: ConditioningTable
    batches: BatchSource


def train(workspace: Workspace, place: Place) -> Checkpoint:
    """Train to the end, or until a stop signal.

    Args:
        workspace: the experiment, with prepared data.
        place: this process's place among all.

    Returns:
        The last checkpoint.

    Raises:
        StoppedEarly: after a stop signal, with the state saved.
        RunBusyError: if another training works on this run.
        DataError: if the data are not prepared, or data or checkpoint are another experiment's.
    """
    check_conditions(workspace)
    runtime, settings = workspace.experiment.runtime, workspace.experiment.training
    prepared = prepare_process(runtime, place, os.environ)
    configure_torch(runtime.threads, place.processes_here, deterministic=runtime.deterministic)
    checkpoints = CheckpointFolder(workspace.run_folder.checkpoints)
    _ = workspace.store  # before anything is written, the data must be there
    joined = join_processes(place, prepared.device, prepared.resolution.backend)
    with joined as processes, _training_lock(workspace, processes):
        found = _find_start(workspace, checkpoints, processes)
        if found is not None and found[0].iteration == settings.iterations:
            if processes.is_first:
                workspace.observer.note(f"training {workspace.run_folder.path.name}: {found[0].name}, done before")
            return found[0]
        processes.on_first(checkpoints.remove_temporaries)
        processes.on_first(workspace.record_run)
        processes.on_first(lambda: _record_preparation(workspace, prepared, processes))
        processes.on_first(lambda: fitted_transform(workspace))
        parts = build_parts(workspace, processes)
        state = TrainingState.begin(parts.network, settings)
        if found is not None:
            state.restore(found[1])
            if processes.is_first:
                workspace.observer.note(f"going on from {found[0].name}")
        if prepared.resolution.ipex:
            optimise_for_training(parts.network, state.optimizer)
        _train_to_end(workspace, processes, parts, state, checkpoints)
        return checkpoints.list(settings.iterations, _last_common(workspace))[-1]


def _record_preparation(workspace: Workspace, prepared: Preparation, processes: Processes) -> None:
    """What was chosen, and why, goes with the run; what carries the collectives is told."""
    for decision in prepared.resolution.decisions:
        if decision.what == "backend":
            workspace.observer.note(str(decision))
    container = read_container_record(os.environ)
    workspace.journal.write(
        "prepared",
        first_all_reduce_s=processes.first_all_reduce_s,
        container=None if container is None else asdict(container),
        **prepared.to_record(),
    )


@contextmanager
def _training_lock(workspace: Workspace, processes: Processes) -> Iterator[None]:
    """The first process holds the lock of the run; if it cannot, all processes end."""
    run, lineage = workspace.run_folder, os.environ.get(LINEAGE)
    # In a job nobody types the command again later: there it waits until a lock that a lost node left behind expires.
    patience_s = EXPIRY_S + 30.0 if lineage is not None else 0.0
    lock = hold_lock(run.training_lock, f"training of {run.path.name}", lineage=lineage, patience_s=patience_s)
    with ExitStack() as held:
        processes.on_first(lambda: held.enter_context(lock))
        yield


def _last_common(workspace: Workspace) -> int:
    """Iteration up to which the weights do not depend on the length of the training."""
    settings = workspace.experiment.training
    return decay_start(settings.optimizer, settings.iterations)


def _find_start(
    workspace: Workspace, checkpoints: CheckpointFolder, processes: Processes
) -> tuple[Checkpoint, dict[str, Any]] | None:
    """The checkpoint to go on from, the same for all processes."""
    warn = workspace.observer.warn if processes.is_first else Silent().warn
    found = checkpoints.load_newest(workspace.experiment.training.iterations, _last_common(workspace), warn)
    if found is not None and found[1]["training_id"] != workspace.training_id:
        processes.end_together(
            DataError(
                f"{found[0].path} belongs to the training {found[1]['training_id']}, this one is "
                f"{workspace.training_id}: it was copied here, or the folder was renamed. Remove it"
            )
        )
    mine = 0 if found is None else found[0].iteration
    first = int(processes.sum(torch.tensor([mine if processes.is_first else 0], dtype=torch.float64))[0])
    if processes.any(mine != first):
        processes.end_together(
            EnvironmentLacksError(
                f"the processes see different checkpoints (the first one iteration {first}): {checkpoints.path} must "
                "be on a file system that all nodes share"
            )
        )
    return found


def _train_to_end(
    workspace: Workspace,
    processes: Processes,
    parts: TrainingParts,
    state: TrainingState,
    checkpoints: CheckpointFolder,
) -> None:
    keeper = _Keeper(workspace, parts, checkpoints, processes.device)
    with (
        _journalled(workspace, processes, state),
        listen_for_stop() as stop,
        _open_sinks(workspace, processes, state.iteration) as sinks,
    ):
        trainer = Trainer(
            settings=workspace.experiment.training,
            formulation=parts.formulation,
            batches=parts.batches,
            processes=processes,
            save=keeper.save,
            draw=keeper.draw,
            sinks=sinks,
            observer=workspace.observer if processes.is_first else Silent(),
            stop=stop,
            seed=workspace.experiment.seed,
        )
        trainer.run(state)
    _record_memory(workspace, processes)


def _record_memory(workspace: Workspace, processes: Processes) -> None:
    """Journal the peak memory of every process."""
    own = torch.zeros(2, processes.place.world_size)
    own[:, processes.place.rank] = torch.tensor(peak_memory_gb(processes.device))
    host_gb, device_gb = processes.sum(own).tolist()
    processes.on_first(lambda: workspace.journal.write("memory", host_gb=host_gb, device_gb=device_gb))


@contextmanager
def _journalled(workspace: Workspace, processes: Processes, state: TrainingState) -> Iterator[None]:
    """Record what an attempt did, however it ends; a full disk then does not hide why it ended."""
    started, started_cpu, began_at = time.perf_counter(), time.process_time(), state.iteration
    try:
        yield
    finally:
        if processes.is_first:
            with suppress(StorageError):
                workspace.journal.write(
                    "training ended",
                    iteration=state.iteration,
                    started_at=began_at,
                    processes=processes.place.world_size,
                    threads=torch.get_num_threads(),
                    device=str(processes.device),
                    wall_s=time.perf_counter() - started,
                    cpu_s=time.process_time() - started_cpu,
                    parameters=count_parameters(state.network),
                )


def build_network(workspace: Workspace, table: ConditioningTable) -> nn.Module:
    """The network with its seeded initial weights, on the CPU."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(address(workspace.experiment.seed, "initial weights"))
        experiment, spec = workspace.experiment, workspace.store.spec
        return build_model(experiment.model, spec, table, fields_shown=experiment.diffusion.fields_shown)


def build_parts(workspace: Workspace, processes: Processes) -> TrainingParts:
    """Everything that a training starts from.

    Args:
        workspace: the experiment, with prepared data.
        processes: the joined processes, of which this one reads its own batches.
    """
    experiment = workspace.experiment
    transform = fitted_transform(workspace)
    power, std = training_spectrum(workspace, transform)
    spectrum = torch.from_numpy(np.ascontiguousarray(power)).to(processes.device)
    train_split, table = workspace.store.indices(TRAIN), trained_table(workspace)
    batches = BatchSource(
        reader=open_training_reader(workspace),
        indices=train_split,
        parameters=conditions_of(workspace, train_split),
        transform=transform,
        settings=experiment.fields,
        order=SampleOrder(experiment.seed, len(train_split), experiment.training.batch_size),
        seed=experiment.seed,
        device=processes.device,
        condition_dropout=experiment.model.conditioning.dropout,
    )
    return TrainingParts(
        network=build_network(workspace, table).to(processes.device),
        formulation=build_formulation(experiment.diffusion, std, noise_range(power, experiment.diffusion), spectrum),
        transform=transform,
        spectrum=spectrum,
        table=table,
        batches=batches,
    )


@dataclass
class _Keeper:
    """Keeps what a training has reached: checkpoints, the older ones thinned out, and sheets of generated fields."""

    workspace: Workspace
    parts: TrainingParts
    checkpoints: CheckpointFolder
    device: torch.device
    newest: Checkpoint | None = None

    def save(self, state: TrainingState) -> None:
        """Write a checkpoint."""
        started = time.perf_counter()
        settings, common = self.workspace.experiment.training, _last_common(self.workspace)
        horizon = settings.iterations if state.iteration > common else None
        self.newest = self.checkpoints.save(_content(self.workspace, self.parts, state), state.iteration, horizon)
        self.checkpoints.prune(settings.keep_checkpoints, settings.iterations, common)
        self._journal("checkpoint", state, started)

    def _journal(self, event: str, state: TrainingState, started: float) -> None:
        wall_s = time.perf_counter() - started
        self.workspace.journal.write(event, iteration=state.iteration, wall_s=wall_s)

    def draw(self, state: TrainingState) -> None:
        """Draw a sheet from the checkpoint just written, where one is due."""
        settings = self.workspace.experiment.training
        every = settings.sheet_every or settings.checkpoint_every
        is_due = state.iteration % every == 0 or state.iteration == settings.iterations
        if settings.sheet_samples and is_due and self.newest is not None:
            started = time.perf_counter()
            write_sheet(self.workspace, self.newest, self.device)
            self._journal("sheet", state, started)


def _content(workspace: Workspace, parts: TrainingParts, state: TrainingState) -> dict[str, Any]:
    return {
        **state.to_checkpoint(),
        "training_id": workspace.training_id,
        "experiment": workspace.experiment.model_dump(mode="json"),
        "spec": workspace.store.spec.model_dump(mode="json"),
        "transform": parts.transform.to_record(),
        "formulation": parts.formulation.model_dump(mode="json"),
        "conditioning": parts.table.model_dump(mode="json"),
        "spectrum": parts.spectrum.cpu(),
    }


@contextmanager
def _open_sinks(workspace: Workspace, processes: Processes, start: int) -> Iterator[list[MetricsSink]]:
    """Where the metrics go; nowhere on all but the first process."""
    settings, run = workspace.experiment.training, workspace.run_folder
    sinks: list[MetricsSink] = []

    def begin() -> None:
        sinks.append(JsonLines(run.metrics, start))
        if settings.tensorboard:
            sinks.append(TensorBoard(run.tensorboard, start))
        if settings.wandb_project is not None:
            sinks.append(WeightsAndBiases(settings.wandb_project, run.path.name, run.path))

    try:
        processes.on_first(begin)
        yield sinks
    finally:
        for sink in sinks:
            sink.close()
