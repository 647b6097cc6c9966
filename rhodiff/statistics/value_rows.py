"""Distribution of the values of each field, one row of numbers a field, measured anywhere and joined in any order.

A :class:`ValueGrid` is laid over the reference once. On its points x_p a field of n cells is kept as

    below_p = number of cells <= x_p,
    mean and m_2, m_3, m_4 = <(z - <z>)^q> of z = (x - mean_ref) / std_ref,
    beyond  = sum over cells of max(x_first - x, 0), and of max(x - x_last, 0),
    extremes = smallest and largest value,

from which :func:`~rhodiff.statistics.value_comparison.compare_values` makes moments, quantiles and W_1 of any set of
fields without their cells. A row depends on its field alone, bit for bit, however a set is split into blocks.

The points are the reference's quantiles at probabilities Phi(x), x even in -4.5 ... 4.5 (Phi: normal distribution),
and even points from its smallest to its largest value; where several of the quantiles are equal, so that many cells
are, the next smaller number is a point too, which leaves no room for doubt where the cumulative distribution jumps.
Beyond them, on either side, lie points of growing distance over ten times the reference's range, so that generated
values outside of it are resolved.

Axes: ``fields [field, *space]``, rows ``[field, point]``.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr

from rhodiff.errors import DataError

__all__ = ["ValueGrid", "ValueRows", "measure_values"]

BODY_POINTS = 768
"""Points at quantiles of the reference."""

BODY_HALF_WIDTH = 4.5
"""Largest |x| of their probabilities Phi(x)."""

EVEN_POINTS = 512
"""Even points from the smallest to the largest value of the reference."""

OUTER_POINTS = 160
"""Points beyond the reference on either side."""

OUTER_RANGES = 10
"""How far they reach, in ranges of the reference."""

OUTER_GROWTH = 5.1
"""c of the outer points, at expm1(c i / OUTER_POINTS) / expm1(c): the first step is that of the even points, and at a
distance d it has grown by 0.033 d."""

BODY_VALUES = 1 << 24
"""Values, about, of which the body's quantiles are taken at most, evenly spaced through each reference field. No
result but the place of the points is made from them."""

Float = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class ValueGrid:
    """Where distributions of values are kept, fixed by the reference.

    Attributes:
        mean: of the reference, in units of the values.
        std: its population standard deviation, in units of the values.
        points: rising, ``[point]``, in units of the values.
    """

    mean: float
    std: float
    points: Float

    @classmethod
    def of(cls, reference: ArrayLike) -> "ValueGrid":
        """Lay the grid over the reference fields of one channel, ``[field, *space]``.

        Raises:
            DataError: if the reference is empty, not finite, or constant.
        """
        fields = _checked(reference)
        if len(fields) == 0:
            raise DataError("the reference holds no fields to lay a grid of values over")
        low, high = float(fields.min()), float(fields.max())
        if not np.isfinite([low, high]).all():
            raise DataError("the reference holds NaN or infinite values; mask or repair it before measuring")
        mean = float(fields.mean(dtype=np.float64))
        std = float(np.mean([np.mean(np.square(field.astype(np.float64) - mean)) for field in fields])) ** 0.5
        if low == high or std == 0:
            raise DataError(f"the reference is constant ({mean:g}): differences have no scale to be given in")
        return cls(mean, std, np.concatenate(_points(fields, low, high)))

    def to_record(self) -> dict[str, Any]:
        """Plain JSON values that keep every digit."""
        return {"mean": self.mean, "std": self.std, "points": self.points.tolist()}

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> "ValueGrid":
        """Undo :meth:`to_record`.

        Raises:
            DataError: if an entry is missing.
        """
        missing = [name for name in ("mean", "std", "points") if name not in record]
        if missing:
            raise DataError(f"a stored grid of values lacks {', '.join(missing)}; evaluate again")
        points = np.asarray(record["points"], dtype=np.float64)
        return cls(float(record["mean"]), float(record["std"]), points)

    @cached_property
    def key(self) -> int:
        """A number that tells this grid from any other."""
        content = np.concatenate([[self.mean, self.std], self.points]).astype("<f8").tobytes()
        return int.from_bytes(hashlib.sha256(content).digest()[:8], "little", signed=True)


@dataclass(frozen=True, eq=False)
class ValueRows:
    """Distributions of the values of a set of fields on one grid, one row a field (see the module).

    Attributes:
        grid_key: :attr:`ValueGrid.key` of the grid.
        below: cells at or below each point, ``[field, point]``.
        central: mean and central moments m_2, m_3, m_4 of the scaled values, ``[field, 4]``.
        beyond: summed distance of cells below the first and above the last point, ``[field, 2]``.
        extremes: smallest and largest value, ``[field, 2]``.
        cells: number of cells, ``[field]``.
    """

    grid_key: int
    below: NDArray[np.int64] | NDArray[np.int32]
    central: Float
    beyond: Float
    extremes: Float
    cells: NDArray[np.int64]

    def __len__(self) -> int:
        """Number of fields."""
        return len(self.cells)

    @classmethod
    def concatenate(cls, parts: Sequence["ValueRows"]) -> "ValueRows":
        """Join the rows of several parts of a set, in this order.

        Raises:
            DataError: if there are none, or they were measured on different grids.
        """
        if not parts:
            raise DataError("there is nothing to join: no rows of values were given")
        arrays = [part.to_arrays() for part in parts]
        return cls.from_arrays({name: np.concatenate([part[name] for part in arrays]) for name in arrays[0]})

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Its arrays by name, each ``[field, ...]``, to be stored or sent; the arrays of parts join along fields."""
        return {
            "grid_key": np.full(len(self), self.grid_key, dtype=np.int64),
            "below": self.below,
            "central": self.central,
            "beyond": self.beyond,
            "extremes": self.extremes,
            "cells": self.cells,
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> "ValueRows":
        """Undo :meth:`to_arrays`.

        Raises:
            DataError: if an array is missing, or the rows are of more than one grid, or of none.
        """
        missing = [name for name in ARRAYS if name not in arrays]
        if missing:
            raise DataError(f"stored rows of values lack {', '.join(missing)}; evaluate again")
        keys = np.unique(arrays["grid_key"])
        if len(keys) != 1:
            raise DataError(
                f"rows of values must be of one grid, got {len(keys)}; measure both sets on the grid of one reference"
            )
        return cls(int(keys[0]), *(np.asarray(arrays[name]) for name in ARRAYS[1:]))


ARRAYS = ("grid_key", "below", "central", "beyond", "extremes", "cells")


def measure_values(fields: ArrayLike, grid: ValueGrid) -> ValueRows:
    """Measure the distribution of the values of each field: one sort a field.

    Args:
        fields: of one channel, ``[field, *space]``.
        grid: laid over the reference.

    Raises:
        DataError: if there are no fields, or one is not finite or too far from the reference for its moments.
    """
    array = _checked(fields)
    if len(array) == 0:
        raise DataError("there are no fields to measure")
    num_cells = array[0].size
    dtype = np.int32 if num_cells <= np.iinfo(np.int32).max else np.int64
    below = np.empty((len(array), len(grid.points)), dtype=dtype)
    central, beyond, extremes = np.empty((len(array), 4)), np.empty((len(array), 2)), np.empty((len(array), 2))
    for index, field in enumerate(array):
        values = np.sort(field, axis=None).astype(np.float64, copy=False)
        extremes[index] = values[[0, -1]]
        if not np.isfinite(extremes[index]).all():
            raise DataError(f"field {index} holds NaN or infinite values; mask or repair it before measuring")
        below[index] = np.searchsorted(values, grid.points, side="right")
        beyond[index] = _excess(values, grid.points[[0, -1]], below[index, [0, -1]])
        central[index] = _central_moments(values, grid)
        if not np.isfinite(central[index]).all():
            low, high = extremes[index]
            raise DataError(
                f"field {index} reaches from {low:g} to {high:g}, too far from a reference of {grid.mean:g} -+ "
                f"{grid.std:g} to compare its moments; look for a sampler that diverged"
            )
    return ValueRows(grid.key, below, central, beyond, extremes, np.full(len(array), num_cells, dtype=np.int64))


def _checked(fields: ArrayLike) -> NDArray[Any]:
    array = np.asarray(fields)
    if array.ndim < 2 or any(size == 0 for size in array.shape[1:]):
        raise DataError(f"fields must be [field, *space] with cells, got shape {array.shape}")
    if array.dtype.kind not in "fiu":
        raise DataError(f"fields must hold real numbers, got {array.dtype}")
    return array


def _points(fields: NDArray[Any], low: float, high: float) -> tuple[Float, Float, Float]:
    """Points below, within and above the range of the reference."""
    every = -(-fields.size // BODY_VALUES)
    values = np.concatenate([field.ravel()[::every] for field in fields])
    probabilities = ndtr(np.linspace(-BODY_HALF_WIDTH, BODY_HALF_WIDTH, BODY_POINTS))
    body = np.quantile(values, probabilities).astype(np.float64).clip(low, high)
    repeated = body[1:][np.diff(body) == 0]
    within = np.union1d(np.append(body, np.nextafter(repeated, -np.inf)), np.linspace(low, high, EVEN_POINTS))
    steps = np.expm1(OUTER_GROWTH * np.arange(1, OUTER_POINTS + 1) / OUTER_POINTS) / np.expm1(OUTER_GROWTH)
    outer = OUTER_RANGES * (high - low) * steps
    return low - outer[::-1], within, high + outer


def _excess(values: Float, ends: Float, below: NDArray[Any]) -> tuple[float, float]:
    """Summed distance of sorted values below the first and above the last point."""
    lower, upper = values[: below[0]], values[below[1] :]
    return float((ends[0] - lower).sum()), float((upper - ends[1]).sum())


def _central_moments(values: Float, grid: ValueGrid) -> tuple[float, float, float, float]:
    """Mean and m_2, m_3, m_4 of sorted values, scaled; exactly zero where they do not vary."""
    scaled = (values - grid.mean) / grid.std
    if scaled[0] == scaled[-1]:
        return float(scaled[0]), 0.0, 0.0, 0.0
    mean = float(scaled.mean())
    with np.errstate(over="ignore", invalid="ignore"):
        scaled -= mean
        square = scaled * scaled
        return mean, float(square.mean()), float((scaled * square).mean()), float((square * square).mean())
