r"""Whether draws from a posterior spread as far as the truth lies from them.

Among K draws of one cell and the truth, which are exchangeable if the draws are from the posterior, the rank of the
truth (how many draws lie below it) is 0..K with equal odds (Talts et al. 2018, arXiv:1804.06788). Its histogram is

- flat for a calibrated posterior,
- high at both ends for one that is too narrow, in the middle for one too wide, at one end for a biased one.

Coverage of the central interval of probability c is the share of truths inside it, with the rank's K + 1 classes
taken as equal parts of [0, 1]: it is c on average for a calibrated posterior at any K. What lies outside the K draws
is not resolved, so that c above (K - 1) / (K + 1) only says how often the truth is beyond all of them.

By scale: with the mean m of the draws, E|x_k - m_k|^2 = (1 + 1/K) V_k and the draws' own variance (K - 1 in the
denominator) has the mean V_k; the ratio of the two spectra is one at each k if calibrated.

Axes: ``draws [draw, field, *space]``, ``truth [field, *space]``, results ``[field]``, ``[field, rank]``,
``[field, bin]``.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rhodiff.errors import DataError
from rhodiff.statistics.spectrum import power_spectrum

__all__ = ["PosteriorSpread", "coverage", "measure_spread"]

Float = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class PosteriorSpread:
    """What was measured of the draws of some fields.

    Attributes:
        mean: of the draws, ``[field, *space]``.
        std: of the draws, K - 1 in the denominator, ``[field, *space]``.
        ranks: cells of each field in which the truth has a rank, ``[field, K + 1]``.
        spread_power: mean spectrum of the draws about their mean, K - 1 in the denominator, ``[field, bin]``.
        error_power: spectrum of truth minus mean, divided by 1 + 1/K, ``[field, bin]``.
    """

    mean: Float
    std: Float
    ranks: NDArray[np.int64]
    spread_power: Float
    error_power: Float


def measure_spread(draws: Float, truth: Float, box_size: Sequence[float]) -> PosteriorSpread:
    """Measure the draws of some fields against the truth.

    Args:
        draws: ``[draw, field, *space]``, two or more draws.
        truth: ``[field, *space]``.
        box_size: extent of the box along each axis, length units.

    Raises:
        DataError: if there are fewer than two draws, or shapes differ.
    """
    number = len(draws)
    if number < 2 or draws.shape[1:] != truth.shape:
        raise DataError(
            f"a spread needs two or more draws [draw, field, *space] of the truth's shape {truth.shape}, got "
            f"{draws.shape}"
        )
    mean = draws.mean(axis=0)
    below = np.sum(draws < truth, axis=0).reshape(len(truth), -1)
    spread = sum(power_spectrum(draw - mean, box_size=box_size).power for draw in draws)
    return PosteriorSpread(
        mean=mean,
        std=draws.std(axis=0, ddof=1),
        ranks=np.stack([np.bincount(field, minlength=number + 1) for field in below]),
        spread_power=np.asarray(spread / (number - 1)),
        error_power=power_spectrum(truth - mean, box_size=box_size).power / (1 + 1 / number),
    )


def coverage(ranks: NDArray[np.int64], probabilities: Sequence[float]) -> Float:
    """Share of the cells whose truth lies in the central interval of each probability, ``[field, probability]``.

    Args:
        ranks: cells by rank, ``[field, K + 1]``.
        probabilities: of the intervals, between 0 and 1.
    """
    classes = ranks.shape[1]
    edges = np.arange(classes + 1) / classes
    low, high = ((1 + sign * np.asarray(probabilities)[:, None]) / 2 for sign in (-1, 1))
    inside = np.clip(np.minimum(edges[1:], high) - np.maximum(edges[:-1], low), 0, None) * classes
    return np.asarray(ranks / ranks.sum(axis=1, keepdims=True) @ inside.T)
