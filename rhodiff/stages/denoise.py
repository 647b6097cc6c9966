"""Stage denoise: noisy fields of a split, denoised by each checkpoint, one task a block of fields.

``denoised/<hash8>.zarr`` holds for each checkpoint the fields, draws and scores that
:mod:`rhodiff.stages.denoised_block` describes. Its identity covers the training, the weights of the checkpoint and
the ``denoising`` section.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch

from rhodiff.config.identity import identity_hash
from rhodiff.config.section import result_settings
from rhodiff.errors import DataError
from rhodiff.fields.noise_space import NoiseSpace
from rhodiff.runtime.devices import configure_torch, resolve_device
from rhodiff.runtime.stopping import listen_for_stop
from rhodiff.stages.denoised_block import ESTIMATES, WIDTHS, block_arrays, known_arrays, measure_block
from rhodiff.stages.observation import chosen_fields, observe, require_denoising
from rhodiff.stages.parts import WHOLE, Part
from rhodiff.stages.posterior import FieldDenoiser
from rhodiff.stages.trained_network import find_checkpoints, load_network
from rhodiff.stages.training_data import conditions_of, fitted_transform
from rhodiff.stages.workspace import Workspace
from rhodiff.store.block_store import create_blocks, open_attributes, write_block
from rhodiff.store.field_store import num_shards, shard_range
from rhodiff.store.files import read_marker, write_marker
from rhodiff.training.checkpoints import Checkpoint
from rhodiff.training.restored import RestoredModel

__all__ = ["DenoiseTask", "check_denoising", "denoise", "denoise_tasks", "is_denoised"]


@dataclass(frozen=True)
class DenoiseTask:
    """One block of the fields that one checkpoint denoises.

    Attributes:
        identity: names the store.
        checkpoint: whose network denoises.
        block: number of the block.
    """

    identity: str
    checkpoint: Checkpoint
    block: int

    def describe(self) -> str:
        """One line for people."""
        return f"{self.checkpoint.name}, block {self.block}"


def check_denoising(workspace: Workspace) -> None:
    """Refuse denoising that cannot run, before anything is computed.

    Raises:
        ConfigError: if the fields have several channels.
    """
    channels = workspace.source.spec.channels
    if workspace.experiment.denoising is not None:
        NoiseSpace.require_one_channel(len(channels))


def denoise_tasks(workspace: Workspace) -> list[DenoiseTask]:
    """All tasks of the stage, done or not, in order.

    Raises:
        ConfigError: if the experiment has no ``denoising``, or asks for more fields than there are.
        DataError: if a checkpoint is not there.
    """
    settings = require_denoising(workspace)
    blocks = num_shards(len(chosen_fields(workspace)), settings.block_length)
    return [
        DenoiseTask(_identity(workspace, checkpoint), checkpoint, block)
        for checkpoint in find_checkpoints(workspace, settings.checkpoints, "denoising.checkpoints")
        for block in range(blocks)
    ]


def denoise(workspace: Workspace, part: Part = WHOLE) -> list[DenoiseTask]:
    """Denoise the blocks of one part that are not there yet.

    Args:
        workspace: the experiment, with a trained network.
        part: which of the tasks.

    Returns:
        All tasks of the stage.

    Raises:
        StoppedEarly: after a stop signal, with the block at hand finished.
    """
    tasks = denoise_tasks(workspace)
    check_denoising(workspace)
    runtime = workspace.experiment.runtime
    configure_torch(runtime.threads, 1, deterministic=runtime.deterministic)
    todo = [task for task in part.of(tasks) if not is_denoised(workspace, task)]
    if not todo:
        workspace.observer.note(f"denoising: all {len(part.of(tasks))} blocks done before")
    _run_tasks(workspace, todo, resolve_device(runtime.device))
    unfinished = sum(not is_denoised(workspace, task) for task in tasks)
    if unfinished:
        workspace.observer.note(f"denoising: {unfinished} of {len(tasks)} blocks are still to be done")
    return tasks


def is_denoised(workspace: Workspace, task: DenoiseTask) -> bool:
    """Whether a block is there."""
    return read_marker(workspace.run_folder.denoised_marker(task.identity, task.block)) is not None


def _identity(workspace: Workspace, checkpoint: Checkpoint) -> str:
    settings = result_settings(require_denoising(workspace))
    del settings["checkpoints"]
    return identity_hash("denoised", workspace.training_id, checkpoint.digest, settings)


def _run_tasks(workspace: Workspace, tasks: Sequence[DenoiseTask], device: torch.device) -> None:
    """Run the tasks, keeping one network loaded as long as the checkpoint stays the same."""
    weights = require_denoising(workspace).weights
    loaded: tuple[str, RestoredModel] | None = None
    with listen_for_stop() as stop:
        for done, task in enumerate(tasks, 1):
            if loaded is None or loaded[0] != task.identity:
                loaded = (task.identity, load_network(workspace, task.checkpoint, weights, device))
            _run_task(workspace, task, loaded[1])
            workspace.observer.progress(done, len(tasks), task.describe())
            stop.leave_between(done, len(tasks))


def _run_task(workspace: Workspace, task: DenoiseTask, model: RestoredModel) -> None:
    settings, run = require_denoising(workspace), workspace.run_folder
    began, began_cpu = time.perf_counter(), time.process_time()
    chosen = chosen_fields(workspace)
    start, stop = shard_range(task.block, len(chosen), settings.block_length)
    space = NoiseSpace.of(fitted_transform(workspace))
    spec, path = space.spec(workspace.store.spec), run.denoised(task.identity)
    _create_store(workspace, task, model, space)
    seen, denoiser = observe(workspace, space, chosen[start:stop]), FieldDenoiser(model, settings)
    parameters = conditions_of(workspace, seen.indices)
    for _ in range(settings.rescale):
        estimate = seen.seen.back(denoiser.mean(seen, parameters))
        seen = replace(seen, seen=space.to_network(seen.noisy, like=estimate))
    found = denoiser.posterior(seen, parameters)
    power = model.spectrum.cpu().numpy()
    block = measure_block(seen, found, spec, power, settings.samples_kept)
    lost = int((~block["valid"]).sum())
    if lost:
        workspace.observer.warn(f"{lost} of {stop - start} fields came out NaN or infinite: {task.describe()}")
    files = write_block(path, task.block, block)
    workspace.journal.write(
        "denoised",
        store=task.identity,
        block=task.block,
        fields=stop - start,
        wall_s=time.perf_counter() - began,
        cpu_s=time.process_time() - began_cpu,
    )
    write_marker(run.denoised_marker(task.identity, task.block), files)


def _create_store(workspace: Workspace, task: DenoiseTask, model: RestoredModel, space: NoiseSpace) -> None:
    settings, path = require_denoising(workspace), workspace.run_folder.denoised(task.identity)
    chosen, spec = chosen_fields(workspace), space.spec(workspace.store.spec)
    if path.exists():
        found = open_attributes(path).get("identity")
        if found != task.identity:
            raise DataError(
                f"{path} holds the denoised fields {found}, not {task.identity}: it was renamed or copied over. "
                "Remove it and its markers, and run 'rhodiff-hpc run denoise'"
            )
        return
    create_blocks(
        path,
        block_arrays(spec, settings),
        known_arrays(spec, chosen, workspace.store.group[chosen]),
        length=len(chosen),
        block_length=settings.block_length,
        attributes={
            "identity": task.identity,
            "training_id": workspace.training_id,
            "checkpoint": task.checkpoint.name,
            "weights": settings.weights,
            "weights_digest": task.checkpoint.digest,
            "denoising": result_settings(settings),
            "spec": spec.model_dump(mode="json"),
            "transform": model.transform.to_record(),
            "estimates": ESTIMATES,
            "filters": WIDTHS,
            "conditions": model.parameter_names,
            "device": model.spectrum.device.type,
            "threads": torch.get_num_threads(),
        },
    )
