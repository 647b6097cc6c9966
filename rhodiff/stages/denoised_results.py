"""Denoised fields read back: scores of all of them, and a few to look at."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from rhodiff.errors import DataError
from rhodiff.report import format_estimate
from rhodiff.stages.denoise import DenoiseTask, denoise_tasks, is_denoised
from rhodiff.stages.denoised_block import ESTIMATES, FILTERS, SCORES, SPECTRA, WIDTHS
from rhodiff.stages.observation import chosen_fields
from rhodiff.stages.workspace import Workspace
from rhodiff.statistics import DenoisedSet, DenoisingSummary, summarise_denoising
from rhodiff.statistics.denoised_set import COVERAGES
from rhodiff.store.block_store import open_attributes, read_blocks
from rhodiff.store.spec import FieldSpec
from rhodiff.training.checkpoints import Checkpoint

__all__ = [
    "describe_headline",
    "finished_checkpoints",
    "headlines",
    "read_denoised",
    "read_examples",
    "shown_arrays",
    "summarise",
]

SHOWN = {
    "truth": "truth",
    "noisy": "noisy",
    "posterior_mean": "posterior_mean",
    "draw": "draws",
    "filter_as_mean": "filter_as_mean",
}
"""Arrays that examples are shown of, by kind."""


def finished_checkpoints(workspace: Workspace) -> dict[str, Checkpoint]:
    """Checkpoints all of whose blocks are there, by the identity of their store, in order."""
    tasks = denoise_tasks(workspace)
    lacking = {task.identity for task in tasks if not is_denoised(workspace, task)}
    return {task.identity: task.checkpoint for task in tasks if task.identity not in lacking}


def read_denoised(workspace: Workspace, identity: str) -> DenoisedSet:
    """The scores of all fields that a checkpoint denoised.

    Raises:
        DataError: if blocks are missing, a file is damaged, or no field came out finite.
    """
    _require_finished(workspace, [task for task in denoise_tasks(workspace) if task.identity == identity])
    names = (*SCORES, *SPECTRA, "truth_power", "spread_power", "error_power", "ranks", "reached", "valid")
    path = workspace.run_folder.denoised(identity)
    arrays = read_blocks(path, names)
    valid = arrays.pop("valid")
    good = {name: values[valid] for name, values in arrays.items()}
    return DenoisedSet(
        estimates=ESTIMATES,
        matched=FILTERS,
        groups=workspace.store.group[chosen_fields(workspace)][valid],
        scores={name: good[name] for name in SCORES},
        spectra={name: good[name] for name in SPECTRA},
        truth_power=good["truth_power"],
        spread_power=good["spread_power"],
        error_power=good["error_power"],
        ranks=good["ranks"],
        reached={name: good["reached"][:, column] for column, name in enumerate(WIDTHS)},
        k=read_blocks(path, ("k",))["k"],
        num_lost=int((~valid).sum()),
    )


def read_examples(
    workspace: Workspace, identity: str, number: int
) -> tuple[dict[str, NDArray[np.float32]], FieldSpec]:
    """The first valid ones of the first fields that a checkpoint denoised, none chosen.

    Args:
        workspace: the experiment.
        identity: names the store.
        number: fields that are looked at.

    Returns:
        Truth and estimates ``[field, *space]`` by kind, in the unit of the values that noise was added to; and what
        those are.
    """
    path = workspace.run_folder.denoised(identity)
    arrays = read_blocks(path, (*SHOWN.values(), "valid"), number)
    valid = arrays["valid"]
    shown = {name: arrays[array][valid] for name, array in SHOWN.items()}
    shown["draw"] = shown["draw"][:, 0]
    return shown, FieldSpec.model_validate(open_attributes(path)["spec"])


def shown_arrays() -> tuple[str, ...]:
    """Names of the arrays that examples come from."""
    return tuple(SHOWN.values())


def summarise(workspace: Workspace, found: DenoisedSet) -> DenoisingSummary:
    """The headline numbers; errors as the ``evaluation`` section says."""
    settings = workspace.experiment.evaluation
    return summarise_denoising(found, resamples=settings.bootstrap, seed=settings.seed)


def headlines(workspace: Workspace) -> dict[str, DenoisingSummary]:
    """Headline numbers of each checkpoint all of whose fields are denoised, by the identity of its store."""
    return {one: summarise(workspace, read_denoised(workspace, one)) for one in finished_checkpoints(workspace)}


def describe_headline(summary: DenoisingSummary) -> str:
    """One line for people."""
    won = format_estimate(summary.contests["posterior_mean"].won, percent=True)
    error = format_estimate(summary.error["posterior_mean"])
    covered = ", ".join(format_estimate(found, percent=True) for found in summary.coverage)
    intervals = " and ".join(f"{100 * probability:g}" for probability in COVERAGES)
    return (
        f"{summary.num_fields} fields, {won} won against the matched filter, error {error} of the noise, "
        f"{covered} of the truths inside intervals of {intervals} %"
    )


def _require_finished(workspace: Workspace, tasks: Sequence[DenoiseTask]) -> None:
    lacking = [task.block for task in tasks if not is_denoised(workspace, task)]
    if lacking:
        raise DataError(
            f"{len(lacking)} of {len(tasks)} blocks of denoised fields are not there, the first is {lacking[0]}: run "
            "'rhodiff-hpc run denoise'"
        )
