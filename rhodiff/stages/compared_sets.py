"""The sets of fields that an evaluation measures: the reference, training fields, and each cell of the sweep.

A set is measured in blocks of consecutive fields, fixed by the number of cells of a field: whoever measures a block,
on however many processes, gets the same numbers.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import prod

import numpy as np
from numpy.typing import NDArray

from rhodiff.errors import DataError
from rhodiff.sources.source import TRAIN
from rhodiff.stages.comparison_space import ComparisonSpace
from rhodiff.stages.reference import reference_indices
from rhodiff.stages.sweep import Cell, check_identity, is_sampled
from rhodiff.stages.training_data import open_training_reader
from rhodiff.stages.workspace import Workspace
from rhodiff.store.field_store import FieldStore, open_fields
from rhodiff.store.reader import read_fields

__all__ = ["CellSet", "ComparedSet", "block_length", "open_cell", "reference_set", "training_set"]

TRAINING_FIELDS, TRAINING_CELLS = 2048, 1 << 28
"""At most so many training fields, evenly spread, and cells in all of them stand against the reference."""

BLOCK_CELLS = 1 << 19
"""Cells of a block: some seconds of work at most, so that a lost one costs little."""

Fields = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class ComparedSet:
    """One set of fields in the space of the comparison.

    Attributes:
        title: for people.
        groups: independent group of each field, ``[field]``.
        read_stored: fields at these positions of the set, in that space, ``[n, channel, *space]``.
        is_checked_for_copies: whether the distance of its fields to the training fields is wanted.
    """

    title: str
    groups: NDArray[np.int64]
    read_stored: Callable[[NDArray[np.int64]], Fields]
    is_checked_for_copies: bool

    @property
    def num_fields(self) -> int:
        """Number of fields."""
        return len(self.groups)

    def read(self, positions: NDArray[np.int64]) -> Fields:
        """Fields at these positions.

        Raises:
            DataError: if one holds NaN or infinities.
        """
        fields = self.read_stored(positions)
        finite = np.isfinite(fields).reshape(len(fields), -1).all(axis=1)
        if not finite.all():
            bad = int(positions[np.argmin(finite)])
            raise DataError(
                f"{self.title}: {int(np.sum(~finite))} of {len(fields)} fields hold NaN or infinite values, the "
                f"first is number {bad} of the set; repair or mask them ('rhodiff-hpc data verify') before comparing"
            )
        return fields


@dataclass(frozen=True, eq=False)
class CellSet(ComparedSet):
    """The samples of a cell that did not diverge.

    Attributes:
        valid: which samples of the cell they are, ``[sample]``.
    """

    valid: NDArray[np.bool_]

    def positions(self, samples: NDArray[np.int64]) -> NDArray[np.int64]:
        """Positions in the set of samples of the cell."""
        return np.searchsorted(np.flatnonzero(self.valid), samples).astype(np.int64)


def block_length(field_shape: tuple[int, ...]) -> int:
    """Fields of a block."""
    return max(1, BLOCK_CELLS // prod(field_shape))


def reference_set(workspace: Workspace, space: ComparisonSpace) -> ComparedSet:
    """The reference split in its fixed random order."""
    reference = workspace.experiment.evaluation.reference
    return _of_data(workspace, space, reference_indices(workspace), f"the {reference} split", is_checked=True)


def training_set(workspace: Workspace, space: ComparisonSpace) -> ComparedSet:
    """Training fields, evenly spread over the split."""
    train = workspace.store.indices(TRAIN)
    most = max(1, min(TRAINING_FIELDS, TRAINING_CELLS // prod(workspace.store.spec.field_shape)))
    chosen = train[np.unique(np.linspace(0, len(train) - 1, most).round().astype(np.int64))]
    return _of_data(workspace, space, chosen, "the training split", is_checked=False)


def _of_data(
    workspace: Workspace, space: ComparisonSpace, indices: NDArray[np.int64], title: str, *, is_checked: bool
) -> ComparedSet:
    reader, store = open_training_reader(workspace), workspace.store

    def read(positions: NDArray[np.int64]) -> Fields:
        return space.of_data(reader.read(indices[positions]))

    return ComparedSet(title, store.group[indices], read, is_checked)


def open_cell(workspace: Workspace, cell: Cell, space: ComparisonSpace) -> CellSet:
    """The samples of a cell.

    Raises:
        DataError: if they are not all there, are another cell's, or were made on another grid or by another
            transform.
    """
    if not is_sampled(workspace, cell):
        raise DataError(f"{cell.describe()} is not sampled (completely): run 'rhodiff-hpc run sample'")
    path = workspace.run_folder.samples(cell.identity)
    check_identity(path, cell)
    store = open_fields(path)
    _check_comparable(workspace, store, space, cell)
    valid = np.asarray(store.valid, dtype=np.bool_)
    if not valid.any():
        raise DataError(f"every sample of {cell.describe()} diverged: nothing can be compared")
    samples = np.flatnonzero(valid)

    def read(positions: NDArray[np.int64]) -> Fields:
        return space.of_samples(read_fields(store, samples[positions]))

    return CellSet(cell.describe(), store.group[samples], read, True, valid)


def _check_comparable(workspace: Workspace, samples: FieldStore, space: ComparisonSpace, cell: Cell) -> None:
    data = workspace.store.spec
    for name in ("shape", "spacing", "unit", "length_unit", "channels"):
        ours, theirs = getattr(data, name), getattr(samples.spec, name)
        if ours != theirs:
            raise DataError(
                f"the samples of {cell.describe()} have {name} {theirs}, the data set {ours}: fields of different "
                "boxes, grids or units cannot be compared. Remove these samples and run 'rhodiff-hpc run sample'"
            )
    if samples.attributes.get("transform") != space.transform.to_record():
        raise DataError(
            f"the samples of {cell.describe()} were made with another transform than the one fitted to the data set: "
            "they cannot be compared. Remove these samples and run 'rhodiff-hpc run sample'"
        )
