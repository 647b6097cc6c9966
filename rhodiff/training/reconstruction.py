r"""Averages of the weights with any exponent, put together after training from the two that checkpoints hold.

The power-function average with exponent gamma weighs the weights theta(t) of a training of T steps by

.. math:: p_{\gamma, T}(t) = (\gamma + 1) \, t^\gamma / T^{\gamma + 1}, \qquad 0 < t \le T

Every checkpoint holds two of them. The combination of all up to a checkpoint, with coefficients that add up to one,
that is nearest to another exponent's profile in the L2 norm follows from their products,

.. math:: \langle p_{\alpha, S}, p_{\beta, T} \rangle = \frac{(\alpha + 1)(\beta + 1)}{\alpha + \beta + 1}
   \frac{(S / T)^\beta}{T}, \qquad S \le T

Reference: Karras et al. 2024, arXiv:2312.02696, section 3. What the averages weigh a step by
(:mod:`rhodiff.training.average`) is the integral of the profile over that step.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from rhodiff.errors import ConfigError, DataError
from rhodiff.training.checkpoints import Checkpoint, read_checkpoint
from rhodiff.training.state import AVERAGES

__all__ = ["Combination", "Profile", "combine_profiles", "reconstruct_average"]

LARGEST_MISFIT = 0.1
"""Share of a profile's norm that a reconstruction may miss."""
RELATIVE_CUTOFF = 1e-12
"""Directions of the products' matrix that are smaller hold nothing but rounding."""


class Profile(NamedTuple):
    """A power-function average after some steps."""

    gamma: float
    steps: int


@dataclass(frozen=True, eq=False)
class Combination:
    """A profile as a sum of others.

    Attributes:
        coefficients: of the others, ``[profile]``.
        misfit: norm of what is left over, as a share of the profile's own.
    """

    coefficients: NDArray[np.float64]
    misfit: float


def combine_profiles(stored: Sequence[Profile], wanted: Profile) -> Combination:
    """The weighted mean of stored profiles that is nearest to another one in the L2 norm.

    Args:
        stored: averages that there are.
        wanted: the one that is not.
    """
    scale = np.sqrt([_product(one, one) for one in stored])
    products = np.array([[_product(one, other) for other in stored] for one in stored]) / np.outer(scale, scale)
    own = _product(wanted, wanted)
    with_wanted = np.array([_product(one, wanted) for one in stored]) / scale
    sides = np.stack([with_wanted, 1 / scale], axis=1)  # the second for the Lagrange multiplier of the sum
    nearest, towards_one = np.linalg.lstsq(products, sides, rcond=RELATIVE_CUTOFF)[0].T
    solution = nearest + (1 - nearest @ (1 / scale)) / (towards_one @ (1 / scale)) * towards_one
    left_over = own - 2 * solution @ with_wanted + solution @ products @ solution
    return Combination(solution / scale, float(np.sqrt(max(left_over, 0.0) / own)))


def reconstruct_average(snapshots: Sequence[Checkpoint], gamma: float) -> dict[str, torch.Tensor]:
    """Averaged weights with another exponent, as of the last of some checkpoints.

    Args:
        snapshots: checkpoints of one training with two averages each, the earliest first.
        gamma: the exponent.

    Returns:
        A state of the network; what is no floating-point number is the last checkpoint's.

    Raises:
        DataError: if the last checkpoint is damaged.
        ConfigError: if one before it is, or the averages there are cannot make up this one.
    """
    last = read_checkpoint(snapshots[-1].path)
    gammas = last["experiment"]["training"]["ema_gamma"]
    stored = [Profile(own, checkpoint.iteration) for checkpoint in snapshots for own in gammas]
    found = combine_profiles(stored, Profile(gamma, snapshots[-1].iteration))
    if found.misfit > LARGEST_MISFIT:
        raise ConfigError(
            f"sampling.ema_gamma {gamma:g} cannot be made up from {len(snapshots)} checkpoints with averages of "
            f"gamma {gammas[0]:g} and {gammas[1]:g}: {found.misfit:.0%} of it would be missed, {LARGEST_MISFIT:.0%} "
            "are allowed. Take a value nearer to those, or train with more frequent checkpoints"
        )
    total = {name: torch.zeros_like(value, dtype=torch.float64) for name, value in last["ema"].items()}
    for checkpoint, pair in zip(snapshots, found.coefficients.reshape(-1, 2), strict=True):
        content = _read_snapshot(checkpoint)
        for part, coefficient in zip(AVERAGES, pair, strict=True):
            for name, value in content[part].items():
                total[name] += float(coefficient) * value.double()
    return {
        name: total[name].to(value.dtype) if value.is_floating_point() else value
        for name, value in last["ema"].items()
    }


def _read_snapshot(checkpoint: Checkpoint) -> dict[str, Any]:
    """One of the checkpoints; that it is damaged says nothing against the one that is sampled from."""
    try:
        return read_checkpoint(checkpoint.path)
    except DataError as error:
        raise ConfigError(
            f"sampling.ema_gamma needs a checkpoint that cannot be read ({error}): restore it, or leave ema_gamma out"
        ) from error


def _product(one: Profile, other: Profile) -> float:
    """Integral of the product of two profiles."""
    early, late = sorted((one, other), key=lambda profile: profile.steps)
    factor = (early.gamma + 1) * (late.gamma + 1) / (early.gamma + late.gamma + 1)
    return float(factor * (early.steps / late.steps) ** late.gamma / late.steps)
