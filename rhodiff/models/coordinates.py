r"""Where a cell is, as channels: for fields whose places mean something, like frequencies of a spectrum.

A convolution sees differences of place alone, and the edges of an axis that does not wrap around. With

.. math:: \cos(\pi 2^j x), \sin(\pi 2^j x), \quad j = 0 \ldots J - 1

of the coordinate x from 0 to 1 along each such axis as further channels, the network can put something at a place
that its parameters name. Along axes that wrap around no place is special, and none is shown.

Axes: N sample, C channel; ``*space`` one to three spatial axes.
"""

import math

import torch
from torch import Tensor, nn

__all__ = ["Coordinates"]


class Coordinates(nn.Module):
    """Adds channels that say where a cell is.

    Args:
        num_frequencies: J of each axis.
        periodic: whether each spatial axis wraps around.
    """

    def __init__(self, num_frequencies: int, periodic: tuple[bool, ...]) -> None:
        super().__init__()
        self.num_frequencies = num_frequencies
        self.axes = tuple(axis for axis, wraps in enumerate(periodic) if not wraps)

    @property
    def num_channels(self) -> int:
        """Channels that are added."""
        return 2 * self.num_frequencies * len(self.axes)

    def forward(self, x: Tensor) -> Tensor:
        """``[N, C, *space]`` to ``[N, C + num_channels, *space]``."""
        shown = [self._features(axis, x) for axis in self.axes] if self.num_frequencies else []
        return torch.cat((x, *shown), dim=1)

    def _features(self, axis: int, x: Tensor) -> Tensor:
        """``[N, 2 J, *space]`` of one axis."""
        space = x.shape[2:]
        places = (torch.arange(space[axis], device=x.device, dtype=torch.float32) + 0.5) / space[axis]
        frequencies = math.pi * 2.0 ** torch.arange(self.num_frequencies, device=x.device, dtype=torch.float32)
        phases = frequencies[:, None] * places
        features = torch.cat((phases.cos(), phases.sin())).to(x.dtype)
        shape = [1] * len(space)
        shape[axis] = space[axis]
        return features.reshape(1, -1, *shape).expand(x.shape[0], -1, *space)
