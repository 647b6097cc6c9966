"""Generated against reference in the distribution of their values: W1, moments and quantiles, each with its error.

Numbers are made from all cells of a set together. Differences are given in units of the reference's standard
deviation, so that they compare across fields:

    W_1 / s_ref,   s_gen / s_ref,   skewness_gen - skewness_ref,   (Q_gen(u) - Q_ref(u)) / s_ref.

They are made from one row of numbers a field (:mod:`rhodiff.statistics.value_rows`), so that fields may be measured
in blocks and never need be in memory together. Moments are exact, the central moments of fields being moved to the
mean of their set. W_1 and quantiles come from the cumulative distributions F on the points of the grid:

    W_1 = sum over intervals of h_p (|D_p| + |D_p+1|) / 2 + tails,   D = F_gen - F_ref,

with the tails beyond the first and the last point exact where the reference has none there. In an interval of width h
that holds shares p_ref and p_gen of the values, D changes by p_ref + p_gen at most, so that W_1 is off by less than

    sum over intervals of h (p_ref + p_gen) / 2,

0.01 s_ref for two Gaussians. Smooth distributions stay far below that (1e-5 s_ref), and so do sets with many equal
values where the reference has them; elsewhere within its range these cost up to 1e-3 s_ref. Quantiles are
interpolated inside their interval, at the level (1/2 + (N - 1) u) / N of N cells: they lie within one interval of the
exact ones (0.01 to 0.02 s_ref for Gaussians) and never beyond the extremes, and are NaN beyond the grid, ten ranges
of the reference away from it.

Errors come from a bootstrap over independent groups (:mod:`rhodiff.statistics.resampling`) of sums over the groups.
The floor of W_1 / s_ref is what two sets of these sizes would show if their distributions were equal, made from the
fluctuations of both cumulative distributions about themselves, those of the generated fields moved and stretched to
the mean and width of the reference; it is NaN where more than 1 % of the generated values lie beyond the grid.

Axes: ``[group, point]``, ``[resample, point]``.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rhodiff.errors import ConfigError, DataError
from rhodiff.statistics.comparison import SetSizes
from rhodiff.statistics.estimate import Estimate
from rhodiff.statistics.pixel_distribution import Moments
from rhodiff.statistics.resampling import GENERATED, REFERENCE, Groups, GroupSums, require_matched
from rhodiff.statistics.value_rows import ValueGrid, ValueRows

__all__ = ["ValueComparison", "compare_values"]

LARGEST_BEYOND = 0.01
"""Share of the generated values beyond the grid above which W_1 has no floor."""

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
    reference: ValueRows,
    generated: ValueRows,
    grid: ValueGrid,
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
        reference: of the reference fields.
        generated: of the generated fields, on the same grid.
        grid: laid over the reference; both sets were measured on it.
        probabilities: of the quantiles to compare.
        reference_groups: independent group of each reference field, ``[field]``; None: each is its own.
        generated_groups: the same of each generated field.
        matched: both sets hold the same groups in the same shares; resample them together.
        resamples: bootstrap resamples.
        seed: seed of the bootstrap.

    Raises:
        DataError: if a set was measured on another grid, fields differ in their number of cells, the reference is
            constant, or groups do not fit the fields.
        ConfigError: if a probability lies outside [0, 1].
    """
    asked = _check_probabilities(probabilities)
    groups = Groups.of(reference_groups, len(reference), "reference")
    other_groups = Groups.of(generated_groups, len(generated), "generated")
    if matched:
        require_matched(groups, other_groups)
    _require_one_resolution(reference, generated)
    first, second = _Pooled.of(reference, groups, grid), _Pooled.of(generated, other_groups, grid)
    one, two = first.moments(grid), second.moments(grid)
    if one.std == 0:
        raise DataError(f"the reference is constant ({one.mean:g}): differences have no scale to be given in")
    spread = first.resampled(resamples, seed, REFERENCE)
    other = second.resampled(resamples, seed, REFERENCE if matched else GENERATED)
    mean_error, _, skewness_error, kurtosis_error = (other.moments - spread.moments).std(axis=0)
    quantiles_one, quantiles_two = (pooled.quantiles(pooled.shares.mean(), grid, asked) for pooled in (first, second))
    resampled = second.quantiles(other.shares, grid, asked) - first.quantiles(spread.shares, grid, asked)
    return ValueComparison(
        sizes=SetSizes.of(groups, other_groups),
        reference=one,
        generated=two,
        w1_over_std=_distance_estimate(first, second, spread, other, grid),
        mean_difference=Estimate((two.mean - one.mean) / one.std, float(mean_error) * grid.std / one.std),
        std_ratio=Estimate(two.std / one.std, float((other.moments[:, 1] / spread.moments[:, 1]).std())),
        skewness_difference=Estimate(two.skewness - one.skewness, float(skewness_error)),
        kurtosis_difference=Estimate(two.kurtosis - one.kurtosis, float(kurtosis_error)),
        probabilities=asked,
        reference_quantiles=quantiles_one,
        generated_quantiles=quantiles_two,
        quantile_difference=(quantiles_two - quantiles_one) / one.std,
        quantile_error=resampled.std(axis=0) / one.std,
    )


