r"""DDIM and DDPM: one evaluation a step, without and with fresh noise.

From noise level :math:`\sigma` to :math:`\sigma' < \sigma` with the clean estimate D and :math:`r = \sigma'/\sigma`:

- DDIM: :math:`x' = D + r (x - D)`, Euler's rule for the flow;
- DDPM: :math:`x' = D + r^2 (x - D) + \sigma' \sqrt{1 - r^2}\, n`, a draw from the posterior
  :math:`q(x' | x, x_0 = D)`: the ancestral step of Ho et al. 2020 with variance beta-tilde, rescaled.

References: Song et al. 2020, arXiv:2010.02502; Ho et al. 2020, arXiv:2006.11239.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from rhodiff.diffusion.sampler import Estimator, Sampler
from rhodiff.errors import ConfigError

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
class DdpmSampler(Sampler):
    """Ancestral sampling; stochastic.

    Attributes:
        step_noise: ``step_noise(i)`` is the standard normal noise ``[N, C, *space]`` of step i, so that a caller can
            seed it by sample index.
        generator: draws the noise if ``step_noise`` is not given.
    """

    step_noise: Callable[[int], Tensor] | None = None
    generator: torch.Generator | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if (self.step_noise is None) == (self.generator is None):
            raise ConfigError("sampler 'ddpm' draws noise in each step: give it one of step_noise and generator")

    def integrate(self, estimate: Estimator, x: Tensor, levels: Sequence[float], spectrum: Tensor | None) -> Tensor:
        """See :meth:`Sampler.integrate`."""
        for step, (sigma, following) in enumerate(pairwise(levels)):
            clean = estimate.at_step(step, x, sigma)
            ratio_squared = (following / sigma) ** 2
            spread = following * (1 - ratio_squared) ** 0.5
            x = clean + ratio_squared * (x - clean) + spread * self._noise(step, x)
        return estimate.at_step(len(levels) - 1, x, levels[-1])

    def _noise(self, step: int, x: Tensor) -> Tensor:
        if self.step_noise is not None:
            return self.step_noise(step).to(x)
        return torch.randn(x.shape, generator=self.generator, dtype=x.dtype, device=x.device)
