r"""Orthonormal Fourier modes of fields, and a power for each of them.

In this norm white noise of standard deviation sigma has the power sigma^2 in every mode, so a spectrum compares with
a noise level directly.

Axes: N sample, C channel; ``*space`` one to three spatial axes, ``*rspace`` those of its ``rfftn``.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from rhodiff.errors import DataError

__all__ = ["checked_spectrum", "colour", "from_modes", "spectrum_like", "to_modes"]


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


def checked_spectrum(spectrum: Tensor) -> Tensor:
    """The spectrum, if a field can have it.

    Raises:
        DataError: if it is negative or not finite.
    """
    if not bool((torch.isfinite(spectrum) & (spectrum >= 0)).all()):
        raise DataError("reference_spectrum has negative, NaN or infinite entries")
    return spectrum


def spectrum_like(spectrum: Tensor, x: Tensor) -> Tensor:
    """A spectrum for some fields, in their precision and on their device.

    Args:
        spectrum: power for each mode, ``[*rspace]`` or ``[C, *rspace]``.
        x: the fields, ``[N, C, *space]``.

    Raises:
        DataError: if it has the wrong shape.
    """
    space = x.shape[2:]
    rspace = (*space[:-1], space[-1] // 2 + 1)
    if tuple(spectrum.shape) not in (rspace, (x.shape[1], *rspace)):
        raise DataError(
            f"reference_spectrum is of shape {list(spectrum.shape)}; fields of {list(space)} cells need "
            f"{list(rspace)}, optionally with {x.shape[1]} channels in front"
        )
    return spectrum.to(x)
