r"""A multistep solver that is exact for a Gaussian field with a given power spectrum.

Split the denoiser into the Wiener filter of a reference spectrum S and a remainder, in Fourier space, mode by
mode:

.. math:: D(x, \sigma) = W x + R, \qquad W = \frac{S}{S + \sigma^2}

With :math:`u = x / \sqrt{S + \sigma^2}` and :math:`\tau = -\mathrm{asinh}(\sqrt S / \sigma) / \sqrt S` the flow is

.. math:: du = -R\, d\tau

so only what is not Gaussian has to be integrated: two-step Adams-Bashforth on R, one FFT pair a step. The sampler
ends on the denoised estimate. As a mode's power vanishes, :math:`\tau \to -1 / \sigma`.

Axes: N sample, C channel; ``*space`` one to three spatial axes, ``*rspace`` those of its ``rfftn``.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

import torch
from torch import Tensor

from rhodiff.diffusion.sampler import Estimator, Sampler

__all__ = ["GaussianReferenceSampler", "colour", "from_modes", "to_modes"]


def to_modes(x: Tensor) -> Tensor:
    """Orthonormal Fourier modes: ``[N, C, *space]`` to complex ``[N, C, *rspace]``."""
    modes: Tensor = torch.fft.rfftn(x, dim=tuple(range(2, x.ndim)), norm="ortho")
    return modes


def from_modes(modes: Tensor, space: Sequence[int]) -> Tensor:
    """Inverse of :func:`to_modes`: complex ``[N, C, *rspace]`` to ``[N, C, *space]``."""
    x: Tensor = torch.fft.irfftn(modes, s=list(space), dim=tuple(range(2, modes.ndim)), norm="ortho")
    return x


def colour(noise: Tensor, power: Tensor) -> Tensor:
    """Give white noise a power spectrum.

    Args:
        noise: standard normal, ``[N, C, *space]``.
        power: power for each mode, ``[*rspace]`` or ``[C, *rspace]``.

    Returns:
        ``[N, C, *space]``.
    """
    return from_modes(to_modes(noise) * power.sqrt(), noise.shape[2:])


@dataclass(frozen=True, kw_only=True)
class GaussianReferenceSampler(Sampler):
    """Two-step Adams-Bashforth on what the Wiener filter leaves; one evaluation for each noise level."""

    needs_reference: ClassVar[bool] = True

    def integrate(self, estimate: Estimator, x: Tensor, levels: Sequence[float], spectrum: Tensor | None) -> Tensor:
        """See :meth:`Sampler.integrate`."""
        assert spectrum is not None, "sample() checks needs_reference"
        space = x.shape[2:]
        power = spectrum.double()
        u = to_modes(x) / _norm(power, levels[0]).to(x.dtype)
        before: Tensor | None = None
        width_before = power.new_zeros(())
        for step, (sigma, following) in enumerate(pairwise(levels)):
            clean = estimate.at_step(step, x, sigma)
            wiener_u = (power / _norm(power, sigma)).to(x.dtype) * u
            remainder = to_modes(clean) - wiener_u
            width = _time(power, following) - _time(power, sigma)
            slope = remainder
            if before is not None:
                slope = remainder + (width / (2 * width_before)).to(x.dtype) * (remainder - before)
            u = u - width.to(x.dtype) * slope
            x = from_modes(u * _norm(power, following).to(x.dtype), space)
            before, width_before = remainder, width
        return estimate.at_step(len(levels) - 1, x, levels[-1])


def _norm(power: Tensor, sigma: float) -> Tensor:
    """Factor x / u, the standard deviation of a mode at a noise level."""
    return (power + sigma**2).sqrt()


def _time(power: Tensor, sigma: float) -> Tensor:
    """The variable tau of a noise level, rising towards sigma = 0."""
    root = power.sqrt()
    ratio = root / sigma
    small = ratio < 1e-6
    return -torch.where(small, torch.ones_like(ratio), ratio.asinh() / ratio.clamp(min=1e-300)) / sigma
