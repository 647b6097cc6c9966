"""Minkowski functionals of excursion sets, for all thresholds in one pass over the fields.

The excursion set of a threshold t holds the cells with value >= t. With N(.) the number of windows whose minimum over
some of their cells reaches t, in two dimensions on the windows ``a b / c d`` of 2 x 2 cells,

    area             A = N(a)
    perimeter / 2 pi   = (sqrt(2) - 1) / 8  sum over the pairs ab, ac, ad, bc of  N(first) + N(second) - 2 N(pair)
    Euler / pi         = [ (N(a) + N(b) + N(c) + N(d)) / 4 - (N(ab) + N(ac) + N(bd) + N(cd)) / 2 + N(abcd) ] / pi

The perimeter is Crofton's formula with the four directions of the grid, exact in the mean over orientations; the
Euler characteristic is that of the 4-connected body. These are the definitions, and with ``open`` boundaries the
values, of QuantImPy (Boelens & Tchelepi 2021, SoftwareX 16, 100823), which counts the (n - 1)^2 interior windows.
``periodic`` wraps the windows around.

Every N over all thresholds is one reverse-cumulative histogram of minima of the cells' digitised values.

Axes: fields ``[N, *space]``, counts ``[N, threshold]``.
"""

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rhodiff.errors import DataError

__all__ = ["Boundary", "minkowski_functionals"]

Boundary = Literal["open", "periodic"]
Codes = NDArray[np.unsignedinteger[Any]]

CROFTON_2D = (np.sqrt(2) - 1) / 8
CELLS_AT_ONCE = 1 << 18
NUM_BUCKETS = 1 << 12


