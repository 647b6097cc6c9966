"""Which device a process computes on, with how many threads."""

import os

import torch

from rhodiff.errors import EnvironmentLacksError

__all__ = ["available_cpus", "configure_torch", "resolve_device"]


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


def available_cpus() -> int:
    """CPUs this process may use (its affinity mask, which Slurm sets)."""
    return len(os.sched_getaffinity(0))


def configure_torch(threads: int | None, processes_here: int, *, deterministic: bool) -> int:
    """Set threads and determinism for this process.

    Args:
        threads: CPU threads; None shares the available CPUs between the processes of this node.
        processes_here: rhodiff processes on this node.
        deterministic: ask torch for deterministic algorithms.

    Returns:
        The number of threads.
    """
    chosen = threads or max(1, available_cpus() // processes_here)
    torch.set_num_threads(chosen)
    if deterministic:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.backends.cudnn.benchmark = False
    torch.use_deterministic_algorithms(deterministic, warn_only=True)
    return chosen
