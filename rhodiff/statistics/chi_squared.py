"""Two sets of vectors, one a field, compared over all bins together with their full covariance.

Units are independent: fields, or the plain means of groups of fields that share a parameter vector. In each bin the
difference of the mean over units is given in per cent of the reference, in units of *cosmic variance* (the scatter of
one reference field) and in units of its own error. Over all bins it is summed up by the reduced chi-squared,

    chi^2 / p = d^T (c S)^-1 d h / p,

with the covariance c S of the difference of two means (pooled over both sets) and the Hartlap factor h; 1 on average
for a perfect model. How sure that is:

- from two degrees of freedom a bin on, Hotelling's test (:mod:`rhodiff.statistics.mean_test`), exact for Gaussian
  vectors;
- with fewer, S has shrunk correlations (:mod:`rhodiff.statistics.bin_covariance`), h = 1, chi^2 / p is 1 only in
  order of magnitude, and the p-value is by rearrangement of units (:mod:`rhodiff.statistics.rearrangement`), exact
  where both sets follow one distribution, Gaussian or not.

Each bin alone is tested by the largest difference over bins among rearrangements. Pairs (``matched``: the same groups
in both sets) are compared group by group, and the scatter between groups drops out. Tests are of the *mean*; the
spread is beside them in ``scatter_ratio``, for a model of too little variety can have a perfect mean. They take both
covariances to be equal; sets of equal sizes forgive it where they are not, others do not: ``error_ratio`` is then far
from 1, the sentence says so, and ``equal_covariance=False`` tests the means alone. A group counts
once, whatever its size; groups of very different sizes have no common covariance, and p-values are then approximate.

Axes: ``[bin]``; inside ``[unit, bin]``.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rhodiff.errors import DataError
from rhodiff.statistics.accumulator import MeanCovariance
from rhodiff.statistics.bin_covariance import require_independent_bins, shrinkage_intensity
from rhodiff.statistics.comparison import NEGLIGIBLE, SetSizes
from rhodiff.statistics.mean_test import DifferenceOfMeans
from rhodiff.statistics.measurement import Measurement
from rhodiff.statistics.rearrangement import rearrange
from rhodiff.statistics.resampling import Groups

__all__ = ["FEWEST_UNITS", "VectorComparison", "compare_vectors"]

FEWEST_UNITS = 8
"""Independent units a set must have: with 8 pairs there are 256 rearrangements, so p-values to 0.004."""

UNEQUAL = 0.25
"""Share by which errors may be off before p-values from pooled ones are doubted."""

UNITS_PER_BIN = 2
"""Degrees of freedom a bin from which the covariance is inverted as it is."""

Float = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class VectorComparison:
    """Difference of the means of two sets over all bins of a statistic.

    Attributes:
        sizes: numbers of fields and groups.
        num_bins: p.
        difference: generated minus reference, ``[bin]`` in the unit of the values.
        error: standard error of that, ``[bin]``.
        percent: difference in per cent of the reference's mean, ``[bin]``; NaN where that is zero or rounding.
        in_cosmic_variance: difference over the scatter of one reference field, ``[bin]``.
        in_error: difference over its error, ``[bin]``.
        scatter_ratio: scatter of units, generated over reference, ``[bin]``.
        error_ratio: error from each set's own scatter over ``error``, ``[bin]``; 1 if both scatter alike.
        chi_squared: d^T C^-1 d, Hartlap-corrected.
        reduced_chi_squared: that over the number of bins.
        hartlap: its factor; 1 where the covariance is shrunk.
        shrinkage: share by which correlations are shrunk to zero; 0: not.
        method: of the p-value: ``hotelling``, ``krishnamoorthy-yu`` (unequal covariances) or ``rearrangement``.
        p_value: probability of a larger difference if the sets follow one distribution.
        bin_p_value: of each bin, corrected for looking at all of them, ``[bin]``.
        num_rearrangements: rearrangements made.
        matched: groups were compared one by one.
    """

    sizes: SetSizes
    num_bins: int
    difference: Float
    error: Float
    percent: Float
    in_cosmic_variance: Float
    in_error: Float
    scatter_ratio: Float
    error_ratio: Float
    chi_squared: float
    reduced_chi_squared: float
    hartlap: float
    shrinkage: float
    method: str
    p_value: float
    bin_p_value: Float
    num_rearrangements: int
    matched: bool

    def sentence(self, significance: float = 0.01) -> str:
        """What was found, for people."""
        told = "differ" if self.p_value <= significance else "are not distinguishable"
        off = int(np.sum(self.bin_p_value <= significance))
        sizes = self.sizes
        return (
            f"The means {told} (p = {self.p_value:.2g}, {self.method}; reduced chi-squared "
            f"{self.reduced_chi_squared:.2f} over {self.num_bins} bins, {off} of them off on their own) with "
            f"{sizes.generated_fields} generated fields in {sizes.generated_groups} groups against "
            f"{sizes.reference_fields} reference fields in {sizes.reference_groups}"
            f"{', group by group' if self.matched else ''}.{self._caveat()}"
        )

    def _caveat(self) -> str:
        off = float(np.median(self.error_ratio)) - 1
        if abs(off) < UNEQUAL or self.method == "krishnamoorthy-yu":
            return ""
        return (
            f" The sets scatter differently and differ in size: their own errors are {100 * off:+.0f} % from the "
            "pooled ones, so the p-values do not hold for the means; compare sets of equal sizes."
        )


def compare_vectors(
    reference: ArrayLike | Measurement,
    generated: ArrayLike | Measurement,
    *,
    reference_groups: ArrayLike | None = None,
    generated_groups: ArrayLike | None = None,
    matched: bool = False,
    equal_covariance: bool = True,
    num_rearrangements: int = 999,
    seed: int = 0,
) -> VectorComparison:
    """Compare the means of two sets of vectors with their full covariance (see the module).

    Args:
        reference: ``[field, bin]``, or a measurement (then axes and units are compared too).
        generated: the same of the generated fields.
        reference_groups: independent group of each reference field, ``[field]``; None: each is its own.
        generated_groups: the same of each generated field.
        matched: both sets hold the same groups; compare them one by one.
        equal_covariance: False: give each set its own covariance in chi-squared, p-value and error; tests of single
            bins remain those of equal distributions.
        num_rearrangements: rearrangements for p-values; the smallest p is 1 / (this + 1).
        seed: of the rearrangements.

    Raises:
        DataError: for NaN/inf, other bins in one set, fewer than 8 units in a set, bins without scatter or that are
            combinations of others, and groups that do not fit.
    """
    if num_rearrangements < 99:
        raise DataError(f"num_rearrangements is {num_rearrangements}; take 99 or more for a p-value of 0.01")
    if matched and not equal_covariance:
        raise DataError("equal_covariance=False has no effect on matched sets, whose pairs have one covariance")
    first, second = _values(reference, generated)
    groups = Groups.of(reference_groups, len(first), "reference")
    other_groups = Groups.of(generated_groups, len(second), "generated")
    one, two = _group_means(first, groups, "reference"), _group_means(second, other_groups, "generated")
    if matched and not np.array_equal(groups.labels, other_groups.labels):
        raise DataError(
            f"matched sets must hold the same groups, but {len(np.setxor1d(groups.labels, other_groups.labels))} are "
            "in one only; keep the fields of common groups, or compare unmatched"
        )
    contrast = _Contrast.of_pairs(one, two) if matched else _Contrast.of_sets(one, two)
    require_independent_bins(contrast.residuals, contrast.means.degrees)
    tested = rearrange(
        contrast.units, contrast.weights, paired=matched, num_rearrangements=num_rearrangements, seed=seed
    )
    pooled, own = contrast.means, contrast.means
    if not matched:
        own = pooled.separate(MeanCovariance.of(one), MeanCovariance.of(two))
    means = pooled if equal_covariance else own
    verdict = _verdict(means, contrast.residuals, tested.p_value, equal_covariance)
    difference, error, num_bins = means.difference, means.error(), first.shape[1]
    return VectorComparison(
        sizes=SetSizes.of(groups, other_groups),
        num_bins=num_bins,
        difference=difference,
        error=error,
        percent=100 * _ratio(difference, _measurable(one.mean(axis=0))),
        in_cosmic_variance=_ratio(difference, first.std(axis=0, ddof=1)),
        in_error=difference / error,
        scatter_ratio=_ratio(two.std(axis=0, ddof=1), one.std(axis=0, ddof=1)),
        error_ratio=own.error() / pooled.error(),
        chi_squared=verdict.chi_squared,
        reduced_chi_squared=verdict.chi_squared / num_bins,
        hartlap=verdict.hartlap,
        shrinkage=verdict.shrinkage,
        method=verdict.method,
        p_value=verdict.p_value,
        bin_p_value=tested.bin_p_value,
        num_rearrangements=num_rearrangements,
        matched=matched,
    )


@dataclass(frozen=True, eq=False)
class _Contrast:
    """Units, the weights that make the difference of them, and what is left of them beside their means."""

    units: Float
    weights: Float
    residuals: Float
    means: DifferenceOfMeans

    @classmethod
    def of_sets(cls, reference: Float, generated: Float) -> "_Contrast":
        weights = np.repeat([-1 / len(reference), 1 / len(generated)], [len(reference), len(generated)])
        residuals = np.concatenate([reference - reference.mean(axis=0), generated - generated.mean(axis=0)])
        means = DifferenceOfMeans.of_sets(MeanCovariance.of(reference), MeanCovariance.of(generated))
        return cls(np.concatenate([reference, generated]), weights, _cleared(residuals, reference), means)

    @classmethod
    def of_pairs(cls, reference: Float, generated: Float) -> "_Contrast":
        units = generated - reference
        residuals = _cleared(units - units.mean(axis=0), reference)
        weights = np.full(len(units), 1 / len(units))
        return cls(units, weights, residuals, DifferenceOfMeans.of_pairs(MeanCovariance.of(units)))


@dataclass(frozen=True)
class _Verdict:
    method: str
    chi_squared: float
    hartlap: float
    shrinkage: float
    p_value: float


def _verdict(means: DifferenceOfMeans, residuals: Float, p_value: float, equal_covariance: bool) -> _Verdict:
    degrees, num_bins = means.degrees, residuals.shape[1]
    if degrees >= UNITS_PER_BIN * num_bins and degrees > num_bins + 1:
        exact = means.test()
        method = "hotelling" if equal_covariance else "krishnamoorthy-yu"
        return _Verdict(method, exact.chi_squared, exact.hartlap, 0.0, exact.p_value)
    if not equal_covariance:
        raise DataError(
            f"unequal covariances of {num_bins} bins need {UNITS_PER_BIN * num_bins} degrees of freedom, got "
            f"{degrees:.3g}; take more samples or fewer bins, or sets of equal sizes and the default"
        )
    shrinkage = shrinkage_intensity(residuals)
    return _Verdict("rearrangement", means.chi_squared(shrinkage), 1.0, shrinkage, p_value)


def _values(reference: ArrayLike | Measurement, generated: ArrayLike | Measurement) -> tuple[Float, Float]:
    if isinstance(reference, Measurement) and isinstance(generated, Measurement):
        reference.require_comparable(generated)
    first, second = _matrix(reference, "reference"), _matrix(generated, "generated")
    if first.shape[1] != second.shape[1]:
        raise DataError(
            f"the reference has {first.shape[1]} bins and the generated set {second.shape[1]}; measure both with one "
            "box size, grid and binning"
        )
    return first, second


def _matrix(given: ArrayLike | Measurement, name: str) -> Float:
    values = np.asarray(given.values if isinstance(given, Measurement) else given, dtype=np.float64)
    if values.ndim != 2 or values.shape[1] == 0:
        raise DataError(f"the {name} set must be [field, bin] with one bin or more, got shape {values.shape}")
    bad = np.flatnonzero(~np.isfinite(values).all(axis=1))
    if len(bad):
        raise DataError(f"the {name} set has NaN or inf in {len(bad)} fields, the first is {bad[0]}; leave them out")
    return values


def _group_means(values: Float, groups: Groups, name: str) -> Float:
    if groups.count < FEWEST_UNITS:
        raise DataError(
            f"the {name} set has {groups.count} independent groups of {len(values)} fields; a covariance and a "
            f"p-value need {FEWEST_UNITS} or more"
        )
    return np.asarray(groups.sum(values) / np.bincount(groups.index)[:, None])


def _cleared(residuals: Float, values: Float) -> Float:
    """Residuals without the rounding that a constant bin leaves."""
    rounding = NEGLIGIBLE * np.max(np.abs(values), axis=0)
    return np.where(np.max(np.abs(residuals), axis=0) > rounding, residuals, 0)


def _measurable(mean: Float) -> Float:
    return np.where(np.abs(mean) > NEGLIGIBLE * np.max(np.abs(mean)), mean, 0)


def _ratio(above: Float, below: Float) -> Float:
    return np.divide(above, below, out=np.full_like(above, np.nan), where=below != 0)
