"""Generated against reference in the distribution of their values: W1, moments and quantiles, each with its error.

Numbers are made from all cells of a set together. Differences are given in units of the reference's standard
deviation, so that they compare across fields:

    W_1 / s_ref,   s_gen / s_ref,   skewness_gen - skewness_ref,   (Q_gen(u) - Q_ref(u)) / s_ref.

W_1, moments and quantiles are exact for the given cells. Their errors come from a bootstrap over independent groups
(:mod:`rhodiff.statistics.resampling`): moments from power sums of the groups, W_1 and quantiles from the groups'
cumulative distributions on a grid of 1024 points, half at quantiles of the reference, half evenly from the smallest
to the largest value. The floor of W_1 / s_ref is what two sets of these sizes would show if their distributions were
equal, made from the fluctuations of both cumulative distributions about themselves, those of the generated fields
moved and stretched to the mean and width of the reference.

Axes: ``[group, point]``, ``[resample, point]``.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rhodiff.errors import DataError
from rhodiff.statistics.comparison import SetSizes
from rhodiff.statistics.estimate import Estimate
from rhodiff.statistics.pixel_distribution import Moments, moments, quantiles, wasserstein_1
from rhodiff.statistics.resampling import GENERATED, REFERENCE, Groups, GroupSums, require_matched

__all__ = ["ValueComparison", "compare_values"]

GRID_POINTS = 512
"""Of each of the two kinds of points of the cumulative distributions."""

Float = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class ValueComparison:
    """Difference of the value distributions of two sets.

    Attributes:
        sizes: numbers of fields and groups.
        reference: moments of the reference.
        generated: moments of the generated fields.
        w1_over_std: Wasserstein-1 distance over the reference's standard deviation, with floor.
        mean_difference: difference of the means over the reference's standard deviation.
        std_ratio: generated over reference standard deviation.
        skewness_difference: generated minus reference.
        kurtosis_difference: generated minus reference excess kurtosis.
        probabilities: of the quantiles, ``[quantile]``.
        reference_quantiles: in units of the values, ``[quantile]``.
        generated_quantiles: in units of the values, ``[quantile]``.
        quantile_difference: generated minus reference over the reference's standard deviation, ``[quantile]``.
        quantile_error: standard error of that, ``[quantile]``.
    """

    sizes: SetSizes
    reference: Moments
    generated: Moments
    w1_over_std: Estimate
    mean_difference: Estimate
    std_ratio: Estimate
    skewness_difference: Estimate
    kurtosis_difference: Estimate
    probabilities: Float
    reference_quantiles: Float
    generated_quantiles: Float
    quantile_difference: Float
    quantile_error: Float


def compare_values(
    reference: ArrayLike,
    generated: ArrayLike,
    *,
    probabilities: ArrayLike = (0.001, 0.01, 0.1, 0.5, 0.9, 0.99, 0.999),
    reference_groups: ArrayLike | None = None,
    generated_groups: ArrayLike | None = None,
    matched: bool = False,
    resamples: int = 1000,
    seed: int = 0,
) -> ValueComparison:
    """Compare the distributions of the values of two sets (see the module for the definitions).

    Args:
        reference: fields of one channel, ``[field, *space]``.
        generated: fields of one channel, ``[field, *space]``.
        probabilities: of the quantiles to compare.
        reference_groups: independent group of each reference field, ``[field]``; None: each is its own.
        generated_groups: the same of each generated field.
        matched: both sets hold the same groups in the same shares; resample them together.
        resamples: bootstrap resamples.
        seed: seed of the bootstrap.

    Raises:
        DataError: if a set is empty or not finite, the reference is constant, or groups do not fit the fields.
    """
    first, second = np.asarray(reference), np.asarray(generated)
    groups = Groups.of(reference_groups, len(first), "reference")
    other_groups = Groups.of(generated_groups, len(second), "generated")
    if matched:
        require_matched(groups, other_groups)
    asked = np.asarray(probabilities, dtype=np.float64)
    one, two = moments(first), moments(second)
    if one.std == 0:
        raise DataError(f"the reference is constant ({one.mean:g}): differences have no scale to be given in")
    quantiles_one, quantiles_two = quantiles(first, asked), quantiles(second, asked)
    grid = _grid(first, second)
    spread = _Resampled.of(first, groups, grid, one, resamples, seed, REFERENCE)
    other = _Resampled.of(second, other_groups, grid, one, resamples, seed, REFERENCE if matched else GENERATED)
    w1_error, w1_floor = _distance_spread(spread, other, grid, two.mean + (grid - one.mean) * (two.std / one.std))
    mean_error, _, skewness_error, kurtosis_error = (other.moments - spread.moments).std(axis=0)
    std_error = (other.moments[:, 1] / spread.moments[:, 1]).std()
    return ValueComparison(
        sizes=SetSizes.of(groups, other_groups),
        reference=one,
        generated=two,
        w1_over_std=Estimate(wasserstein_1(first, second) / one.std, w1_error / one.std, w1_floor / one.std),
        mean_difference=Estimate((two.mean - one.mean) / one.std, float(mean_error)),
        std_ratio=Estimate(two.std / one.std, float(std_error)),
        skewness_difference=Estimate(two.skewness - one.skewness, float(skewness_error)),
        kurtosis_difference=Estimate(two.kurtosis - one.kurtosis, float(kurtosis_error)),
        probabilities=asked,
        reference_quantiles=quantiles_one,
        generated_quantiles=quantiles_two,
        quantile_difference=(quantiles_two - quantiles_one) / one.std,
        quantile_error=(other.quantiles(grid, asked) - spread.quantiles(grid, asked)).std(axis=0) / one.std,
    )


@dataclass(frozen=True, eq=False)
class _Resampled:
    """Resamples of one set.

    Attributes:
        cumulative: share of the values at or below each grid point, ``[point]``.
        resampled: the same of each resample, ``[resample, point]``.
        moments: mean, std, skewness, kurtosis of (x - reference mean) / reference std, ``[resample, 4]``.
    """

    cumulative: Float
    resampled: Float
    moments: Float

    @classmethod
    def of(
        cls,
        fields: NDArray[Any],
        groups: Groups,
        grid: Float,
        scale: Moments,
        resamples: int,
        seed: int,
        purpose: int,
    ) -> "_Resampled":
        below = np.zeros((groups.count, len(grid)))
        powers = np.zeros((groups.count, 4))
        for field, group in zip(fields, groups.index, strict=True):
            values = np.sort(field, axis=None).astype(np.float64)
            below[group] += np.searchsorted(values, grid, side="right")
            scaled = (values - scale.mean) / scale.std
            square = scaled * scaled
            powers[group] += [scaled.sum(), square.sum(), scaled @ square, square @ square]
        cells = below[:, -1]
        shares = GroupSums(below, cells)
        raw = GroupSums(powers, cells).resampled_means(resamples, seed, purpose)
        return cls(shares.mean(), shares.resampled_means(resamples, seed, purpose), _central(raw))

    def quantiles(self, grid: Float, probabilities: Float) -> Float:
        """Quantiles of each resample, ``[resample, quantile]``."""
        return np.array([np.interp(probabilities, cumulative, grid) for cumulative in self.resampled])


def _grid(reference: NDArray[Any], generated: NDArray[Any]) -> Float:
    low = min(reference.min(), generated.min())
    high = max(reference.max(), generated.max())
    body = np.quantile(reference, np.linspace(0, 1, GRID_POINTS))
    return np.union1d(body, np.linspace(float(low), float(high), GRID_POINTS))


def _central(raw: Float) -> Float:
    """Raw power means, ``[resample, 4]``, to mean, std, skewness and excess kurtosis."""
    mean, second, third, fourth = raw.T
    variance = second - mean**2
    std = np.sqrt(np.where(variance > 0, variance, np.nan))
    skewness = (third - 3 * mean * second + 2 * mean**3) / std**3
    kurtosis = (fourth - 4 * mean * third + 6 * mean**2 * second - 3 * mean**4) / std**4 - 3
    return np.stack([mean, std, skewness, kurtosis], axis=1)


def _distance_spread(
    reference: _Resampled, generated: _Resampled, grid: Float, generated_grid: Float
) -> tuple[float, float]:
    """Standard error and floor of W1, the integral over x of |F_ref - F_gen|, in units of the values.

    For the floor, the fluctuation of F_gen at a point of the grid is taken from ``generated_grid``.
    """
    distances = np.trapezoid(np.abs(generated.resampled - reference.resampled), grid, axis=1)
    noise = reference.resampled - reference.cumulative
    generated_noise = generated.resampled - generated.cumulative
    for row, generated_row in zip(noise, generated_noise, strict=True):
        row -= np.interp(generated_grid, grid, generated_row, left=0, right=0)
    return float(distances.std()), float(np.trapezoid(np.abs(noise), grid, axis=1).mean())
