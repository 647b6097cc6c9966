"""Stage sample: every cell of the sweep into its own store, one task a shard."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from rhodiff.errors import DataError
from rhodiff.models.conditioning import ConditioningTable
from rhodiff.models.trained_range import departed_vectors
from rhodiff.runtime.devices import configure_torch, resolve_device
from rhodiff.runtime.places import Place
from rhodiff.runtime.stopping import listen_for_stop
from rhodiff.stages.asked_conditions import check_conditions
from rhodiff.stages.constrained import Constrainer
from rhodiff.stages.generation import Generated, generate, kept_steps, plan_sampler
from rhodiff.stages.parts import WHOLE, Part
from rhodiff.stages.reference import is_matched, matched_indices
from rhodiff.stages.sampler_plan import SamplerPlan
from rhodiff.stages.sweep import Cell, check_identity, check_sweep, is_sampled, sweep_cells
from rhodiff.stages.trained_network import load_network
from rhodiff.stages.workspace import Workspace
from rhodiff.store.field_store import num_shards, open_fields, shard_range
from rhodiff.store.field_writing import create_fields, write_shard
from rhodiff.store.files import read_marker, write_marker
from rhodiff.training.checkpoints import CheckpointFolder
from rhodiff.training.restored import RestoredModel

__all__ = ["SampleTask", "sample_sweep", "sample_tasks"]


ALONE_HERE = Place()


@dataclass(frozen=True)
class SampleTask:
    """One shard of one cell."""

    cell: Cell
    shard: int


def sample_tasks(workspace: Workspace) -> list[SampleTask]:
    """All tasks of the sweep, done or not, in order."""
    settings = workspace.experiment.sampling
    shards = num_shards(settings.num_samples, settings.shard_length)
    return [SampleTask(cell, shard) for cell in sweep_cells(workspace) for shard in range(shards)]


def sample_sweep(
    workspace: Workspace, part: Part = WHOLE, only: Sequence[Cell] | None = None, place: Place = ALONE_HERE
) -> list[Cell]:
    """Generate the samples of one part of the sweep that are not there yet.

    Args:
        workspace: the experiment, with a trained network.
        part: which of the tasks.
        only: cells that the tasks are of; None: the whole sweep.
        place: this process among those of its node, which share its devices and CPUs.

    Returns:
        These cells.

    Raises:
        StoppedEarly: after a stop signal, with the shard at hand finished.
    """
    check_sweep(workspace)
    check_conditions(workspace)
    runtime = workspace.experiment.runtime
    threads = workspace.experiment.sampling.threads or runtime.threads
    configure_torch(threads, place.processes_here, deterministic=runtime.deterministic)
    device = resolve_device(runtime.device, place.local_rank)
    wanted = None if only is None else {cell.identity for cell in only}
    everything = [t for t in sample_tasks(workspace) if wanted is None or t.cell.identity in wanted]
    tasks = part.of(everything)
    todo = [t for t in tasks if read_marker(workspace.run_folder.samples_marker(t.cell.identity, t.shard)) is None]
    if not todo:
        workspace.observer.note(f"samples: all {len(tasks)} shards done before")
    _run_tasks(workspace, todo, device)
    cells = list({task.cell.identity: task.cell for task in everything}.values())
    left_out = {cell.identity for cell in cells} - {cell.identity for cell in sweep_cells(workspace)}
    cells = [cell for cell in cells if cell.identity not in left_out]
    unfinished = [cell for cell in cells if not is_sampled(workspace, cell)]
    if unfinished:
        workspace.observer.note(f"samples: {len(unfinished)} of {len(cells)} cells still lack shards")
    return cells


def _run_tasks(workspace: Workspace, tasks: Sequence[SampleTask], device: torch.device) -> None:
    """Run the tasks, keeping one network loaded as long as the weights stay the same."""
    loaded: tuple[tuple[str, float | None], RestoredModel | None] | None = None
    started = time.perf_counter()
    with listen_for_stop() as stop:
        for done, task in enumerate(tasks, 1):
            wanted = (task.cell.checkpoint.digest, task.cell.ema_gamma)
            if loaded is None or loaded[0] != wanted:
                loaded = (wanted, _load(workspace, task.cell, device))
            if loaded[1] is None:
                continue
            _run_task(workspace, task, loaded[1])
            left_s = (time.perf_counter() - started) / done * (len(tasks) - done)
            workspace.observer.progress(done, len(tasks), f"{task.cell.describe()}, {left_s:.0f} s left")
            stop.leave_between(done, len(tasks))


def _load(workspace: Workspace, cell: Cell, device: torch.device) -> RestoredModel | None:
    """The network of a cell; None if its checkpoint is damaged and such ones are to be left out."""
    settings, checkpoint = workspace.experiment.sampling, cell.checkpoint
    try:
        return load_network(workspace, checkpoint, settings.weights, device, cell.ema_gamma)
    except DataError as error:
        if not settings.skip_damaged:
            raise DataError(f"{error}. Restore it, or leave damaged ones out with sampling.skip_damaged") from error
        CheckpointFolder(workspace.run_folder.checkpoints).record_damage(checkpoint, str(error))
        workspace.observer.warn(f"{checkpoint.name} is left out: {error}")
        return None


def _run_task(workspace: Workspace, task: SampleTask, model: RestoredModel) -> None:
    settings, run = workspace.experiment.sampling, workspace.run_folder
    store = run.samples(task.cell.identity)
    _create_store(workspace, task.cell, model)
    start, stop = shard_range(task.shard, settings.num_samples, settings.shard_length)
    parameters = _conditions(workspace, task.cell, model)[start:stop]
    began, began_cpu = time.perf_counter(), time.process_time()
    constrainer, batches = Constrainer.of(workspace, model), []
    for first in range(0, stop - start, settings.micro_batch):
        told = parameters[first : first + settings.micro_batch]
        made = generate(model, task.cell, told, start + first, settings.micro_batch, settings.trajectory)
        batches.append(constrainer.apply(made, told))
    valid = np.concatenate([batch.valid for batch in batches])
    files = write_shard(
        store,
        start,
        np.concatenate([batch.fields for batch in batches]),
        parameters,
        valid,
        _joined_trajectory(batches),
    )
    if not valid.all():
        workspace.observer.warn(f"{(~valid).sum()} of {len(valid)} samples diverged: {task.cell.describe()}")
    workspace.journal.write(
        "sampled",
        cell=task.cell.identity,
        shard=task.shard,
        samples=stop - start,
        wall_s=time.perf_counter() - began,
        cpu_s=time.process_time() - began_cpu,
    )
    write_marker(run.samples_marker(task.cell.identity, task.shard), files)


def _joined_trajectory(batches: Sequence[Generated]) -> NDArray[np.float32] | None:
    states = [batch.trajectory for batch in batches if batch.trajectory is not None]
    return np.concatenate(states) if states else None


def _create_store(workspace: Workspace, cell: Cell, model: RestoredModel) -> None:
    settings = workspace.experiment.sampling
    path = workspace.run_folder.samples(cell.identity)
    if path.exists():
        check_identity(path, cell)
        begun_with = open_fields(path).attributes["threads"]
        if _device_type(model) == "cpu" and begun_with != torch.get_num_threads():
            workspace.observer.warn(
                f"{path.name} was begun with {begun_with} CPU threads and goes on with {torch.get_num_threads()}: "
                "the last bits of a sample depend on it. Set sampling.threads to have them equal"
            )
        return
    plan = plan_sampler(model, cell)
    create_fields(
        path,
        model.spec,
        [p for name in model.parameter_names for p in workspace.store.parameter_info if p.name == name],
        num_fields=settings.num_samples,
        shard_length=min(settings.shard_length, settings.num_samples),
        group=_groups(workspace, cell),
        attributes={
            "identity": cell.identity,
            "training_id": model.training_id,
            "checkpoint": cell.checkpoint.name,
            "weights": settings.weights,
            "ema_gamma": cell.ema_gamma,
            "weights_digest": cell.checkpoint.digest,
            "sampler": cell.sampler,
            "evaluations": cell.evaluations,
            "guidance": cell.guidance,
            "sigma_min": plan.range.sigma_min,
            "sigma_max": plan.range.sigma_max,
            "seed": cell.seed,
            "device": _device_type(model),
            "threads": torch.get_num_threads(),
            "condition": dict(cell.condition) if cell.condition is not None else None,
            "trained_range": {name: list(ends) for name, ends in model.table.ranges.items()},
            "outside_range": departed_vectors(model.table, _conditions(workspace, cell, model)),
            "space": "physical" if model.transform.invertible_for_generated else "comparison",
            "transform": model.transform.to_record(),
            "constraints": Constrainer.of(workspace, model).to_record(),
            "trajectory_sigma": _trajectory_levels(plan, settings.trajectory),
        },
        extra_axis=("step", settings.trajectory) if settings.trajectory else None,
    )


def _device_type(model: RestoredModel) -> str:
    """``cpu``, ``cuda`` or ``xpu``."""
    return model.spectrum.device.type


def _trajectory_levels(plan: SamplerPlan, number: int) -> list[float]:
    """Noise levels of the estimates that a trajectory keeps."""
    if number == 0:
        return []
    return [plan.levels[step] for step in kept_steps(len(plan.levels), number)]


def _groups(workspace: Workspace, cell: Cell) -> NDArray[np.int64]:
    """Samples at the parameters of a reference field belong to that field's group; others are independent."""
    count = workspace.experiment.sampling.num_samples
    if not is_matched(workspace, cell):
        return np.arange(count, dtype=np.int64)
    return workspace.store.group[matched_indices(workspace, count)]


def _conditions(workspace: Workspace, cell: Cell, model: RestoredModel) -> NDArray[np.float64]:
    """Parameters of all samples of a cell, ``[num_samples, P]``."""
    count = workspace.experiment.sampling.num_samples
    if cell.condition is not None:
        row = [cell.condition[name] for name in model.parameter_names]
        return np.tile(np.array(row, dtype=np.float64), (count, 1))
    names = [parameter.name for parameter in workspace.store.parameter_info]
    columns = ConditioningTable.columns(workspace.experiment.model.conditioning, names)
    return workspace.store.parameters[matched_indices(workspace, count)][:, columns]
