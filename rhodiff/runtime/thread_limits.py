"""Threads of numerical libraries where several processes share a node.

NumPy's matrix products start as many threads as the node has cores; sixteen ranks of a bare ``mpiexec`` would start
sixteen times as many and stand in each other's way. The libraries read OMP_NUM_THREADS once, when they are loaded.
"""

import os
from collections.abc import MutableMapping

from rhodiff.runtime.places import Place

__all__ = ["share_cores"]

VARIABLE = "OMP_NUM_THREADS"


def share_cores(place: Place, environment: MutableMapping[str, str]) -> None:
    """Give each process of a node its share of the cores, unless the user has said how many threads it may have.

    Args:
        place: this process's place.
        environment: usually ``os.environ``; before NumPy is loaded.
    """
    if place.processes_here > 1 and VARIABLE not in environment:
        cores = len(os.sched_getaffinity(0))  # one's own where the launcher binds, else all of the node
        bound = cores < (os.cpu_count() or cores)
        environment[VARIABLE] = str(cores if bound else max(1, cores // place.processes_here))