@dataclass(frozen=True, eq=False)
class _Resamples:
    """Resamples of one set.

    Attributes:
        shares: shares of the values at or below each point, and the two mean tails, ``[resample, point + 2]``.
        moments: mean, std, skewness, kurtosis of the scaled values, ``[resample, 4]``.
    """

    shares: Float
    moments: Float


@dataclass(frozen=True, eq=False)
class _Pooled:
    """One set, as sums over its groups.

    Attributes:
        shares: cells at or below each point, and the two summed tails, ``[group, point + 2]``.
        powers: summed first to fourth powers of the scaled values about ``centre``, ``[group, 4]``.
        centre: mean of the scaled values.
        extremes: smallest and largest value.
    """

    shares: GroupSums
    powers: GroupSums
    centre: float
    extremes: tuple[float, float]

    @classmethod
    def of(cls, rows: ValueRows, groups: Groups, grid: ValueGrid) -> "_Pooled":
        if rows.grid_key != grid.key:
            raise DataError("rows of values were measured on another grid; measure both sets on the reference's")
        cells = groups.sum(rows.cells[:, None])[:, 0]
        centre = float(rows.central[:, 0] @ rows.cells / rows.cells.sum())
        powers = _powers_about(centre, rows.central) * rows.cells[:, None]
        extremes = float(rows.extremes[:, 0].min()), float(rows.extremes[:, 1].max())
        shares = np.concatenate([_group_counts(rows, groups), groups.sum(rows.beyond)], axis=1)
        return cls(GroupSums(shares, cells), GroupSums(groups.sum(powers), cells), centre, extremes)

    def moments(self, grid: ValueGrid) -> Moments:
        """Of all values together, in their units."""
        low, high = self.extremes
        if low == high:
            return Moments(low, 0.0, np.nan, np.nan)
        mean, std, skewness, kurtosis = _central(self.powers.mean()[None])[0].tolist()
        return Moments(grid.mean + grid.std * (self.centre + mean), grid.std * std, skewness, kurtosis)

    def resampled(self, resamples: int, seed: int, purpose: int) -> _Resamples:
        sums = GroupSums(np.concatenate([self.shares.sums, self.powers.sums], axis=1), self.shares.weights)
        means = sums.resampled_means(resamples, seed, purpose)
        return _Resamples(means[:, :-4], _central(means[:, -4:]))

    def quantiles(self, shares: Float, grid: ValueGrid, probabilities: Float) -> Float:
        """Quantiles of the set or its resamples, ``[..., point + 2]`` to ``[..., quantile]``; NaN of NaN."""
        num_cells = self.shares.weights.sum()
        levels = (0.5 + (num_cells - 1) * probabilities) / num_cells
        low, high = self.extremes
        knots = np.concatenate([[np.nan], grid.points, [np.nan]])
        cumulative = np.pad(shares[..., :-2], [(0, 0)] * (shares.ndim - 1) + [(1, 1)], constant_values=(0, 1))
        return np.clip(_invert(cumulative, knots, levels), low, high)


