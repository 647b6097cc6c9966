"""What every data source does: say what it will make, then make any range of it.

A source is deterministic: field ``i`` depends on the settings, the input files and ``i`` alone, never on how the work
was split. Arrays are ``fields`` float32 ``[sample, channel, *space]`` in physical units and ``parameters`` float64
``[sample, parameter]``.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rhodiff.config.fields import Split
from rhodiff.store.spec import FieldSpec, Parameter

__all__ = ["EXCLUDED", "TEST", "TRAIN", "VALIDATION", "FieldBatch", "Source", "split_groups"]

EXCLUDED, TRAIN, VALIDATION, TEST = -1, 0, 1, 2
"""Codes of the stored ``split`` array."""


@dataclass(frozen=True)
class FieldBatch:
    """Fields made by a source, in order.

    Attributes:
        fields: float32 ``[sample, channel, *space]``, physical units; a failed field is NaN.
        parameters: float64 ``[sample, parameter]``.
        valid: bool ``[sample]``; False marks a field that could not be made. It is masked, never zeros.
        failures: why fields could not be made, a paragraph each for people.
        facts: JSON values about their making that are kept with the shard.
    """

    fields: NDArray[np.float32]
    parameters: NDArray[np.float64]
    valid: NDArray[np.bool_]
    failures: tuple[str, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)


class Source(ABC):
    """One configured data source.

    Construction validates the settings against the input files (existence, format, size), and raises
    :class:`~rhodiff.errors.DataError` or :class:`~rhodiff.errors.ConfigError` before anything is written.
    """

    @property
    @abstractmethod
    def spec(self) -> FieldSpec:
        """Geometry and units of the fields."""

    @property
    @abstractmethod
    def parameters(self) -> tuple[Parameter, ...]:
        """Names and units of the columns of the parameter table, in order."""

    @property
    @abstractmethod
    def num_fields(self) -> int:
        """Number of fields."""

    @property
    def input_files(self) -> tuple[Path, ...]:
        """Files that the fields are made from; their fingerprints are part of the data's identity."""
        return ()

    @property
    def provenance(self) -> Mapping[str, str | int | float]:
        """Facts that a reader of the store needs to trust it: conventions, references, versions."""
        return {}

    @property
    def fields_together(self) -> int:
        """Fields that come of one piece of work: ranges that are asked for hold a multiple of them."""
        return 1

    @property
    def progress_globs(self) -> tuple[str, ...]:
        """Files that are new where a piece of work that takes long has come further; empty: pieces are short."""
        return ()

    def describe_work(self) -> str:
        """What making all fields costs, for people; empty where that is not worth a word."""
        return ""

    def extra_files(self) -> tuple[int, int]:
        """Number of files, and bytes, that are left beside the fields."""
        return 0, 0

    def accompany(self, tell: Callable[[str], None]) -> None:  # noqa: B027 - quick fields need no company
        """Have somebody told how far a long piece of work is.

        Args:
            tell: called now and then; what it raises ends the work, which must then go on from there another time.
        """

    def forget_failures(self) -> None:  # noqa: B027 - few sources keep failures
        """Forget fields that could not be made, wherever that was recorded, so that they are tried again."""

    def groups(self) -> NDArray[np.int64]:
        """Independent unit of each field, ``[sample]``: fields of one group never straddle a split."""
        return np.arange(self.num_fields, dtype=np.int64)

    def assign_split(self, split: Split) -> NDArray[np.int8]:
        """Part of each field, ``[sample]`` of TRAIN, VALIDATION, TEST or EXCLUDED."""
        return split_groups(self.groups(), split)

    @abstractmethod
    def make(self, start: int, stop: int) -> FieldBatch:
        """The fields with indices ``start <= i < stop``.

        Raises:
            DataError: if an input holds values it must not (NaN, infinite).
        """


def split_groups(groups: NDArray[np.int64], split: Split) -> NDArray[np.int8]:
    """Assign whole groups to the parts by their shares.

    Args:
        groups: group of each field, ``[sample]``.
        split: shares and order.

    Returns:
        int8 ``[sample]`` of part codes. Boundaries are rounded to whole groups.
    """
    distinct = np.unique(groups)
    order = distinct
    if split.shuffle:
        order = np.random.Generator(np.random.Philox(key=split.seed)).permutation(distinct)
    train_end = round(split.train * len(order))
    validation_end = round((split.train + split.validation) * len(order))
    part_of_rank = np.full(len(order), TEST, dtype=np.int8)
    part_of_rank[:train_end] = TRAIN
    part_of_rank[train_end:validation_end] = VALIDATION
    part_of_group = np.empty(len(order), dtype=np.int8)
    part_of_group[np.searchsorted(distinct, order)] = part_of_rank
    return part_of_group[np.searchsorted(distinct, groups)]
