r"""The two brightest centres of an image, and how far they are apart: the distance of two galaxies that merge.

The definition, for an image f(x) of density:

1. f is smoothed by a Gaussian of a stated length, so that clumps of a disc and noise are no centres; it wraps around
   where the image is periodic, and is mirrored at its other borders.
2. Candidates are cells that no neighbour (8 of them) exceeds, not on an open border. The value and place of each are
   those of the top of the parabola through it and its neighbours, axis by axis, of log f where that exists: exact for
   a Gaussian, of any width.
3. The first centre is the candidate of highest value. The second is the highest of the others whose value is at least
   a stated share of the first's and whose distance is at least a stated length.

The separation is the distance of the two, and 0 where there is one centre alone: then the galaxies are not resolved
(two equal Gaussians of total width s are one centre below a distance of 2 s), one lies outside of the image, or one
is fainter than the share. It is a distance in the plane of the image.

Axes: images are ``[image, first, second]``, places ``[centre, axis]``.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.ndimage import gaussian_filter, label, maximum_filter

from rhodiff.errors import ConfigError, DataError
from rhodiff.statistics.transform import check_fields

__all__ = ["Centres", "find_separations", "two_centres"]

Float = NDArray[np.float64]
TRUNCATE = 5.0
"""Widths at which the smoothing kernel ends."""


@dataclass(frozen=True)
class Centres:
    """What counts as a centre.

    Attributes:
        smoothing: standard deviation of the Gaussian, length units; 0: none.
        apart: smallest distance of the second centre from the first, length units.
        share: smallest height of the second over the first, of the smoothed image; in (0, 1].

    Raises:
        ConfigError: if one of them makes no sense.
    """

    smoothing: float
    apart: float
    share: float = 0.1

    def __post_init__(self) -> None:
        if not (0 <= self.smoothing < np.inf and 0 <= self.apart < np.inf and 0 < self.share <= 1):
            raise ConfigError(
                f"centres need smoothing >= 0, apart >= 0 and a share in (0, 1]; got {self.smoothing}, {self.apart} "
                f"and {self.share}"
            )


def two_centres(
    image: ArrayLike, spacing: Sequence[float], settings: Centres, periodic: Sequence[bool] = (False, False)
) -> Float:
    """The brightest centres of one image (see the module).

    Args:
        image: ``[first, second]``, finite.
        spacing: distance of cells along each axis, length units.
        settings: what counts as a centre.
        periodic: whether the image wraps around, by axis.

    Returns:
        Places of two centres, one, or none (a constant image, or one that only rises towards its border), brightest
        first, ``[centre, 2]``, length units from the outer edge of the first cell.

    Raises:
        DataError: if the image has not two axes of three or more cells, or a value is not finite.
    """
    checked = check_fields(np.asarray(image)[None])[0].astype(np.float64)
    if checked.ndim != 2 or min(checked.shape) < 3:
        raise DataError(f"centres are looked for in an image of 3 x 3 cells or more; got shape {checked.shape}")
    if not np.isfinite(checked).all():
        raise DataError("an image with NaN or infinite values has no centres: leave it out")
    step = np.asarray(spacing, np.float64)
    mode = ["wrap" if wraps else "reflect" for wraps in periodic]
    smooth = gaussian_filter(checked, settings.smoothing / step, mode=mode, truncate=TRUNCATE)
    candidates = [_refined(smooth, cell) for cell in _candidates(smooth, mode, periodic)]
    if not candidates:
        return np.empty((0, 2))
    candidates.sort(key=lambda one: -one[0])
    (highest, first), *others = [(height, (place + 0.5) * step) for height, place in candidates]
    for height, place in others:
        if height < settings.share * highest:
            break
        if _distance(first, place, step * checked.shape, periodic) >= settings.apart:
            return np.stack([first, place])
    return first[None]


def find_separations(
    images: ArrayLike, spacing: Sequence[float], settings: Centres, periodic: Sequence[bool] = (False, False)
) -> Float:
    """Distance of the two centres of each image, 0 where there is one alone (see the module).

    Args:
        images: ``[image, first, second]``, finite.
        spacing: distance of cells along each axis, length units.
        settings: what counts as a centre.
        periodic: whether images wrap around, by axis.

    Returns:
        ``[image]``, length units.

    Raises:
        DataError: if the images are not images, or a value is not finite.
    """
    array = check_fields(images)
    box = np.asarray(spacing, np.float64) * array.shape[1:]
    found = (two_centres(image, spacing, settings, periodic) for image in array)
    return np.array([_distance(places[0], places[1], box, periodic) if len(places) == 2 else 0.0 for places in found])


def _candidates(smooth: Float, mode: Sequence[str], periodic: Sequence[bool]) -> Iterator[tuple[int, int]]:
    """Cells that no neighbour exceeds; of a plateau the one nearest to its middle, of a constant image none."""
    is_top = (maximum_filter(smooth, 3, mode=list(mode)) == smooth) & (smooth > smooth.min())
    for axis, wraps in enumerate(periodic):
        if not wraps:
            np.moveaxis(is_top, axis, 0)[[0, -1]] = False
    labels, count = label(is_top, np.ones((3, 3)))
    for number in range(1, count + 1):
        cells = np.argwhere(labels == number)
        i, j = cells[np.argmin(np.linalg.norm(cells - cells.mean(axis=0), axis=1))].tolist()
        yield i, j


def _refined(smooth: Float, cell: tuple[int, int]) -> tuple[float, Float]:
    """Height and place, in cells, of the top of the parabola about a cell."""
    lines = [
        np.take(smooth.take(cell[1 - axis], axis=1 - axis), np.arange(n - 1, n + 2), mode="wrap")
        for axis, n in enumerate(cell)
    ]
    is_positive = all((line > 0).all() for line in lines)
    shifts, height = [], float(np.log(smooth[cell])) if is_positive else float(smooth[cell])
    for line in lines:
        below, middle, above = np.log(line) if is_positive else line
        curvature = below - 2 * middle + above
        shift = (below - above) / (2 * curvature) if curvature < 0 else 0.0
        shifts.append(shift)
        height += (above - below) * shift / 4
    return float(np.exp(height)) if is_positive else height, np.asarray(cell) + np.asarray(shifts)


def _distance(one: Float, two: Float, box: Float, periodic: Sequence[bool]) -> float:
    difference = np.abs(one - two)
    wrapped = np.where(periodic, np.minimum(difference, box - difference), difference)
    return float(np.linalg.norm(wrapped))
