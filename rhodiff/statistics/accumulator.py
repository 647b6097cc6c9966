"""Mean and covariance of vectors that arrive in parts, merged in any order with the same result.

Two parts with counts n_a, n_b, means and scatter matrices M = sum of (x - mean)(x - mean)^T combine to

    d = mean_b - mean_a,   mean = mean_a + d n_b / n,   M = M_a + M_b + d d^T n_a n_b / n,   n = n_a + n_b

(Chan, Golub & LeVeque 1979, Stanford STAN-CS-79-773), which loses no digits to a large mean. Results of different
orders agree to rounding (1e-12 relative), not bit for bit.

Axes: ``values [sample, bin]``.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rhodiff.errors import DataError

__all__ = ["MeanCovariance", "merge_all"]

Float = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class MeanCovariance:
    """What is known of a set of vectors after some of them; immutable, its three arrays are all its state.

    Attributes:
        count: number of vectors.
        mean: ``[bin]``; zero where there are none.
        scatter: sum of (x - mean)(x - mean)^T, ``[bin, bin]``.
    """

    count: int
    mean: Float
    scatter: Float

    @classmethod
    def empty(cls, num_bins: int) -> "MeanCovariance":
        """The neutral element of :meth:`merge`."""
        return cls(0, np.zeros(num_bins), np.zeros((num_bins, num_bins)))

    @classmethod
    def of(cls, values: ArrayLike) -> "MeanCovariance":
        """State after these vectors, ``[sample, bin]``.

        Raises:
            DataError: if the values are not a finite matrix.
        """
        matrix = np.asarray(values, dtype=np.float64)
        if matrix.ndim != 2 or not np.all(np.isfinite(matrix)):
            raise DataError(f"values must be finite and [sample, bin], got shape {matrix.shape} or NaN/inf in it")
        if len(matrix) == 0:
            return cls.empty(matrix.shape[1])
        mean = matrix.mean(axis=0)
        centred = matrix - mean
        return cls(len(matrix), mean, centred.T @ centred)

    def merge(self, other: "MeanCovariance") -> "MeanCovariance":
        """State after the vectors of both.

        Raises:
            DataError: if the two count different bins.
        """
        if self.mean.shape != other.mean.shape:
            raise DataError(f"cannot merge accumulators of {len(self.mean)} and {len(other.mean)} bins")
        count = self.count + other.count
        if count == 0:
            return self
        step = other.mean - self.mean
        mean = self.mean + step * (other.count / count)
        cross = np.outer(step, step) * (self.count * other.count / count)
        return MeanCovariance(count, mean, self.scatter + other.scatter + cross)

    def covariance(self) -> Float:
        """Unbiased covariance of one vector, ``[bin, bin]``.

        Raises:
            DataError: if there are fewer than two vectors.
        """
        if self.count < 2:
            raise DataError(f"a covariance needs two or more samples, got {self.count}")
        return self.scatter / (self.count - 1)

    def std(self) -> Float:
        """Unbiased standard deviation of one vector, ``[bin]``."""
        return np.sqrt(np.diagonal(self.covariance()))


def merge_all(parts: Iterable[MeanCovariance]) -> MeanCovariance:
    """Merge one or more parts.

    Raises:
        DataError: if there are no parts.
    """
    merged: MeanCovariance | None = None
    for part in parts:
        merged = part if merged is None else merged.merge(part)
    if merged is None:
        raise DataError("there is nothing to merge: no accumulator was given")
    return merged
