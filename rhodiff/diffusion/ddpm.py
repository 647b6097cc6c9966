r"""DDPM: the network predicts the noise, or v, at discrete levels of a variance-preserving process.

The process :math:`x_{vp} = \sqrt{\bar\alpha}\, x_0 + \sqrt{1-\bar\alpha}\, n` is ours scaled:
:math:`x_{vp} = x / \sqrt{1 + \sigma^2}` with :math:`\sigma^2 = (1-\bar\alpha)/\bar\alpha`. With
:math:`\alpha = 1/\sqrt{1+\sigma^2}` and :math:`s = \sigma \alpha`,

.. math:: \epsilon: \; \hat x_0 = x - \sigma F(x_{vp}), \qquad v = \alpha n - s x_0: \; \hat x_0 = \alpha x_{vp} - s F

The network's label is ln(sigma) / 4, a monotonic function of the timestep, so levels between timesteps have a meaning
and any sampler can use the model.

References: Ho et al. 2020, arXiv:2006.11239; Salimans & Ho 2022, arXiv:2202.00512 (v). Axes: N sample, C channel.
"""

from functools import cached_property
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from rhodiff.config.diffusion import DdpmSettings
from rhodiff.diffusion.formulation import Formulation, Network, expand_as, mean_over_field, noise_label
from rhodiff.diffusion.schedules import ddpm_levels

__all__ = ["DdpmFormulation"]


class DdpmFormulation(Formulation):
    """DDPM with its schedule, prediction and loss."""

    kind: Literal["ddpm"] = "ddpm"
    """Tells formulations apart in a checkpoint."""
    settings: DdpmSettings
    """Schedule, prediction and loss."""

    @cached_property
    def levels(self) -> NDArray[np.float64]:
        """sigma_t for t = 1..T, rising, ``[T]``."""
        return ddpm_levels(self.settings)

    def noise_levels(self, u: Tensor) -> Tensor:
        """The level of timestep floor(u T), ``[N]`` to ``[N]``."""
        levels = torch.from_numpy(self.levels).to(u)
        timestep = (u * len(levels)).long().clamp(max=len(levels) - 1)
        return levels[timestep]

    def loss(
        self, network: Network, x0: Tensor, noise: Tensor, u: Tensor, parameters: Tensor | None = None
    ) -> Tensor:
        """Huber (delta 1) or squared error of the prediction, ``[N]``."""
        sigma = self.noise_levels(u)
        alpha, scaled_sigma = _signal_and_noise(expand_as(sigma, x0))
        target = noise if self.settings.prediction == "epsilon" else alpha * noise - scaled_sigma * x0
        predicted = network(alpha * x0 + scaled_sigma * noise, noise_label(sigma).to(x0), parameters).to(x0)
        if self.settings.loss == "mse":
            return mean_over_field((predicted - target) ** 2)
        return mean_over_field(F.huber_loss(predicted, target, reduction="none", delta=1.0))

    def denoise(self, network: Network, x: Tensor, sigma: Tensor, parameters: Tensor | None = None) -> Tensor:
        """The clean estimate that the prediction implies, ``[N, C, *space]``."""
        alpha, scaled_sigma = _signal_and_noise(expand_as(sigma, x))
        predicted = network(alpha * x, noise_label(sigma).to(x), parameters).to(x)
        if self.settings.prediction == "epsilon":
            return x - expand_as(sigma, x) * predicted
        return alpha**2 * x - scaled_sigma * predicted


def _signal_and_noise(sigma: Tensor) -> tuple[Tensor, Tensor]:
    """Factors alpha and s of signal and noise in the variance-preserving process."""
    alpha = (1 + sigma**2).rsqrt()
    return alpha, sigma * alpha
