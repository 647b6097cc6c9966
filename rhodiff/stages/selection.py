"""Selection of a checkpoint: the cells of a sweep ranked by what was measured of their fields.

Cells at one condition are the candidates of one ranking (:mod:`rhodiff.statistics.selection`); those that differ by
checkpoint alone are one family (sampler, evaluations, guidance, EMA width, seed). A ranking takes the samples that
diverged in *no* candidate, so that all have equal numbers. Starting noise differs between checkpoints; cells of one
checkpoint share it, but are taken as independent too: differences between samplers or widths have errors that are too
large, if anything.

Trainings from other seeds are other runs. To rank them together, :func:`measured_candidates` of each go into one
:func:`~rhodiff.statistics.rank_candidates`, with the run in their names and families: that needs one data set,
transform and set of statistics, and sets of equal numbers.

The result is kept in ``statistics/selection-<hash8>.json``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rhodiff.config.identity import identity_hash
from rhodiff.config.selection import Selection
from rhodiff.errors import DataError
from rhodiff.stages.comparison_set import StoredMeasurements
from rhodiff.stages.evaluate import evaluation_tasks
from rhodiff.stages.measured import read_measured
from rhodiff.stages.reference import Pairing, is_matched, pair_with_reference, reference_indices
from rhodiff.stages.sweep import Cell, describe_condition
from rhodiff.stages.workspace import Workspace
from rhodiff.statistics import (
    CosmicVarianceDistance,
    MeanRank,
    MeasuredSet,
    PeakDifference,
    Ranking,
    RelativeDifference,
    paper_a,
    rank_candidates,
)
from rhodiff.statistics.selection_bootstrap import Pairing as SharedGroups
from rhodiff.statistics.selection_score import Score
from rhodiff.store.field_store import open_fields
from rhodiff.store.files import write_json
from rhodiff.store.records import to_plain

__all__ = ["Candidates", "CheckpointRanking", "family_of", "measured_candidates", "rank_checkpoints"]

SCHEMA_VERSION = 1
"""Of the file."""


@dataclass(frozen=True, eq=False)
class Candidates:
    """What a ranking is made of.

    Attributes:
        reference: measurements of the reference fields.
        candidates: of each cell, named after it.
        num_samples: of each candidate.
        pairing: which of their groups are the same (:mod:`rhodiff.statistics.selection_bootstrap`).
    """

    reference: MeasuredSet
    candidates: tuple[MeasuredSet, ...]
    num_samples: int
    pairing: SharedGroups


@dataclass(frozen=True)
class CheckpointRanking:
    """The ranking of all cells at one condition.

    Attributes:
        condition: as text; empty where it is that of the reference, or there is none.
        cells: by the names in the ranking.
        outcome: the ranking, or why there is none.
        floor_is_limit: the floors of the scores are upper limits, since the parameters are those of the reference.
    """

    condition: str
    cells: Mapping[str, Cell]
    outcome: Ranking | str
    floor_is_limit: bool = False

    @property
    def best(self) -> Cell | None:
        """The cell in front; None without a ranking."""
        return None if isinstance(self.outcome, str) else self.cells[self.outcome.best.name]


def rank_checkpoints(workspace: Workspace) -> tuple[CheckpointRanking, ...]:
    """Rank the cells of the sweep, one ranking a condition, and keep the result.

    Args:
        workspace: the experiment, evaluated.

    Raises:
        DataError: if a comparison is not there.
    """
    tasks = [task for task in evaluation_tasks(workspace) if task.cell is not None]
    by_condition: dict[str, list[Cell]] = {}
    for cell in (task.cell for task in tasks if task.cell is not None):
        condition = "" if cell.condition is None else describe_condition(cell.condition)
        by_condition.setdefault(condition, []).append(cell)
    found = tuple(_rank(workspace, condition, cells) for condition, cells in by_condition.items())
    settings = workspace.experiment.evaluation
    identity = identity_hash(
        "selection", [task.identity for task in tasks], settings.selection.model_dump(mode="json"), settings.seed
    )
    write_json(workspace.run_folder.selection(identity), _plain(identity, settings.selection, found))
    return found


def family_of(workspace: Workspace, cell: Cell) -> str:
    """What cells that differ by checkpoint alone have in common."""
    seed = f", seed {cell.seed}" if len(workspace.experiment.sampling.seeds) > 1 else ""
    return f"{cell.called}{seed}"


def measured_candidates(workspace: Workspace, cells: Sequence[Cell]) -> Candidates:
    """What was measured of cells at one condition, cut to the samples that diverged in none of them.

    Args:
        workspace: the experiment, evaluated.
        cells: two or more.

    Raises:
        DataError: if a comparison is not there.
    """
    valid = [open_fields(workspace.run_folder.samples(cell.identity)).valid for cell in cells]
    pairing = pair_with_reference(workspace, cells[0], np.logical_and.reduce(valid))
    reference = _rows(read_measured(workspace, "reference"), _places(reference_indices(workspace), pairing.reference))
    candidates = []
    for cell, one in zip(cells, valid, strict=True):
        own = pair_with_reference(workspace, cell, one).generated
        rows = _rows(read_measured(workspace, cell), _places(own, pairing.generated))
        candidates.append(_named(rows, _name(workspace, cell), family_of(workspace, cell)))
    return Candidates(
        reference=_named(reference, "reference"),
        candidates=tuple(candidates),
        num_samples=len(pairing.generated),
        pairing=_shared_groups(workspace, cells[0], pairing),
    )


def _rank(workspace: Workspace, condition: str, cells: Sequence[Cell]) -> CheckpointRanking:
    named = {_name(workspace, cell): cell for cell in cells}
    weights = {(cell.checkpoint.iteration, cell.ema_gamma) for cell in cells}
    if len(weights) < 2:
        reason = (
            f"the sweep has one checkpoint, that of iteration {cells[0].checkpoint.iteration}: to select among "
            "several, say sampling.checkpoints: all, or name their iterations; to select an averaging width, list "
            "several as sampling.ema_gamma"
        )
        return CheckpointRanking(condition, named, reason)
    given = measured_candidates(workspace, cells)
    return CheckpointRanking(condition, named, _outcome(workspace, given), given.pairing == "all")


def _outcome(workspace: Workspace, given: Candidates) -> Ranking | str:
    settings, seed = workspace.experiment.evaluation.selection, workspace.experiment.evaluation.seed
    if not given.num_samples:
        return "every sample diverged at one checkpoint or another: none is left to rank them by"
    try:
        scores = _scores(settings, list(given.reference.values))
        return rank_candidates(
            scores,
            given.reference,
            given.candidates,
            combination=MeanRank() if settings.combination == "mean_rank" else None,
            pairing=given.pairing,
            level=settings.level,
            resamples=settings.resamples,
            seed=seed,
        )
    except DataError as error:
        return str(error)


def _scores(settings: Selection, names: Sequence[str]) -> tuple[Score, ...]:
    """The preset's scores, over those of its statistics that were measured."""
    spectra = [name for name in names if name.startswith("power_spectrum/")]
    functionals = [name for name in names if name.startswith("minkowski_")]
    if not spectra and not functionals:
        raise DataError(
            f"checkpoints are ranked by power spectra and Minkowski functionals, but evaluation.statistics has "
            f"{', '.join(names)} alone: add power_spectrum or minkowski"
        )
    if settings.score == "cosmic_variance":
        return (CosmicVarianceDistance("mean Δ² / cosmic variance", (*spectra, *functionals)),)
    if spectra and functionals and settings.score != "power_spectrum":
        return paper_a(spectra, functionals)
    if spectra:
        return (RelativeDifference("mean |dP/P|", tuple(spectra)),)
    return (PeakDifference("mean |dM| / peak", tuple(functionals)),)


