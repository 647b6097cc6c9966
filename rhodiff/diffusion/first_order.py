r"""DDIM and DDPM: one evaluation a step, without and with fresh noise.

From noise level :math:`\sigma` to :math:`\sigma' < \sigma` with the clean estimate D and :math:`r = \sigma'/\sigma`:

- DDIM: :math:`x' = D + r (x - D)`, Euler's rule for the flow;
- DDPM: :math:`x' = D + r^2 (x - D) + \sigma' \sqrt{1 - r^2}\, n`, a draw from the posterior
  :math:`q(x' | x, x_0 = D)`: the ancestral step of Ho et al. 2020 with variance beta-tilde, rescaled.

References: Song et al. 2020, arXiv:2010.02502; Ho et al. 2020, arXiv:2006.11239.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from torch import Tensor

from rhodiff.diffusion.sampler import Estimator, Sampler
from rhodiff.diffusion.stochastic import StochasticSampler

__all__ = ["DdimSampler", "DdpmSampler"]


@dataclass(frozen=True, kw_only=True)
class DdimSampler(Sampler):
    """Euler's rule; deterministic, first order."""

    def integrate(self, estimate: Estimator, x: Tensor, levels: Sequence[float], spectrum: Tensor | None) -> Tensor:
        """See :meth:`Sampler.integrate`."""
        for step, (sigma, following) in enumerate(pairwise(levels)):
            clean = estimate.at_step(step, x, sigma)
            x = clean + following / sigma * (x - clean)
        return estimate.at_step(len(levels) - 1, x, levels[-1])


@dataclass(frozen=True, kw_only=True)
class DdpmSampler(StochasticSampler):
    """Ancestral sampling; stochastic."""

    def integrate(self, estimate: Estimator, x: Tensor, levels: Sequence[float], spectrum: Tensor | None) -> Tensor:
        """See :meth:`Sampler.integrate`."""
        for step, (sigma, following) in enumerate(pairwise(levels)):
            clean = estimate.at_step(step, x, sigma)
            ratio_squared = (following / sigma) ** 2
            spread = following * (1 - ratio_squared) ** 0.5
            x = clean + ratio_squared * (x - clean) + spread * self.noise(step, x)
        return estimate.at_step(len(levels) - 1, x, levels[-1])
