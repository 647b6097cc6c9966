r"""Filters that remove noise without a network: what a denoiser has to be compared with.

- Gaussian filter of width w cells, one width for each field. *Matched*: the smallest w whose root-mean-square error
  in a region of the field equals a given one (paper A, arXiv 2211.12444: that of the network, in the quadrant of
  lowest mean); *best*: the w of least error over the whole field, which nobody could know without the truth.
- Wiener filter S / (S + s^2), mode by mode, of the mean power S of the training fields: the best linear estimate that
  is the same everywhere.

Fields that wrap around are filtered so, others are mirrored at their borders; the Wiener filter always wraps.

Axes: fields are ``[field, *space]``, ``*rspace`` is the shape of their ``rfftn``.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import scipy.fft
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from scipy.optimize import brentq, minimize_scalar

__all__ = ["SmoothedFields", "best_gaussian", "low_signal_region", "matched_gaussian", "wiener_filter"]

Float = NDArray[np.float64]
Region = tuple[slice, ...]

SMALLEST_WIDTH, WIDTH_RATIO = 0.2, 1.25
"""First width of the search in cells, and the ratio of the next ones."""
TRUNCATE = 6.0
"""Widths at which the kernel ends: its steps then do not show in the error."""
RISEN = 1.3
"""A search ends where the error is so many times the smallest found."""


@dataclass(frozen=True, eq=False)
class SmoothedFields:
    """What a Gaussian filter made of some fields.

    Attributes:
        fields: ``[field, *space]``.
        width: standard deviation of each field's kernel in cells, ``[field]``.
        reached: whether that width has the error asked for, ``[field]``; else it is the nearest that any width has.
    """

    fields: Float
    width: Float
    reached: NDArray[np.bool_]


def low_signal_region(field: Float) -> Region:
    """The half along each axis (quadrant, octant) in which a field's mean is lowest; an axis of one cell stays whole.

    Args:
        field: ``[*space]``.
    """
    halves = [(slice(0, n // 2), slice(n // 2, n)) if n > 1 else (slice(0, n),) for n in field.shape]
    corners: list[Region] = [()]
    for axis in halves:
        corners = [(*corner, half) for corner in corners for half in axis]
    return min(corners, key=lambda corner: float(field[corner].mean()))


def matched_gaussian(noisy: Float, truth: Float, target: Float, periodic: Sequence[bool]) -> SmoothedFields:
    """Filter each field by the smallest width that has a given error in its low-signal region.

    Args:
        noisy: ``[field, *space]``.
        truth: ``[field, *space]``; its regions count.
        target: root-mean-square error asked for, ``[field]``.
        periodic: whether fields wrap around, by axis.
    """
    widths, reached = [], []
    for seen, clean, wanted in zip(noisy, truth, target, strict=True):
        width, is_reached = _matching_width(_Error(seen, clean, low_signal_region(clean), periodic), wanted)
        widths.append(width)
        reached.append(is_reached)
    return _smoothed(noisy, np.array(widths), np.array(reached), periodic)


def best_gaussian(noisy: Float, truth: Float, periodic: Sequence[bool]) -> SmoothedFields:
    """Filter each field by the width of least error over the whole field.

    Args:
        noisy: ``[field, *space]``.
        truth: ``[field, *space]``.
        periodic: whether fields wrap around, by axis.
    """
    whole = (slice(None),) * (noisy.ndim - 1)
    widths = [_best_width(_Error(x, t, whole, periodic)) for x, t in zip(noisy, truth, strict=True)]
    return _smoothed(noisy, np.array(widths), np.ones(len(noisy), dtype=np.bool_), periodic)


def wiener_filter(noisy: Float, power: Float, sigma: Float) -> Float:
    """The Wiener filter of a mean power, S / (S + sigma^2) in each mode.

    Args:
        noisy: ``[field, *space]``, of the unit that ``power`` was measured in.
        power: S for each mode of the orthonormal ``rfftn``, ``[*rspace]``.
        sigma: standard deviation of each field's noise, ``[field]``.

    Returns:
        ``[field, *space]``.
    """
    axes = tuple(range(1, noisy.ndim))
    modes = scipy.fft.rfftn(noisy, axes=axes, norm="ortho")
    variance = np.reshape(sigma**2, (-1, *[1] * len(axes)))
    return np.asarray(
        scipy.fft.irfftn(modes * (power / (power + variance)), s=noisy.shape[1:], axes=axes, norm="ortho")
    )


def _smoothed(noisy: Float, widths: Float, reached: NDArray[np.bool_], periodic: Sequence[bool]) -> SmoothedFields:
    fields = np.stack([_smooth(field, width, periodic) for field, width in zip(noisy, widths, strict=True)])
    return SmoothedFields(fields, widths, reached)


def _smooth(field: Float, width: float, periodic: Sequence[bool]) -> Float:
    mode = ["wrap" if wraps else "reflect" for wraps in periodic]
    return np.asarray(gaussian_filter(field, width, mode=mode, truncate=TRUNCATE))


@dataclass(frozen=True, eq=False)
class _Error:
    """Root-mean-square error of one field in a region, as a function of the width."""

    noisy: Float
    truth: Float
    region: Region
    periodic: Sequence[bool]

    def __call__(self, width: float) -> float:
        difference = _smooth(self.noisy, width, self.periodic)[self.region] - self.truth[self.region]
        return float(np.sqrt(np.mean(difference**2)))

    def falling(self, target: float) -> Iterator[tuple[float, float]]:
        """Widths from zero on with their errors, as far as the target, or until the error has clearly risen again."""
        width, best = 0.0, np.inf
        while width <= max(self.truth.shape) / 2:
            error = self(width)
            yield width, error
            best = min(best, error)
            if error <= target or error > RISEN * best:
                return
            width = width * WIDTH_RATIO if width else SMALLEST_WIDTH


def _matching_width(error: _Error, target: float) -> tuple[float, bool]:
    """The smallest width with an error, and True; or the width of the nearest error, and False."""
    searched = list(error.falling(target))
    if searched[0][1] <= target:
        return 0.0, False  # even without a filter the error is smaller: no smoothing brings it up to the target first
    if searched[-1][1] <= target:
        width = brentq(lambda w: error(w) - target, searched[-2][0], searched[-1][0], xtol=1e-6)
        return float(width), True
    return _least_between(error, searched), False


def _best_width(error: _Error) -> float:
    return _least_between(error, list(error.falling(-np.inf)))


def _least_between(error: _Error, searched: Sequence[tuple[float, float]]) -> float:
    """The width of least error, between the neighbours of the best that was searched."""
    best = int(np.argmin([found for _, found in searched]))
    low, high = searched[max(best - 1, 0)][0], searched[min(best + 1, len(searched) - 1)][0]
    found = minimize_scalar(error, bounds=(low, high), method="bounded", options={"xatol": 1e-4})
    return float(found.x) if found.fun < searched[best][1] else searched[best][0]
