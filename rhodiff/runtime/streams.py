"""Random streams addressed by (seed, purpose, index): results do not depend on how work was split.

Numbers come from counter-based Philox generators (Salmon et al. 2011), keyed by a hash of seed, purpose and index:
one address gives one stream, wherever and in whatever order it is asked for. Noise on a device comes from the same
addresses, see :mod:`rhodiff.runtime.noise`.
"""

import hashlib

import numpy as np

__all__ = ["address", "stream"]


def address(seed: int, purpose: str, *index: int) -> int:
    """A 63-bit number that stands for (seed, purpose, index).

    Args:
        seed: the experiment's or the sweep's seed.
        purpose: what the numbers are for; different purposes are independent.
        index: position, e.g. (iteration, sample).
    """
    text = f"{seed}/{purpose}/{'/'.join(map(str, index))}"
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little") >> 1


def stream(seed: int, purpose: str, *index: int) -> np.random.Generator:
    """A numpy generator at the address (seed, purpose, index)."""
    text = f"{seed}/{purpose}/{'/'.join(map(str, index))}"
    key = np.frombuffer(hashlib.blake2b(text.encode(), digest_size=16).digest(), dtype=np.uint64)
    return np.random.Generator(np.random.Philox(key=key))
