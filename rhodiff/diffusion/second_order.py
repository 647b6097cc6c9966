r"""Heun's rule and DPM-Solver++(2M): second order in the step.

Heun averages the slope of the flow at both ends of a step, two evaluations a step. DPM-Solver++(2M) integrates the
flow's linear part exactly and extrapolates the estimate D from the step before, one evaluation a step: with
:math:`h = \ln(\sigma / \sigma')` and :math:`r` the ratio of the step before to this one,

.. math::
   x' = \frac{\sigma'}{\sigma} x + (1 - e^{-h}) \left[ (1 + \tfrac{1}{2 r}) D_i - \tfrac{1}{2 r} D_{i-1} \right]

References: Karras et al. 2022, arXiv:2206.00364; Lu et al. 2022, arXiv:2211.01095.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from torch import Tensor

from rhodiff.diffusion.sampler import Estimator, Sampler
from rhodiff.errors import ConfigError

__all__ = ["DpmSolverSampler", "HeunSampler"]


@dataclass(frozen=True, kw_only=True)
class HeunSampler(Sampler):
    """Heun's rule; m noise levels take 2 m - 1 evaluations, the last step being an Euler step to zero."""

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
            slope = (x - estimate.at_step(step, x, sigma)) / sigma
            predicted = x + (following - sigma) * slope
            slope_after = (predicted - estimate(predicted, following)) / following
            x = x + (following - sigma) * (slope + slope_after) / 2
        return estimate.at_step(len(levels) - 1, x, levels[-1])


@dataclass(frozen=True, kw_only=True)
class DpmSolverSampler(Sampler):
    """DPM-Solver++(2M); one evaluation for each noise level."""

    def integrate(self, estimate: Estimator, x: Tensor, levels: Sequence[float], spectrum: Tensor | None) -> Tensor:
        """See :meth:`Sampler.integrate`."""
        before: Tensor | None = None
        width_before = 0.0
        for step, (sigma, following) in enumerate(pairwise(levels)):
            clean = estimate.at_step(step, x, sigma)
            width = math.log(sigma / following)
            weight = width / (2 * width_before) if before is not None else 0.0
            ahead = clean if before is None else clean + weight * (clean - before)
            x = following / sigma * x - math.expm1(-width) * ahead
            before, width_before = clean, width
        return estimate.at_step(len(levels) - 1, x, levels[-1])
