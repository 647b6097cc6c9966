"""Which device a process computes on, with how many threads."""

import os
import resource

import torch

from rhodiff.errors import EnvironmentLacksError
from rhodiff.runtime.cpus import cpus_of_process

__all__ = ["configure_torch", "peak_memory_gb", "resolve_device"]


def resolve_device(request: str, local_rank: int = 0) -> torch.device:
    """The torch device of a process.

    Args:
        request: ``auto``, ``cpu``, ``cuda`` or ``xpu``; auto takes an accelerator where torch has one.
        local_rank: number of the process on its node; it picks the accelerator.

    Raises:
        EnvironmentLacksError: if the device was demanded and torch does not see it.
    """
    accelerator = torch.accelerator.current_accelerator(check_available=True)
    found = accelerator.type if accelerator is not None and accelerator.type in {"cuda", "xpu"} else "cpu"
    wanted = found if request == "auto" else request
    if wanted == "cpu":
        return torch.device("cpu")
    if wanted != found:
        raise EnvironmentLacksError(
            f"runtime.device '{request}' was asked for, but torch {torch.__version__} sees none here: "
            "take 'auto', or install a torch built for that device"
        )
    return torch.device(wanted, local_rank % torch.accelerator.device_count())


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
