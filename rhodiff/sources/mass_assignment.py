"""Mass assignment: how much mass of point particles lies in each cell of a periodic grid.

A particle is a cloud as wide as p cells along each axis: nearest grid point (NGP, p = 0: a point), cloud in cell
(CIC, p = 1) and triangular-shaped cloud (TSC, p = 2) of Hockney & Eastwood (1988), "Computer Simulation Using
Particles", section 5-2. Cell i spans [i, i + 1) cells, with its centre at i + 1/2. In Fourier space the density is
multiplied by the window prod_i sinc(k_i cell / 2)^(p + 1), sinc x = sin x / x; it is not divided out here.
"""

from collections.abc import Iterator
from itertools import product
from typing import Literal

import numpy as np
from numpy.typing import NDArray

__all__ = ["Scheme", "assign_mass"]

Array = NDArray[np.float64]
Scheme = Literal["ngp", "cic", "tsc"]


def assign_mass(positions: Array, size: int, box_size: float, scheme: Scheme) -> Array:
    """Mass in each cell, for particles of unit mass.

    The sum over cells is the number of particles, to rounding.

    Args:
        positions: ``[axis, particle]``, unit of ``box_size``, in [0, box_size); one to three axes.
        size: cells along each axis.
        box_size: side of the periodic box.
        scheme: cloud shape.

    Returns:
        float64 ``[size] * axis``.
    """
    shares = [_axis_shares(row * (size / box_size), size, scheme) for row in positions]
    num_cells = size ** len(shares)
    mass = np.zeros(num_cells)
    for corner in product(*shares):
        cell, weight = corner[0]
        for next_cell, next_weight in corner[1:]:
            cell = cell * size + next_cell
            weight = weight * next_weight
        mass += np.bincount(cell, weights=weight, minlength=num_cells)
    return mass.reshape((size,) * len(shares))


def _axis_shares(position: Array, size: int, scheme: Scheme) -> list[tuple[NDArray[np.int64], Array]]:
    """Cell and share of each particle along one axis, for each cell the cloud reaches; position in cells."""
    return [(cell % size, share) for cell, share in _SHARES[scheme](position)]


def _ngp(position: Array) -> Iterator[tuple[NDArray[np.int64], Array]]:
    yield np.floor(position).astype(np.int64), np.ones_like(position)


def _cic(position: Array) -> Iterator[tuple[NDArray[np.int64], Array]]:
    left = np.floor(position - 0.5)
    t = position - 0.5 - left
    cell = left.astype(np.int64)
    yield cell, 1 - t
    yield cell + 1, t


def _tsc(position: Array) -> Iterator[tuple[NDArray[np.int64], Array]]:
    nearest = np.floor(position)
    t = position - 0.5 - nearest
    cell = nearest.astype(np.int64)
    yield cell - 1, 0.5 * (0.5 - t) ** 2
    yield cell, 0.75 - t**2
    yield cell + 1, 0.5 * (0.5 + t) ** 2


_SHARES = {"ngp": _ngp, "cic": _cic, "tsc": _tsc}
