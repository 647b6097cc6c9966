"""Training batches: read, transformed, augmented, with noise - each sample from its own random address.

Axes: n sample of this process, C channel, P parameter.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from rhodiff.config.fields import Fields
from rhodiff.fields.augmentation import augment, check_augmentation
from rhodiff.fields.transforms import Transform
from rhodiff.runtime.noise import normal_field
from rhodiff.runtime.streams import stream
from rhodiff.store.reader import FieldReader
from rhodiff.training.order import SampleOrder

__all__ = ["Batch", "BatchSource"]


@dataclass(frozen=True)
class Batch:
    """The share of one process in a global batch.

    Attributes:
        fields: ``[n, C, *space]``, network units.
        noise: standard normal, ``[n, C, *space]``.
        uniform: in [0, 1), ``[n]``: decides each sample's noise level.
        parameters: float64 ``[n, P]``, physical units; NaN for fields whose parameters the network is not told.
        positions: positions in the global batch, ``[n]``.
    """

    fields: torch.Tensor
    noise: torch.Tensor
    uniform: torch.Tensor
    parameters: torch.Tensor
    positions: torch.Tensor


class BatchSource:
    """Makes the batches of one process.

    Args:
        reader: the stored fields.
        indices: the fields of the training split, ``[N]``.
        parameters: conditions of those fields, ``[N, P]``.
        transform: to network units.
        settings: augmentation.
        order: which field comes when.
        seed: the experiment's seed.
        device: where the tensors go.
        condition_dropout: share of the fields whose parameters are kept from the network.
    """

    def __init__(
        self,
        reader: FieldReader,
        indices: NDArray[np.int64],
        parameters: NDArray[np.float64],
        transform: Transform,
        settings: Fields,
        order: SampleOrder,
        seed: int,
        device: torch.device,
        condition_dropout: float = 0.0,
    ) -> None:
        self._spec = reader.store.spec
        check_augmentation(settings.augmentation, self._spec.periodic)
        self._reader, self._indices, self._parameters = reader, indices, parameters
        self._transform, self._settings, self._order = transform, settings, order
        self._seed, self._device, self._condition_dropout = seed, device, condition_dropout

    def batches(self, start: int, stop: int, positions: range) -> Iterator[Batch]:
        """Batches of the iterations ``start <= i < stop``, the next one made while one is in use.

        Args:
            start: first iteration.
            stop: one past the last.
            positions: this process's positions in each global batch.
        """
        with ThreadPoolExecutor(max_workers=1) as maker:
            waiting = maker.submit(self.make, start, positions)
            for iteration in range(start, stop):
                batch = waiting.result()
                if iteration + 1 < stop:
                    waiting = maker.submit(self.make, iteration + 1, positions)
                yield batch

    def make(self, iteration: int, positions: range) -> Batch:
        """One batch; the same whenever and wherever it is made."""
        chosen = self._order.batch(iteration, positions)
        fields = self._transform.forward(self._reader.read(self._indices[chosen]))
        moved = np.stack([self._augmented(f, iteration, j) for f, j in zip(fields, positions, strict=True)])
        uniform = [stream(self._seed, "noise level", iteration, j).random() for j in positions]
        shape = self._spec.field_shape
        noise = [normal_field(shape, self._device, self._seed, "noise", iteration, j) for j in positions]
        return Batch(
            fields=torch.from_numpy(moved).to(self._device),
            noise=torch.stack(noise),
            uniform=torch.tensor(uniform, dtype=torch.float32, device=self._device),
            parameters=torch.from_numpy(self._told(chosen, iteration, positions)).to(self._device),
            positions=torch.tensor(list(positions), device=self._device),
        )

    def _augmented(self, field: NDArray[np.float32], iteration: int, position: int) -> NDArray[np.float32]:
        if not self._settings.augmentation:
            return field
        generator = stream(self._seed, "augmentation", iteration, position)
        return augment(field, self._settings.augmentation, generator, self._spec.periodic, self._spec.spacing)

    def _told(self, chosen: NDArray[np.int64], iteration: int, positions: range) -> NDArray[np.float64]:
        """Parameters that the network is told of the chosen fields, ``[n, P]``."""
        parameters = self._parameters[chosen]
        if self._condition_dropout:
            drawn = [stream(self._seed, "condition dropout", iteration, j).random() for j in positions]
            parameters[np.array(drawn) < self._condition_dropout] = np.nan
        return parameters
