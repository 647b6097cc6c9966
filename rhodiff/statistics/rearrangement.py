"""Tests by rearrangement: exact where two sets follow one distribution, whatever that is.

Units (fields, or means of groups of fields) are dealt anew to two sets of the same sizes, or, where units are
differences of matched pairs, given random signs. With B rearrangements of which b reach the observed number,

    p = (1 + b) / (1 + B)

(Phipson & Smyth 2010, SAGMB 9, 39). Two numbers are tested, both made with a covariance that no rearrangement changes
(residuals about the mean of both sets; about zero for pairs):

- all bins together: d^T C*^-1 d, with the shrunk covariance C*;
- each bin: |d_b| / sqrt(C_bb) against the *largest* over all bins of each rearrangement (Westfall & Young 1993).

The second holds the chance of even one false alarm among all bins, and uses their correlation. The
Benjamini-Hochberg rule is not used: it bounds the share of false alarms among many discoveries, but a report asks
whether *any* bin is off; and it needs normal tails bin by bin, which band powers of few modes do not have.

Axes: ``units [unit, bin]``, ``weights [unit]`` with d = weights @ units.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cholesky, solve_triangular

from rhodiff.statistics.bin_covariance import shrinkage_intensity

__all__ = ["RearrangementTest", "rearrange"]

PERMUTATION = 11
"""Purpose of the stream of rearrangements."""

ENTRIES_AT_ONCE = 1 << 22
"""Weights that are held together: 32 MiB."""

ROUNDING = 1e-9
"""A rearrangement equal to the observed one counts as reaching it in spite of rounding."""

Float = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class RearrangementTest:
    """Probabilities under one common distribution.

    Attributes:
        p_value: of all bins together.
        bin_p_value: of each bin, corrected for looking at all of them, ``[bin]``.
    """

    p_value: float
    bin_p_value: Float


def rearrange(units: Float, weights: Float, *, paired: bool, num_rearrangements: int, seed: int) -> RearrangementTest:
    """Test whether the difference weights @ units could be zero.

    Args:
        units: ``[unit, bin]``; differences of pairs if ``paired``. Their order does not matter.
        weights: 1 / n_1 for units of one set, -1 / n_2 for those of the other; 1 / n for pairs.
        paired: change signs instead of sets.
        num_rearrangements: B.
        seed: of the rearrangements; the b-th depends on (seed, b) alone.
    """
    order = np.lexsort(units.T)
    residuals = units[order] if paired else units[order] - units.mean(axis=0)
    scaled = residuals / np.sqrt(np.mean(residuals**2, axis=0))
    root = _root(scaled)
    observed = _statistics((weights[order] @ scaled)[None], root)
    reached = np.zeros(1 + units.shape[1])
    step = max(1, ENTRIES_AT_ONCE // len(units))
    for start in range(0, num_rearrangements, step):
        stop = min(start + step, num_rearrangements)
        dealt = np.stack([_dealt(weights[order], paired, seed, b) for b in range(start, stop)])
        total, largest = _statistics(dealt @ scaled, root)
        reached[0] += np.sum(total >= observed[0] * (1 - ROUNDING))
        reached[1:] += np.sum(largest.max(axis=1)[:, None] >= observed[1] * (1 - ROUNDING), axis=0)
    p_values = (1 + reached) / (1 + num_rearrangements)
    return RearrangementTest(float(p_values[0]), p_values[1:])


def _root(scaled: Float) -> Float:
    shrinkage = shrinkage_intensity(scaled)
    correlation = (1 - shrinkage) * (scaled.T @ scaled) / len(scaled) + shrinkage * np.eye(scaled.shape[1])
    return np.asarray(cholesky(correlation, lower=True))


def _statistics(differences: Float, root: Float) -> tuple[Float, Float]:
    white = solve_triangular(root, differences.T, lower=True)
    return np.asarray(np.sum(white**2, axis=0)), np.abs(differences)


def _dealt(weights: Float, paired: bool, seed: int, index: int) -> Float:
    key = np.array([seed % 2**64, PERMUTATION], dtype=np.uint64)
    random = np.random.Generator(np.random.Philox(key=key, counter=[0, 0, index, 0]))
    if paired:
        return np.asarray(weights * random.choice((-1.0, 1.0), size=len(weights)))
    return np.asarray(random.permutation(weights))
