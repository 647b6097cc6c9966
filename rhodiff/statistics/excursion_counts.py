"""Counts of cells and windows in the excursion sets of all thresholds at once.

The excursion set of a threshold t holds the cells with value >= t, so a group of cells lies in it when the least of
them reaches t. Cells are digitised once into codes, the number of thresholds that they reach; how many groups lie in
the set of every threshold is then one reverse-cumulative histogram of minima of codes.

Axes: fields and codes ``[N, *space]``, counts ``[N, threshold + 1]`` (histograms of codes) or ``[N, threshold]``,
thresholds rising.
"""

from collections.abc import Sequence
from itertools import product
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["LAST", "ORIGIN", "SHARED", "Codes", "Counts", "EndCounts", "LevelCounter", "digitise", "least", "reached"]

Codes = NDArray[np.unsignedinteger[Any]]
Counts = NDArray[np.float64]

ORIGIN, LAST, SHARED = (1.0, 0.0), (0.0, 1.0), (0.5, 0.5)
"""Weights of an axis' ends when windows count their first cell, their last one, or a share of both."""

NUM_BUCKETS = 1 << 12
CELLS_IN_CACHE = 1 << 15
LARGEST_PAIR = 1 << 16
CELLS_PER_PAIR_BIN = 8


def digitise(values: NDArray[Any], levels: NDArray[np.float64]) -> Codes:
    """Number of thresholds that each cell reaches, ``levels`` rising.

    A uniform grid of buckets brackets the answer: which bucket a number falls into never decreases with the number,
    so thresholds in lower buckets are reached and those in higher ones are not. The few cells whose bucket holds
    thresholds are compared with these.
    """
    homes = _buckets(levels, levels)
    below = np.searchsorted(homes, np.arange(NUM_BUCKETS + 2), side="left")
    inside = np.bincount(homes, minlength=NUM_BUCKETS + 2)
    padded = np.concatenate([levels, np.full(inside.max(), np.inf)])
    table = (2 * below + (inside > 0)).astype(np.min_scalar_type(2 * len(levels) + 1))
    flat = np.ascontiguousarray(values).reshape(-1)
    codes = np.empty(flat.shape, dtype=np.min_scalar_type(len(levels)))
    for start in range(0, len(flat), CELLS_IN_CACHE):
        part = flat[start : start + CELLS_IN_CACHE]
        looked_up = table[_buckets(part, levels)]
        found = codes[start : start + CELLS_IN_CACHE]
        np.right_shift(looked_up, 1, out=found, casting="unsafe")
        undecided = np.flatnonzero((looked_up & 1).astype(bool))
        numbers, known = part[undecided], found[undecided].astype(np.intp)
        for ahead in range(inside.max()):
            found[undecided] += numbers >= padded[known + ahead]
    return codes.reshape(values.shape)


def _buckets(numbers: NDArray[Any], levels: NDArray[np.float64]) -> NDArray[np.intp]:
    """Places on a uniform grid over the levels; single precision is enough, since rounding keeps the order."""
    first, last = levels[0], levels[-1]
    scale = NUM_BUCKETS / (last - first) if last > first else 1.0
    steps = np.subtract(numbers, first, dtype=np.float64)
    places = np.empty(steps.shape, dtype=np.float32)
    with np.errstate(over="ignore"):
        np.multiply(steps, scale, out=places, casting="same_kind")
    places += 1
    np.clip(places, 0, NUM_BUCKETS + 1, out=places)
    return places.astype(np.intp)


def least(*parts: Codes) -> Codes:
    """Cell by cell the least of some codes."""
    lowest = parts[0]
    for part in parts[1:]:
        lowest = np.minimum(lowest, part)
    return lowest


class LevelCounter:
    """Histograms of codes; a sum of them becomes counts over thresholds by :func:`reached`.

    Args:
        num_levels: number of thresholds.
    """

    def __init__(self, num_levels: int) -> None:
        self._size = num_levels + 1
        self._scratch: Codes = np.empty((0, 0), dtype=np.uint8)

    def scratch(self, number: int, like: Codes) -> Codes:
        """So many arrays to work in, always the same ones: touching fresh memory costs more than the work."""
        if self._scratch.shape != (number, *like.shape) or self._scratch.dtype != like.dtype:
            self._scratch = np.empty((number, *like.shape), dtype=like.dtype)
        return self._scratch

    def count(self, codes: Codes) -> Counts:
        """Number of cells of each field with each code: ``[N, *any]`` to ``[N, threshold + 1]``."""
        found = np.empty((len(codes), self._size))
        for one, field in zip(found, codes, strict=True):
            one[:] = self._histogram(field.ravel())
        return found

    def _histogram(self, codes: Codes) -> NDArray[np.int64]:
        """Histogram; of many codes by counting pairs of them, which takes half as many steps."""
        size, half = self._size, len(codes) // 2
        if size**2 > LARGEST_PAIR or size**2 * CELLS_PER_PAIR_BIN > len(codes):
            return np.bincount(codes, minlength=size)
        pairs = codes[:half] * np.uint16(size)
        pairs += codes[half : 2 * half]
        joint = np.bincount(pairs, minlength=size**2).reshape(size, size)
        return np.asarray(joint.sum(axis=0) + joint.sum(axis=1) + np.bincount(codes[2 * half :], minlength=size))


def reached(counts: Counts) -> Counts:
    """How many reach each threshold, of histograms ``[..., threshold + 1]`` of codes: ``[..., threshold]``."""
    return np.asarray(counts[..., :0:-1].cumsum(axis=-1)[..., ::-1])


class EndCounts:
    """Counts of an array whose first and last places along some axes weigh less than those between.

    Args:
        counter: what counts.
        codes: ``[N, *space]``.
        axes: of the array, those with ends.
    """

    def __init__(self, counter: LevelCounter, codes: Codes, axes: Sequence[int]) -> None:
        parts = (slice(None), slice(0, 1), slice(-1, None))
        found = []
        for places in product(parts, repeat=len(axes)):
            index = [slice(None)] * codes.ndim
            for axis, place in zip(axes, places, strict=True):
                index[axis] = place
            found.append(counter.count(codes[tuple(index)]))
        self._counts = np.stack(found)

    def weighted(self, *ends: tuple[float, float]) -> Counts:
        """Count with the weights of the first and of the last place along each axis; 1 between.

        Weights of several axes multiply.
        """
        factors = product(*((1.0, first - 1, last - 1) for first, last in ends))
        return np.tensordot([prod(one) for one in factors], self._counts, 1)
