"""How fields of an evaluation are measured: axes fixed on the reference, then any block of any set on its own.

Axes are laid over the first fields of the reference in its random order, as many as make :data:`FIT_CELLS` cells:
every process lays the same ones, none holds the whole reference.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import factorial, prod

import numpy as np
from numpy.typing import NDArray

from rhodiff.config.evaluation import Memorisation, PixelDistribution
from rhodiff.stages.compared_sets import ComparedSet
from rhodiff.stages.comparison_space import ComparisonSpace
from rhodiff.stages.measured_block import MeasuredBlock
from rhodiff.stages.workspace import Workspace
from rhodiff.statistics import (
    NearestFields,
    Statistic,
    ValueGrid,
    build_statistic,
    fit_channels,
    measure_channels,
    measure_values,
    nearest_fields,
)
from rhodiff.store.spec import FieldSpec

__all__ = ["FIT_CELLS", "CopySearch", "Measurer", "first_fields", "plan_copy_search"]

FIT_CELLS, FEWEST_FITTED = 1 << 24, 32
"""The axes are laid over the reference fields that make so many cells, and over so many fields at least."""

SEARCH_BUDGET = 1.2e10
"""Cells x symmetries x pairs of a search for copies that chooses its own size: about a minute of one core."""
FEWEST_SEARCHED, MOST_SEARCHED = 64, 2048
"""Training fields of such a search."""

Fields = NDArray[np.float32]


@dataclass(frozen=True)
class CopySearch:
    """How copies of training fields are searched for.

    Attributes:
        fields: first fields of each set that are looked at.
        training_fields: training fields that they are held against.
        reflect: whether reflected and turned copies count.
    """

    fields: int
    training_fields: int
    reflect: bool


def plan_copy_search(workspace: Workspace, num_training: int) -> CopySearch | str:
    """The search for copies, or why there is none.

    Args:
        workspace: the experiment.
        num_training: training fields there are to compare with.
    """
    settings, spec = workspace.experiment.evaluation.memorisation, workspace.store.spec
    if settings is None:
        return "evaluation.memorisation is null"
    reflect = "dihedral" in workspace.experiment.fields.augmentation
    wanted = settings.training_fields or _affordable(settings, spec, reflect=reflect)
    if wanted < FEWEST_SEARCHED and settings.training_fields is None:
        return (
            f"against {FEWEST_SEARCHED} training fields of {' x '.join(map(str, spec.shape))} cells it would take "
            "several minutes of a core or more; set evaluation.memorisation.training_fields to have it"
        )
    return CopySearch(settings.fields, min(wanted, num_training), reflect)


def _affordable(settings: Memorisation, spec: FieldSpec, *, reflect: bool) -> int:
    symmetries = factorial(spec.ndim) * 2**spec.ndim if reflect else 1
    pairs = SEARCH_BUDGET / (prod(spec.shape) * symmetries)
    return min(MOST_SEARCHED, int(pairs / (2 * settings.fields)))


class Measurer:
    """The statistics of an experiment with their axes fixed.

    Args:
        workspace: the experiment.
        space: where fields are compared.
        reference: lays the axes.
        training: what copies are searched in.
    """

    def __init__(
        self, workspace: Workspace, space: ComparisonSpace, reference: ComparedSet, training: ComparedSet
    ) -> None:
        settings = workspace.experiment.evaluation
        self.spec = space.spec
        first = reference.read(first_fields(np.arange(reference.num_fields, dtype=np.int64), self.spec))
        self._statistics: list[Sequence[Statistic]] = [
            fit_channels(build_statistic(one), first, self.spec) for one in settings.statistics
        ]
        self._grids: dict[str, ValueGrid] = {}
        if any(isinstance(one, PixelDistribution) for one in settings.statistics):
            self._grids = {name: ValueGrid.of(first[:, c]) for c, name in enumerate(self.spec.channels)}
        self.search = plan_copy_search(workspace, training.num_fields)
        self._training, self._candidates = training, np.empty(0, dtype=np.float32)

    @property
    def grids(self) -> dict[str, ValueGrid]:
        """Where the distributions of the values are kept, by channel."""
        return self._grids

    def measure(self, fields_of: ComparedSet, positions: NDArray[np.int64]) -> MeasuredBlock:
        """Measure fields at these positions of a set.

        Raises:
            DataError: if a field is not finite or does not fit.
        """
        fields = fields_of.read(positions)
        found = [one for fitted in self._statistics for one in measure_channels(fitted, fields, self.spec)]
        values = {name: measure_values(fields[:, c], self._grids[name]) for c, name in enumerate(self._grids)}
        nearest = self._nearest(fields, positions) if fields_of.is_checked_for_copies else None
        return MeasuredBlock(tuple(found), values, nearest)

    def _nearest(self, fields: Fields, positions: NDArray[np.int64]) -> NearestFields | None:
        """Distance of the first fields of a set to the training fields, in the first channel; NaN for the others."""
        if isinstance(self.search, str):
            return None
        looked_at = positions < self.search.fields
        distance, second = np.full(len(fields), np.nan), np.full(len(fields), np.nan)
        index = np.full(len(fields), -1, dtype=np.intp)
        if looked_at.any():
            found = nearest_fields(
                fields[looked_at, 0],
                self._searched_training(self.search),
                periodic=self.spec.periodic,
                reflect=self.search.reflect,
            )
            distance[looked_at], second[looked_at] = found.distance, found.second_distance
            index[looked_at] = found.index
        return NearestFields(distance, index, second)

    def _searched_training(self, search: CopySearch) -> Fields:
        if not len(self._candidates):
            last = self._training.num_fields - 1
            chosen = np.unique(np.linspace(0, last, search.training_fields).round().astype(np.int64))
            self._candidates = self._training.read(chosen)[:, 0]
        return self._candidates


def first_fields(reference: NDArray[np.int64], spec: FieldSpec) -> NDArray[np.int64]:
    """Those of the reference, in its random order, that the axes are laid over.

    Args:
        reference: fields of the reference in that order.
        spec: their geometry.
    """
    return reference[: max(FEWEST_FITTED, FIT_CELLS // prod(spec.field_shape))]
