"""How many CPUs a process may use."""

import os
from collections.abc import Mapping

from rhodiff.runtime.launcher_variables import CPUS

__all__ = ["available_cpus", "cpus_of_process"]


def available_cpus() -> int:
    """CPUs this process may use (its affinity mask, which some Slurm clusters set)."""
    return len(os.sched_getaffinity(0))


def cpus_of_process(environment: Mapping[str, str], processes_here: int) -> int:
    """CPUs that are this process's own.

    Args:
        environment: usually ``os.environ``. A job's body, and Slurm where ``--cpus-per-task`` was given, say how many
            CPUs each process has; many clusters do not bind processes to them.
        processes_here: processes of ours on this node, which else share the CPUs evenly.
    """
    told = environment.get(CPUS) or environment.get("SLURM_CPUS_PER_TASK") or ""
    given = int(told) if told.isdecimal() else available_cpus() // processes_here
    return max(1, min(given, available_cpus()))
