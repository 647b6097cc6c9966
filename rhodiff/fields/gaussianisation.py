r"""The step that gives the values of a data set a normal distribution, point by point.

.. math:: y = \Phi^{-1}(F(x)), \qquad x = F^{-1}(\Phi(y)),

with F the distribution of all values of a channel in the training split and :math:`\Phi` the normal one. F is
known at knots, equally spaced in y, as exact quantiles (:mod:`rhodiff.fields.quantiles`); between them it is a smooth
increasing curve and beyond them a straight line in y, as for a Gaussian tail (:mod:`rhodiff.fields.monotone_spline`).
So the step has an inverse everywhere, and a network can make values beyond those of the training split.

A value that many cells share (a floor, empty cells) stays one value: it is put at the mean score of its knots, and
the distribution has as many cells there. Only single cells become normal: their joint distribution keeps its higher
correlations, which the network has to learn.

Axes: n sample, C channel, K knot.
"""

from collections.abc import Callable, Iterable
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from pydantic import model_validator
from scipy.special import ndtr, ndtri

from rhodiff.config.fields import Gaussianise
from rhodiff.errors import DataError
from rhodiff.fields.monotone_spline import MonotoneSpline
from rhodiff.fields.quantiles import find_quantiles
from rhodiff.fields.steps import Step

__all__ = ["GaussianiseStep", "fit_gaussianisation"]

Array = NDArray[np.float64]
MAX_TAIL = 0.01
"""Largest share of the values beyond an outermost knot: small sets have fewer there than ``tail_count``."""


class GaussianiseStep(Gaussianise, Step):
    """y = the standard normal score of x among the values of the training split, by channel."""

    values: tuple[tuple[float, ...], ...]
    """Quantiles of the training split at the knots, by channel, in the unit before this step."""
    scores: tuple[tuple[float, ...], ...]
    """Standard normal scores of the knots, by channel."""

    @model_validator(mode="after")
    def _knots_increase(self) -> "GaussianiseStep":
        for values, scores in zip(self.values, self.scores, strict=True):
            if len(values) != len(scores) or len(values) < 2 or min(*np.diff(values), *np.diff(scores)) <= 0:
                raise ValueError("the knots of 'gaussianise' do not increase")
        return self

    @property
    def num_channels(self) -> int | None:
        """Channels that the constants are for."""
        return len(self.values)

    def forward(self, x: Array) -> Array:
        """See :class:`~rhodiff.fields.steps.Step`."""
        return np.stack([curve.evaluate(x[:, channel]) for channel, curve in enumerate(self._curves)], axis=1)

    def inverse(self, y: Array) -> Array:
        """See :class:`~rhodiff.fields.steps.Step`."""
        scores = np.broadcast_to(y, (y.shape[0], len(self._curves), *y.shape[2:]))
        return np.stack([curve.invert(scores[:, channel]) for channel, curve in enumerate(self._curves)], axis=1)

    def describe(self, label: str, unit: str) -> tuple[str, str]:
        """See :class:`~rhodiff.fields.steps.Step`."""
        return f"{label}, normal score", ""

    @cached_property
    def _curves(self) -> list[MonotoneSpline]:
        return [
            MonotoneSpline(np.array(values), np.array(scores))
            for values, scores in zip(self.values, self.scores, strict=True)
        ]


def fit_gaussianisation(settings: Gaussianise, batches: Callable[[], Iterable[Array]]) -> GaussianiseStep:
    """Fit the knots.

    Args:
        settings: how many.
        batches: called twice; the values before this step, float64 ``[n, C, *space]``, finite.

    Raises:
        DataError: if there is no value, or a channel has the same value at all knots.
    """

    def scores(count: int) -> Array:
        outermost = -ndtri(min(settings.tail_count / count, MAX_TAIL))
        return np.linspace(-outermost, outermost, settings.num_knots)

    values, count = find_quantiles(batches, lambda count: np.asarray(ndtr(scores(count))))
    if count == 0:
        raise DataError("the training split holds no valid field to fit 'fields.transform' on; see 'data.split'")
    knots = [_merge_equal(of_channel, scores(count), channel) for channel, of_channel in enumerate(values)]
    return GaussianiseStep(
        **settings.model_dump(),
        values=tuple(tuple(x.tolist()) for x, _ in knots),
        scores=tuple(tuple(y.tolist()) for _, y in knots),
    )


def _merge_equal(values: Array, scores: Array, channel: int) -> tuple[Array, Array]:
    """Knots of different values; those of the same value become one at their mean score.

    Raises:
        DataError: if all are the same.
    """
    distinct, place = np.unique(values, return_inverse=True)
    if len(distinct) < 2:
        raise DataError(
            f"gaussianise: channel {channel} has the value {values[0]:g} at all knots over the training split, "
            "at this step of 'fields.transform'; check the source, or leave the step out"
        )
    return distinct, np.bincount(place, weights=scores) / np.bincount(place)
