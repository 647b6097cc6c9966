"""Covariance between bins where it must be inverted: its bias, its shrinkage, and bins that add nothing.

With nu degrees of freedom (n - 1 from one set, n_1 + n_2 - 2 from two), the inverse of the unbiased covariance S of p
Gaussian bins is too large by a known factor,

    E[S^-1] = nu / (nu - p - 1) Sigma^-1,

whose inverse is :func:`hartlap_factor` (Hartlap, Simon & Schneider 2007, A&A 464, 399, with nu = n - 1).

Where nu is not much larger than p, correlations are shrunk to zero and variances kept,

    R*_ij = (1 - lambda) R_ij,   lambda = sum_(i != j) Var(R_ij) / sum_(i != j) R_ij^2,   within [0, 1]

(Schäfer & Strimmer 2005, SAGMB 4, 32). The target of Ledoit & Wolf 2004, equal variances, is not used: band powers
span decades, and the result would depend on the unit of each bin.

Axes: ``residuals [unit, bin]``, centred.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import qr, solve_triangular

from rhodiff.errors import DataError

__all__ = ["hartlap_factor", "require_independent_bins", "shrinkage_intensity"]

NEW_SHARE = 1e-5
"""A bin of which less than this share of the scatter is its own is a combination of others to float32 rounding."""

Float = NDArray[np.float64]


def hartlap_factor(degrees: float, num_bins: int) -> float:
    """(nu - p - 1) / nu: makes the inverse of an unbiased covariance unbiased.

    Args:
        degrees: degrees of freedom nu behind the covariance.
        num_bins: p.

    Raises:
        DataError: unless nu > p + 1; the inverse has no expectation otherwise.
    """
    if degrees <= num_bins + 1:
        raise DataError(
            f"the inverse covariance of {num_bins} bins needs more than {num_bins + 1} degrees of freedom, got "
            f"{degrees:g}; take more samples, fewer bins, or a shrunk covariance"
        )
    return (degrees - num_bins - 1) / degrees


def shrinkage_intensity(residuals: Float) -> float:
    """Share lambda by which correlations are shrunk to zero (see the module).

    Args:
        residuals: centred, with scatter in every bin, ``[unit, bin]``.
    """
    n = len(residuals)
    scaled = residuals / np.sqrt(np.mean(residuals**2, axis=0))
    mean_products = scaled.T @ scaled / n
    squares = (scaled**2).T @ scaled**2 - n * mean_products**2
    others = ~np.eye(residuals.shape[1], dtype=bool)
    signal = np.sum((mean_products[others] * n / (n - 1)) ** 2)
    noise = np.sum(squares[others]) * n / (n - 1) ** 3
    return float(min(1.0, noise / signal)) if signal > 0 else 1.0


def require_independent_bins(residuals: Float, degrees: float) -> None:
    """Refuse bins without scatter and bins that are linear combinations of others.

    With fewer degrees of freedom than bins every sample covariance is singular; then only pairs of bins that are
    multiples of each other can be told.

    Args:
        residuals: centred, ``[unit, bin]``.
        degrees: degrees of freedom behind them.

    Raises:
        DataError: naming the bins.
    """
    norms = np.sqrt(np.sum(residuals**2, axis=0))
    still = np.flatnonzero(norms == 0)
    if len(still):
        raise DataError(f"bins {_listed(still)} have the same value in every sample; leave them out")
    scaled = residuals / norms
    found = _combination(scaled) if degrees >= residuals.shape[1] else _multiple(scaled)
    if found is not None:
        dependent, of = found
        raise DataError(
            f"the covariance is degenerate: bin {dependent} is a linear combination of bins {_listed(of)} (a "
            "histogram that sums to one, or one bin twice); leave one of them out"
        )


def _combination(scaled: Float) -> tuple[int, NDArray[np.intp]] | None:
    triangle, order = qr(scaled, mode="r", pivoting=True)
    own = np.abs(np.diagonal(triangle))
    rank = int(np.sum(own > NEW_SHARE))
    if rank == scaled.shape[1]:
        return None
    share = np.abs(solve_triangular(triangle[:rank, :rank], triangle[:rank, rank]))
    return int(order[rank]), np.sort(order[:rank][share > 10 * NEW_SHARE * share.max()])


def _multiple(scaled: Float) -> tuple[int, NDArray[np.intp]] | None:
    correlation = np.abs(np.triu(scaled.T @ scaled, 1))
    first, second = np.unravel_index(np.argmax(correlation), correlation.shape)
    if correlation[first, second] < 1 - NEW_SHARE**2:
        return None
    return int(second), np.array([first])


def _listed(bins: NDArray[np.intp]) -> str:
    shown = ", ".join(str(bin_) for bin_ in bins[:8])
    return shown + (f" and {len(bins) - 8} more" if len(bins) > 8 else "")
