"""What of a stage is still to be done, task by task, and what it waits for: read from markers, nothing is written."""

from collections.abc import Callable
from dataclasses import dataclass

from rhodiff.errors import DataError
from rhodiff.stages.denoise import denoise_tasks, is_denoised
from rhodiff.stages.evaluate import evaluation_tasks
from rhodiff.stages.observation import require_denoising
from rhodiff.stages.plan import is_trained, plan_stage
from rhodiff.stages.prepare import missing_shards, shard_length
from rhodiff.stages.sample import sample_tasks
from rhodiff.stages.sweep import is_sampled, sweep_cells
from rhodiff.stages.trained_network import find_checkpoints
from rhodiff.stages.workspace import Workspace
from rhodiff.store.field_store import num_shards
from rhodiff.store.files import read_marker

__all__ = ["NEEDS", "StageTasks", "find_tasks", "inputs_are_there", "report_is_current"]

NEEDS = {"train": "prepare", "sample": "train", "evaluate": "sample", "denoise": "train", "report": "evaluate"}
"""The stage whose results a stage reads, where there is one."""


@dataclass(frozen=True)
class StageTasks:
    """The tasks of a stage, as ``--part`` divides them.

    Attributes:
        total: how many there are.
        unfinished: numbers of those that are still to be done, in order.
    """

    total: int
    unfinished: tuple[int, ...]

    def parts_to_do(self, num_parts: int) -> tuple[int, ...]:
        """Parts ``k`` of ``k/n`` that have something to do: part k takes every n-th task from the k-th on."""
        return tuple(sorted({task % num_parts for task in self.unfinished}))


def find_tasks(workspace: Workspace, stage: str) -> StageTasks:
    """Tasks of a stage; those of a stage whose inputs are not there yet are counted as planned.

    A training is one task, and so is a report, of which no marker tells what it was made from: it is to be done.
    """
    finders = {
        "prepare": _of_prepare,
        "train": _of_train,
        "sample": _of_sample,
        "evaluate": _of_evaluate,
        "denoise": _of_denoise,
    }
    return finders[stage](workspace) if stage in finders else StageTasks(1, (0,))


def inputs_are_there(workspace: Workspace, stage: str) -> bool:
    """Whether all results that a stage reads are finished."""
    checks: dict[str, Callable[[], bool]] = {
        "train": lambda: workspace.data_folder.done.exists(),
        "sample": lambda: _checkpoints_are_there(workspace),
        "evaluate": lambda: _is_all_sampled(workspace),
        "denoise": lambda: _denoising_checkpoints_are_there(workspace),
        "report": lambda: inputs_are_there(workspace, "evaluate") and not _of_evaluate(workspace).unfinished,
    }
    return stage not in checks or checks[stage]()


def report_is_current(workspace: Workspace) -> bool:
    """Whether the report is newer than all results that belong into it; its own settings are not looked at."""
    if not inputs_are_there(workspace, "report") or not workspace.run_folder.report.exists():
        return False
    made = workspace.run_folder.report.stat().st_mtime
    run = workspace.run_folder
    markers = [run.statistics_marker(task.identity) for task in evaluation_tasks(workspace)]
    if workspace.experiment.denoising is not None:
        blocks = [run.denoised_marker(task.identity, task.block) for task in denoise_tasks(workspace)]
        markers += [marker for marker in blocks if marker.exists()]
    return all(marker.stat().st_mtime <= made for marker in markers)


def _of_prepare(workspace: Workspace) -> StageTasks:
    total = num_shards(workspace.source.num_fields, shard_length(workspace))
    missing = missing_shards(workspace)
    if not missing and not workspace.data_folder.done.exists():
        missing = [0]  # every shard is there, the data set is not marked yet: any part does that
    return StageTasks(total, tuple(missing))


def _of_train(workspace: Workspace) -> StageTasks:
    return StageTasks(1, () if is_trained(workspace) else (0,))


def _of_sample(workspace: Workspace) -> StageTasks:
    if not _checkpoints_are_there(workspace):
        return _planned(workspace, "sample")
    run, tasks = workspace.run_folder, sample_tasks(workspace)
    done = [read_marker(run.samples_marker(task.cell.identity, task.shard)) is not None for task in tasks]
    return _without(done)


def _of_evaluate(workspace: Workspace) -> StageTasks:
    if not _checkpoints_are_there(workspace):
        return _planned(workspace, "evaluate")
    run = workspace.run_folder
    return _without([read_marker(run.statistics_marker(t.identity)) is not None for t in evaluation_tasks(workspace)])


def _of_denoise(workspace: Workspace) -> StageTasks:
    if not _denoising_checkpoints_are_there(workspace):
        return _planned(workspace, "denoise")
    return _without([is_denoised(workspace, task) for task in denoise_tasks(workspace)])


def _planned(workspace: Workspace, stage: str) -> StageTasks:
    return _without([False] * plan_stage(workspace, stage).num_tasks)


def _without(done: list[bool]) -> StageTasks:
    return StageTasks(len(done), tuple(task for task, is_done in enumerate(done) if not is_done))


def _checkpoints_are_there(workspace: Workspace) -> bool:
    """Whether the sweep's checkpoints are those that it will have in the end."""
    if isinstance(workspace.experiment.sampling.checkpoints, str):  # "last" or "all": only known at the end
        return is_trained(workspace)
    try:
        return bool(sweep_cells(workspace))
    except DataError:
        return False


def _denoising_checkpoints_are_there(workspace: Workspace) -> bool:
    """Whether the checkpoints that denoise are those that will in the end."""
    wanted = require_denoising(workspace).checkpoints
    if isinstance(wanted, str):  # "last" or "all": only known at the end
        return is_trained(workspace)
    try:
        return bool(find_checkpoints(workspace, wanted, "denoising.checkpoints"))
    except DataError:
        return False


def _is_all_sampled(workspace: Workspace) -> bool:
    return _checkpoints_are_there(workspace) and all(is_sampled(workspace, c) for c in sweep_cells(workspace))
