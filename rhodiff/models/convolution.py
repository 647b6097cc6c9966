r"""Convolutions and changes of resolution in one to three dimensions, periodic or not by axis.

A periodic axis is padded by wrapping: :math:`x_{-i} = x_{n-i}`, :math:`x_{n-1+i} = x_{i-1}`; any other axis by zeros.
The wrapping is a ``torch.cat``, which costs far less than ``padding_mode="circular"``.

Axes: N sample, C channel, then one to three spatial axes, written ``*space``.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["Convolution", "Downsample", "Upsample", "depth_to_space", "space_to_depth", "wrap"]

CONVOLUTIONS: dict[int, type[nn.Conv1d] | type[nn.Conv2d] | type[nn.Conv3d]] = {
    1: nn.Conv1d,
    2: nn.Conv2d,
    3: nn.Conv3d,
}
TRANSPOSED: dict[int, type[nn.ConvTranspose1d] | type[nn.ConvTranspose2d] | type[nn.ConvTranspose3d]] = {
    1: nn.ConvTranspose1d,
    2: nn.ConvTranspose2d,
    3: nn.ConvTranspose3d,
}
AVERAGE_POOLS = {1: F.avg_pool1d, 2: F.avg_pool2d, 3: F.avg_pool3d}


def wrap(x: Tensor, widths: tuple[int, ...]) -> Tensor:
    """Pad spatial axes by wrapping.

    Args:
        x: ``[N, C, *space]``.
        widths: cells added on either side of each spatial axis; 0 leaves the axis alone.

    Returns:
        ``[N, C, *(space + 2 widths)]``.
    """
    for axis, width in enumerate(widths, start=2):
        if width:
            x = torch.cat((x.narrow(axis, -width, width), x, x.narrow(axis, 0, width)), dim=axis)
    return x


class Convolution(nn.Module):
    """A convolution that keeps the size (or divides it by the stride), padded by axis.

    Args:
        in_channels: channels in.
        out_channels: channels out.
        kernel: cells along each axis; ``kernel - stride`` must be even.
        periodic: whether each spatial axis wraps around.
        stride: step between outputs.
    """

    def __init__(
        self, in_channels: int, out_channels: int, kernel: int, periodic: tuple[bool, ...], stride: int = 1
    ) -> None:
        super().__init__()
        half = (kernel - stride) // 2
        self.widths = tuple(half * wraps for wraps in periodic)
        zeros = tuple(half * (not wraps) for wraps in periodic)
        convolution: type[nn.Module] = CONVOLUTIONS[len(periodic)]
        self.conv = convolution(in_channels, out_channels, kernel, stride=stride, padding=zeros)

    def forward(self, x: Tensor) -> Tensor:
        """``[N, in, *space]`` to ``[N, out, *(space / stride)]``."""
        out: Tensor = self.conv(wrap(x, self.widths))
        return out

    def zero_(self) -> "Convolution":
        """Set weight and bias to zero, so that the layer starts as the zero map."""
        for parameter in self.conv.parameters():
            nn.init.zeros_(parameter)
        return self


class Downsample(nn.Module):
    """Half the resolution.

    Args:
        channels: channels in and out.
        method: ``pool`` averages neighbours; ``conv4`` is a convolution of kernel 4 and stride 2.
        periodic: whether each spatial axis wraps around.
    """

    def __init__(self, channels: int, method: str, periodic: tuple[bool, ...]) -> None:
        super().__init__()
        self.pool = AVERAGE_POOLS[len(periodic)]
        self.conv = Convolution(channels, channels, 4, periodic, stride=2) if method == "conv4" else None

    def forward(self, x: Tensor) -> Tensor:
        """``[N, C, *space]`` to ``[N, C, *(space / 2)]``."""
        out: Tensor = self.pool(x, 2) if self.conv is None else self.conv(x)
        return out


class Upsample(nn.Module):
    """Double the resolution.

    Args:
        channels: channels in and out.
        method: ``pool`` repeats each cell; ``conv4`` is a transposed convolution of kernel 4 and stride 2.
        periodic: whether each spatial axis wraps around.
    """

    def __init__(self, channels: int, method: str, periodic: tuple[bool, ...]) -> None:
        super().__init__()
        self.conv: nn.Module | None = None
        if method == "conv4":
            # Wrapping one cell on either side makes four outputs too many, hence 3 cut off instead of 1.
            self.widths = tuple(int(wraps) for wraps in periodic)
            cut = tuple(3 if wraps else 1 for wraps in periodic)
            transposed: type[nn.Module] = TRANSPOSED[len(periodic)]
            self.conv = transposed(channels, channels, 4, stride=2, padding=cut)

    def forward(self, x: Tensor) -> Tensor:
        """``[N, C, *space]`` to ``[N, C, *(2 space)]``."""
        if self.conv is None:
            return F.interpolate(x, scale_factor=2.0, mode="nearest")
        out: Tensor = self.conv(wrap(x, self.widths))
        return out


def space_to_depth(x: Tensor, patch: int) -> Tensor:
    """Move each patch of cells into channels.

    Args:
        x: ``[N, C, *space]``.
        patch: cells of a patch along each axis; divides every axis.

    Returns:
        ``[N, C patch^ndim, *(space / patch)]``.
    """
    if patch == 1:
        return x
    space = x.shape[2:]
    split = [size for cells in space for size in (cells // patch, patch)]
    inner = range(3, 2 + len(split), 2)
    outer = range(2, 2 + len(split), 2)
    moved = x.reshape(*x.shape[:2], *split).permute(0, 1, *inner, *outer)
    return moved.reshape(x.shape[0], -1, *(cells // patch for cells in space))


def depth_to_space(x: Tensor, patch: int) -> Tensor:
    """The inverse of :func:`space_to_depth`.

    Args:
        x: ``[N, C patch^ndim, *space]``.
        patch: cells of a patch along each axis.

    Returns:
        ``[N, C, *(space patch)]``.
    """
    if patch == 1:
        return x
    space = x.shape[2:]
    ndim = len(space)
    split = x.reshape(x.shape[0], -1, *[patch] * ndim, *space)
    order = [axis for i in range(ndim) for axis in (2 + ndim + i, 2 + i)]
    return split.permute(0, 1, *order).reshape(x.shape[0], -1, *(cells * patch for cells in space))
