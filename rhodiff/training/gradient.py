"""The gradient of the mean loss over a global batch, of which each process holds a share.

Each process weights its losses per sample, so an uneven split gives the gradient of the whole: torch's data
parallelism averages over processes, hence the factor (number of processes) / (batch size) on the sum of a process's
losses. A share may be taken in pieces (gradient accumulation); gradients then travel once, with the last.
"""

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from rhodiff.config.training import Training
from rhodiff.diffusion.formulation import Formulation
from rhodiff.runtime.processes import Processes
from rhodiff.training.batches import Batch

__all__ = ["batch_gradient"]


def batch_gradient(
    network: nn.Module, formulation: Formulation, batch: Batch, settings: Training, processes: Processes
) -> torch.Tensor:
    """Add the gradient of the mean loss over the global batch to the parameters.

    Args:
        network: plain, or wrapped for data parallelism.
        formulation: noise levels and loss.
        batch: this process's share.
        settings: the ``training`` section.
        processes: the joined processes.

    Returns:
        Losses of this process's samples, ``[n]``, without graph.
    """
    size = len(batch.fields)
    part = settings.micro_batch or size
    weight = processes.place.world_size / settings.batch_size
    losses = []
    for start in range(0, size, part):
        piece = slice(start, start + part)
        with _no_sync(network, is_last=start + part >= size):
            with _autocast(settings, processes.device):
                loss = formulation.loss(
                    network,
                    batch.fields[piece],
                    batch.noise[piece],
                    formulation.stratify(batch.uniform[piece], batch.positions[piece], settings.batch_size),
                    batch.parameters[piece] if batch.parameters.shape[1] else None,
                )
            (loss.sum() * weight).backward()  # type: ignore[no-untyped-call]
        losses.append(loss.detach())
    return torch.cat(losses)


def _no_sync(network: nn.Module, *, is_last: bool) -> AbstractContextManager[None]:
    """Gradients travel with the last piece of an accumulated batch only."""
    if is_last or not isinstance(network, DistributedDataParallel):
        return nullcontext()
    return network.no_sync()


def _autocast(settings: Training, device: torch.device) -> AbstractContextManager[None]:
    if settings.precision == "float32":
        return nullcontext()
    return torch.autocast(device.type, dtype=torch.bfloat16)
