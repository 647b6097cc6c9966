r"""A smooth increasing curve through knots, with a closed inverse and straight ends.

Between the knots :math:`(x_k, y_k)` with slopes :math:`d_k` lies the rational quadratic spline of Gregory & Delbourgo
(1982, IMA J. Numer. Anal. 2, 123): with :math:`h = x_{k+1} - x_k`, :math:`s = (y_{k+1} - y_k) / h` and
:math:`t = (x - x_k) / h`,

.. math:: y = y_k + \frac{(y_{k+1} - y_k) [s t^2 + d_k t (1 - t)]}{s + (d_k + d_{k+1} - 2 s) t (1 - t)},

increasing for any positive slopes and continuous with its derivative; t follows from y by a quadratic equation. The
slopes at inner knots are the weighted harmonic means of the chords on both sides (Fritsch & Butland 1984), those at
the ends the outermost chords, along which the curve goes on as a straight line for ever.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

__all__ = ["MonotoneSpline"]

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class MonotoneSpline:
    """The curve through some knots.

    Attributes:
        x: strictly increasing, ``[K]``, K >= 2.
        y: strictly increasing, ``[K]``.
    """

    x: Array
    y: Array

    @cached_property
    def _chords(self) -> Array:
        return np.asarray(np.diff(self.y) / np.diff(self.x))

    @cached_property
    def _slopes(self) -> Array:
        width, chords = np.diff(self.x), self._chords
        before, after = 2 * width[1:] + width[:-1], width[1:] + 2 * width[:-1]
        inner = (before + after) / (before / chords[:-1] + after / chords[1:])
        return np.concatenate([chords[:1], inner, chords[-1:]])

    def evaluate(self, x: Array) -> Array:
        """Heights of the curve at ``x``, any shape."""
        inside = np.clip(x, self.x[0], self.x[-1])
        k = self._piece(self.x, inside)
        chord, bend = self._chords[k], self._bend(k)
        t = (inside - self.x[k]) / np.diff(self.x)[k]
        turned = t * (1 - t)
        share = (chord * t**2 + self._slopes[k] * turned) / (chord + bend * turned)
        return self.y[k] + np.diff(self.y)[k] * share + self._beyond(x, self.x, self._slopes)

    def invert(self, y: Array) -> Array:
        """Places where the curve has the heights ``y``, any shape."""
        inside = np.clip(y, self.y[0], self.y[-1])
        k = self._piece(self.y, inside)
        share = (inside - self.y[k]) / np.diff(self.y)[k]
        chord, bend = self._chords[k], self._bend(k)
        square, linear = share * bend + chord - self._slopes[k], self._slopes[k] - share * bend
        root = np.sqrt(np.maximum(linear**2 + 4 * square * chord * share, 0.0))
        t = 2 * chord * share / (linear + root)
        return self.x[k] + np.diff(self.x)[k] * t + self._beyond(y, self.y, 1 / self._slopes)

    def _bend(self, k: NDArray[np.intp]) -> Array:
        return np.asarray(self._slopes[k] + self._slopes[k + 1] - 2 * self._chords[k])

    @staticmethod
    def _piece(knots: Array, inside: Array) -> NDArray[np.intp]:
        """Number of the piece of each place, the last one for the last knot."""
        return np.minimum(np.searchsorted(knots, inside, side="right") - 1, len(knots) - 2)

    @staticmethod
    def _beyond(place: Array, knots: Array, slopes: Array) -> Array:
        """What the straight ends add."""
        below, above = np.minimum(place - knots[0], 0.0), np.maximum(place - knots[-1], 0.0)
        return np.asarray(slopes[0] * below + slopes[-1] * above)
