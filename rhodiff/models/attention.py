r"""Self-attention over the cells of a field, full and linear.

Full (Vaswani et al. 2017): :math:`\mathrm{softmax}(q k^T / \sqrt d)\, v`, quadratic in the number of cells. Linear
(Shen et al. 2018, arXiv:1812.01243): :math:`\mathrm{softmax}_d(q)\,[\mathrm{softmax}_n(k)^T v] / \sqrt d`, linear in
it. Neither knows positions, so both commute with translations of a periodic field.

Axes: N sample, C channel, H head, d channel of a head, n cell.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["Attention", "FullAttention", "LinearAttention", "build_attention"]


class Attention(nn.Module):
    """A residual self-attention layer; a subclass says how queries, keys and values combine.

    Args:
        channels: channels in and out.
        heads: attention heads.
        head_channels: channels of a head.
        groups: groups of the normalisation in front.
    """

    def __init__(self, channels: int, heads: int, head_channels: int, groups: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.GroupNorm(groups, channels)
        self.project_in = nn.Linear(channels, 3 * heads * head_channels, bias=False)
        self.project_out = nn.Linear(heads * head_channels, channels)
        nn.init.zeros_(self.project_out.weight)
        nn.init.zeros_(self.project_out.bias)

    def forward(self, x: Tensor) -> Tensor:
        """``[N, C, *space]`` to the same."""
        cells = self.norm(x).flatten(2).transpose(1, 2)
        q, k, v = self.project_in(cells).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        mixed = self.combine(q, k, v).transpose(1, 2).flatten(2)
        update: Tensor = self.project_out(mixed).transpose(1, 2).reshape(x.shape)
        return x + update

    def combine(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """Queries, keys and values ``[N, H, n, d]`` to the mixed values ``[N, H, n, d]``."""
        raise NotImplementedError


class FullAttention(Attention):
    """Every cell attends to every cell."""

    def combine(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """Softmax attention, ``[N, H, n, d]``."""
        return F.scaled_dot_product_attention(q, k, v)


class LinearAttention(Attention):
    """Cells exchange a d x d summary of all keys and values."""

    def combine(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """Linear attention, ``[N, H, n, d]``."""
        summary = torch.einsum("bhnd,bhne->bhde", k.softmax(dim=2), v)
        return torch.einsum("bhnd,bhde->bhne", q.softmax(dim=3) * q.shape[-1] ** -0.5, summary)


def build_attention(kind: str, channels: int, heads: int, head_channels: int, groups: int) -> nn.Module:
    """The attention layer of a name: ``none``, ``linear`` or ``full``."""
    if kind == "none":
        return nn.Identity()
    layer = {"linear": LinearAttention, "full": FullAttention}[kind]
    return layer(channels, heads, head_channels, groups)
