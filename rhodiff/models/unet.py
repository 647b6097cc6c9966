"""An n-dimensional U-Net of residual blocks, periodic or not by axis.

Levels of halved resolution on the way down, the same on the way up, joined by skip connections that are concatenated.
On the way up the first block of a level already reduces to the width of the next finer one, while cells are few. The
last convolution is zero at the start, so an untrained network returns zero. With circular padding along all axes the
network commutes with translations by its :attr:`UNet.total_stride`.

References: Ronneberger et al. 2015; Ho et al. 2020; Dhariwal & Nichol 2021.

Axes: N sample, C channel, P parameter, E embedding; ``*space`` one to three spatial axes.
"""

from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from rhodiff.config.model import UNetSettings
from rhodiff.errors import ConfigError
from rhodiff.models.attention import build_attention
from rhodiff.models.conditioning import ConditionEncoder
from rhodiff.models.convolution import Convolution, Downsample, Upsample, depth_to_space, space_to_depth
from rhodiff.models.coordinates import Coordinates
from rhodiff.models.embedding import NoiseEmbedding
from rhodiff.models.residual import ResidualBlock

__all__ = ["UNet", "check_shape"]

T = TypeVar("T")

MEMORY_FORMATS = {1: torch.contiguous_format, 2: torch.channels_last, 3: torch.channels_last_3d}


class Level(nn.Module):
    """The blocks of one level, and attention behind the last of them."""

    def __init__(self, blocks: list[ResidualBlock], attention: nn.Module) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(blocks)
        self.attention = attention

    def step(self, index: int, x: Tensor, embedding: Tensor) -> Tensor:
        """Block ``index``, with attention if it is the last."""
        x = self.blocks[index](x, embedding)
        if index == len(self.blocks) - 1:
            x = self.attention(x)
        return x


class Encoder(Level):
    """A level on the way down: keeps what the way up needs, then halves the resolution."""

    def __init__(
        self, blocks: list[ResidualBlock], attention: nn.Module, keeps_all: bool, downsample: nn.Module
    ) -> None:
        super().__init__(blocks, attention)
        self.keeps_all = keeps_all
        self.downsample = downsample

    def forward(self, x: Tensor, embedding: Tensor) -> tuple[Tensor, list[Tensor]]:
        """``[N, C, *space]`` to ``[N, C', *(space / 2)]`` and the skip connections."""
        skips: list[Tensor] = []
        for index in range(len(self.blocks)):
            x = self.step(index, x, embedding)
            skips.append(x)
        return self.downsample(x), skips if self.keeps_all else skips[-1:]


class Decoder(Level):
    """A level on the way up: takes the skip connections in turn, then doubles the resolution."""

    def __init__(self, blocks: list[ResidualBlock], attention: nn.Module, upsample: nn.Module) -> None:
        super().__init__(blocks, attention)
        self.upsample = upsample

    def forward(self, x: Tensor, embedding: Tensor, skips: list[Tensor]) -> Tensor:
        """``[N, C, *space]`` to ``[N, C', *(2 space)]``; ``skips`` are taken from the end."""
        for index in range(len(self.blocks)):
            if index < len(skips):
                x = torch.cat((x, skips[-1 - index]), dim=1)
            x = self.step(index, x, embedding)
        out: Tensor = self.upsample(x)
        return out


class Middle(nn.Module):
    """Two blocks at the coarsest resolution with attention between them."""

    def __init__(self, first: ResidualBlock, attention: nn.Module, second: ResidualBlock) -> None:
        super().__init__()
        self.first = first
        self.attention = attention
        self.second = second

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        """``[N, C, *space]`` to the same."""
        out: Tensor = self.second(self.attention(self.first(x, embedding)), embedding)
        return out


