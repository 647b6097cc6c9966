"""A network wrapped for data parallelism, as the experiment asks for."""

from typing import cast

import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from rhodiff.config.training import Training
from rhodiff.runtime.processes import Processes

__all__ = ["share_network"]


def share_network(network: nn.Module, settings: Training, processes: Processes) -> nn.Module:
    """The network that a process trains: compiled where asked for, its gradients summed over all processes.

    Args:
        network: on this process's device.
        settings: the ``training`` section.
        processes: the joined processes.
    """
    compiled = cast(nn.Module, torch.compile(network)) if settings.compile else network
    if processes.place.world_size == 1:
        return compiled
    device = processes.device
    return DistributedDataParallel(
        compiled,
        device_ids=None if device.type == "cpu" else [device],
        bucket_cap_mb=settings.bucket_mb,
        static_graph=settings.static_graph,
    )
