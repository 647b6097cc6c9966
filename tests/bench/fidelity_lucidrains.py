"""denoising-diffusion-pytorch trained on given images for a given CPU time, and images that it generates.

Runs in the environment of the peers. Its own defaults (v-prediction, sigmoid schedule of 1000 steps, average of the
weights every 10 steps with decay 0.995) at the width that has as many parameters as ours; Adam at 1e-3, since its
1e-4 is meant for days of a GPU; the same augmentation as ours; DDIM in 100 evaluations.
"""

import argparse
import sys
import time
from pathlib import Path
from types import ModuleType
from unittest.mock import MagicMock

import numpy as np
import torch

for name in ("torchvision", "torchvision.transforms", "torchvision.utils", "pytorch_fid"):
    stub = ModuleType(name)
    stub.__getattr__ = lambda _: MagicMock()  # its data loader and FID, which are not used
    sys.modules[name] = stub

from denoising_diffusion_pytorch.denoising_diffusion_pytorch import GaussianDiffusion, Unet  # noqa: E402
from ema_pytorch import EMA  # noqa: E402

BATCH, LEARNING_RATE, EVALUATIONS, AT_ONCE = 32, 1e-3, 100, 64


def augmented(images: np.ndarray, generator: np.random.Generator) -> torch.Tensor:
    """A random shift, flip and turn of a batch ``[n, y, x]``."""
    moved = np.roll(images, generator.integers(0, images.shape[-1], 2), (1, 2))
    moved = np.rot90(moved, generator.integers(4), (1, 2))
    return torch.from_numpy(np.ascontiguousarray(moved[:, ::-1] if generator.random() < 0.5 else moved))[:, None]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--cpu-seconds", type=float, required=True)
    parser.add_argument("--samples", type=int, required=True)
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    images, generator = np.load(given.data), np.random.default_rng(0)
    network = Unet(24, dim_mults=(1, 2, 4), channels=1)
    diffusion = GaussianDiffusion(network, image_size=images.shape[-1], sampling_timesteps=EVALUATIONS)
    average = EMA(diffusion, beta=0.995, update_every=10)
    optimizer = torch.optim.Adam(diffusion.parameters(), lr=LEARNING_RATE, betas=(0.9, 0.99))
    begun, steps = time.process_time(), 0
    while time.process_time() - begun < given.cpu_seconds:
        optimizer.zero_grad()
        diffusion(augmented(images[generator.integers(0, len(images), BATCH)], generator)).backward()
        torch.nn.utils.clip_grad_norm_(diffusion.parameters(), 1.0)
        optimizer.step()
        average.update()
        steps += 1
    parameters = sum(parameter.numel() for parameter in network.parameters())
    print(f"{steps} steps of {parameters} parameters in {time.process_time() - begun:.0f} s of CPU")
    average.ema_model.eval()
    made = [
        average.ema_model.sample(batch_size=min(AT_ONCE, given.samples - start))
        for start in range(0, given.samples, AT_ONCE)
    ]
    np.save(given.out, torch.cat(made)[:, 0].numpy())


if __name__ == "__main__":
    main()
