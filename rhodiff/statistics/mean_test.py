"""Hotelling's test of two mean vectors, from what accumulators know: exact for Gaussian vectors.

With the pooled covariance S = (M_1 + M_2) / nu, nu = n_1 + n_2 - 2 (M the scatter matrices), the covariance of the
difference d of the means is c S, c = 1 / n_1 + 1 / n_2, and

    T^2 = d^T (c S)^-1 d,   (nu - p + 1) / (nu p) T^2  ~  F(p, nu - p + 1)

if both sets follow one normal distribution (Hotelling 1931, Ann. Math. Stat. 2, 360; Anderson 2003, 5.3). The
chi-squared is T^2 times the Hartlap factor: its expectation is p + d^T (c Sigma)^-1 d, so that chi^2 / p is 1 on
average for a perfect model; its distribution is wider than chi-squared, which the p-value allows for. Pairs are one
set of differences: c = 1 / n, nu = n - 1.

Where the covariances differ *and* the sets have very different sizes, the pooled p-value is wrong. Then c S is
S_1 / n_1 + S_2 / n_2 with the effective degrees of freedom of Krishnamoorthy & Yu 2004 (Stat. Probab. Lett. 66, 161),

    nu = (p + p^2) / sum_i [tr(A_i^2) + tr(A_i)^2] / (n_i - 1),   A_i = S_i / n_i (S_1 / n_1 + S_2 / n_2)^-1,

for which the law above holds approximately.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve
from scipy.stats import f as f_distribution

from rhodiff.errors import DataError
from rhodiff.statistics.accumulator import MeanCovariance
from rhodiff.statistics.bin_covariance import hartlap_factor

__all__ = ["DifferenceOfMeans", "MeanTest", "hotelling"]

DEGENERATE = 1e-12
"""Smallest eigenvalue of a correlation matrix that is more than rounding."""

Float = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class DifferenceOfMeans:
    """A difference of means and the covariance it has.

    Attributes:
        difference: d, ``[bin]``.
        covariance: c S, ``[bin, bin]``.
        degrees: degrees of freedom nu of S.
    """

    difference: Float
    covariance: Float
    degrees: float

    @classmethod
    def of_sets(cls, reference: MeanCovariance, generated: MeanCovariance) -> "DifferenceOfMeans":
        """Generated minus reference, with the pooled covariance.

        Raises:
            DataError: if bins differ in number or a set has fewer than two vectors.
        """
        if reference.mean.shape != generated.mean.shape:
            raise DataError(
                f"the sets have {len(reference.mean)} and {len(generated.mean)} bins; compare one binning"
            )
        if min(reference.count, generated.count) < 2:
            raise DataError(f"a covariance needs two samples a set, got {reference.count} and {generated.count}")
        degrees = reference.count + generated.count - 2
        share = (1 / reference.count + 1 / generated.count) / degrees
        scatter = reference.scatter + generated.scatter
        return cls(generated.mean - reference.mean, scatter * share, degrees)

    def separate(self, reference: MeanCovariance, generated: MeanCovariance) -> "DifferenceOfMeans":
        """The same difference with S_1 / n_1 + S_2 / n_2 and its effective degrees of freedom."""
        shares = [part.covariance() / part.count for part in (reference, generated)]
        covariance = shares[0] + shares[1]
        p, spread = len(self.difference), 0.0
        for share, part in zip(shares, (reference, generated), strict=True):
            ratio = np.linalg.solve(covariance, share)
            spread += (np.trace(ratio @ ratio) + np.trace(ratio) ** 2) / (part.count - 1)
        return DifferenceOfMeans(self.difference, covariance, float((p + p**2) / spread))

    @classmethod
    def of_pairs(cls, differences: MeanCovariance) -> "DifferenceOfMeans":
        """Mean of differences of pairs."""
        return cls(differences.mean, differences.covariance() / differences.count, differences.count - 1)

    def error(self) -> Float:
        """Standard error of each bin, ``[bin]``."""
        return np.sqrt(np.diagonal(self.covariance))

    def chi_squared(self, shrinkage: float = 0.0) -> float:
        """d^T (c S*)^-1 d, with correlations shrunk to zero by this share; no Hartlap factor.

        Raises:
            DataError: if the covariance is degenerate.
        """
        error = self.error()
        if np.any(error == 0):
            raise DataError(f"bin {int(np.argmin(error))} has the same value in every sample; leave it out")
        correlation = self.covariance / np.outer(error, error) * (1 - shrinkage)
        np.fill_diagonal(correlation, 1)
        smallest = np.linalg.eigvalsh(correlation)[0]
        if smallest < DEGENERATE:
            raise DataError(
                f"the covariance is degenerate (smallest eigenvalue of the correlation {smallest:.1g}): too few "
                "samples, or bins that are linear combinations of others; take more samples or leave such bins out"
            )
        pull = self.difference / error
        return float(pull @ cho_solve(cho_factor(correlation), pull))

    def test(self) -> "MeanTest":
        """Hotelling's test.

        Raises:
            DataError: if there are too few degrees of freedom for so many bins.
        """
        p, hartlap = len(self.difference), hartlap_factor(self.degrees, len(self.difference))
        squared, free = self.chi_squared(), self.degrees - p + 1
        p_value = f_distribution.sf(squared * free / (self.degrees * p), p, free)
        return MeanTest(squared, hartlap, squared * hartlap, float(p_value))


@dataclass(frozen=True)
class MeanTest:
    """Hotelling's test of equal means.

    Attributes:
        t_squared: T^2.
        hartlap: factor that makes the inverse covariance unbiased.
        chi_squared: T^2 times that factor.
        p_value: probability of a larger T^2 under equal distributions.
    """

    t_squared: float
    hartlap: float
    chi_squared: float
    p_value: float


def hotelling(reference: MeanCovariance, generated: MeanCovariance) -> MeanTest:
    """Test two sets of independent vectors, each known by its (merged) accumulator.

    Raises:
        DataError: if bins differ in number, or there are too few samples for so many bins.
    """
    return DifferenceOfMeans.of_sets(reference, generated).test()
