"""The same steps of diffusers: UNet2DModel of width 48 (35 M parameters), attention at the coarsest level."""

import torch
from diffusers import DDPMScheduler, UNet2DModel
from step_worker import SIZE, serve
from torch.nn import functional as F

network = UNet2DModel(
    sample_size=SIZE,
    in_channels=1,
    out_channels=1,
    layers_per_block=2,
    block_out_channels=(48, 96, 192, 384),
    norm_num_groups=16,
    down_block_types=("DownBlock2D", "DownBlock2D", "DownBlock2D", "AttnDownBlock2D"),
    up_block_types=("AttnUpBlock2D", "UpBlock2D", "UpBlock2D", "UpBlock2D"),
)
scheduler = DDPMScheduler(num_train_timesteps=1000)


def loss(fields: torch.Tensor) -> torch.Tensor:
    noise = torch.randn_like(fields)
    timesteps = torch.randint(0, 1000, (len(fields),))
    return F.mse_loss(network(scheduler.add_noise(fields, noise, timesteps), timesteps).sample, noise)


def denoise(fields: torch.Tensor) -> torch.Tensor:
    return network(fields, torch.full((len(fields),), 500)).sample


serve(network, loss, denoise)
