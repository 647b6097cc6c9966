"""How many fields it takes to tell a model with too much power from a perfect one.

A model whose every bin is too high by a fraction x of the mean shifts T^2 of Hotelling's test
(:mod:`rhodiff.statistics.mean_test`) to a non-central F distribution of

    non-centrality = n_1 n_2 / (n_1 + n_2) x^2 1^T C^-1 1,

C the covariance of one field relative to the mean. The smallest n is given at which the test at level alpha finds it
with the asked probability (Anderson 2003, 5.4). Fields are taken as independent: where fields share a parameter
vector, give the cosmic variance of group means and read the answer as groups.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import f as f_distribution
from scipy.stats import ncf

from rhodiff.errors import DataError
from rhodiff.statistics.bin_covariance import hartlap_factor
from rhodiff.statistics.chi_squared import UNITS_PER_BIN
from rhodiff.statistics.measurement import Measurement
from rhodiff.statistics.resampling import Groups

__all__ = ["LARGEST_SIZE", "groups_needed", "samples_needed"]

LARGEST_SIZE = 10**7
"""More fields than this are refused rather than asked for."""

Float = NDArray[np.float64]


def samples_needed(
    fraction: float,
    cosmic_variance: ArrayLike,
    *,
    reference_fields: int | None = None,
    significance: float = 0.05,
    power: float = 0.9,
) -> int:
    """Number of generated fields needed to tell a model with too much (or too little) power.

    Args:
        fraction: x, e.g. 0.03 for 3 % too much in every bin.
        cosmic_variance: scatter of one field over the mean, a number or ``[bin]`` for independent bins; or the
            relative covariance of one field, ``[bin, bin]``.
        reference_fields: size of the reference; None: as many as generated ones.
        significance: alpha, the chance to accuse a perfect model.
        power: chance to find the wrong one.

    Raises:
        DataError: if an argument is out of range, or no number of fields is enough for this reference.
    """
    _require_ranges(fraction, significance, power)
    if reference_fields is not None and reference_fields < 2:
        raise DataError(f"reference_fields is {reference_fields}; a reference needs two fields or more")
    covariance = _covariance(cosmic_variance)
    ones = np.ones(len(covariance))
    signal = fraction**2 * float(ones @ np.linalg.solve(covariance, ones))
    design = _Design(len(covariance), signal, reference_fields, significance)
    low = design.smallest()
    if design.power(low) >= power:
        return low
    high = low
    while design.power(high) < power:
        if high >= LARGEST_SIZE:
            raise DataError(design.out_of_reach(fraction))
        low, high = high, min(2 * high, LARGEST_SIZE)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if design.power(middle) >= power else (middle, high)
    return high


def groups_needed(reference: Measurement, groups: ArrayLike, fraction: float) -> int:
    """Independent groups of generated fields that it takes against a reference of as many.

    Args:
        reference: of the reference fields, which give the covariance of a group's mean.
        groups: independent group of each of them, ``[field]``.
        fraction: x, as in :func:`samples_needed`.

    Raises:
        DataError: if there are too few groups for their covariance, or no number of them is enough.
    """
    known = Groups.of(groups, len(reference.values), "reference")
    means = known.sum(reference.values) / np.bincount(known.index)[:, None]
    degrees, num_bins = known.count - 1, means.shape[1]
    if degrees < UNITS_PER_BIN * num_bins or degrees <= num_bins + 1:
        raise DataError(
            f"{known.count} independent groups of the reference are too few for the covariance of {num_bins} bins: "
            f"{max(UNITS_PER_BIN * num_bins, num_bins + 2) + 1} or more are needed"
        )
    centre = means.mean(axis=0)
    if not np.all(centre != 0):
        raise DataError("a bin of the reference is zero on average: there is nothing that a share of it could be")
    relative = np.atleast_2d(np.cov(means, rowvar=False)) / np.outer(centre, centre)
    return samples_needed(fraction, relative / hartlap_factor(degrees, num_bins))


@dataclass(frozen=True)
class _Design:
    num_bins: int
    signal: float
    reference_fields: int | None
    significance: float

    def smallest(self) -> int:
        """Generated fields with which the test exists and its covariance has a usable inverse."""
        total = self.num_bins + 4
        return max(2, -(-total // 2) if self.reference_fields is None else total - self.reference_fields)

    def power(self, generated: int) -> float:
        reference = generated if self.reference_fields is None else self.reference_fields
        free = generated + reference - 1 - self.num_bins
        limit = f_distribution.isf(self.significance, self.num_bins, free)
        shift = self.signal * generated * reference / (generated + reference)
        return float(ncf.sf(limit, self.num_bins, free, shift))

    def out_of_reach(self, fraction: float) -> str:
        behind = "any reference" if self.reference_fields is None else f"{self.reference_fields} reference fields"
        return (
            f"{100 * fraction:g} % cannot be told with up to {LARGEST_SIZE} generated fields and {behind}; take a "
            "larger reference, fewer bins, or a larger difference"
        )


def _require_ranges(fraction: float, significance: float, power: float) -> None:
    if not np.isfinite(fraction) or fraction == 0:
        raise DataError(f"fraction is {fraction}; give a finite difference other than zero, e.g. 0.03 for 3 %")
    if not 0 < significance < power < 1:
        raise DataError(f"significance {significance} and power {power} must satisfy 0 < significance < power < 1")


def _covariance(cosmic_variance: ArrayLike) -> Float:
    given = np.asarray(cosmic_variance, dtype=np.float64)
    covariance = given if given.ndim == 2 else np.diag(np.atleast_1d(given) ** 2)
    if covariance.ndim != 2 or covariance.shape[0] != covariance.shape[1] or covariance.size == 0:
        raise DataError(f"cosmic_variance must be a number, [bin] or [bin, bin], got shape {given.shape}")
    if not np.all(np.isfinite(covariance)) or (given.ndim < 2 and np.any(given <= 0)):
        raise DataError("cosmic_variance must be finite, and positive in every bin")
    if not np.allclose(covariance, covariance.T, rtol=1e-6, atol=0):
        raise DataError("cosmic_variance is not symmetric; give the relative covariance of one field, [bin, bin]")
    scale = np.sqrt(np.abs(np.diagonal(covariance)))
    if np.any(scale == 0) or np.linalg.eigvalsh(covariance / np.outer(scale, scale))[0] < 1e-10:
        raise DataError(
            "the covariance of cosmic_variance is degenerate; leave out bins that are combinations of others"
        )
    return covariance
