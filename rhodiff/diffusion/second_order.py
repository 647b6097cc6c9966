r"""Heun's rule and DPM-Solver++(2M): second order in the step.

Heun averages the slope of the flow at both ends of a step, two evaluations a step. DPM-Solver++(2M) integrates the
flow's linear part exactly and extrapolates the estimate D from the step before, one evaluation a step: with
:math:`h = \ln(\sigma / \sigma')` and :math:`r` the ratio of the step before to this one,

.. math::
   x' = \frac{\sigma'}{\sigma} x + (1 - e^{-h}) \left[ (1 + \tfrac{1}{2 r}) D_i - \tfrac{1}{2 r} D_{i-1} \right]

DPM-Solver++(2M) for the SDE does the same for the reverse process with noise: with :math:`\hat D` the bracket above,

.. math::
   x' = \hat D + r_\sigma^2 (x - \hat D) + \sigma' \sqrt{1 - r_\sigma^2}\, n, \qquad r_\sigma = \sigma'/\sigma

which with D in place of its extrapolation is DDPM's step.

References: Karras et al. 2022, arXiv:2206.00364; Lu et al. 2022, arXiv:2211.01095.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from torch import Tensor

from rhodiff.diffusion.sampler import Estimator, Sampler
from rhodiff.diffusion.stochastic import StochasticSampler
from rhodiff.errors import ConfigError

__all__ = ["DpmSolverSampler", "DpmSolverSdeSampler", "HeunSampler", "heun_step"]


def heun_step(estimate: Estimator, x: Tensor, clean: Tensor, sigma: float, following: float) -> Tensor:
    """One step of Heun's rule; one more evaluation, at its end.

    Args:
        estimate: the denoiser.
        x: field at the level ``sigma``, ``[N, C, *space]``.
        clean: its clean estimate.
        sigma: noise level.
        following: the next one.
    """
    slope = (x - clean) / sigma
    predicted = x + (following - sigma) * slope
    slope_after = (predicted - estimate(predicted, following)) / following
    return x + (following - sigma) * (slope + slope_after) / 2


@dataclass(frozen=True, kw_only=True)
class HeunSampler(Sampler):
    """Heun's rule; m noise levels take 2 m - 1 evaluations, the last step being an Euler step to zero."""

    @classmethod
    def possible_evaluations(cls, at_most: int) -> int:
        """The odd number at or below."""
        return at_most - (at_most + 1) % 2

    def num_levels(self, evaluations: int) -> int:
        """(evaluations + 1) / 2."""
        if evaluations % 2 == 0:
            raise ConfigError(
                f"sampler 'heun' cannot use exactly {evaluations} evaluations: "
                f"it takes odd numbers, such as {evaluations - 1} or {evaluations + 1}"
            )
        return (evaluations + 1) // 2

    def integrate(self, estimate: Estimator, x: Tensor, levels: Sequence[float], spectrum: Tensor | None) -> Tensor:
        """See :meth:`Sampler.integrate`."""
        for step, (sigma, following) in enumerate(pairwise(levels)):
            x = heun_step(estimate, x, estimate.at_step(step, x, sigma), sigma, following)
        return estimate.at_step(len(levels) - 1, x, levels[-1])


@dataclass(frozen=True, kw_only=True)
class DpmSolverSampler(Sampler):
    """DPM-Solver++(2M); one evaluation for each noise level."""

    def integrate(self, estimate: Estimator, x: Tensor, levels: Sequence[float], spectrum: Tensor | None) -> Tensor:
        """See :meth:`Sampler.integrate`."""
        ahead = _Extrapolation()
        for step, (sigma, following) in enumerate(pairwise(levels)):
            width = math.log(sigma / following)
            clean = ahead.take(estimate.at_step(step, x, sigma), width)
            x = following / sigma * x - math.expm1(-width) * clean
        return estimate.at_step(len(levels) - 1, x, levels[-1])


@dataclass(frozen=True, kw_only=True)
class DpmSolverSdeSampler(StochasticSampler):
    """DPM-Solver++(2M) for the SDE; one evaluation for each noise level."""

    def integrate(self, estimate: Estimator, x: Tensor, levels: Sequence[float], spectrum: Tensor | None) -> Tensor:
        """See :meth:`Sampler.integrate`."""
        ahead = _Extrapolation()
        for step, (sigma, following) in enumerate(pairwise(levels)):
            width = math.log(sigma / following)
            clean = ahead.take(estimate.at_step(step, x, sigma), width)
            lost = -math.expm1(-2 * width)
            x = clean + (1 - lost) * (x - clean) + following * math.sqrt(lost) * self.noise(step, x)
        return estimate.at_step(len(levels) - 1, x, levels[-1])


class _Extrapolation:
    """Clean estimates of two steps, extrapolated in ln(sigma) to the middle of the later one."""

    def __init__(self) -> None:
        self._before: Tensor | None = None
        self._width = 0.0

    def take(self, clean: Tensor, width: float) -> Tensor:
        """The extrapolation; ``clean`` itself in the first step."""
        ahead = clean
        if self._before is not None:
            ahead = clean + width / (2 * self._width) * (clean - self._before)
        self._before, self._width = clean, width
        return ahead
