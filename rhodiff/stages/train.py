"""Stage train: one network from a prepared data set, on one or many processes, going on from what is there."""

import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from rhodiff.config.training import Training
from rhodiff.diffusion.build import build_formulation
from rhodiff.diffusion.formulation import Formulation
from rhodiff.diffusion.schedules import noise_range
from rhodiff.fields.transforms import Transform
from rhodiff.models.build import build_model, count_parameters
from rhodiff.models.conditioning import ConditioningTable
from rhodiff.runtime.devices import configure_torch, resolve_device
from rhodiff.runtime.processes import Place, Processes, join_processes
from rhodiff.runtime.progress import Silent
from rhodiff.runtime.stopping import listen_for_stop
from rhodiff.runtime.streams import address
from rhodiff.sources.source import TRAIN
from rhodiff.stages.sheets import write_sheet
from rhodiff.stages.training_data import conditions_of, fitted_transform, open_training_reader, training_spectrum
from rhodiff.stages.workspace import Workspace
from rhodiff.store.locks import hold_lock
from rhodiff.training.batches import BatchSource
from rhodiff.training.checkpoints import Checkpoint, CheckpointFolder
from rhodiff.training.loop import Trainer
from rhodiff.training.metrics import JsonLines, MetricsSink, TensorBoard, WeightsAndBiases
from rhodiff.training.order import SampleOrder
from rhodiff.training.schedule import decay_start
from rhodiff.training.state import TrainingState

__all__ = ["build_network", "train"]


@dataclass(frozen=True)
class _Parts:
    """What a training is made of, before its first step."""

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
    """
    runtime, settings = workspace.experiment.runtime, workspace.experiment.training
    device = resolve_device(runtime.device, place.local_rank)
    configure_torch(runtime.threads, place.processes_here, deterministic=runtime.deterministic)
    checkpoints = CheckpointFolder(workspace.run_folder.checkpoints)
    with join_processes(place, device) as processes, _training_lock(workspace, processes):
        common = decay_start(settings.optimizer, settings.iterations)
        before = checkpoints.list(settings.iterations, common)
        if before and before[-1].iteration == settings.iterations:
            if processes.is_first:
                workspace.observer.note(f"training {workspace.run_folder.path.name}: {before[-1].name}, done before")
            return before[-1]
        if processes.is_first:
            workspace.record_run()
            fitted_transform(workspace)
        processes.wait_for_all()
        _train_to_end(workspace, processes, checkpoints)
        processes.wait_for_all()
        return checkpoints.list(settings.iterations, common)[-1]


def _training_lock(workspace: Workspace, processes: Processes) -> AbstractContextManager[None]:
    if not processes.is_first:
        return nullcontext()
    return hold_lock(workspace.run_folder.training_lock, f"training of {workspace.run_folder.path.name}")


def _train_to_end(workspace: Workspace, processes: Processes, checkpoints: CheckpointFolder) -> None:
    experiment, settings = workspace.experiment, workspace.experiment.training
    parts = _build_parts(workspace, processes)
    state = TrainingState.begin(parts.network, settings)
    _restore(workspace, state, checkpoints, processes)
    started, began_at = time.perf_counter(), state.iteration
    with listen_for_stop() as stop:
        sinks = _sinks(workspace, state.iteration) if processes.is_first else []
        trainer = Trainer(
            settings=settings,
            formulation=parts.formulation,
            batches=parts.batches,
            processes=processes,
            save=_saver(workspace, parts, checkpoints, processes.device),
            sinks=sinks,
            observer=workspace.observer if processes.is_first else Silent(),
            stop=stop,
            seed=experiment.seed,
        )
        try:
            trainer.run(state)
        finally:
            for sink in sinks:
                sink.close()
            if processes.is_first:
                workspace.journal.write(
                    "training ended",
                    iteration=state.iteration,
                    started_at=began_at,
                    processes=processes.place.world_size,
                    threads=torch.get_num_threads(),
                    device=str(processes.device),
                    wall_s=time.perf_counter() - started,
                    cpu_s=time.process_time(),
                    parameters=count_parameters(parts.network),
                )


def build_network(workspace: Workspace, table: ConditioningTable) -> nn.Module:
    """The network with its seeded initial weights, on the CPU."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(address(workspace.experiment.seed, "initial weights"))
        return build_model(workspace.experiment.model, workspace.store.spec, table if table.names else None)


