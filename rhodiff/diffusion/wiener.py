r"""Wiener skip: the network learns only what the best linear filter of the data leaves.

.. math:: D(x, \sigma) = W x + c_{out} F([c_{in} x, W x / \sigma_d], \ln(\sigma)/4), \qquad
   W = \frac{S}{S + \sigma^2}

for each Fourier mode, S its power in the training set. With means over the modes of the full transform,

.. math:: c_{out}^2 = \left\langle \frac{S \sigma^2}{S + \sigma^2} \right\rangle, \quad
   c_{in}^2 = \frac{1}{\sigma_d^2 + \sigma^2}, \quad \sigma_d^2 = \langle S \rangle

:math:`c_{out}^2` is the error of the filter in a cell, for any data with that spectrum. So a network that returns
zero has a loss of one at every noise level, and is the exact denoiser of a Gaussian field. The skip of EDM is this
filter for white data, :math:`S = \sigma_d^2`.

Axes: N sample, C channel, P parameter; ``*space`` one to three spatial axes, ``*rspace`` those of its ``rfftn``.
"""

from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from pydantic import ConfigDict, Field
from torch import Tensor

from rhodiff.diffusion.continuous import ContinuousFormulation
from rhodiff.diffusion.formulation import Network, expand_as, mean_over_field, noise_label
from rhodiff.diffusion.modes import checked_spectrum, from_modes, spectrum_like, to_modes

__all__ = ["WienerFilter", "WienerFormulation"]


@dataclass(frozen=True, eq=False)
class WienerFilter:
    """The Wiener filter of a power spectrum.

    Attributes:
        power: S for each mode of the orthonormal ``rfftn``, ``[*rspace]`` or ``[C, *rspace]``.
    """

    power: Tensor

    def __post_init__(self) -> None:
        checked_spectrum(self.power)

    def estimate(self, x: Tensor, sigma: Tensor) -> Tensor:
        """W x, the best linear estimate of the clean field; x ``[N, C, *space]``, sigma ``[N]``."""
        power, noise = self._powers(x, sigma)
        return from_modes(to_modes(x) * (power / (power + noise)), x.shape[2:])

    def residual(self, x0: Tensor, noise: Tensor, sigma: Tensor) -> Tensor:
        """x0 - W (x0 + sigma noise), without the cancellation at small sigma.

        Args:
            x0: clean fields, ``[N, C, *space]``.
            noise: standard normal, ``[N, C, *space]``.
            sigma: noise levels, ``[N]``.
        """
        power, level = self._powers(x0, sigma)
        modes = to_modes(x0) * level - to_modes(expand_as(sigma, noise) * noise) * power
        return from_modes(modes / (power + level), x0.shape[2:])

    def error(self, x: Tensor, sigma: Tensor) -> Tensor:
        """Mean squared error of :meth:`estimate` in a cell of fields like ``x``, ``[N]``."""
        power, noise = self._powers(x, sigma)
        return _mean_over_modes(power * noise / (power + noise), x)

    def variance(self, x: Tensor) -> Tensor:
        """sigma_d^2, the mean square of a cell of the data, a number."""
        return _mean_over_modes(spectrum_like(self.power, x)[None, None], x)[0]

    def _powers(self, x: Tensor, sigma: Tensor) -> tuple[Tensor, Tensor]:
        """S, and sigma^2 with the axes of the modes."""
        return spectrum_like(self.power, x), expand_as(sigma, x) ** 2


class WienerFormulation(ContinuousFormulation):
    """Wiener skip over a range of noise levels; the spectrum is no part of the record, but a tensor beside it."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    kind: Literal["wiener"] = "wiener"
    """Tells formulations apart in a checkpoint."""
    reference: Annotated[WienerFilter, Field(exclude=True)]
    """The filter that the network adds to."""

    def loss(
        self, network: Network, x0: Tensor, noise: Tensor, u: Tensor, parameters: Tensor | None = None
    ) -> Tensor:
        """Mean squared error of the unit-variance target, ``[N]``."""
        sigma = self.noise_levels(u)
        x = x0 + expand_as(sigma, x0) * noise
        predicted = self._added(network, x, self.reference.estimate(x, sigma), sigma, parameters)
        target = self.reference.residual(x0, noise, sigma) / self._scale(x, sigma)
        return mean_over_field((predicted - target) ** 2)

    def denoise(self, network: Network, x: Tensor, sigma: Tensor, parameters: Tensor | None = None) -> Tensor:
        """W x + c_out F, ``[N, C, *space]``."""
        filtered = self.reference.estimate(x, sigma)
        return filtered + self._scale(x, sigma) * self._added(network, x, filtered, sigma, parameters)

    def _added(
        self, network: Network, x: Tensor, filtered: Tensor, sigma: Tensor, parameters: Tensor | None
    ) -> Tensor:
        """F, ``[N, C, *space]``."""
        variance = self.reference.variance(x)
        noisy = x * (variance + expand_as(sigma, x) ** 2).rsqrt()
        shown = torch.cat((noisy, filtered * variance.rsqrt()), dim=1)
        return network(shown, noise_label(sigma).to(x), parameters).to(x)

    def _scale(self, x: Tensor, sigma: Tensor) -> Tensor:
        """c_out, ``[N, 1, ...]``."""
        return expand_as(self.reference.error(x, sigma).sqrt(), x)


def _mean_over_modes(values: Tensor, x: Tensor) -> Tensor:
    """Mean over channels and all modes of the full transform of ``x``: ``[N, 1 or C, *rspace]`` to ``[N]``."""
    cells, stored = x.shape[-1], values.shape[-1]
    counts = torch.full((stored,), 2.0, dtype=values.dtype, device=values.device)
    counts[0] = 1.0
    if cells % 2 == 0:
        counts[-1] = 1.0
    # A mode that is not stored is the complex conjugate of one that is.
    return (values * counts).sum(dim=-1).flatten(1).mean(dim=1) / cells
