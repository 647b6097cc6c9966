r"""What a sampler itself does to the power spectrum, worked out exactly for Gaussian fields.

The exact denoiser of a Gaussian field with power S is the Wiener filter, mode by mode:

.. math:: D(x, \sigma) = \frac{S}{S + \sigma^2}\, x

With it every sampler is linear: each Fourier mode of the field it ends on is :math:`\sum_i T_i n_i`, of the starting
noise and that of its steps, all independent and of unit variance. The power of what it generates is
:math:`P = \sum_i |T_i|^2`, so the bias :math:`P / S - 1` has neither a network nor noise in it. The :math:`T_i` are
found by running the sampler on a field whose modes are all 1 in place of each noise, one row of a batch for each.

It does not tell what a trained network gets wrong, nor what the steps do to the part of a field that is not Gaussian.

Axes: ``*space`` one to three spatial axes, the last one of even length; ``*rspace`` those of its ``rfftn``.
"""

import math
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from rhodiff.diffusion.modes import checked_spectrum, to_modes
from rhodiff.diffusion.sampling import is_stochastic, sample
from rhodiff.diffusion.wiener import WienerFilter
from rhodiff.errors import DataError

__all__ = ["power_bias"]

CELLS_AT_ONCE = 2**20
"""Cells of the fields that a sampler is run on together."""


def power_bias(
    spectrum: ArrayLike,
    *,
    sampler: str,
    evaluations: int,
    sigma_min: float,
    sigma_max: float,
    reference_spectrum: ArrayLike | None = None,
    **options: Any,
) -> NDArray[np.float64]:
    """P / S - 1 of each mode, for Gaussian fields of power S and their exact denoiser.

    Samplers act mode by mode, so a spectrum in shells can be given as that of a one-dimensional field whose mode k is
    shell k.

    Args:
        spectrum: S, power for each mode of the orthonormal ``rfftn``, ``[*rspace]``.
        sampler: a name of :data:`~rhodiff.diffusion.SAMPLERS`.
        evaluations: calls of the denoiser.
        sigma_min: smallest noise level.
        sigma_max: largest noise level.
        reference_spectrum: what the sampler takes for S, ``[*rspace]``; None: it starts from white noise.
        options: of the sampler, other than where its noise comes from.

    Returns:
        ``[*rspace]``; NaN for modes without power.

    Raises:
        ConfigError: if the sampler, an option, the number of evaluations or the range is not possible.
        DataError: if a spectrum is negative, not finite, or of more than three axes.
    """
    power = _spectrum(spectrum)
    arguments: dict[str, Any] = {
        "sampler": sampler,
        "evaluations": evaluations,
        "sigma_min": sigma_min,
        "sigma_max": sigma_max,
        "reference_spectrum": None if reference_spectrum is None else _spectrum(reference_spectrum),
        **options,
    }
    space = (*power.shape[:-1], max(2 * (power.shape[-1] - 1), 1))
    num_noises = evaluations + 1 if is_stochastic(sampler) else 1
    rows_at_once = max(1, CELLS_AT_ONCE // math.prod(space))
    generated = torch.zeros_like(power)
    for first in range(0, num_noises, rows_at_once):
        rows = torch.arange(first, min(first + rows_at_once, num_noises))
        generated += _power_of(rows, space, power, arguments)
    bias: NDArray[np.float64] = torch.where(power > 0, generated / power - 1, math.nan).numpy()
    return bias


def _spectrum(values: ArrayLike) -> Tensor:
    power = torch.from_numpy(np.array(values, dtype=np.float64))
    if not 1 <= power.ndim <= 3:
        raise DataError(f"a spectrum is one of fields with one to three axes; this one has {power.ndim}")
    return checked_spectrum(power)


def _power_of(rows: Tensor, space: tuple[int, ...], power: Tensor, arguments: dict[str, Any]) -> Tensor:
    """Power ``[*rspace]`` that some noises leave together; 0 is the starting noise, i + 1 that of step i."""

    def unit_modes(noise: int) -> Tensor:
        field = torch.zeros(len(rows), 1, *space, dtype=power.dtype)
        field.flatten(1)[rows == noise, 0] = math.sqrt(math.prod(space))
        return field

    if is_stochastic(arguments["sampler"]):
        arguments = {**arguments, "step_noise": lambda step: unit_modes(step + 1)}
    found = sample(WienerFilter(power).estimate, unit_modes(0), **arguments)
    left: Tensor = to_modes(found).abs().square().sum(dim=(0, 1))
    return left