def _name(workspace: Workspace, cell: Cell) -> str:
    return f"checkpoint {cell.checkpoint.iteration}, {family_of(workspace, cell)}"


def _shared_groups(workspace: Workspace, cell: Cell, pairing: Pairing) -> SharedGroups:
    """Samples at the parameters of reference fields share them among candidates, whole rounds with the fields too."""
    if pairing.matched:
        return "all"
    return "candidates" if is_matched(workspace, cell) else "reference"


def _places(indices: NDArray[np.int64], wanted: NDArray[np.int64]) -> NDArray[np.int64]:
    """Where each wanted index stands among distinct indices that hold them all."""
    order = np.argsort(indices)
    return np.asarray(order[np.searchsorted(indices, wanted, sorter=order)])


def _rows(stored: StoredMeasurements, places: NDArray[np.int64]) -> StoredMeasurements:
    taken = {key: replace(one, values=one.values[places]) for key, one in stored.measurements.items()}
    return StoredMeasurements(taken, stored.groups[places])


def _named(stored: StoredMeasurements, name: str, family: str = "") -> MeasuredSet:
    return MeasuredSet.of(name, list(stored.measurements.values()), stored.groups, family)


def _plain(identity: str, settings: Selection, found: Sequence[CheckpointRanking]) -> dict[str, Any]:
    return {
        "schema": SCHEMA_VERSION,
        "identity": identity,
        "settings": settings.model_dump(mode="json"),
        "rankings": [_plain_ranking(one) for one in found],
    }


def _plain_ranking(found: CheckpointRanking) -> dict[str, Any]:
    samples = {name: cell.identity for name, cell in found.cells.items()}
    if isinstance(found.outcome, str):
        return {"condition": found.condition, "samples": samples, "reason": found.outcome}
    ranking, sentence = to_plain(found.outcome), found.outcome.sentence()
    return {"condition": found.condition, "samples": samples, "sentence": sentence, "ranking": ranking}
