"""Power of a data set for each Fourier mode: S(k) = mean over fields of |rfftn(x, norm="ortho")|^2.

In this norm white noise of standard deviation sigma has S = sigma^2, so S compares with a noise level directly. The
set's mean field is not removed. Fields that are not periodic leak power from their edges into high wave numbers; the
noise range made from it then ends a little higher than it must.
"""

from collections.abc import Iterable

import numpy as np
import scipy.fft
from numpy.typing import NDArray

__all__ = ["mode_power"]


def mode_power(batches: Iterable[NDArray[np.float32]]) -> NDArray[np.float64]:
    """Mean power for each mode, over fields and channels.

    Args:
        batches: fields in network units, ``[n, C, *space]`` a batch.

    Returns:
        float64 ``[*rspace]``, the shape of ``rfftn`` over the spatial axes.
    """
    total: NDArray[np.float64] | None = None
    count = 0
    for batch in batches:
        axes = tuple(range(2, batch.ndim))
        modes = scipy.fft.rfftn(batch.astype(np.float64), axes=axes, norm="ortho")
        power = np.square(np.abs(modes)).sum(axis=(0, 1))
        total = power if total is None else total + power
        count += batch.shape[0] * batch.shape[1]
    assert total is not None, "the power of no field at all was asked for"
    return np.asarray(total / count)
