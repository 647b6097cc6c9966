"""The parts of a training, small enough to look at."""

import numpy as np
import torch
from torch import nn

from rhodiff.config.diffusion import EdmSettings
from rhodiff.config.fields import Fields
from rhodiff.config.training import Training
from rhodiff.diffusion.build import build_formulation
from rhodiff.diffusion.schedules import NoiseRange
from rhodiff.fields.transforms import Transform
from rhodiff.runtime.places import Place
from rhodiff.runtime.processes import Processes
from rhodiff.runtime.progress import Silent
from rhodiff.runtime.stopping import StopRequest
from rhodiff.store.spec import FieldSpec
from rhodiff.training.batches import BatchSource
from rhodiff.training.loop import Trainer
from rhodiff.training.order import SampleOrder

CPU = torch.device("cpu")
NUM_FIELDS, CELLS = 13, 8


class Numbered:
    """A reader whose field i holds i + cell / 100."""

    class store:  # noqa: N801 - stands for an opened store
        spec = FieldSpec(name="x", shape=(CELLS,), spacing=(1.0,), periodic=(True,))

    def read(self, indices):
        return (indices[:, None, None] + np.arange(CELLS) / 100).astype(np.float32)


class Line(nn.Module):
    """A linear network that depends on everything that it is told."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(3)
        self.linear = nn.Linear(CELLS, CELLS)
        self.told = nn.Linear(2, CELLS)

    def forward(self, x, noise_label, parameters):
        told = torch.stack([noise_label, parameters[:, 0].to(x)], dim=1)
        return self.linear(x) + self.told(told)[:, None]


def make_batches(batch_size=6, augmentation=(), seed=0, reader=None, condition_dropout=0.0):
    return BatchSource(
        reader=reader or Numbered(),
        indices=np.arange(NUM_FIELDS),
        parameters=np.arange(NUM_FIELDS, dtype=np.float64)[:, None] / 10,
        transform=Transform(),
        settings=Fields(transform=(), augmentation=augmentation),
        order=SampleOrder(seed, NUM_FIELDS, batch_size),
        seed=seed,
        device=CPU,
        condition_dropout=condition_dropout,
    )


def make_trainer(settings: Training, **changes):
    parts = {
        "settings": settings,
        "formulation": build_formulation(EdmSettings(), 1.0, NoiseRange(0.01, 10.0)),
        "batches": make_batches(settings.batch_size),
        "processes": Processes(Place(), CPU),
        "save": lambda state: None,
        "draw": lambda state: None,
        "sinks": [],
        "observer": Silent(),
        "stop": StopRequest(),
        "seed": 0,
    }
    return Trainer(**{**parts, **changes})
