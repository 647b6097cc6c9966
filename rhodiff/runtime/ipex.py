"""intel-extension-for-pytorch: the legacy route, for torch up to 2.8. Later ones have what it did."""

from importlib import import_module

import torch
from torch import nn

__all__ = ["optimise_for_training"]


def optimise_for_training(network: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    """Have IPEX take over the kernels of a network and its optimizer, in place.

    Weights keep their layout and their float32: checkpoints and averages stay what they are without it.

    Args:
        network: in training mode, on its device.
        optimizer: of its parameters.
    """
    ipex = import_module("intel_extension_for_pytorch")  # not where mypy runs, nor in any torch after 2.8
    ipex.optimize(
        network.train(),
        dtype=torch.float32,
        optimizer=optimizer,
        inplace=True,
        weights_prepack=False,
        split_master_weight_for_bf16=False,
    )
