r"""What a network is asked to predict, at which noise levels, and how that becomes a clean estimate.

A formulation is a frozen record of resolved numbers: its ``model_dump()`` goes into a checkpoint, and
:func:`restore_formulation` brings it back. All formulations speak of noise in the same way, sigma in
:math:`x_\sigma = x_0 + \sigma n`, and give the network the same label, :math:`\ln(\sigma) / 4`.

Axes: N sample, C channel, P parameter; ``*space`` one to three spatial axes.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor

from rhodiff.config.section import Section

__all__ = ["Denoiser", "Formulation", "Network", "expand_as", "mean_over_field", "noise_label", "stratify"]

Denoiser = Callable[[Tensor, Tensor], Tensor]
"""``denoiser(x [N, C, *space], sigma [N])`` is the clean estimate ``[N, C, *space]``."""


class Network(Protocol):
    """What a formulation calls; parameters are raw values ``[N, P]`` in physical units, or None."""

    def __call__(self, x: Tensor, noise_label: Tensor, parameters: Tensor | None, /) -> Tensor:
        """``[N, C, *space]`` to the same."""
        ...


class Formulation(Section, ABC):
    """Noise levels, loss and denoiser of one way to train a diffusion model."""

    sigma_min: float
    """Smallest noise level."""
    sigma_max: float
    """Largest noise level."""

    @abstractmethod
    def noise_levels(self, u: Tensor) -> Tensor:
        """Noise levels for training, by inversion of their distribution.

        Args:
            u: uniform random numbers in [0, 1), ``[N]``; the caller seeds them by sample index.

        Returns:
            sigma, ``[N]``.
        """

    @abstractmethod
    def loss(
        self, network: Network, x0: Tensor, noise: Tensor, u: Tensor, parameters: Tensor | None = None
    ) -> Tensor:
        """The training loss of each sample, independent of its batch-mates.

        Args:
            network: the network.
            x0: clean fields in network units, ``[N, C, *space]``.
            noise: standard normal, ``[N, C, *space]``.
            u: uniform random numbers in [0, 1), ``[N]``, that the noise levels follow from.
            parameters: raw physical values, ``[N, P]``, or None.

        Returns:
            Mean over channels and cells, ``[N]``, not reduced over samples.
        """

    @abstractmethod
    def denoise(self, network: Network, x: Tensor, sigma: Tensor, parameters: Tensor | None = None) -> Tensor:
        """The clean estimate of a noisy field.

        Args:
            network: the network.
            x: noisy fields, ``[N, C, *space]``.
            sigma: their noise levels, ``[N]``.
            parameters: raw physical values, ``[N, P]``, or None.

        Returns:
            The estimate of E[x0 | x], ``[N, C, *space]``.
        """

    def denoiser(self, network: Network, parameters: Tensor | None = None) -> Denoiser:
        """The function that samplers call, for a network and the parameters of a batch.

        Args:
            network: the network.
            parameters: raw physical values, ``[N, P]``, or None.

        Returns:
            ``(x, sigma) -> clean estimate``.
        """
        return lambda x, sigma: self.denoise(network, x, sigma, parameters)

    def stratify(self, u: Tensor, index: Tensor, batch_size: int) -> Tensor:
        """Spread uniform numbers over equal strata of the global batch, where the settings ask for it.

        Args:
            u: uniform random numbers in [0, 1), ``[N]``.
            index: position of each sample in the global batch, ``[N]``.
            batch_size: samples in the global batch.

        Returns:
            Numbers in [0, 1), ``[N]``.
        """
        return u


def stratify(u: Tensor, index: Tensor, batch_size: int) -> Tensor:
    """(index + u) / batch_size: each sample of a batch draws from its own stratum of [0, 1).

    Args:
        u: uniform random numbers in [0, 1), ``[N]``.
        index: position of each sample in the global batch, ``[N]``.
        batch_size: samples in the global batch.
    """
    return (index.to(u) + u) / batch_size


def noise_label(sigma: Tensor) -> Tensor:
    """What the network is told of a noise level, ln(sigma) / 4 (Karras et al. 2022), of order one."""
    return sigma.log() / 4


def expand_as(values: Tensor, x: Tensor) -> Tensor:
    """``[N]`` to ``[N, 1, ...]`` with the axes, device and precision of ``x``."""
    return values.to(x).reshape(-1, *[1] * (x.ndim - 1))


def mean_over_field(values: Tensor) -> Tensor:
    """``[N, C, *space]`` to ``[N]``."""
    return torch.mean(values.flatten(1), dim=1)
