"""Generated against reference, bin by bin: relative difference, its error, and cosmic variance.

With means <P_ref>, <P_gen> over the fields of two sets, the relative difference is

    d = <P_gen> / <P_ref> - 1,

or, for values that change sign or vanish (``relative_to`` is ``peak``), the difference over the largest |<P_ref>|.

Two spreads belong beside it and are not to be mixed up: the *scatter* of single fields about the mean of their set
(cosmic variance of one field; the band power of few modes is far from normal, so its percentiles are given too), and
the *error*, that of the mean, from a bootstrap over independent groups (:mod:`rhodiff.statistics.resampling`). Bins
are correlated in general; errors are given bin by bin.

The mean over bins of |d| cannot be negative and is not zero for a perfect model. Its *floor* is what two sets of
these sizes would show if their true means were equal: the mean over resamples of the same number made from
(1 + d_b) / (1 + d) - 1, the fluctuation of the ratio about itself, so that a wrong amplitude does not raise it (from
d_b - d where differences are relative to the peak). With ``matched`` sets (the same groups in the same shares, e.g.
samples at the parameters of the reference fields) both sides are resampled together, and the part of the scatter
that comes from the parameters drops out.

A difference between training and reference fields is had by giving the training set as ``generated``.

Axes: ``[bin]``; inside, ``[resample, bin]``.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rhodiff.statistics.estimate import Estimate
from rhodiff.statistics.measurement import Measurement
from rhodiff.statistics.resampling import GENERATED, REFERENCE, Groups, GroupSums, require_matched

__all__ = ["BinnedComparison", "SetSizes", "SetSummary", "compare_bins"]

NEGLIGIBLE = 1e-14
"""Share of the largest mean below which a reference bin is rounding of float32 data: no relative difference."""

Float = NDArray[np.float64]


@dataclass(frozen=True)
class SetSizes:
    """What stands behind a comparison.

    Attributes:
        reference_fields: fields of the reference.
        reference_groups: independent groups among them.
        generated_fields: generated fields.
        generated_groups: independent groups among them.
    """

    reference_fields: int
    reference_groups: int
    generated_fields: int
    generated_groups: int

    @classmethod
    def of(cls, reference: Groups, generated: Groups) -> "SetSizes":
        """Sizes of two grouped sets."""
        return cls(len(reference.index), reference.count, len(generated.index), generated.count)


@dataclass(frozen=True, eq=False)
class SetSummary:
    """One set of fields in each bin, all ``[bin]`` in the unit of the values.

    Attributes:
        mean: over the fields.
        error: standard error of the mean; NaN for a single group.
        scatter: standard deviation of a single field; NaN if there is only one.
        low: 16th percentile of single fields.
        high: 84th percentile of single fields.
    """

    mean: Float
    error: Float
    scatter: Float
    low: Float
    high: Float


@dataclass(frozen=True, eq=False)
class BinnedComparison:
    """Difference of two sets in each bin of one statistic of one channel.

    Attributes:
        statistic: its name in the registry.
        channel: name of the channel.
        axis_name: symbol of the axis.
        axis_unit: its unit.
        value_name: symbol of the values.
        value_unit: their unit.
        axis: ``[bin]``.
        edges: ``[bin + 1]``.
        counts: modes or cells behind a bin of one field, ``[bin]``.
        sizes: numbers of fields and groups.
        reference: the reference in each bin.
        generated: the generated fields in each bin.
        relative_difference: d, ``[bin]``; NaN where what it is relative to is zero or no more than rounding.
        relative_error: standard error of d, ``[bin]``.
        difference_sigma: d in units of its error, ``[bin]``.
        mean_absolute: mean over bins of |d|, with error and floor.
        worst: largest |d|; its error is that bin's, its floor that of the largest |d|.
        worst_axis: where on the axis the worst bin lies.
        relative_to: what d is relative to: ``bin`` or ``peak``.
    """

    statistic: str
    channel: str
    axis_name: str
    axis_unit: str
    value_name: str
    value_unit: str
    axis: Float
    edges: Float
    counts: NDArray[np.int64]
    sizes: SetSizes
    reference: SetSummary
    generated: SetSummary
    relative_difference: Float
    relative_error: Float
    difference_sigma: Float
    mean_absolute: Estimate
    worst: Estimate
    worst_axis: float
    relative_to: str = "bin"


def compare_bins(
    reference: Measurement,
    generated: Measurement,
    *,
    reference_groups: ArrayLike | None = None,
    generated_groups: ArrayLike | None = None,
    matched: bool = False,
    resamples: int = 1000,
    seed: int = 0,
) -> BinnedComparison:
    """Compare two sets in each bin of a statistic (see the module for the definitions).

    Args:
        reference: of the reference fields.
        generated: of the generated fields, on the same axis.
        reference_groups: independent group of each reference field, ``[field]``; None: each is its own.
        generated_groups: the same of each generated field.
        matched: both sets hold the same groups in the same shares; resample them together.
        resamples: bootstrap resamples.
        seed: seed of the bootstrap.

    Raises:
        DataError: if the two are not comparable, or groups do not fit the fields.
    """
    reference.require_comparable(generated)
    groups = Groups.of(reference_groups, len(reference.values), "reference")
    other_groups = Groups.of(generated_groups, len(generated.values), "generated")
    if matched:
        require_matched(groups, other_groups)
    means = _resampled(reference.values, groups, resamples, seed, REFERENCE)
    other_means = _resampled(generated.values, other_groups, resamples, seed, REFERENCE if matched else GENERATED)
    summary, other = _summary(reference.values, means), _summary(generated.values, other_means)
    if reference.relative_to == "peak":
        difference, resampled = _over_peak(other.mean, summary.mean), _over_peak(other_means, means)
        noise = resampled - difference
    else:
        difference = _relative(other.mean, _measurable(summary.mean))
        resampled = np.where(np.isfinite(difference), _relative(other_means, means), np.nan)
        noise = _relative(1 + resampled, 1 + difference)
    error = resampled.std(axis=0)
    worst, worst_axis = _worst(reference.axis, difference, noise, error)
    return BinnedComparison(
        **reference.attributes(),
        axis=reference.axis,
        edges=reference.edges,
        counts=reference.counts,
        sizes=SetSizes.of(groups, other_groups),
        reference=summary,
        generated=other,
        relative_difference=difference,
        relative_error=error,
        difference_sigma=np.divide(difference, error, out=np.full_like(error, np.nan), where=error > 0),
        mean_absolute=_mean_absolute(difference, resampled, noise),
        worst=worst,
        worst_axis=worst_axis,
    )


def _resampled(values: Float, groups: Groups, resamples: int, seed: int, purpose: int) -> Float:
    sums = GroupSums(groups.sum(values), np.bincount(groups.index).astype(np.float64))
    return sums.resampled_means(resamples, seed, purpose)


def _summary(values: Float, resampled_means: Float) -> SetSummary:
    scatter = values.std(axis=0, ddof=1) if len(values) > 1 else np.full(values.shape[1], np.nan)
    low, high = np.quantile(values, (0.16, 0.84), axis=0)
    return SetSummary(values.mean(axis=0), resampled_means.std(axis=0), scatter, low, high)


def _measurable(mean: Float) -> Float:
    return np.where(np.abs(mean) > NEGLIGIBLE * np.max(np.abs(mean), initial=0), mean, 0)


def _relative(generated: Float, reference: Float) -> Float:
    ratio = np.full(np.broadcast_shapes(generated.shape, reference.shape), np.nan)
    np.divide(generated, reference, out=ratio, where=reference != 0)
    return ratio - 1


def _over_peak(generated: Float, reference: Float) -> Float:
    peak = np.max(np.abs(reference), axis=-1, keepdims=True)
    difference = np.full(generated.shape, np.nan)
    np.divide(generated - reference, peak, out=difference, where=peak > 0)
    return difference


def _mean_absolute(difference: Float, resampled: Float, noise: Float) -> Estimate:
    known = np.isfinite(difference)
    if not known.any():
        return Estimate(np.nan, np.nan)
    numbers = np.abs(resampled[:, known]).mean(axis=1)
    floor = np.abs(noise[:, known]).mean()
    return Estimate(float(np.abs(difference[known]).mean()), float(numbers.std()), float(floor))


def _worst(axis: Float, difference: Float, noise: Float, error: Float) -> tuple[Estimate, float]:
    known = np.flatnonzero(np.isfinite(difference))
    if not len(known):
        return Estimate(np.nan, np.nan), float("nan")
    bin_ = known[np.argmax(np.abs(difference[known]))]
    floor = np.abs(noise[:, known]).max(axis=1).mean()
    return Estimate(float(abs(difference[bin_])), float(error[bin_]), float(floor)), float(axis[bin_])
