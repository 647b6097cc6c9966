"""Power-function average of the weights (Karras et al. 2024, "Analyzing and improving the training dynamics").

    theta_avg(t) = beta(t) theta_avg(t - 1) + (1 - beta(t)) theta(t),   beta(t) = (1 - 1/t)^(gamma + 1)

Its width is a fixed share of the training so far, so nothing has to be known about the length, and the first weights
are forgotten entirely (beta(1) = 0).
"""

import torch
from torch import nn

__all__ = ["WeightAverage"]


class WeightAverage:
    """The running average of a network's parameters; buffers are copied.

    Args:
        network: whose weights are averaged.
        gamma: exponent; larger follows the weights more closely.
    """

    def __init__(self, network: nn.Module, gamma: float) -> None:
        self.gamma = gamma
        self.weights = {name: value.detach().clone() for name, value in network.state_dict().items()}

    @torch.no_grad()
    def update(self, network: nn.Module, step: int) -> None:
        """Take in the weights after step number ``step``, counted from 1."""
        beta = (1 - 1 / step) ** (self.gamma + 1)
        current = network.state_dict()
        floating = [name for name, value in current.items() if value.is_floating_point()]
        torch._foreach_lerp_(
            [self.weights[name] for name in floating], [current[name] for name in floating], 1 - beta
        )
        for name in current.keys() - set(floating):
            self.weights[name].copy_(current[name])
