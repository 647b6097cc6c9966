"""Two-point correlation function of periodic fields, and lengths over which a field is correlated.

With delta of :mod:`rhodiff.statistics.spectrum` and its sums over all modes k of the full plane,

    xi(r) = <delta(x) delta(x + r)> = sum over k of |delta_k|^2 exp(i k r) / N_cells^2,
    s_j^2 = sum over k of |k|^(2 j) |delta_k|^2 / N_cells^2,

so that xi(0) = s_0^2 is the variance. xi is averaged over the lags of a shell one cell wide about each multiple of
the cell, up to half the box. Three lengths, in length units, from the mean xi and P of a set:

    curvature   sqrt(ndim) s_0 / s_1, from P(k): xi falls like 1 - (r / length)^2 / 2 at small r (the Taylor
                microscale of turbulence). It follows the smallest scales: without a cut-off in P it is some cells.
    e_fold      where xi(r) first falls to xi(0) / e, linear between shells; NaN if it does not within half the box.
    integral    integral of xi(r) / xi(0) dr from 0 to the first zero, or half the box (Batchelor 1953, 3.1).

For xi = s^2 exp(-r^2 / 2 l^2) they are l, sqrt(2) l and sqrt(pi / 2) l in any number of dimensions. The mean is
removed from each field, which lowers xi at all r by the share of its power at k = 0: the box must be much larger than
the length. A constant field has xi = 0 everywhere, exactly, and no length.

Axes: ``fields [field, *space]``, ``xi [field, shell]``, ``moments [field, 2]``.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import scipy.fft
from numpy.typing import ArrayLike, NDArray

from rhodiff.errors import ConfigError, DataError
from rhodiff.statistics.fourier_bins import check_box, mode_weights, wavenumbers
from rhodiff.statistics.transform import check_fields, constant_fields, transforms

__all__ = ["CorrelationFunction", "CorrelationLengths", "correlation_function"]

Float = NDArray[np.float64]


@dataclass(frozen=True)
class CorrelationLengths:
    """Lengths in length units, as the module defines them.

    Attributes:
        curvature: from the spectrum.
        e_fold: from the correlation function; NaN if it stays above 1 / e.
        integral: from the correlation function.
    """

    curvature: float
    e_fold: float
    integral: float


@dataclass(frozen=True, eq=False)
class CorrelationFunction:
    """Correlation functions of a set of fields.

    Attributes:
        r: mean length of the lags of each shell, ``[shell]``; the first is 0.
        xi: ``[field, shell]``, units of the field squared.
        moments: s_0^2 and s_1^2, ``[field, 2]``; s_1^2 per length squared.
        num_lags: lags of each shell, ``[shell]``.
        ndim: number of axes of the fields.
    """

    r: Float
    xi: Float
    moments: Float
    num_lags: NDArray[np.int64]
    ndim: int

    def mean(self) -> "CorrelationFunction":
        """The mean over all fields as that of a single one."""
        return replace(self, xi=self.xi.mean(axis=0)[None], moments=self.moments.mean(axis=0)[None])

    def vectors(self) -> Float:
        """Xi and the moments side by side, ``[field, shell + 2]``, to be accumulated."""
        return np.concatenate([self.xi, self.moments], axis=1)

    def lengths(self) -> CorrelationLengths:
        """Correlation lengths of the whole set, from its mean xi and moments.

        Raises:
            DataError: if all fields are constant.
        """
        xi, (variance, slope) = self.xi.mean(axis=0), self.moments.mean(axis=0)
        if variance == 0:
            raise DataError("every field of the set is constant: it has no correlation length")
        ratio = xi / xi[0]
        end = _crossing(self.r, ratio, 0.0)
        inside = self.r < end if np.isfinite(end) else np.ones(len(self.r), dtype=bool)
        r, values = self.r[inside], ratio[inside]
        if np.isfinite(end):
            r, values = np.append(r, end), np.append(values, 0.0)
        return CorrelationLengths(
            curvature=float(np.sqrt(self.ndim * variance / slope)),
            e_fold=_crossing(self.r, ratio, 1 / np.e),
            integral=float(np.trapezoid(values, r)),
        )


def correlation_function(fields: ArrayLike, *, box_size: float | Sequence[float]) -> CorrelationFunction:
    """Correlation function of each field, its mean removed (see the module for the definition).

    Args:
        fields: real, ``[field, *space]`` with one to three spatial axes, periodic.
        box_size: extent of the box in length units: a number for every axis, or one number an axis.

    Raises:
        DataError: if the fields are empty, not real, or not finite.
        ConfigError: if the box makes no sense, or fields have fewer than four cells along an axis.
    """
    array = check_fields(fields)
    shape = array.shape[1:]
    if min(shape) < 4:
        raise ConfigError(f"fields of {shape} cells: a correlation length needs four or more along each axis")
    box = check_box(box_size, len(shape))
    order, starts, counts, r = _shells(shape, box)
    k2, weights = wavenumbers(shape, box) ** 2, mode_weights(shape)
    xi, moments = np.empty((len(array), len(r))), np.empty((len(array), 2))
    for part, modes in transforms(array):
        square = modes.real**2 + modes.imag**2
        square.reshape(len(square), -1)[:, 0] = 0
        axes = tuple(range(1, square.ndim))
        moments[part, 0] = (square * weights).sum(axis=axes)
        moments[part, 1] = (square * (weights * k2)).sum(axis=axes)
        lags = scipy.fft.irfftn(square, s=shape, axes=axes).reshape(len(square), -1)
        xi[part] = np.add.reduceat(lags.take(order, axis=1), starts, axis=1) / counts
    cells = np.prod(shape, dtype=np.float64)
    constant = constant_fields(array)
    xi[constant], moments[constant] = 0, 0
    return CorrelationFunction(r, xi / cells, moments / cells**2, counts, len(shape))


def _shells(
    shape: tuple[int, ...], box: tuple[float, ...]
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.int64], Float]:
    """Lags sorted by shell, where each shell begins, how many lags it has, and their mean length."""
    cells = [extent / n for n, extent in zip(shape, box, strict=True)]
    steps = [np.minimum(np.arange(n), n - np.arange(n)) * cell for n, cell in zip(shape, cells, strict=True)]
    length = np.sqrt(sum(step**2 for step in np.meshgrid(*steps, indexing="ij", sparse=True))).ravel()
    width = max(cells)
    shell = np.where(length > 0, np.maximum(np.floor(length / width + 0.5), 1), 0).astype(np.intp)
    kept = np.flatnonzero(shell <= int(min(box) / 2 / width * (1 + 1e-12)))
    order = kept[np.argsort(shell[kept], kind="stable")]
    _, starts, counts = np.unique(shell[order], return_index=True, return_counts=True)
    mean = np.add.reduceat(length[order], starts) / counts
    return order, starts, counts, mean


def _crossing(r: Float, values: Float, level: float) -> float:
    """Where values first fall to the level, linear between shells; NaN if they do not."""
    below = np.flatnonzero(values <= level)
    if len(below) == 0:
        return float("nan")
    i = int(below[0])
    share = (values[i - 1] - level) / (values[i - 1] - values[i])
    return float(r[i - 1] + share * (r[i] - r[i - 1]))
