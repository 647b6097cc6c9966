r"""The stochastic sampler of Karras et al. 2022 (arXiv:2206.00364, algorithm 2): Heun's rule with fresh noise.

Of N levels :math:`t_i`, those in [``s_tmin``, ``s_tmax``] are raised before the step,

.. math::
   \hat t = (1 + \gamma) t, \qquad \hat x = x + s_{noise} \sqrt{\hat t^2 - t^2}\, n, \qquad
   \gamma = \min(s_{churn} / N,\; \sqrt 2 - 1)

and the step goes from :math:`\hat t` down. Fresh noise forgets errors of earlier steps, and
longer steps make new ones.

Other than in the paper no level is raised above the largest one, where no network has been trained: gamma is at most
:math:`t_0 / t_i - 1`, so the first step has none.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from rhodiff.diffusion.sampler import Estimator
from rhodiff.diffusion.second_order import HeunSampler, heun_step
from rhodiff.diffusion.stochastic import StochasticSampler
from rhodiff.errors import ConfigError

__all__ = ["HeunChurnSampler"]

LARGEST_GAMMA = math.sqrt(2) - 1


@dataclass(frozen=True, kw_only=True)
class HeunChurnSampler(StochasticSampler, HeunSampler):
    """Heun's rule with churn; m noise levels take 2 m - 1 evaluations.

    Attributes:
        s_churn: amount of fresh noise over all steps; 0: none, Heun's rule.
        s_tmin: smallest level that is raised.
        s_tmax: largest level that is raised.
        s_noise: standard deviation of the fresh noise; the paper takes 1.003 to 1.007 against lost detail.
    """

    s_churn: float = 2.0
    s_tmin: float = 0.0
    s_tmax: float = math.inf
    s_noise: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not (self.s_churn >= 0 and 0 <= self.s_tmin < self.s_tmax and self.s_noise > 0):
            raise ConfigError(
                "sampler 'heun_churn' needs s_churn >= 0, 0 <= s_tmin < s_tmax and s_noise > 0, got "
                f"{self.s_churn:g}, {self.s_tmin:g}, {self.s_tmax:g} and {self.s_noise:g}"
            )

    def integrate(self, estimate: Estimator, x: Tensor, levels: Sequence[float], spectrum: Tensor | None) -> Tensor:
        """See :meth:`Sampler.integrate`."""
        for step, level in enumerate(levels):
            raised = level * (1 + self.gamma(level, levels))
            if raised > level:
                x = x + self.s_noise * math.sqrt(raised**2 - level**2) * self.noise(step, x)
            clean = estimate.at_step(step, x, raised)
            if step + 1 == len(levels):
                return clean  # the step to zero
            x = heun_step(estimate, x, clean, raised, levels[step + 1])
        raise AssertionError("a grid has at least one level")

    def gamma(self, level: float, levels: Sequence[float]) -> float:
        """By which part of itself a level of the grid is raised."""
        if not self.s_tmin <= level <= self.s_tmax:
            return 0.0
        return max(0.0, min(self.s_churn / len(levels), LARGEST_GAMMA, levels[0] / level - 1))
