"""Distance of fields to the nearest of a set under the symmetries of their grid.

Between two fields x and t of N_cells cells, with s the standard deviation of all values of the set,

    d(x, t) = min over g of |g x - t| / (s sqrt(N_cells)),    |x|^2 = sum over cells of x^2,

where g runs over all shifts along the periodic axes, and over the reflections and exchanges of axes that map the grid
on itself (2 in one dimension, 8 of a square, 48 of a cube). The best of all shifts at once is the largest value of
the cross-correlation, one FFT for a pair of fields:

    min over shifts of |x - t|^2 = |x|^2 + |t|^2 - 2 max of irfftn(x_k t_k*).

The search is in float32; the distance to the field it finds is then taken in float64, cell by cell. Two independent
fields lie at about sqrt(2), less where a shift can align their large scales; a copy at 0.

Cost: one inverse transform for each pair and symmetry, e.g. 20 microseconds at 64 x 64.

Axes: ``[field, *space]``; inside ``[field, *periodic axes, cells of the other axes]``.
"""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.fft
from numpy.typing import ArrayLike, NDArray

from rhodiff.errors import ConfigError, DataError
from rhodiff.statistics.transform import check_fields

__all__ = ["NearestFields", "nearest_fields", "symmetries"]

VALUES_AT_ONCE = 1 << 20
"""Correlations that are held together: some 16 MiB with their transforms."""

Float = NDArray[np.float64]
Symmetry = tuple[tuple[int, ...], tuple[int, ...]]
"""Order of the axes, and which of them are then reversed."""


@dataclass(frozen=True, eq=False)
class NearestFields:
    """What is nearest to each field.

    Attributes:
        distance: to the nearest field of the set, in its standard deviations, ``[field]``.
        index: which one that is, ``[field]``.
        second_distance: to the nearest of all the others; NaN in a set of one, ``[field]``.
    """

    distance: Float
    index: NDArray[np.intp]
    second_distance: Float


def nearest_fields(
    fields: ArrayLike, candidates: ArrayLike, *, periodic: bool | Sequence[bool], reflect: bool = True
) -> NearestFields:
    """Find the nearest candidate of each field (see the module for the distance).

    Args:
        fields: ``[field, *space]``.
        candidates: ``[candidate, *space]``.
        periodic: whether fields wrap around: one answer, or one an axis.
        reflect: try reflections and exchanges of axes too; False: shifts alone.

    Raises:
        DataError: if a set is empty or not finite, shapes differ, or all candidates are one constant.
        ConfigError: if ``periodic`` has another number of entries than there are axes.
    """
    array, others = _finite(fields, "fields"), _finite(candidates, "candidates")
    if array.shape[1:] != others.shape[1:]:
        raise DataError(f"cannot compare fields of {array.shape[1:]} cells with candidates of {others.shape[1:]}")
    wraps = _wraps(periodic, array.ndim - 1)
    mean, std = float(others.mean(dtype=np.float64)), float(others.std(dtype=np.float64))
    if std <= 1e-15 * abs(mean):
        raise DataError(f"all candidates are constant ({mean:g}): distances have no scale to be given in")
    allowed = list(symmetries(array.shape[1:], wraps)) if reflect else [_identity(array.ndim - 1)]
    search = _Search(((others - mean) / std).astype(np.float32), wraps)
    found = [search.nearest(field, allowed) for field in (array - mean) / std]
    distance, index, second = (np.array(column) for column in zip(*found, strict=True))
    return NearestFields(distance, index, second)


def symmetries(shape: Sequence[int], periodic: Sequence[bool]) -> Iterator[Symmetry]:
    """Exchanges and reversals of axes that keep the grid and its boundaries, the identity first."""
    axes = range(len(shape))
    kinds = list(zip(shape, periodic, strict=True))
    for order in itertools.permutations(axes):
        if [kinds[a] for a in order] == kinds:
            for reverse in itertools.product((False, True), repeat=len(shape)):
                yield order, tuple(a for a in axes if reverse[a])


