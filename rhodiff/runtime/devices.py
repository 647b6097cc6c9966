"""Which device a process computes on, with how many threads."""

import os
import resource

import torch

from rhodiff.runtime.cpus import cpus_of_process
from rhodiff.runtime.probing import probe_environment
from rhodiff.runtime.resolution import DeviceRequest, choose_device

__all__ = ["configure_torch", "device_of", "peak_memory_gb", "resolve_device"]


def resolve_device(request: DeviceRequest, local_rank: int = 0) -> torch.device:
    """The torch device of a process.

    Args:
        request: ``auto``, ``cpu``, ``cuda`` or ``xpu``; auto takes an accelerator where torch has one.
        local_rank: number of the process on its node; it picks the accelerator.

    Raises:
        EnvironmentLacksError: if the device was demanded and torch does not see it.
    """
    return device_of(choose_device(request, probe_environment())[-1].candidate, local_rank)


def device_of(kind: str, local_rank: int) -> torch.device:
    """The device of that kind that a process has: those of its node in order, one for each local process."""
    if kind == "cpu":
        return torch.device("cpu")
    return torch.device(kind, local_rank % torch.accelerator.device_count())


def configure_torch(threads: int | None, processes_here: int, *, deterministic: bool) -> int:
    """Set threads and determinism for this process.

    Args:
        threads: CPU threads; None: as many as this process has CPUs.
        processes_here: rhodiff processes on this node.
        deterministic: ask torch for deterministic algorithms.

    Returns:
        The number of threads.
    """
    chosen = threads or cpus_of_process(os.environ, processes_here)
    torch.set_num_threads(chosen)
    if deterministic:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.backends.cudnn.benchmark = False
    torch.use_deterministic_algorithms(deterministic, warn_only=True)
    return chosen


def peak_memory_gb(device: torch.device) -> tuple[float, float]:
    """The most memory that this process held at a time.

    Args:
        device: its device.

    Returns:
        Resident memory of the host, and memory that torch reserved on the device (0 on the CPU), in 10^9 bytes.
    """
    host_gb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
    if device.type == "cpu":
        return host_gb, 0.0
    return host_gb, torch.get_device_module(device).max_memory_reserved(device) / 1e9
