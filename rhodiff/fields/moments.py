r"""Moments and extremes of each channel, gathered batch by batch.

Two sets A and B with counts n, means m and sums of squared deviations M merge into

    m = m_A + (m_B - m_A) n_B / n,        M = M_A + M_B + (m_B - m_A)^2 n_A n_B / n

(Chan, Golub & LeVeque 1979), in float64: stable however large the mean is beside the scatter, and independent of the
order and size of the batches up to rounding. The standard deviation is the population's, sqrt(M / n).

Axes: n sample, C channel.
"""

import numpy as np
from numpy.typing import NDArray

__all__ = ["RunningMoments"]


class RunningMoments:
    """Count, mean, standard deviation and extremes of each channel over all samples and cells.

    Attributes:
        count: Values of one channel seen so far.
        mean: float64 ``[C]``, in the unit of the fields.
        minimum: float64 ``[C]``, in the unit of the fields.
        maximum: float64 ``[C]``, in the unit of the fields.
    """

    def __init__(self) -> None:
        self.count = 0
        self.mean: NDArray[np.float64] = np.zeros(())
        self.minimum: NDArray[np.float64] = np.array(np.inf)
        self.maximum: NDArray[np.float64] = np.array(-np.inf)
        self._squares: NDArray[np.float64] = np.zeros(())

    @property
    def std(self) -> NDArray[np.float64]:
        """Standard deviation of the population, float64 ``[C]``."""
        deviation: NDArray[np.float64] = np.sqrt(self._squares / self.count)
        return deviation

    def add(self, fields: NDArray[np.float64]) -> None:
        """Take a batch in.

        Args:
            fields: float64 ``[n, C, *space]``, finite.
        """
        count = fields[:, 0].size
        if count == 0:
            return
        axes = (0, *range(2, fields.ndim))
        mean = fields.mean(axis=axes)
        squares = np.square(fields - mean.reshape(-1, *[1] * (fields.ndim - 2))).sum(axis=axes)
        total, shift = self.count + count, mean - self.mean
        self._squares = self._squares + squares + np.square(shift) * (self.count * count / total)
        self.mean = self.mean + shift * (count / total)
        self.count = total
        self.minimum = np.minimum(self.minimum, fields.min(axis=axes))
        self.maximum = np.maximum(self.maximum, fields.max(axis=axes))
