"""What a training consists of at one moment, and its form in a checkpoint."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

import torch
from torch import nn

from rhodiff.config.training import Optimizer, Training
from rhodiff.training.average import WeightAverage

__all__ = ["AVERAGES", "TrainingState", "build_optimizer"]

AVERAGES = ("ema", "ema_second")
"""Names of the averages in a checkpoint."""


@dataclass
class TrainingState:
    """The changing part of a training.

    Attributes:
        network: the network, on its device.
        optimizer: its optimizer.
        averages: averages of its weights: none, one or two.
        iteration: steps made.
    """

    network: nn.Module
    optimizer: torch.optim.Optimizer
    averages: tuple[WeightAverage, ...]
    iteration: int = 0

    @classmethod
    def begin(cls, network: nn.Module, settings: Training) -> "TrainingState":
        """The state before the first step."""
        averages = tuple(WeightAverage(network, gamma) for gamma in settings.averages)
        return cls(network, build_optimizer(network, settings.optimizer), averages)

    def to_checkpoint(self) -> dict[str, Any]:
        """Tensors and plain values from which :meth:`restore` goes on bit by bit."""
        return {
            "iteration": self.iteration,
            "model": self.network.state_dict(),
            **{part: None if average is None else average.weights for part, average in self._parts().items()},
            "optimizer": self.optimizer.state_dict(),
        }

    def restore(self, checkpoint: Mapping[str, Any]) -> None:
        """Take over the state of a checkpoint of the same network."""
        self.iteration = int(checkpoint["iteration"])
        self.network.load_state_dict(checkpoint["model"])
        self.optimizer.load_state_dict(checkpoint["optimizer"])
        for part, average in self._parts().items():
            if average is not None:
                for name, value in checkpoint[part].items():
                    average.weights[name].copy_(value)

    def _parts(self) -> dict[str, WeightAverage | None]:
        """The averages by their names in a checkpoint."""
        return dict(zip_longest(AVERAGES, self.averages))

    def find_non_finite(self) -> str | None:
        """Name of a weight, average or optimizer moment that holds NaN or infinity; None if all are sound."""
        parts: dict[str, Mapping[str, Any]] = {
            "model": self.network.state_dict(),
            **{part: average.weights for part, average in self._parts().items() if average is not None},
        }
        for number, moments in self.optimizer.state_dict()["state"].items():
            parts[f"optimizer {number}"] = moments
        for part, tensors in parts.items():
            for name, tensor in tensors.items():
                if isinstance(tensor, torch.Tensor) and not bool(torch.isfinite(tensor).all()):
                    return f"{part}: {name}"
        return None


def build_optimizer(network: nn.Module, settings: Optimizer) -> torch.optim.Optimizer:
    """Adam or AdamW over all parameters, in one pass over memory (fused); the rate is set before each step."""
    if settings.kind == "adam":
        return torch.optim.Adam(network.parameters(), lr=settings.learning_rate, betas=settings.betas, fused=True)
    return torch.optim.AdamW(
        network.parameters(),
        lr=settings.learning_rate,
        betas=settings.betas,
        weight_decay=settings.weight_decay,
        fused=True,
    )
