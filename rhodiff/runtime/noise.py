"""Standard normal fields on a device, addressed by (seed, purpose, index).

A torch generator is seeded from the address, so that noise is drawn where it is used. It is reproducible on one kind
of device, not between kinds.
"""

import torch

from rhodiff.runtime.streams import address

__all__ = ["normal_field"]


def normal_field(shape: tuple[int, ...], device: torch.device, seed: int, purpose: str, *index: int) -> torch.Tensor:
    """Standard normal float32 tensor of ``shape`` at the address (seed, purpose, index)."""
    generator = torch.Generator(device=device)
    generator.manual_seed(address(seed, purpose, *index))
    return torch.randn(shape, generator=generator, device=device)
