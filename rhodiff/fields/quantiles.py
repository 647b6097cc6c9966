r"""Exact quantiles of sets that do not fit in memory: two passes, bounded memory, any order of the batches.

Float32 numbers sort like their bits read as unsigned integers, once the sign bit is flipped (all bits where the
number is negative). The first pass counts the upper 16 bits of that key, which says in which of 65536 buckets the
value of a rank lies; the second counts the lower 16 bits in those buckets alone. All counts are integers, so the
result does not depend on how the set is cut: bit by bit the float32 values of a sorted array.

The quantile of a probability p among n sorted values v(0) .. v(n - 1) is interpolated linearly at the position
n p - 1/2 (Hazen 1914), within 0 .. n - 1.

Axes: n sample, C channel.
"""

from collections.abc import Callable, Iterable

import numpy as np
from numpy.typing import NDArray

__all__ = ["find_quantiles"]

Array = NDArray[np.float64]
Counts = NDArray[np.int64]
BUCKETS = 1 << 16


def find_quantiles(
    batches: Callable[[], Iterable[Array]], probabilities: Callable[[int], Array]
) -> tuple[Array, int]:
    """Quantiles of each channel over all samples and cells.

    Args:
        batches: called twice; ``[n, C, *space]`` a batch, finite; values are rounded to float32.
        probabilities: those wanted, ``[K]`` in 0..1, given the number of values in a channel; not called for none.

    Returns:
        float64 ``[C, K]`` and the number of values in a channel; no channel if there was no value.
    """
    upper = _count_upper(batches())
    count = int(upper[0].sum()) if len(upper) else 0
    if count == 0:
        return np.empty((0, 0)), 0
    position = np.clip(count * probabilities(count) - 0.5, 0, count - 1)
    low = np.floor(position).astype(np.int64)
    ranks = np.unique(np.concatenate([low, np.minimum(low + 1, count - 1)]))
    sorted_values = _values_at(batches(), upper, ranks)
    before, after = (sorted_values[:, np.searchsorted(ranks, at)] for at in (low, np.minimum(low + 1, count - 1)))
    return before + (position - low) * (after - before), count


def _count_upper(batches: Iterable[Array]) -> Counts:
    """How many values of each channel lie in each bucket, ``[C, BUCKETS]``."""
    total: Counts = np.empty((0, BUCKETS), dtype=np.int64)
    for batch in batches:
        keys = _by_channel(batch)
        counts = [np.bincount(of_channel >> 16, minlength=BUCKETS) for of_channel in keys]
        total = np.array(counts) if len(total) == 0 else total + np.array(counts)
    return total


def _values_at(batches: Iterable[Array], upper: Counts, ranks: Counts) -> Array:
    """Values of some ranks of each channel, ``[C, R]``."""
    below = upper.cumsum(axis=1)
    buckets = [np.searchsorted(of_channel, ranks, side="right") for of_channel in below]
    chosen = [np.unique(of_channel) for of_channel in buckets]
    lower = [np.zeros((len(of_channel), BUCKETS), dtype=np.int64) for of_channel in chosen]
    for batch in batches:
        for keys, slots, counts in zip(_by_channel(batch), chosen, lower, strict=True):
            slot = np.minimum(np.searchsorted(slots, keys >> 16), len(slots) - 1)
            is_chosen = slots[slot] == keys >> 16
            np.add.at(counts, (slot[is_chosen], keys[is_chosen] & (BUCKETS - 1)), 1)
    found = []
    for channel, slots in enumerate(chosen):
        slot = np.searchsorted(slots, buckets[channel])
        within = ranks - (below[channel] - upper[channel])[buckets[channel]]
        sums = lower[channel].cumsum(axis=1)
        low = [np.searchsorted(sums[one], rank, side="right") for one, rank in zip(slot, within, strict=True)]
        found.append(_value_of_key((buckets[channel] << 16) + np.array(low)))
    return np.array(found)


def _by_channel(batch: Array) -> list[NDArray[np.int64]]:
    """Sorting keys of each channel's values."""
    bits = (batch.astype(np.float32) + np.float32(0)).view(np.uint32).astype(np.int64)  # + 0: one zero, not two
    keys = bits ^ np.where(bits >> 31, 0xFFFFFFFF, 0x80000000)
    return [keys[:, channel].ravel() for channel in range(keys.shape[1])]


def _value_of_key(keys: NDArray[np.int64]) -> Array:
    bits = keys ^ np.where(keys >> 31, 0x80000000, 0xFFFFFFFF)
    return bits.astype(np.uint32).view(np.float32).astype(np.float64)