class _Search:
    """Standardised candidates ``[candidate, *space]`` and their conjugate transforms."""

    def __init__(self, candidates: NDArray[np.float32], wraps: tuple[bool, ...]) -> None:
        self.candidates = candidates
        self.wraps = wraps
        self.squares = np.array([np.vdot(one, one) for one in candidates], dtype=np.float64)
        self.transformed = self._transform(candidates).conj()

    def nearest(self, field: Float, allowed: Sequence[Symmetry]) -> tuple[float, int, float]:
        """Distance to the nearest candidate, which one it is, and the distance to the next."""
        best = np.full(len(self.candidates), -np.inf)
        how = np.zeros((len(best), 2), dtype=np.intp)
        for number, symmetry in enumerate(allowed):
            correlation, shift = self._correlate(_apply(field, symmetry).astype(np.float32))
            better = correlation > best
            best[better] = correlation[better]
            how[better, 0], how[better, 1] = number, shift[better]
        squares = np.maximum(np.sum(field * field) + self.squares - 2 * best, 0) / field.size
        order = np.argsort(squares, kind="stable")[:2]
        index = int(order[0])
        moved = self._shifted(_apply(field, allowed[how[index, 0]]), int(how[index, 1]))
        distance = float(np.sqrt(np.mean((moved - self.candidates[index]) ** 2)))
        second = float(np.sqrt(squares[order[1]])) if len(order) > 1 else float("nan")
        return distance, index, second

    def _transform(self, fields: NDArray[np.float32]) -> NDArray[np.complex64]:
        """``[field, *modes of the periodic axes, cells of the others]``."""
        ndim = len(self.wraps)
        order = [1 + a for a in range(ndim) if self.wraps[a]] + [1 + a for a in range(ndim) if not self.wraps[a]]
        moved = fields.transpose(0, *order)
        cut = 1 + sum(self.wraps)
        flat = np.ascontiguousarray(moved.reshape(*moved.shape[:cut], -1))
        found = scipy.fft.rfftn(flat, axes=range(1, cut)) if cut > 1 else flat.astype(np.complex64)
        return np.asarray(found)

    def _correlate(self, field: NDArray[np.float32]) -> tuple[Float, NDArray[np.intp]]:
        """Largest correlation with each candidate over all shifts, and at which shift of the periodic cells."""
        one = self._transform(field[None])[0]
        cells = tuple(n for n, wraps in zip(field.shape, self.wraps, strict=True) if wraps)
        best, where = np.empty(len(self.candidates)), np.empty(len(self.candidates), dtype=np.intp)
        step = max(1, VALUES_AT_ONCE // field.size)
        for start in range(0, len(best), step):
            part = slice(start, start + step)
            product = np.einsum("n...q,...q->n...", self.transformed[part], one)
            axes = range(1, 1 + len(cells))
            sums = scipy.fft.irfftn(product, s=cells, axes=axes, overwrite_x=True) if cells else product.real
            flat = sums.reshape(len(product), -1)
            where[part] = flat.argmax(axis=1)
            best[part] = np.take_along_axis(flat, where[part, None], axis=1)[:, 0]
        return best, where

    def _shifted(self, field: Float, shift: int) -> Float:
        axes = [a for a, wraps in enumerate(self.wraps) if wraps]
        steps = np.unravel_index(shift, [field.shape[a] for a in axes]) if axes else ()
        return np.roll(field, [-int(step) for step in steps], axes)


def _apply(field: NDArray[Any], symmetry: Symmetry) -> NDArray[Any]:
    order, reverse = symmetry
    return np.flip(field.transpose(order), reverse)


def _identity(ndim: int) -> Symmetry:
    return tuple(range(ndim)), ()


def _finite(fields: ArrayLike, name: str) -> NDArray[Any]:
    array = check_fields(fields)
    if not np.all(np.isfinite(array)):
        raise DataError(f"{name} hold NaN or infinite values; mask or repair them before comparing")
    return array


def _wraps(periodic: bool | Sequence[bool], ndim: int) -> tuple[bool, ...]:
    wraps = (periodic,) * ndim if isinstance(periodic, bool) else tuple(bool(axis) for axis in periodic)
    if len(wraps) != ndim:
        raise ConfigError(f"periodic has {len(wraps)} entries for {ndim} spatial axes; give one or {ndim}")
    return wraps
