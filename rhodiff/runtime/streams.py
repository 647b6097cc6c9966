"""Random streams addressed by (seed, purpose, index): results do not depend on how work was split.

Numbers come from counter-based Philox generators (Salmon et al. 2011). The key is a hash of seed and purpose, the
counter is the index; one address gives one stream, wherever and in whatever order it is asked for. torch noise uses
a torch generator seeded from the same address, so that it can be drawn on the device; it is reproducible on one kind
of device, not between kinds.
"""

import hashlib

import numpy as np
import torch

__all__ = ["address", "normal_field", "stream"]


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


def normal_field(shape: tuple[int, ...], device: torch.device, seed: int, purpose: str, *index: int) -> torch.Tensor:
    """Standard normal float32 tensor of ``shape`` at the address (seed, purpose, index)."""
    generator = torch.Generator(device=device)
    generator.manual_seed(address(seed, purpose, *index))
    return torch.randn(shape, generator=generator, device=device)
