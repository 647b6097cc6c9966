"""The compiled walk through an octree: potentials and accelerations of all particles.

One walk serves a group of particles that lie together, and opens a cell for the group unless

    r > max(s / theta + d, h + 0.6 s + d)

with r the distance of the cell's centre of mass from the group's bounding box, s the cell's edge, d the distance of
its centre of mass from its geometric centre and h the softening: pytreegrav's criterion, as are the two functions of
the softened force and potential of a particle (Grudic & Gurvich 2021, J. Open Source Softw. 6, 3675).

Importing this module loads numba and pytreegrav; :mod:`rhodiff.simulation.compiled` does so, after it has said where
compiled code is kept.
"""

from typing import Any

import numpy as np
from numba import config, get_num_threads, njit, prange, set_num_threads
from numpy.typing import NDArray
from pytreegrav import ForceKernel, PotentialKernel, acceptance_criterion

from rhodiff.errors import ConfigError
from rhodiff.simulation.octree import Octree

__all__ = ["check_threads", "walk"]

GROUP = 8
FAST = {"reassoc", "contract", "arcp", "nsz"}
"""What the compiler may do: all of fastmath but the promise that nothing is infinite or not a number."""


def _walk(
    positions: Any, masses: Any, edges: Any, offsets: Any, first: Any, following: Any,
    num: int, support: float, theta: float,
) -> Any:  # fmt: skip
    """Fields at the first ``num`` elements: acceleration and potential, float64 [num, 4]; G = 1."""
    out = np.zeros((num, 4))
    for group in prange((num + GROUP - 1) // GROUP):
        start, stop = group * GROUP, min(group * GROUP + GROUP, num)
        low, high = np.empty(3), np.empty(3)
        for axis in range(3):
            low[axis] = high[axis] = positions[start, axis]
            for target in range(start + 1, stop):
                low[axis] = min(low[axis], positions[target, axis])
                high[axis] = max(high[axis], positions[target, axis])
        element = num
        while element >= 0:
            x, y, z, mass = positions[element, 0], positions[element, 1], positions[element, 2], masses[element]
            if element >= num:
                gap_x = max(low[0] - x, x - high[0], 0.0)
                gap_y = max(low[1] - y, y - high[1], 0.0)
                gap_z = max(low[2] - z, z - high[2], 0.0)
                distance = np.sqrt(gap_x * gap_x + gap_y * gap_y + gap_z * gap_z)
                if not acceptance_criterion(distance, support, edges[element], offsets[element], theta):
                    element = first[element]
                    continue
            for target in range(start, stop):
                dx, dy, dz = x - positions[target, 0], y - positions[target, 1], z - positions[target, 2]
                squared = dx * dx + dy * dy + dz * dz
                if squared > 0:
                    r = np.sqrt(squared)
                    factor = mass * ForceKernel(r, support) if r < support else mass / (squared * r)
                    out[target, 0] += factor * dx
                    out[target, 1] += factor * dy
                    out[target, 2] += factor * dz
                    out[target, 3] += mass * PotentialKernel(r, support) if r < support else -mass / r
            element = following[element]
    return out


def _walk_serial(*arguments: Any) -> Any:
    return _serial(*arguments)


def _walk_parallel(*arguments: Any) -> Any:
    return _parallel(*arguments)


_serial = njit(fastmath=FAST)(_walk)
_parallel = njit(fastmath=FAST, parallel=True)(_walk)
# A file of compiled code goes by a function's name: two variants of one function would take each other's.
_cached_serial = njit(cache=True)(_walk_serial)
_cached_parallel = njit(cache=True)(_walk_parallel)


def walk(tree: Octree, *, support: float, theta: float, threads: int) -> NDArray[np.float64]:
    """Fields at all particles of a tree.

    Args:
        tree: the particles.
        support: h of the spline, > 0, in units of the positions.
        theta: opening angle, > 0.
        threads: CPU threads, see :func:`check_threads`.

    Returns:
        float64 [n, 4], in the tree's order: acceleration, then the potential.
    """
    arguments = (*tree[1:], len(tree.order), support, theta)
    if threads == 1:
        return np.asarray(_cached_serial(*arguments))
    before = get_num_threads()
    set_num_threads(threads)
    try:
        return np.asarray(_cached_parallel(*arguments))
    finally:
        set_num_threads(before)


def check_threads(threads: int) -> None:
    """Refuse a number of threads that numba does not have.

    Raises:
        ConfigError: if there are fewer, or none was asked for.
    """
    most: int = config.NUMBA_NUM_THREADS  # type: ignore[attr-defined]
    if not 1 <= threads <= most:
        raise ConfigError(
            f"threads is between 1 and {most}, the CPUs that this process may use (or "
            f"NUMBA_NUM_THREADS); got {threads}"
        )
