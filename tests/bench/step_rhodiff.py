"""rhodiff's training and denoising step.

    step_rhodiff.py MODEL [contiguous]

MODEL is the ``model`` section as JSON; ``contiguous``: in torch's default memory layout, not with channels last.
"""

import sys

import torch
from step_worker import SIZE, serve

from rhodiff.config.diffusion import EdmSettings
from rhodiff.config.model import UNetSettings
from rhodiff.diffusion import NoiseRange, build_formulation
from rhodiff.models import build_model, unet
from rhodiff.store.spec import FieldSpec

if sys.argv[2:] == ["contiguous"]:
    unet.MEMORY_FORMATS[2] = torch.contiguous_format
spec = FieldSpec(name="density", shape=(SIZE, SIZE), spacing=(1.0, 1.0), periodic=(True, True))
network = build_model(UNetSettings.model_validate_json(sys.argv[1]), spec)
formulation = build_formulation(EdmSettings(), 1.0, NoiseRange(0.01, 100.0))


def loss(fields: torch.Tensor) -> torch.Tensor:
    return formulation.loss(network, fields, torch.randn_like(fields), torch.rand(len(fields))).mean()


def denoise(fields: torch.Tensor) -> torch.Tensor:
    return formulation.denoise(network, fields, torch.ones(len(fields)))


serve(network, loss, denoise)
