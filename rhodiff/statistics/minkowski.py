"""Minkowski functionals of excursion sets in 1D, 2D and 3D, for all thresholds in one pass over the fields.

The excursion set of a threshold t holds the cells with value >= t. With N(.) the number of windows whose minimum over
some of their cells reaches t, in two dimensions on the windows ``a b / c d`` of 2 x 2 cells,

    area             A = N(a)
    perimeter / 2 pi   = (sqrt(2) - 1) / 8  sum over the pairs ab, ac, ad, bc of  N(first) + N(second) - 2 N(pair)
    Euler / pi         = [ (N(a) + N(b) + N(c) + N(d)) / 4 - (N(ab) + N(ac) + N(bd) + N(cd)) / 2 + N(abcd) ] / pi

The perimeter is Crofton's formula with the four directions of the grid, exact in the mean over orientations; the
Euler characteristic is that of the 4-connected body. These are the definitions, and with ``open`` boundaries the
values, of QuantImPy (Boelens & Tchelepi 2021, SoftwareX 16, 100823), which counts the (n - 1)^2 interior windows.
``periodic`` wraps the windows around. Three dimensions, and where QuantImPy's differ, are in
:mod:`rhodiff.statistics.minkowski_3d`. In one dimension, which QuantImPy has not, there are the length N(a) and the
number of components [(N(a) + N(b)) / 2 - N(ab)] / 2, a component at an open end counted half.

The last functional is the Euler number over the volume of the unit ball, 2, pi or 4 pi / 3.

Axes: fields ``[N, *space]``, counts ``[N, threshold]``.
"""

from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rhodiff.errors import DataError
from rhodiff.statistics.excursion_counts import (
    LAST,
    ORIGIN,
    SHARED,
    Codes,
    EndCounts,
    LevelCounter,
    digitise,
    least,
    reached,
)
from rhodiff.statistics.minkowski_3d import functionals_3d

__all__ = ["Boundary", "minkowski_functionals"]

Boundary = Literal["open", "periodic"]

CROFTON_2D = (np.sqrt(2) - 1) / 8
CELLS_AT_ONCE = 1 << 18


def minkowski_functionals(
    fields: ArrayLike, thresholds: ArrayLike, *, boundary: Boundary = "open"
) -> NDArray[np.float64]:
    """Minkowski functionals of the sets ``field >= threshold``.

    Args:
        fields: ``[N, *space]`` with one, two or three axes of space, any real type, without NaN.
        thresholds: ``[T]`` finite values in the fields' unit, in any order; one outside the fields' range gives the
            values of the full or the empty set.
        boundary: ``open``: the interior windows, n - 1 along an axis; ``periodic``: all n, wrapped.

    Returns:
        ``[N, T, ndim + 1]``, lengths in cells. 1D: length, components / 2. 2D: area, perimeter / 2 pi, Euler
        characteristic / pi. 3D: volume, surface / 8, integral of the mean curvature (2 pi times the mean breadth)
        / 2 pi^2, Euler number * 3 / 4 pi.

    Raises:
        DataError: if the fields are smaller than a window, or hold NaN or infinities.
    """
    values, levels = _checked(np.asarray(fields), np.asarray(thresholds, dtype=np.float64), boundary)
    order = np.argsort(levels, kind="stable")
    counter = LevelCounter(len(levels))
    functionals = {1: _functionals_1d, 2: _functionals_2d, 3: functionals_3d}[values.ndim - 1]
    found = np.empty((len(values), len(levels), values.ndim))
    step = max(1, CELLS_AT_ONCE // values[0].size) if len(values) else 1
    for start in range(0, len(values), step):
        codes = digitise(values[start : start + step], levels[order])
        if boundary == "periodic":
            codes = np.pad(codes, [(0, 0)] + [(0, 1)] * (codes.ndim - 1), mode="wrap")
        found[start : start + step, order] = functionals(counter, codes)
    return found


def _checked(
    values: NDArray[Any], levels: NDArray[np.float64], boundary: str
) -> tuple[NDArray[Any], NDArray[np.float64]]:
    if boundary not in ("open", "periodic"):
        raise DataError(f"boundary is {boundary!r}; allowed are 'open' and 'periodic'")
    if not 2 <= values.ndim <= 4 or min(values.shape[1:]) < 2:
        raise DataError(
            f"fields have shape {values.shape}; needed is [N, *space] with 1 to 3 axes of at least 2 cells"
        )
    if levels.ndim != 1 or len(levels) == 0 or not np.isfinite(levels).all():
        raise DataError("thresholds must be one or more finite numbers in a row")
    if not np.isfinite(values).all():
        raise DataError(
            f"{(~np.isfinite(values)).sum()} of {values.size} cells are NaN or infinite: mask such fields"
        )
    return values, levels


def _functionals_1d(counter: LevelCounter, codes: Codes) -> NDArray[np.float64]:
    cells = EndCounts(counter, codes, [1])
    components = cells.weighted(SHARED) - counter.count(least(codes[:, 1:], codes[:, :-1]))
    return np.stack([reached(cells.weighted(ORIGIN)), reached(components) / 2], axis=-1)


def _functionals_2d(counter: LevelCounter, codes: Codes) -> NDArray[np.float64]:
    rows, columns = least(codes[:, :, 1:], codes[:, :, :-1]), least(codes[:, 1:], codes[:, :-1])
    cells = EndCounts(counter, codes, [1, 2])
    along, across = EndCounts(counter, rows, [1]), EndCounts(counter, columns, [2])
    falling = counter.count(least(codes[:, 1:, 1:], codes[:, :-1, :-1]))
    rising = counter.count(least(codes[:, :-1, 1:], codes[:, 1:, :-1]))
    quads = counter.count(least(rows[:, 1:], rows[:, :-1]))
    a, b, c, d = (cells.weighted(row, column) for row in (ORIGIN, LAST) for column in (ORIGIN, LAST))
    pairs = along.weighted(ORIGIN) + across.weighted(ORIGIN) + falling + rising
    crossings = 3 * a + 2 * b + 2 * c + d - 2 * pairs
    euler = cells.weighted(SHARED, SHARED) - along.weighted(SHARED) - across.weighted(SHARED) + quads
    return np.stack([reached(a), CROFTON_2D * reached(crossings), reached(euler) / np.pi], axis=-1)
