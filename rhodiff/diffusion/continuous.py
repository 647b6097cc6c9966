"""Noise levels anywhere in a range: how training draws them.

Axes: N sample.
"""

import math
from typing import Literal

import torch
from torch import Tensor

from rhodiff.diffusion.formulation import Formulation, stratify

__all__ = ["ContinuousFormulation"]


class ContinuousFormulation(Formulation):
    """A formulation whose training draws sigma from a continuous distribution."""

    noise_distribution: Literal["log_uniform", "log_normal"]
    """Distribution of sigma in training."""
    log_normal_mean: float
    """Mean of ln sigma for ``log_normal``."""
    log_normal_std: float
    """Standard deviation of ln sigma for ``log_normal``."""
    stratified: bool
    """Whether the levels of a batch come from equal strata."""

    def noise_levels(self, u: Tensor) -> Tensor:
        """Log-uniform over the range, or log-normal cut off at its ends; ``[N]`` to ``[N]``."""
        low, high = math.log(self.sigma_min), math.log(self.sigma_max)
        if self.noise_distribution == "log_uniform":
            return torch.exp(low + (high - low) * u)
        cut = [self._normal_cdf(end) for end in (low, high)]
        quantile: Tensor = torch.special.ndtri(cut[0] + (cut[1] - cut[0]) * u)
        ln_sigma = self.log_normal_mean + self.log_normal_std * quantile
        return ln_sigma.clamp(low, high).exp()

    def stratify(self, u: Tensor, index: Tensor, batch_size: int) -> Tensor:
        """One stratum for each sample of the global batch, ``[N]`` to ``[N]``."""
        return stratify(u, index, batch_size) if self.stratified else u

    def _normal_cdf(self, ln_sigma: float) -> float:
        return 0.5 * (1 + math.erf((ln_sigma - self.log_normal_mean) / (self.log_normal_std * math.sqrt(2))))
