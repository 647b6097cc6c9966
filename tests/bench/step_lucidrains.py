"""The same steps of denoising-diffusion-pytorch: its U-Net of width 64 with multipliers 1, 2, 4, 8."""

import sys
from types import ModuleType
from unittest.mock import MagicMock

import torch
from step_worker import SIZE, serve

for name in ("torchvision", "torchvision.transforms", "torchvision.utils", "pytorch_fid"):
    stub = ModuleType(name)
    stub.__getattr__ = lambda _: MagicMock()  # its data loader and FID, which no step uses
    sys.modules[name] = stub

from denoising_diffusion_pytorch.denoising_diffusion_pytorch import GaussianDiffusion, Unet  # noqa: E402

network = Unet(64, dim_mults=(1, 2, 4, 8), channels=1)
diffusion = GaussianDiffusion(network, image_size=SIZE, auto_normalize=False)


def loss(fields: torch.Tensor) -> torch.Tensor:
    return diffusion.p_losses(fields, torch.randint(0, diffusion.num_timesteps, (len(fields),)))


def denoise(fields: torch.Tensor) -> torch.Tensor:
    return network(fields, torch.full((len(fields),), 500))


serve(network, loss, denoise)
