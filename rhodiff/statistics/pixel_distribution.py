"""One-point statistics: density of the values, moments, quantiles and the Wasserstein-1 distance between two sets.

The density in a bin of width h is n / (N h), with N all cells of a field, those outside the edges included: the
densities of a field integrate to the share of its cells inside the edges. Moments are those of the cells as a
population,

    skewness = m_3 / m_2^(3/2),   excess kurtosis = m_4 / m_2^2 - 3,   m_p = <(x - <x>)^p>.

Between two empirical distributions with quantile functions Q_a and Q_b,

    W_1 = integral over u in (0, 1) of |Q_a(u) - Q_b(u)|        (Villani 2003, Topics in Optimal Transportation, 2.2)

is computed exactly, also for sets of different size. It is positive for two finite sets of one distribution.

Cells of one field are correlated: errors come from resampling fields or groups of them, never cells
(:mod:`rhodiff.statistics.comparison`).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rhodiff.errors import ConfigError, DataError

__all__ = ["Moments", "histogram", "histogram_edges", "moments", "quantiles", "value_density", "wasserstein_1"]

VALUES_AT_ONCE = 1 << 20
"""Values of the larger set whose quantile function is integrated together."""

Float = NDArray[np.float64]


@dataclass(frozen=True)
class Moments:
    """First four moments of a set of values; skewness and kurtosis are NaN where the values do not vary.

    Attributes:
        mean: in units of the values.
        std: population standard deviation, in units of the values.
        skewness: dimensionless, 0 for a Gaussian.
        kurtosis: excess kurtosis, dimensionless, 0 for a Gaussian.
    """

    mean: float
    std: float
    skewness: float
    kurtosis: float


def histogram_edges(reference: ArrayLike, *, num_bins: int, half_width_std: float) -> Float:
    """Equal bins over the mean of the reference -+ ``half_width_std`` of its standard deviations.

    Args:
        reference: values of any shape.
        num_bins: number of bins.
        half_width_std: half of the range, in standard deviations.

    Returns:
        ``[bin + 1]`` in units of the values.

    Raises:
        DataError: if the reference is empty, not finite, or constant.
    """
    found = moments(reference)
    if found.std == 0:
        raise DataError(f"the reference is constant ({found.mean:g}): its distribution has no width to bin")
    return found.mean + half_width_std * found.std * np.linspace(-1, 1, num_bins + 1)


def histogram(fields: ArrayLike, edges: ArrayLike) -> NDArray[np.int64]:
    """Counts of each field between edges, with one bin more at either end for what lies outside.

    Args:
        fields: ``[field, *space]``.
        edges: rising, ``[bin + 1]``; a bin is lo <= value < hi.

    Returns:
        ``[field, bin + 2]``; the first column counts values below the first edge, the last those at or above the
        last edge. A row sums to the number of cells.

    Raises:
        DataError: if fields are empty or not finite.
        ConfigError: if the edges do not rise.
    """
    array = np.asarray(fields)
    if array.ndim < 2 or array.size == 0:
        raise DataError(f"fields must be [field, *space] and not empty, got shape {array.shape}")
    checked = _check_edges(edges)
    counts = np.empty((len(array), len(checked) + 1), dtype=np.int64)
    for index, field in enumerate(array):
        values = _finite(field, f"field {index}")
        counts[index] = np.bincount(np.searchsorted(checked, values, side="right"), minlength=len(checked) + 1)
    return counts


def value_density(fields: ArrayLike, edges: ArrayLike) -> Float:
    """Probability density of the values of each field (see the module), ``[field, bin]`` in inverse value units."""
    counts = histogram(fields, edges)
    width = np.diff(np.asarray(edges, dtype=np.float64))
    return np.asarray(counts[:, 1:-1] / (counts.sum(axis=1, keepdims=True) * width), dtype=np.float64)


def moments(values: ArrayLike) -> Moments:
    """Mean, standard deviation, skewness and excess kurtosis of all values together.

    Raises:
        DataError: if there are none, or some are not finite.
    """
    flat = _finite(values, "the set").astype(np.float64)
    mean = float(flat.mean())
    flat -= mean
    variance = float(np.mean(flat * flat))
    if variance <= (1e-15 * mean) ** 2:
        return Moments(mean, 0.0, np.nan, np.nan)
    std = variance**0.5
    flat /= std
    square = flat * flat
    return Moments(mean, std, float(np.mean(square * flat)), float(np.mean(square * square)) - 3)


def quantiles(values: ArrayLike, probabilities: ArrayLike) -> Float:
    """Quantiles of all values together, interpolated linearly (Hyndman & Fan 1996, type 7).

    Args:
        values: any shape.
        probabilities: ``[quantile]``, each between 0 and 1.

    Returns:
        ``[quantile]``, units of the values.

    Raises:
        ConfigError: if a probability lies outside [0, 1].
        DataError: if there are no values, or some are not finite.
    """
    asked = np.asarray(probabilities, dtype=np.float64)
    if not np.all((asked >= 0) & (asked <= 1)):
        raise ConfigError(f"quantiles are asked for by probabilities in [0, 1], got {probabilities!r}")
    return np.asarray(np.quantile(_finite(values, "the set"), asked), dtype=np.float64)


def wasserstein_1(a: ArrayLike, b: ArrayLike) -> float:
    """Wasserstein-1 (earth mover's) distance between two sets of values, exact (see the module).

    Needs one sorted copy of each set and O(1) memory beyond.

    Args:
        a: values of any shape and number.
        b: values of any shape and number.

    Returns:
        The distance, in units of the values.

    Raises:
        DataError: if a set is empty or not finite.
    """
    first, second = np.sort(_finite(a, "the first set")), np.sort(_finite(b, "the second set"))
    longer, shorter = (first, second) if len(first) >= len(second) else (second, first)
    total = 0.0
    for start in range(0, len(longer), VALUES_AT_ONCE):
        total += _transport(longer, shorter, start, min(start + VALUES_AT_ONCE, len(longer)))
    return total / (len(longer) * len(shorter))


def _transport(a: NDArray[Any], b: NDArray[Any], start: int, stop: int) -> float:
    """Integral of |Q_a - Q_b| over start/n < u < stop/n, in units of u = 1 / (n m), for sorted sets of n >= m values.

    Q_a steps at multiples of m and Q_b at multiples of n, so between two steps of Q_a lies at most one of Q_b.
    """
    n, m = len(a), len(b)
    begin = np.arange(start, stop, dtype=np.int64) * m
    left, right = begin // n, (begin + m - 1) // n
    before = np.maximum(right * n - begin, 0)
    values = a[start:stop].astype(np.float64)
    return float(before @ np.abs(values - b[left]) + (m - before) @ np.abs(values - b[right]))


def _finite(values: ArrayLike, name: str) -> NDArray[Any]:
    flat = np.asarray(values).ravel()
    if flat.size == 0:
        raise DataError(f"{name} holds no values")
    if flat.dtype.kind not in "fiu":
        raise DataError(f"{name} must hold real numbers, got {flat.dtype}")
    if not np.all(np.isfinite(flat)):
        raise DataError(f"{name} holds NaN or infinite values; mask or repair it before measuring")
    return flat


def _check_edges(edges: ArrayLike) -> Float:
    checked = np.asarray(edges, dtype=np.float64)
    if checked.ndim != 1 or len(checked) < 2 or not np.all(np.diff(checked) > 0):
        raise ConfigError(f"histogram edges must be two or more rising numbers, got {edges!r}")
    return checked
