"""What a stage would do: tasks, files and bytes, worked out without writing anything."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from math import prod
from typing import Any

import numpy as np

from rhodiff.config.training import Training
from rhodiff.models.build import build_model, count_parameters
from rhodiff.models.conditioning_table import ConditioningTable, continuous_parameters
from rhodiff.sources.source import TEST, VALIDATION
from rhodiff.stages.denoise import check_denoising, denoise_tasks, is_denoised
from rhodiff.stages.denoised_block import block_arrays
from rhodiff.stages.evaluate import evaluation_tasks
from rhodiff.stages.observation import require_denoising
from rhodiff.stages.prepare import checked_split, missing_shards, shard_length
from rhodiff.stages.report_calibration import check_calibration
from rhodiff.stages.report_harmonics import check_harmonics
from rhodiff.stages.report_lines import check_lines
from rhodiff.stages.sample import sample_tasks
from rhodiff.stages.sequence_pairs import check_sequence
from rhodiff.stages.sweep import check_sweep
from rhodiff.stages.workspace import Workspace
from rhodiff.store.field_store import num_shards
from rhodiff.training.checkpoints import CheckpointFolder
from rhodiff.training.schedule import checkpoint_iterations, decay_start

__all__ = ["StagePlan", "is_trained", "plan_stage"]

FILES_PER_STORE = 8
"""Metadata of the group and its five arrays, and the two arrays that are not sharded."""
KNOWN_ARRAYS = 5
"""Arrays of denoised fields that are written with the metadata, each with a file of its own."""
MOST_FUNCTIONALS = 4
"""Minkowski functionals of a field in 3D; fewer in 1D and 2D."""
MOST_FIGURES, OTHER_FIGURES, DENOISED_FIGURES, SEQUENCE_FIGURES, PAIR_FIGURES, FORMATS = 3, 3, 5, 3, 2, 4
"""Of a report: figures of a statistic, of none, of denoised fields, of a sequence, of each of lines, harmonics and
calibration; files of each."""

FILES_PER_RUN = 10
"""Configuration, environment, journal, metrics, event files and the fitted transform, in round numbers."""


@dataclass(frozen=True)
class StagePlan:
    """What a stage would do.

    Attributes:
        stage: its name.
        folder: where it writes.
        num_tasks: tasks in all.
        num_done: tasks that are done already.
        num_files: files it would leave behind in all, an upper bound.
        size_bytes: bytes of fields or weights it would leave behind in all, before compression.
        remark: what else is worth knowing.
    """

    stage: str
    folder: str
    num_tasks: int
    num_done: int
    num_files: int
    size_bytes: int
    remark: str = ""

    def describe(self) -> str:
        """One line for people."""
        text = (
            f"{self.stage:<9} {self.num_tasks - self.num_done} of {self.num_tasks} tasks to do, "
            f"about {self.num_files} files, {self.size_bytes / 1e6:.1f} MB in {self.folder}"
        )
        return "\n".join([text, *(f"{'':<9} {line}" for line in self.remark.splitlines())])

    def to_plain(self) -> dict[str, Any]:
        """JSON values."""
        return asdict(self)


def plan_stage(workspace: Workspace, stage: str) -> StagePlan:
    """Plan a stage.

    Args:
        workspace: the experiment.
        stage: its name.

    Raises:
        ConfigError: if the stage could not run as configured.
    """
    planners = {
        "prepare": _plan_prepare,
        "train": _plan_train,
        "sample": _plan_sample,
        "evaluate": _plan_evaluate,
        "denoise": _plan_denoise,
        "report": _plan_report,
    }
    return planners[stage](workspace)


def _plan_prepare(workspace: Workspace) -> StagePlan:
    source = workspace.source
    checked_split(workspace)
    length = shard_length(workspace)
    shards = num_shards(source.num_fields, length)
    extra_files, extra_bytes = source.extra_files()
    fields = f"{source.num_fields} fields of {' x '.join(map(str, source.spec.shape))} cells"
    return StagePlan(
        stage="prepare",
        folder=str(workspace.data_folder.path),
        num_tasks=shards,
        num_done=shards - len(missing_shards(workspace)),
        num_files=_files_per_shard(source.parameters) * shards + FILES_PER_STORE + 1 + extra_files,
        size_bytes=_stored_bytes(source.num_fields, length, 4 * prod(source.spec.field_shape)) + extra_bytes,
        remark="\n".join(filter(None, (fields, source.describe_work()))),
    )


def _files_per_shard(parameters: Sequence[object], trajectory: int = 0) -> int:
    """Fields, valid mask and marker, and where there are any the parameters and the trajectory."""
    return 3 + (len(parameters) > 0) + (trajectory > 0)


def _stored_bytes(num_fields: int, shard_length: int, field_bytes: int) -> int:
    """Uncompressed fields, and in each shard an index of two integers a field and a checksum."""
    return num_fields * field_bytes + num_shards(num_fields, shard_length) * (16 * shard_length + 4)


def _plan_train(workspace: Workspace) -> StagePlan:
    training, conditioning = workspace.experiment.training, workspace.experiment.model.conditioning
    names = conditioning.parameters
    ConditioningTable.columns(conditioning, [parameter.name for parameter in workspace.source.parameters])
    stand_in = ConditioningTable(
        names=names,
        mean=(0.0,) * len(continuous_parameters(conditioning)),
        std=(1.0,) * len(continuous_parameters(conditioning)),
        categories=dict.fromkeys(conditioning.categorical, (0.0, 1.0)),
    )
    network = build_model(
        workspace.experiment.model,
        workspace.source.spec,
        stand_in if names else None,
        fields_shown=workspace.experiment.diffusion.fields_shown,
    )
    parameters = count_parameters(network)
    checkpoints, kept = len(checkpoint_iterations(training)), _num_kept(training)
    copies = 3 + len(training.averages)
    return StagePlan(
        stage="train",
        folder=str(workspace.run_folder.path),
        num_tasks=training.iterations,
        num_done=_iterations_done(workspace),
        num_files=2 * kept + (checkpoints if training.sheet_samples else 0) + FILES_PER_RUN,
        size_bytes=4 * copies * parameters * kept,
        remark=f"{parameters / 1e6:.2f} million parameters; a task is an iteration at batch {training.batch_size}",
    )


def _num_kept(training: Training) -> int:
    """Checkpoints that are there at the end: the newest ones, and the one before the rate falls."""
    written = checkpoint_iterations(training)
    if training.keep_checkpoints is None:
        return len(written)
    falls_from = decay_start(training.optimizer, training.iterations)
    return len({*written[-training.keep_checkpoints :], *(i for i in written if i == falls_from)})


def _iterations_done(workspace: Workspace) -> int:
    training = workspace.experiment.training
    common = decay_start(training.optimizer, training.iterations)
    found = CheckpointFolder(workspace.run_folder.checkpoints).list(training.iterations, common)
    return found[-1].iteration if found else 0


def is_trained(workspace: Workspace) -> bool:
    """Whether the checkpoints are those that sampling would find: only then its cells have their names."""
    return _iterations_done(workspace) == workspace.experiment.training.iterations


def _plan_sample(workspace: Workspace) -> StagePlan:
    check_sweep(workspace)
    settings, spec = workspace.experiment.sampling, workspace.source.spec
    cells = _num_cells(workspace)
    length = min(settings.shard_length, settings.num_samples)
    shards = num_shards(settings.num_samples, length)
    per_shard = _files_per_shard(workspace.experiment.model.conditioning.parameters, settings.trajectory)
    per_cell = sum(
        _stored_bytes(settings.num_samples, length, 4 * states * prod(spec.field_shape))
        for states in (1, settings.trajectory)
        if states
    )
    return StagePlan(
        stage="sample",
        folder=str(workspace.run_folder.path / "samples"),
        num_tasks=cells * shards,
        num_done=_num_sampled(workspace),
        num_files=cells * (per_shard * shards + FILES_PER_STORE + (settings.trajectory > 0)),
        size_bytes=cells * per_cell,
        remark=f"{cells} cells of {settings.num_samples} fields",
    )


def _num_sampled(workspace: Workspace) -> int:
    if not is_trained(workspace):
        return 0
    run = workspace.run_folder
    return sum(run.samples_marker(t.cell.identity, t.shard).exists() for t in sample_tasks(workspace))


def _num_evaluated(workspace: Workspace) -> int:
    if not is_trained(workspace):
        return 0
    return sum(workspace.run_folder.statistics_marker(t.identity).exists() for t in evaluation_tasks(workspace))


def _num_cells(workspace: Workspace) -> int:
    """Cells of the sweep; checkpoints that do not exist yet are counted as planned."""
    settings = workspace.experiment.sampling
    checkpoints = _num_checkpoints(workspace, settings.checkpoints)
    conditions = 1 if settings.conditions == "reference" else len(settings.conditions)
    axes = (settings.samplers, settings.evaluations, settings.guidance, settings.ema_gamma or (None,), settings.seeds)
    return checkpoints * conditions * prod(len(axis) for axis in axes)


def _num_checkpoints(workspace: Workspace, wanted: str | tuple[int, ...]) -> int:
    """Checkpoints that a setting names; those that do not exist yet are counted as planned."""
    return {"last": 1, "all": _num_kept(workspace.experiment.training)}.get(str(wanted), len(wanted))


def _plan_evaluate(workspace: Workspace) -> StagePlan:
    comparisons = 1 + _num_cells(workspace)
    kinds = [statistic.kind for statistic in workspace.experiment.evaluation.statistics]
    per_comparison = 1 + sum(MOST_FUNCTIONALS if kind == "minkowski" else 1 for kind in kinds) * 11
    return StagePlan(
        stage="evaluate",
        folder=str(workspace.run_folder.path / "statistics"),
        num_tasks=comparisons,
        num_done=_num_evaluated(workspace),
        num_files=comparisons * per_comparison,
        size_bytes=0,
        remark="each cell of the sweep, and training fields, against the reference",
    )


def _plan_denoise(workspace: Workspace) -> StagePlan:
    settings = require_denoising(workspace)
    check_denoising(workspace)
    wanted = settings.num_fields or _num_in_split(workspace, settings.split)
    blocks = num_shards(wanted, settings.block_length)
    checkpoints = _num_checkpoints(workspace, settings.checkpoints)
    arrays = block_arrays(workspace.source.spec, settings)
    per_field = sum(np.dtype(array.dtype).itemsize * prod(array.shape) for array in arrays.values())
    return StagePlan(
        stage="denoise",
        folder=str(workspace.run_folder.path / "denoised"),
        num_tasks=checkpoints * blocks,
        num_done=_num_denoised(workspace),
        num_files=checkpoints * (blocks * (len(arrays) + 1) + len(arrays) + 2 * KNOWN_ARRAYS + 1),
        size_bytes=checkpoints * blocks * min(settings.block_length, wanted) * per_field,
        remark=f"{wanted} fields of the {settings.split} split, {settings.posterior_samples} draws of each in "
        f"{settings.evaluations} evaluations",
    )


def _num_in_split(workspace: Workspace, name: str) -> int:
    return int(np.count_nonzero(checked_split(workspace) == {"validation": VALIDATION, "test": TEST}[name]))


def _num_denoised(workspace: Workspace) -> int:
    if not (workspace.data_folder.done.exists() and is_trained(workspace)):
        return 0
    return sum(is_denoised(workspace, task) for task in denoise_tasks(workspace))


def _plan_report(workspace: Workspace) -> StagePlan:
    check_sequence(workspace)
    check_lines(workspace)
    check_harmonics(workspace)
    check_calibration(workspace)
    experiment = workspace.experiment
    conditions = 1 if experiment.sampling.conditions == "reference" else len(experiment.sampling.conditions)
    of_channel = 2 + MOST_FIGURES * len(experiment.evaluation.statistics) + conditions
    figures = len(workspace.source.spec.channels) * of_channel + conditions + OTHER_FIGURES
    if experiment.denoising is not None:
        figures += DENOISED_FIGURES
    if (sequence := experiment.report.sequence) is not None:
        figures += SEQUENCE_FIGURES + (sequence.separation is not None)
    wanted = (experiment.report.lines, experiment.report.harmonics, experiment.report.calibration)
    figures += PAIR_FIGURES * sum(one is not None for one in wanted)
    files = 2 + FORMATS * figures  # the page, the selection
    return StagePlan("report", str(workspace.run_folder.report.parent), 1, 0, files, 0)
