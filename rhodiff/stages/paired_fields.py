"""Generated fields, the reference fields that they are to be, and what training fields alone would give.

Sample i of a sweep has the parameters of one reference field; of several samples of one field the first counts.
Fields are in physical units wherever generated ones can be brought there.

Axes: fields ``[field, channel, *space]``.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rhodiff.config.sequence import SequenceSettings
from rhodiff.sources.source import TRAIN
from rhodiff.stages.comparison_space import ComparisonSpace
from rhodiff.stages.reference import matched_indices
from rhodiff.stages.sequence_pairs import NONE, Neighbours, find_neighbours
from rhodiff.stages.training_data import open_training_reader
from rhodiff.stages.workspace import Workspace
from rhodiff.statistics.paired_set import GENERATED, INTERPOLATED, NEAREST
from rhodiff.store.field_store import FieldStore
from rhodiff.store.reader import FieldReader, read_fields
from rhodiff.store.spec import FieldSpec

__all__ = ["PairedFields", "matched_pairs", "pair_fields"]

Indices = NDArray[np.int64]
Fields = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class PairedFields:
    """Pairs of one cell of a sweep, and where their fields are.

    Attributes:
        parameters: of each pair, ``[pair, parameter]``.
        groups: independent group of each truth, ``[pair]``.
        truths: index of each truth in the data set, ``[pair]``.
        samples: index of its sample, ``[pair]``.
        training: indices of the training fields.
        neighbours: of each truth, as positions in ``training``.
        space: in which fields are shown and measured.
        reader: of the data set.
        store: of the samples.
    """

    parameters: Fields
    groups: Indices
    truths: Indices
    samples: Indices
    training: Indices
    neighbours: Neighbours
    space: ComparisonSpace
    reader: FieldReader
    store: FieldStore

    @property
    def count(self) -> int:
        """Number of pairs."""
        return len(self.truths)

    @property
    def spec(self) -> FieldSpec:
        """What the fields are."""
        return self.space.spec

    def as_seen(self, fields: Fields) -> Fields:
        """Fields in physical units as the network sees them."""
        return self.space.transform.forward(fields.astype(np.float32)).astype(np.float64)

    def read_truths(self, positions: Indices) -> Fields:
        """Truths of some pairs."""
        return self._read_data(self.truths[positions])

    def read_estimates(self, positions: Indices) -> dict[str, Fields]:
        """Estimates of some pairs by kind (:mod:`rhodiff.statistics.paired_set`), NaN where there is none."""
        stored = read_fields(self.store, self.samples[positions])
        below, above, nearest = (
            self._read_training(rows[positions])
            for rows in (self.neighbours.below, self.neighbours.above, self.neighbours.nearest)
        )
        weight = self.neighbours.weight[positions].reshape(-1, *[1] * below[0].ndim)
        return {
            GENERATED: self.space.of_samples(stored).astype(np.float64),
            NEAREST: nearest,
            INTERPOLATED: (1 - weight) * below + weight * above,
        }

    def _read_data(self, indices: Indices) -> Fields:
        return self.space.of_data(self.reader.read(indices)).astype(np.float64)

    def _read_training(self, rows: Indices) -> Fields:
        """Training fields; NaN where there is none."""
        fields = np.full((len(rows), *self.spec.field_shape), np.nan)
        known = np.flatnonzero(rows != NONE)
        if len(known):
            distinct, place = np.unique(rows[known], return_inverse=True)
            fields[known] = self._read_data(self.training[distinct])[place]
        return fields


def matched_pairs(workspace: Workspace, samples: FieldStore) -> tuple[Indices, Indices]:
    """Reference fields, and the first valid sample at the parameters of each.

    Args:
        workspace: the experiment.
        samples: store of a cell whose samples have the parameters of reference fields.

    Returns:
        Indices in the data set and in the store, ``[pair]`` each.
    """
    kept = np.flatnonzero(samples.valid)
    truths, first = np.unique(matched_indices(workspace, samples.num_fields)[kept], return_index=True)
    return truths, kept[first]


def pair_fields(workspace: Workspace, samples: FieldStore, settings: SequenceSettings) -> PairedFields:
    """The pairs of a cell of the sweep whose samples have the parameters of reference fields.

    Args:
        workspace: the experiment.
        samples: store of the cell.
        settings: of the sequence.
    """
    store, training = workspace.store, workspace.store.indices(TRAIN)
    truths, matching = matched_pairs(workspace, samples)
    column = [parameter.name for parameter in store.parameter_info].index(settings.neighbour_parameter)
    return PairedFields(
        parameters=store.parameters[truths],
        groups=store.group[truths],
        truths=truths,
        samples=matching,
        training=training,
        neighbours=find_neighbours(store.parameters[truths], store.parameters[training], column),
        space=ComparisonSpace(workspace, prefer_physical=True),
        reader=open_training_reader(workspace),
        store=samples,
    )