class UNet(nn.Module):
    """The denoising network.

    Args:
        settings: widths, blocks, attention and the rest.
        channels: channels of the fields.
        periodic: whether each spatial axis wraps around; its length is the number of axes.
        condition: encoder of the physical parameters, whose embedding has 4 ``settings.width`` entries; None for an
            unconditional network.
        fields_shown: fields in the input, each of ``channels`` channels.
    """

    def __init__(
        self,
        settings: UNetSettings,
        channels: int,
        periodic: tuple[bool, ...],
        condition: ConditionEncoder | None = None,
        *,
        fields_shown: int = 1,
    ) -> None:
        super().__init__()
        self.settings = settings
        self.periodic = periodic
        self.condition = condition
        self.noise = NoiseEmbedding(settings.width // 2, 4 * settings.width)
        patched = channels * settings.stem_patch ** len(periodic)
        self.coordinates = Coordinates(settings.coordinates, periodic)
        shown = fields_shown * patched + self.coordinates.num_channels
        self.stem = Convolution(shown, settings.width, settings.stem_kernel, periodic)
        widths = [settings.width * multiplier for multiplier in settings.multipliers]
        finer = [settings.width, *widths[:-1]]
        self.encoders = nn.ModuleList(self._encoder(i, finer[i], widths[i]) for i in range(len(widths)))
        self.middle = Middle(
            self._block(widths[-1], widths[-1]),
            self._attention(settings.middle_attention, widths[-1]),
            self._block(widths[-1], widths[-1]),
        )
        self.decoders = nn.ModuleList(self._decoder(i, widths[i], finer[i]) for i in reversed(range(len(widths))))
        self.norm = nn.GroupNorm(settings.norm_groups, settings.width)
        self.head = Convolution(settings.width, patched, 3, periodic).zero_()

    @property
    def total_stride(self) -> int:
        """Cells of the field for a cell of the coarsest level."""
        return _total_stride(self.settings)

    def forward(self, x: Tensor, noise_label: Tensor, parameters: Tensor | None = None) -> Tensor:
        """Evaluate the network.

        Args:
            x: noisy field, scaled to about unit variance, ``[N, C, *space]``; with ``fields_shown`` the channels of
                the others behind it.
            noise_label: ln(sigma) / 4, ``[N]``.
            parameters: raw values in physical units, ``[N, P]``; None exactly if the network is unconditional.

        Returns:
            ``[N, C, *space]``.
        """
        embedding = F.silu(self._embed(noise_label, parameters))
        x = self.coordinates(space_to_depth(x, self.settings.stem_patch))
        x = self.stem(x.contiguous(memory_format=MEMORY_FORMATS[len(self.periodic)]))
        kept = []
        for encoder in self.encoders:
            x, skips = encoder(x, embedding)
            kept.append(skips)
        x = self.middle(x, embedding)
        for decoder in self.decoders:
            x = decoder(x, embedding, kept.pop())
        return depth_to_space(self.head(F.silu(self.norm(x))), self.settings.stem_patch)

    def _embed(self, noise_label: Tensor, parameters: Tensor | None) -> Tensor:
        embedding: Tensor = self.noise(noise_label)
        if (self.condition is None) != (parameters is None):
            wanted = list(self.settings.conditioning.parameters)
            raise ConfigError(f"the network is told {wanted or 'no parameters'}; give exactly those values")
        if self.condition is not None:
            embedding = embedding + self.condition(parameters)
        return embedding

    def _block(self, in_channels: int, out_channels: int) -> ResidualBlock:
        settings = self.settings
        return ResidualBlock(
            in_channels,
            out_channels,
            4 * settings.width,
            groups=settings.norm_groups,
            periodic=self.periodic,
            dropout=settings.dropout,
            modulation=settings.modulation,
            recompute=settings.gradient_checkpointing,
        )

    def _attention(self, kind: str, channels: int) -> nn.Module:
        settings = self.settings
        return build_attention(kind, channels, settings.heads, settings.head_channels, settings.norm_groups)

    def _encoder(self, level: int, in_channels: int, channels: int) -> Encoder:
        num_blocks = _num_blocks(self.settings, level)
        blocks = [self._block(channels if i else in_channels, channels) for i in range(num_blocks)]
        attention = self._attention(_by_level(self.settings.attention, level), channels)
        downsample: nn.Module = nn.Identity()
        if level < len(self.settings.multipliers) - 1:
            downsample = Downsample(channels, self.settings.resample, self.periodic)
        return Encoder(blocks, attention, self.settings.skip == "block", downsample)

    def _decoder(self, level: int, channels: int, out_channels: int) -> Decoder:
        num_blocks = _num_blocks(self.settings, level)
        num_skips = num_blocks if self.settings.skip == "block" else 1
        blocks = [
            self._block((out_channels if i else channels) + (channels if i < num_skips else 0), out_channels)
            for i in range(num_blocks)
        ]
        attention = self._attention(_by_level(self.settings.attention, level), out_channels)
        upsample: nn.Module = nn.Identity()
        if level > 0:
            upsample = Upsample(out_channels, self.settings.resample, self.periodic)
        return Decoder(blocks, attention, upsample)


def check_shape(settings: UNetSettings, shape: tuple[int, ...]) -> None:
    """Refuse fields that the network cannot halve as often as it must.

    Args:
        settings: number of levels and stem patch.
        shape: cells along each spatial axis.

    Raises:
        ConfigError: naming the sizes, the levels and the nearest sizes that work.
    """
    stride = _total_stride(settings)
    smallest = max(stride, settings.stem_patch * (settings.stem_kernel // 2))
    wrong = [size for size in shape if size % stride or size < smallest]
    if wrong:
        nearest = [
            sorted({max(smallest, size // stride * stride), size // stride * stride + stride}) for size in wrong
        ]
        raise ConfigError(
            f"fields of {list(shape)} cells do not fit a U-Net of {len(settings.multipliers)} levels with "
            f"stem_patch {settings.stem_patch}: each axis must be a multiple of {stride}, at least {smallest}; "
            f"nearest sizes for {wrong} are {nearest}. Crop or resample the fields, or take fewer multipliers"
        )


def _total_stride(settings: UNetSettings) -> int:
    return int(settings.stem_patch * 2 ** (len(settings.multipliers) - 1))


def _num_blocks(settings: UNetSettings, level: int) -> int:
    blocks = settings.blocks
    return max(1, level) if blocks == "graded" else _by_level(blocks, level)


def _by_level(setting: T | tuple[T, ...], level: int) -> T:
    return setting[level] if isinstance(setting, tuple) else setting
