r"""The residual block of the U-Net, told the embedding of noise level and parameters.

.. math:: y = \mathrm{conv}(\mathrm{SiLU}((1 + s)\,\mathrm{GN}(\mathrm{conv}(\mathrm{SiLU}(\mathrm{GN}(x)))) + b)) +
   \mathrm{skip}(x), \qquad (s, b) = \mathrm{linear}(e)

References: He et al. 2016; Perez et al. 2018 (scale and shift); Dhariwal & Nichol 2021 (adaptive group norm).

Axes: N sample, C channel, E embedding; ``*space`` one to three spatial axes.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from rhodiff.models.convolution import Convolution

__all__ = ["ResidualBlock"]


class ResidualBlock(nn.Module):
    """Two convolutions behind group norm and SiLU, and a skip connection.

    Args:
        in_channels: channels in.
        out_channels: channels out.
        embedding: entries of the embedding, E.
        groups: groups of the group norm.
        periodic: whether each spatial axis wraps around.
        dropout: dropout in front of the second convolution.
        modulation: ``scale_shift``, or ``shift`` for s = 0.
        recompute: forget activations and compute them again in the backward pass.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        embedding: int,
        *,
        groups: int,
        periodic: tuple[bool, ...],
        dropout: float = 0.0,
        modulation: str = "scale_shift",
        recompute: bool = False,
    ) -> None:
        super().__init__()
        self.recompute = recompute
        self.scales = modulation == "scale_shift"
        self.norm_in = nn.GroupNorm(groups, in_channels)
        self.conv_in = Convolution(in_channels, out_channels, 3, periodic)
        self.modulate = nn.Linear(embedding, out_channels * (2 if self.scales else 1))
        self.norm_out = nn.GroupNorm(groups, out_channels)
        self.dropout = nn.Dropout(dropout)
        self.conv_out = Convolution(out_channels, out_channels, 3, periodic).zero_()
        self.skip: nn.Module = nn.Identity()
        if in_channels != out_channels:
            self.skip = Convolution(in_channels, out_channels, 1, periodic)

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        """``[N, in, *space]`` and ``[N, E]`` to ``[N, out, *space]``."""
        if self.recompute and torch.is_grad_enabled():
            out: Tensor = checkpoint(self._transform, x, embedding, use_reentrant=False)
            return out
        return self._transform(x, embedding)

    def _transform(self, x: Tensor, embedding: Tensor) -> Tensor:
        hidden = self.conv_in(F.silu(self.norm_in(x)))
        hidden = self._modulated(self.norm_out(hidden), self.modulate(embedding))
        out: Tensor = self.skip(x) + self.conv_out(self.dropout(F.silu(hidden)))
        return out

    def _modulated(self, hidden: Tensor, modulation: Tensor) -> Tensor:
        modulation = modulation.reshape(*modulation.shape, *[1] * (hidden.ndim - 2))
        if not self.scales:
            return hidden + modulation
        scale, shift = modulation.chunk(2, dim=1)
        return shift.addcmul(hidden, 1 + scale)