def _require_one_resolution(reference: ValueRows, generated: ValueRows) -> None:
    cells = np.unique(np.concatenate([reference.cells, generated.cells]))
    if len(cells) > 1:
        raise DataError(
            f"fields of {', '.join(map(str, cells))} cells cannot be compared: values depend on the size of a cell; "
            "bring both sets to one resolution"
        )


def _check_probabilities(probabilities: ArrayLike) -> Float:
    asked = np.asarray(probabilities, dtype=np.float64)
    if asked.ndim != 1 or not np.all((asked >= 0) & (asked <= 1)):
        raise ConfigError(f"quantiles are asked for by a list of probabilities in [0, 1], got {probabilities!r}")
    return asked


def _group_counts(rows: ValueRows, groups: Groups) -> Float:
    """Cells of each group at or below each point, without a copy of all rows."""
    counts = np.zeros((groups.count, rows.below.shape[1]))
    for row, group in zip(rows.below, groups.index, strict=True):
        counts[group] += row
    return counts


def _powers_about(centre: float, central: Float) -> Float:
    """Raw power means about a centre from means and central moments, ``[field, 4]``."""
    mean, second, third, fourth = central.T
    step = mean - centre
    return np.stack(
        [
            step,
            second + step**2,
            third + 3 * step * second + step**3,
            fourth + 4 * step * third + 6 * step**2 * second + step**4,
        ],
        axis=1,
    )


def _central(raw: Float) -> Float:
    """Raw power means, ``[resample, 4]``, to mean, std, skewness and excess kurtosis."""
    mean, second, third, fourth = raw.T
    variance = second - mean**2
    std = np.sqrt(np.where(variance > 0, variance, np.nan))
    skewness = (third - 3 * mean * second + 2 * mean**3) / std**3
    kurtosis = (fourth - 4 * mean * third + 6 * mean**2 * second - 3 * mean**4) / std**4 - 3
    return np.stack([mean, std, skewness, kurtosis], axis=1)


def _invert(cumulative: Float, knots: Float, levels: Float) -> Float:
    """Where distributions, ``[..., knot]``, reach each level, linear inside the interval: ``[..., level]``."""
    after = np.stack([np.count_nonzero(cumulative < level, axis=-1) for level in levels], axis=-1)
    below, above = (np.take_along_axis(cumulative, index, axis=-1) for index in (after - 1, after))
    return np.asarray(knots[after - 1] + (levels - below) / (above - below) * (knots[after] - knots[after - 1]))


def _read_at(rows: Float, points: Float, places: Float) -> Float:
    """Rows on points, ``[row, point]``, interpolated at other places, ``[row, place]``; zero beyond the points."""
    after = np.searchsorted(points, places).clip(1, len(points) - 1)
    weight = (places - points[after - 1]) / (points[after] - points[after - 1])
    inside = (weight >= 0) & (weight <= 1)
    return np.asarray(rows[:, after - 1] * (inside * (1 - weight)) + rows[:, after] * (inside * weight))


def _distance(shares: Float, others: Float, points: Float) -> Float:
    """W_1 between distributions, ``[..., point + 2]`` to ``[...]``, in units of the values."""
    difference = np.abs(others - shares)
    return np.asarray(np.trapezoid(difference[..., :-2], points, axis=-1) + difference[..., -2:].sum(axis=-1))


def _distance_estimate(
    first: _Pooled, second: _Pooled, spread: _Resamples, other: _Resamples, grid: ValueGrid
) -> Estimate:
    """W_1 over the reference's standard deviation, with its error and floor."""
    one, two, points = first.moments(grid), second.moments(grid), grid.points
    shares, others = first.shares.mean(), second.shares.mean()
    noise, generated_noise = (spread.shares - shares)[:, :-2], (other.shares - others)[:, :-2]
    noise -= _read_at(generated_noise, points, two.mean + (points - one.mean) * (two.std / one.std))
    floor = float(np.trapezoid(np.abs(noise), points, axis=1).mean()) / one.std
    beyond = others[0] + 1 - others[-3]
    return Estimate(
        float(_distance(shares, others, points)) / one.std,
        float(_distance(spread.shares, other.shares, points).std()) / one.std,
        floor if beyond <= LARGEST_BEYOND else np.nan,
    )