def minkowski_functionals(
    fields: ArrayLike, thresholds: ArrayLike, *, boundary: Boundary = "open"
) -> NDArray[np.float64]:
    """Minkowski functionals of the sets ``field >= threshold``.

    Args:
        fields: ``[N, n0, n1]``, any real type, without NaN.
        thresholds: ``[T]`` finite values in the fields' unit, in any order; one outside the fields' range gives the
            values of the full or the empty set.
        boundary: ``open``: the (n0 - 1) (n1 - 1) interior windows; ``periodic``: all n0 n1 windows, wrapped.

    Returns:
        ``[N, T, 3]``: area in cells, perimeter / 2 pi in cell sizes, Euler characteristic / pi.

    Raises:
        DataError: if the fields are not two-dimensional, smaller than a window, or hold NaN.
    """
    values, levels = _checked(np.asarray(fields), np.asarray(thresholds, dtype=np.float64), boundary)
    order = np.argsort(levels, kind="stable")
    found = np.empty((len(values), len(levels), 3))
    step = max(1, CELLS_AT_ONCE // values[0].size) if len(values) else 1
    for start in range(0, len(values), step):
        codes = _digitised(values[start : start + step], levels[order])
        found[start : start + step, order] = _functionals_2d(_Counter(codes, len(levels)), boundary)
    return found


def _checked(
    values: NDArray[Any], levels: NDArray[np.float64], boundary: str
) -> tuple[NDArray[Any], NDArray[np.float64]]:
    if boundary not in ("open", "periodic"):
        raise DataError(f"boundary is {boundary!r}; allowed are 'open' and 'periodic'")
    if values.ndim != 3 or min(values.shape[1:]) < 2:
        raise DataError(f"fields have shape {values.shape}; needed is [N, n0, n1] with at least 2 cells an axis")
    if levels.ndim != 1 or len(levels) == 0 or not np.isfinite(levels).all():
        raise DataError("thresholds must be one or more finite numbers in a row")
    if not np.isfinite(values).all():
        raise DataError(
            f"{(~np.isfinite(values)).sum()} of {values.size} cells are NaN or infinite: mask such fields"
        )
    return values, levels


def _digitised(values: NDArray[Any], levels: NDArray[np.float64]) -> Codes:
    """Number of thresholds that each cell reaches, ``levels`` rising.

    A uniform grid of buckets brackets the answer: which bucket a number falls into never decreases with the number,
    so thresholds in lower buckets are reached, those in higher ones are not, and only the others are compared.
    """
    first, last = levels[0], levels[-1]
    scale = NUM_BUCKETS / (last - first) if last > first else 1.0

    def bucket(numbers: NDArray[Any]) -> NDArray[np.intp]:
        places = np.clip((numbers.astype(np.float64) - first) * scale, -1.0, NUM_BUCKETS)
        return np.asarray(places.astype(np.intp) + 1)

    homes = bucket(levels)
    below = np.searchsorted(homes, np.arange(NUM_BUCKETS + 2), side="left").astype(np.intp)
    within = int(np.bincount(homes).max())
    padded = np.concatenate([levels, np.full(within, np.inf)])
    known = below[bucket(values)]
    codes = known.astype(np.min_scalar_type(len(levels)))
    for ahead in range(within):
        codes += values >= padded[known + ahead]
    return codes


class _Counter:
    """Counts, for every field and threshold, the cells or windows that reach it.

    Args:
        codes: number of thresholds that each cell reaches, ``[N, *space]``.
        num_levels: number of thresholds.
    """

    def __init__(self, codes: Codes, num_levels: int) -> None:
        self.codes, self._num_levels = codes, num_levels

    def count(self, codes: Codes) -> NDArray[np.int64]:
        """Reverse-cumulative histogram of each field, ``[N, threshold]``."""
        size = self._num_levels + 1
        hist = np.stack([np.bincount(field.ravel(), minlength=size) for field in codes])
        return hist[:, :0:-1].cumsum(axis=1)[:, ::-1]


def _functionals_2d(counter: _Counter, boundary: Boundary) -> NDArray[np.float64]:
    corners, pairs, edges, quads = (_open_counts if boundary == "open" else _periodic_counts)(counter)
    a, b, c, d = corners
    crossings = 3 * a + 2 * b + 2 * c + d - 2 * pairs
    euler = (a + b + c + d) / 4 - edges / 2 + quads
    return np.stack([a, CROFTON_2D * crossings, euler / np.pi], axis=-1)


def _least(*parts: Codes) -> Codes:
    least = parts[0]
    for part in parts[1:]:
        least = np.minimum(least, part)
    return least


def _open_counts(counter: _Counter) -> tuple[Sequence[NDArray[np.int64]], Any, Any, Any]:
    """Counts of the corners a, b, c, d, of the pairs ab, ac, ad, bc, of the edges ab, ac, bd, cd, and of abcd."""
    cells, count = counter.codes, counter.count
    along = _least(cells[:, :, 1:], cells[:, :, :-1])  # ab of all rows
    across = _least(cells[:, 1:], cells[:, :-1])  # ac of all columns
    all_cells, all_along, all_across = count(cells), count(along), count(across)
    last_row, first_row = count(cells[:, -1]), count(cells[:, 0])
    last_column, first_column = count(cells[:, :, -1]), count(cells[:, :, 0])
    corners = (
        all_cells - last_row - last_column + count(cells[:, -1, -1:]),
        all_cells - last_row - first_column + count(cells[:, -1, :1]),
        all_cells - first_row - last_column + count(cells[:, 0, -1:]),
        all_cells - first_row - first_column + count(cells[:, 0, :1]),
    )
    ab, cd = all_along - count(along[:, -1]), all_along - count(along[:, 0])
    ac, bd = all_across - count(across[:, :, -1]), all_across - count(across[:, :, 0])
    falling = count(_least(cells[:, 1:, 1:], cells[:, :-1, :-1]))
    rising = count(_least(cells[:, :-1, 1:], cells[:, 1:, :-1]))
    return corners, ab + ac + falling + rising, ab + ac + bd + cd, count(_least(along[:, 1:], along[:, :-1]))


def _periodic_counts(counter: _Counter) -> tuple[Sequence[NDArray[np.int64]], Any, Any, Any]:
    """The same counts over windows that wrap around."""
    cells, count = counter.codes, counter.count
    next_row = np.roll(cells, -1, axis=1)
    along, across = _least(cells, np.roll(cells, -1, axis=2)), _least(cells, next_row)
    falling = count(_least(cells, np.roll(next_row, -1, axis=2)))
    rising = count(_least(next_row, np.roll(cells, -1, axis=2)))
    straight = count(along) + count(across)
    quads = count(_least(along, np.roll(along, -1, axis=1)))
    return (count(cells),) * 4, straight + falling + rising, 2 * straight, quads