def _build_parts(workspace: Workspace, processes: Processes) -> _Parts:
    experiment, store = workspace.experiment, workspace.store
    transform = fitted_transform(workspace)
    spectrum, std = training_spectrum(workspace, transform)
    train_split = store.indices(TRAIN)
    names = [parameter.name for parameter in store.parameter_info]
    table = ConditioningTable.fit(experiment.model.conditioning, names, store.parameters[train_split])
    batches = BatchSource(
        reader=open_training_reader(workspace),
        indices=train_split,
        parameters=conditions_of(workspace, train_split),
        transform=transform,
        settings=experiment.fields,
        order=SampleOrder(experiment.seed, len(train_split), experiment.training.batch_size),
        seed=experiment.seed,
        device=processes.device,
    )
    return _Parts(
        network=build_network(workspace, table).to(processes.device),
        formulation=build_formulation(experiment.diffusion, std, noise_range(spectrum, experiment.diffusion)),
        transform=transform,
        spectrum=torch.from_numpy(np.ascontiguousarray(spectrum)),
        table=table,
        batches=batches,
    )


def _restore(workspace: Workspace, state: TrainingState, checkpoints: CheckpointFolder, processes: Processes) -> None:
    settings = workspace.experiment.training
    warn = workspace.observer.warn if processes.is_first else Silent().warn
    common = decay_start(settings.optimizer, settings.iterations)
    found = checkpoints.load_newest(settings.iterations, common, warn)
    if found is None:
        return
    state.restore(found[1])
    if processes.is_first:
        workspace.observer.note(f"going on from {found[0].name}")


def _saver(
    workspace: Workspace, parts: _Parts, checkpoints: CheckpointFolder, device: torch.device
) -> Callable[[TrainingState], None]:
    """Writes a checkpoint, thins out old ones, and draws a sheet of generated fields."""
    settings = workspace.experiment.training
    common = decay_start(settings.optimizer, settings.iterations)

    def save(state: TrainingState) -> None:
        horizon = settings.iterations if state.iteration > common else None
        checkpoint = checkpoints.save(_content(workspace, parts, state), state.iteration, horizon)
        checkpoints.prune(settings.keep_checkpoints, settings.iterations, common)
        if settings.sheet_samples and _is_sheet_due(settings, state.iteration):
            write_sheet(workspace, checkpoint, device)

    return save


def _is_sheet_due(settings: Training, iteration: int) -> bool:
    return settings.sheet_every is None or iteration % settings.sheet_every == 0


def _content(workspace: Workspace, parts: _Parts, state: TrainingState) -> dict[str, Any]:
    return {
        **state.to_checkpoint(),
        "training_id": workspace.training_id,
        "experiment": workspace.experiment.model_dump(mode="json"),
        "spec": workspace.store.spec.model_dump(mode="json"),
        "transform": parts.transform.to_record(),
        "formulation": parts.formulation.model_dump(mode="json"),
        "conditioning": parts.table.model_dump(mode="json"),
        "spectrum": parts.spectrum,
    }


def _sinks(workspace: Workspace, start: int) -> list[MetricsSink]:
    settings, run = workspace.experiment.training, workspace.run_folder
    sinks: list[MetricsSink] = [JsonLines(run.metrics, start)]
    if settings.tensorboard:
        sinks.append(TensorBoard(run.tensorboard, start))
    if settings.wandb_project is not None:
        sinks.append(WeightsAndBiases(settings.wandb_project, run.path.name, run.path))
    return sinks
