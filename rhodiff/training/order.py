"""The order in which training fields are seen: a function of (seed, iteration, global sample index) alone.

Sample n = iteration x batch_size + j is position n mod N of the permutation of epoch n div N. So every epoch sees
each field once, whatever the number of processes, and a training resumes at any iteration without replaying the ones
before.
"""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from rhodiff.runtime.streams import stream

__all__ = ["SampleOrder"]


class SampleOrder:
    """An endless sequence of shuffled epochs.

    Args:
        seed: the experiment's seed.
        num_fields: fields in the training split.
        batch_size: fields in a step, over all processes.
    """

    def __init__(self, seed: int, num_fields: int, batch_size: int) -> None:
        self.num_fields = num_fields
        self.batch_size = batch_size
        self._permutation = lru_cache(maxsize=2)(
            lambda epoch: stream(seed, "training order", epoch).permutation(num_fields)
        )

    def batch(self, iteration: int, positions: range) -> NDArray[np.int64]:
        """Fields of some positions of a global batch.

        Args:
            iteration: number of the step, from 0.
            positions: positions ``0 <= j < batch_size`` in the global batch.

        Returns:
            Indices into the training split, ``[len(positions)]``.
        """
        numbers = iteration * self.batch_size + np.asarray(positions, dtype=np.int64)
        epochs, places = np.divmod(numbers, self.num_fields)
        pairs = zip(epochs.tolist(), places.tolist(), strict=True)
        return np.array([self._permutation(epoch)[place] for epoch, place in pairs], dtype=np.int64)
