r"""Classifier-free guidance: a denoiser made of one that is told the parameters and one that is not.

.. math:: D_w(x, \sigma) = D(x, \sigma) + w \, [D(x, \sigma \mid \theta) - D(x, \sigma)]

Weight 1 is the conditional model itself, 0 the unconditional one. Other weights follow the flow of no diffusion of
data at all: where fields at one parameter vector have power s^2 in a mode and those of all vectors together S, both
Gaussian, the flow ends at

.. math:: s^2 \, (s^2 / S)^{w - 1},

which is too little power for w > 1: parameters show more clearly, and variances are wrong. (This follows from
:math:`d\ln x / d\sigma = \sigma [w / (s^2 + \sigma^2) + (1 - w) / (S + \sigma^2)]` for a deviation x from the mean.)

Reference: Ho & Salimans 2022, arXiv:2207.12598, whose weight is w - 1.

Axes: N sample, C channel, P parameter; ``*space`` one to three spatial axes.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from rhodiff.diffusion.formulation import Denoiser

__all__ = ["guide", "without_parameters"]


def guide(denoiser_at: Callable[[Tensor], Denoiser], parameters: Tensor, weight: float) -> Denoiser:
    """The guided denoiser; both evaluations go through the network as one batch of 2 N.

    Args:
        denoiser_at: makes the denoiser at parameters ``[M, P]``, of which rows of NaN stand for no parameters.
        parameters: raw physical values, ``[N, P]``.
        weight: w; 1 calls the conditional denoiser alone, 0 the unconditional one.
    """
    if weight in (0, 1):
        return denoiser_at(parameters if weight else without_parameters(parameters))
    both = denoiser_at(torch.cat((parameters, without_parameters(parameters))))

    def guided(x: Tensor, sigma: Tensor) -> Tensor:
        told, untold = both(torch.cat((x, x)), torch.cat((sigma, sigma))).chunk(2)
        return untold + weight * (told - untold)

    return guided


def without_parameters(parameters: Tensor) -> Tensor:
    """What a network that was trained with dropout of conditions is given in place of them, ``[N, P]``."""
    return torch.full_like(parameters, torch.nan)
