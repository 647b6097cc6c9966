"""Counts of peaks, the local maxima of a field, in bins of their height; in one, two and three dimensions.

A peak is a cell whose value is larger than that of each of its neighbours, diagonal ones included (2 in 1D, 8 in 2D,
26 in 3D); cells of a plateau are equal and none of them is a peak. ``periodic`` fields wrap around; of ``open`` ones
the cells at the border, which lack neighbours, are never peaks, and N_cells counts the others alone. Minima are the
peaks of the negative field. Peak counts are a standard statistic of weak-lensing maps (Jain & Van Waerbeke 2000,
astro-ph/9910459).

For a Gaussian field resolved by the grid, with spectral moments s_j^2 = <k^(2 j)> weighted by the power of the modes,
the numbers of peaks per length or area are

    1D   s_2 / (2 pi s_1),   2D   s_2^2 / (8 pi sqrt(3) s_1^2),

(Rice 1944; Longuet-Higgins 1957; their heights: Bond & Efstathiou 1987, MNRAS 226, 655). Peaks that are closer than
a cell are lost: fields with power up to Nyquist have fewer than these.

Axes: ``fields [field, *space]``, counts ``[field, bin]``.
"""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rhodiff.errors import ConfigError, DataError
from rhodiff.statistics.minkowski import Boundary
from rhodiff.statistics.transform import check_fields

__all__ = ["peak_counts", "peak_mask", "peaks_above"]

Float = NDArray[np.float64]


def peak_counts(fields: ArrayLike, edges: ArrayLike, *, boundary: Boundary = "periodic") -> NDArray[np.int64]:
    """Peaks of each field by height.

    Args:
        fields: real, ``[field, *space]`` with one to three axes of three or more cells.
        edges: rising heights, ``[bin + 1]``, in units of the fields; a bin is lo <= height < hi. The first may be
            -inf, the last inf.
        boundary: ``periodic``, or ``open`` (see the module).

    Returns:
        ``[field, bin]``; peaks outside the edges are in no bin.

    Raises:
        DataError: if fields are empty, not finite, or have an axis of fewer than three cells.
        ConfigError: if the edges do not rise, or the boundary is unknown.
    """
    checked = np.asarray(edges, dtype=np.float64)
    if checked.ndim != 1 or len(checked) < 2 or not np.all(np.diff(checked) > 0):
        raise ConfigError(f"edges of peak heights must be two or more rising numbers, got {edges!r}")
    array = np.asarray(fields)
    mask = peak_mask(array, boundary=boundary)
    counts = np.zeros((len(array), len(checked) + 1), dtype=np.int64)
    place = np.searchsorted(checked, array[mask], side="right")
    np.add.at(counts, (np.nonzero(mask)[0], place), 1)
    return counts[:, 1:-1]


def peaks_above(fields: ArrayLike, thresholds: ArrayLike, *, boundary: Boundary = "periodic") -> NDArray[np.int64]:
    """Peaks of each field at or above thresholds.

    Args:
        fields: as in :func:`peak_counts`.
        thresholds: finite, in units of the fields, in any order, ``[threshold]``.
        boundary: ``periodic`` or ``open``.

    Returns:
        ``[field, threshold]``.

    Raises:
        DataError: as :func:`peak_counts`.
        ConfigError: if there are no thresholds, or some are not finite.
    """
    levels = np.asarray(thresholds, dtype=np.float64)
    if levels.ndim != 1 or len(levels) == 0 or not np.all(np.isfinite(levels)):
        raise ConfigError(f"thresholds must be one or more finite numbers in a row, got {thresholds!r}")
    unique, index = np.unique(levels, return_inverse=True)
    counts = peak_counts(fields, np.append(unique, np.inf), boundary=boundary)
    return np.asarray(counts[:, ::-1].cumsum(axis=1)[:, ::-1][:, index])


def peak_mask(fields: ArrayLike, *, boundary: Boundary = "periodic") -> NDArray[np.bool_]:
    """Which cells are peaks, ``[field, *space]``.

    Raises:
        DataError: as :func:`peak_counts`.
        ConfigError: if the boundary is unknown.
    """
    array = check_fields(fields)
    if boundary not in ("open", "periodic"):
        raise ConfigError(f"boundary is {boundary!r}; allowed are 'open' and 'periodic'")
    if min(array.shape[1:]) < 3:
        raise DataError(f"fields of {array.shape[1:]} cells: a peak needs three or more cells along each axis")
    if not np.all(np.isfinite(array)):
        raise DataError(f"{(~np.isfinite(array)).sum()} of {array.size} cells are NaN or infinite: mask such fields")
    around = [(0, 0)] + [(1, 1)] * (array.ndim - 1)
    found = array > _highest_neighbour(np.pad(array, around, mode="wrap"))
    if boundary == "open":
        inside = (slice(None), *(slice(1, -1),) * (array.ndim - 1))
        kept = np.zeros_like(found)
        kept[inside] = found[inside]
        return kept
    return found


def _highest_neighbour(padded: NDArray[Any]) -> NDArray[Any]:
    """Largest of the neighbours of each cell but those of the padding.

    Axis by axis: of a line of three, the ends alone, or all three.
    """
    block, neighbours = padded, None
    for axis in range(1, padded.ndim):
        low, middle, high = (_cut(block, axis, start) for start in range(3))
        ends = np.maximum(low, high)
        block = np.maximum(ends, middle)
        neighbours = ends if neighbours is None else np.maximum(_cut(neighbours, axis, 1), ends)
    assert neighbours is not None, "fields have at least one axis of space"
    return np.asarray(neighbours)


def _cut(array: NDArray[Any], axis: int, start: int) -> NDArray[Any]:
    cut: NDArray[Any] = array[(*(slice(None),) * axis, slice(start, array.shape[axis] - 2 + start))]
    return cut
