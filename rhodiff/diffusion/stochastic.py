"""What samplers that draw noise in their steps share: where that noise comes from."""

from abc import ABC
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from rhodiff.diffusion.sampler import Sampler
from rhodiff.errors import ConfigError

__all__ = ["StochasticSampler"]


@dataclass(frozen=True, kw_only=True)
class StochasticSampler(Sampler, ABC):
    """A sampler whose step i draws one standard normal field.

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
            raise ConfigError("this sampler draws noise in its steps: give it one of step_noise and generator")

    def noise(self, step: int, x: Tensor) -> Tensor:
        """Standard normal noise of a step, with the shape, device and precision of ``x``."""
        if self.step_noise is not None:
            return self.step_noise(step).to(x)
        return torch.randn(x.shape, generator=self.generator, dtype=x.dtype, device=x.device)
