r"""The ancestral step of a Gaussian field: how much noise a step down the levels puts back.

From :math:`\sigma` to :math:`\sigma' < \sigma`, with the clean estimate D and :math:`r = \sigma'/\sigma`, a draw from
:math:`p(x_{\sigma'} | x_\sigma)` has, where :math:`C = \mathrm{Cov}(x_0 | x_\sigma)`,

.. math::
   \mathrm{mean} = D + r^2 (x - D), \qquad \mathrm{Cov} = \sigma'^2 (1 - r^2) + (1 - r^2)^2 C

For a Gaussian field of power S, :math:`C = S \sigma^2 / (S + \sigma^2)` mode by mode, and every number of steps is
exact. DDPM takes C = 0, which loses variance of order one over the number of steps.

The optimal C without structure in Fourier space: Bao et al. 2022, arXiv:2201.06503.

Axes: N sample, C channel; ``*space`` one to three spatial axes, ``*rspace`` those of its ``rfftn``.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

from torch import Tensor

from rhodiff.diffusion.modes import colour
from rhodiff.diffusion.sampler import Estimator
from rhodiff.diffusion.stochastic import StochasticSampler

__all__ = ["GaussianAncestralSampler", "ancestral_power"]


def ancestral_power(power: Tensor, sigma: Tensor | float, following: Tensor | float) -> Tensor:
    """Variance of each mode in a draw from p(x_following | x_sigma) of a Gaussian field.

    Args:
        power: S of each mode, ``[*rspace]``, with more axes in front or none.
        sigma: noise level, a number or a tensor that broadcasts against ``power``.
        following: the next one, likewise.

    Returns:
        The shape of ``power`` and the levels together.
    """
    ratio_squared = (following / sigma) ** 2
    posterior = power * sigma**2 / (power + sigma**2)
    return following**2 * (1 - ratio_squared) + (1 - ratio_squared) ** 2 * posterior


@dataclass(frozen=True, kw_only=True)
class GaussianAncestralSampler(StochasticSampler):
    """Ancestral sampling with the covariance of a Gaussian field; one evaluation for each noise level."""

    needs_reference: ClassVar[bool] = True

    def integrate(self, estimate: Estimator, x: Tensor, levels: Sequence[float], spectrum: Tensor | None) -> Tensor:
        """See :meth:`Sampler.integrate`."""
        assert spectrum is not None, "sample() checks needs_reference"
        for step, (sigma, following) in enumerate(pairwise(levels)):
            clean = estimate.at_step(step, x, sigma)
            drawn = colour(self.noise(step, x), ancestral_power(spectrum, sigma, following))
            x = clean + (following / sigma) ** 2 * (x - clean) + drawn
        return estimate.at_step(len(levels) - 1, x, levels[-1])
