r"""Fourier features of real numbers, and the embedding of the noise level.

A number z becomes :math:`(\cos f_j z, \sin f_j z)` with frequencies :math:`f_j` in geometric progression.

Reference: Tancik et al. 2020, arXiv:2006.10739. Axes: N sample, E embedding, J frequency.
"""

import math

import torch
from torch import Tensor, nn

__all__ = ["FourierFeatures", "NoiseEmbedding", "perceptron"]


class FourierFeatures(nn.Module):
    """Cosine and sine of a number at fixed frequencies.

    Args:
        num_frequencies: J.
        lowest: smallest angular frequency.
        highest: largest angular frequency.
    """

    def __init__(self, num_frequencies: int, lowest: float, highest: float) -> None:
        super().__init__()
        self.frequencies: Tensor
        exponents = torch.linspace(math.log(lowest), math.log(highest), num_frequencies, dtype=torch.float64)
        self.register_buffer("frequencies", exponents.exp().float())

    def forward(self, z: Tensor) -> Tensor:
        """``[...]`` to ``[..., 2 J]``."""
        phase = z[..., None] * self.frequencies
        return torch.cat((phase.cos(), phase.sin()), dim=-1)


def perceptron(features: int, width: int) -> nn.Sequential:
    """Linear, SiLU, linear: ``[N, features]`` to ``[N, width]``."""
    return nn.Sequential(nn.Linear(features, width), nn.SiLU(), nn.Linear(width, width))


class NoiseEmbedding(nn.Module):
    r"""Embedding of the noise label :math:`c = \ln(\sigma) / 4`, a number of order one.

    Frequencies from 1/4 to 64 resolve a change of sigma by some 5 %, and distinguish any two levels.

    Args:
        num_frequencies: J.
        width: entries of the embedding, E.
    """

    def __init__(self, num_frequencies: int, width: int) -> None:
        super().__init__()
        self.features = FourierFeatures(num_frequencies, 0.25, 64.0)
        self.mlp = perceptron(2 * num_frequencies, width)

    def forward(self, noise_label: Tensor) -> Tensor:
        """``[N]`` to ``[N, E]``."""
        out: Tensor = self.mlp(self.features(noise_label))
        return out
