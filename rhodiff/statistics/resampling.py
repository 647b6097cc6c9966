"""Bootstrap over independent groups of fields.

Fields that share a parameter vector, a simulation or a line of sight are not independent; whole groups are resampled
with replacement. From G groups, G - 1 are drawn, so that the spread of a resampled mean is the unbiased s / sqrt(G)
instead of s sqrt(G - 1) / G (Rao & Wu 1988, JASA 83, 231). Resample b depends on (seed, purpose, b) alone: any number
of resamples, in any parts, repeats the same draws.

Axes: ``groups [field]`` of any labels, multiplicities ``[resample, group]``.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rhodiff.errors import DataError

__all__ = ["GENERATED", "REFERENCE", "GroupSums", "Groups", "draw_groups", "require_matched"]

REFERENCE, GENERATED = 1, 2
"""Purposes of the two streams of draws; matched sets share the first."""

ENTRIES_AT_ONCE = 1 << 22
"""Multiplicities that are held together: 32 MiB."""

Float = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Groups:
    """Which independent group each field of a set belongs to.

    Attributes:
        labels: distinct labels in rising order, ``[group]``.
        index: position in ``labels`` of each field's group, ``[field]``.
    """

    labels: NDArray[np.int64]
    index: NDArray[np.intp]

    @classmethod
    def of(cls, groups: ArrayLike | None, num_fields: int, name: str) -> "Groups":
        """Read group labels; None: every field is independent.

        Raises:
            DataError: if there are no fields, or not one label for each.
        """
        if num_fields == 0:
            raise DataError(f"the {name} set holds no fields")
        given = np.arange(num_fields) if groups is None else np.asarray(groups)
        if given.shape != (num_fields,):
            raise DataError(f"the {name} set has {num_fields} fields, but groups of shape {given.shape}")
        labels, index = np.unique(given, return_inverse=True)
        return cls(labels, index)

    @property
    def count(self) -> int:
        """Number of independent groups."""
        return len(self.labels)

    def sum(self, values: ArrayLike) -> Float:
        """Sum of the fields' vectors over each group: ``[field, bin]`` to ``[group, bin]``."""
        order = np.argsort(self.index, kind="stable")
        starts = np.searchsorted(self.index[order], np.arange(self.count))
        return np.add.reduceat(np.asarray(values, dtype=np.float64)[order], starts, axis=0)


@dataclass(frozen=True, eq=False)
class GroupSums:
    """Sums over groups, from which the mean of any resample follows.

    Attributes:
        sums: ``[group, bin]``.
        weights: number of fields, or of cells, in each group, ``[group]``.
    """

    sums: Float
    weights: Float

    def mean(self) -> Float:
        """Mean over the set itself, ``[bin]``."""
        return np.asarray(self.sums.sum(axis=0) / self.weights.sum())

    def resampled_means(self, num_resamples: int, seed: int, purpose: int) -> Float:
        """Mean over each resample, ``[resample, bin]``; NaN for a single group."""
        num_groups, num_bins = self.sums.shape
        if num_groups < 2:
            return np.full((num_resamples, num_bins), np.nan)
        means = np.empty((num_resamples, num_bins))
        step = max(1, ENTRIES_AT_ONCE // num_groups)
        for start in range(0, num_resamples, step):
            stop = min(start + step, num_resamples)
            drawn = draw_groups(num_groups, start, stop, seed=seed, purpose=purpose)
            means[start:stop] = (drawn @ self.sums) / (drawn @ self.weights)[:, None]
        return means


def draw_groups(num_groups: int, start: int, stop: int, *, seed: int, purpose: int) -> Float:
    """How often each group is drawn in the resamples ``start <= b < stop``, ``[resample, group]``.

    Args:
        num_groups: G; each resample draws G - 1 of them with replacement.
        start: first resample.
        stop: one past the last resample.
        seed: any integer.
        purpose: which of several independent streams.
    """
    key = np.array([seed % 2**64, purpose], dtype=np.uint64)
    drawn = np.empty((stop - start, num_groups))
    for row, b in enumerate(range(start, stop)):
        random = np.random.Generator(np.random.Philox(key=key, counter=[0, 0, b, 0]))
        drawn[row] = np.bincount(random.integers(num_groups, size=num_groups - 1), minlength=num_groups)
    return drawn


def require_matched(reference: Groups, generated: Groups) -> None:
    """Refuse two sets that do not hold the same groups in the same shares.

    Raises:
        DataError: naming the first group that differs.
    """
    only = np.setxor1d(reference.labels, generated.labels)
    if len(only):
        raise DataError(
            f"matched sets must hold the same groups, but {len(only)} are in one only, the first is {only[0]}; "
            "keep the fields of common groups, or compare unmatched"
        )
    in_reference, in_generated = np.bincount(reference.index), np.bincount(generated.index)
    unequal = in_reference * len(generated.index) != in_generated * len(reference.index)
    if np.any(unequal):
        g = int(np.argmax(unequal))
        raise DataError(
            f"matched sets must hold each group in the same share, but group {reference.labels[g]} has "
            f"{in_reference[g]} of {len(reference.index)} reference fields and {in_generated[g]} of "
            f"{len(generated.index)} generated ones; keep whole rounds through the reference"
        )
