"""Barnes-Hut octree of point masses, built level by level from Morton keys.

A cell of level l is a cube of edge L / 2^l, L the edge of the cube around all particles (Barnes & Hut 1986, Nature
324, 446). Particles sorted by Morton key (21 bits a dimension) lie together cell by cell, so a cell is a range of
particles, and all cells of a level are found at once. A cell with more than ``BUCKET`` particles is split; cells that
hold the particles of their only child are left out.

The tree is walked depth-first without a stack, its elements being particles 0..n-1 (in Morton order) and cells
n, n+1, ... in pre-order, n the root: ``first`` is the element inside a cell, ``following`` the one after an element
and all in it, -1 at the end.

pytreegrav's own tree holds the same, but as a compiled class that numba cannot keep on disk: each process would spend
some 20 s of CPU on compiling it.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Octree", "build_octree"]

BITS = 21
BUCKET = 8
SPREAD = (
    (32, 0x1F00000000FFFF),
    (16, 0x1F0000FF0000FF),
    (8, 0x100F00F00F00F00F),
    (4, 0x10C30C30C30C30C3),
    (2, 0x1249249249249249),
)
"""Shifts and masks that put bit i of a 21-bit number at bit 3 i."""

Float = NDArray[np.float64]
Integer = NDArray[np.int64]


class Octree(NamedTuple):
    """Masses and cells in the order of the walk.

    Attributes:
        order: int64 [n], which particle of the input stands at each place of the Morton order.
        positions: float64 [n + cells, 3], of particles, then centres of mass of cells.
        masses: float64 [n + cells].
        edges: float64 [n + cells], of cells; 0 for particles.
        offsets: float64 [n + cells], distance of a cell's centre of mass from its geometric centre; 0 for particles.
        first: int64 [n + cells], first element inside a cell; the particle itself for particles.
        following: int64 [n + cells], the element after this one and all in it; -1 at the end.
    """

    order: Integer
    positions: Float
    masses: Float
    edges: Float
    offsets: Float
    first: Integer
    following: Integer


def build_octree(positions: Float, masses: Float) -> Octree:
    """Build the tree of some particles.

    Args:
        positions: float64 [n, 3], finite; particles may coincide.
        masses: float64 [n], positive.
    """
    corner, edge = _bounding_cube(positions)
    cells = np.minimum((positions - corner) * (2**BITS / edge), 2**BITS - 1).astype(np.uint64)
    keys = _morton_keys(cells)
    order = np.argsort(keys, kind="stable")
    starts, ends, levels = _find_cells(keys[order])
    first, following = _link(starts, ends, len(keys))
    sorted_positions, sorted_masses = positions[order], masses[order]
    cell_masses, centres = _moments(sorted_positions, sorted_masses, starts, ends)
    edges = edge * 0.5**levels
    middles = corner + (_cell_numbers(cells[order[starts]], levels) + 0.5) * edges[:, None]
    nothing = np.zeros(len(keys))
    return Octree(
        order,
        np.concatenate([sorted_positions, centres]),
        np.concatenate([sorted_masses, cell_masses]),
        np.concatenate([nothing, edges]),
        np.concatenate([nothing, np.linalg.norm(centres - middles, axis=1)]),
        first,
        following,
    )


def _bounding_cube(positions: Float) -> tuple[Float, float]:
    """Lowest corner and edge of a cube that holds all particles; the edge is 1 where all coincide."""
    lowest, highest = positions.min(axis=0), positions.max(axis=0)
    return lowest, float((highest - lowest).max()) * (1 + 1e-9) or 1.0


def _morton_keys(cells: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Interleave the bits of three 21-bit numbers, uint64 [n, 3] -> uint64 [n]."""
    for shift, mask in SPREAD:
        cells = (cells | (cells << np.uint64(shift))) & np.uint64(mask)
    return cells[:, 0] << np.uint64(2) | cells[:, 1] << np.uint64(1) | cells[:, 2]


def _find_cells(keys: NDArray[np.uint64]) -> tuple[Integer, Integer, Integer]:
    """First particle, one past the last, and level of each cell, in pre-order; keys are sorted."""
    starts, ends = np.array([0]), np.array([len(keys)])
    found = [(starts, ends, np.array([0]))]
    for level in range(1, BITS + 1):
        is_split = ends - starts > BUCKET
        if not is_split.any():
            break
        starts, ends = _children(keys, starts[is_split], ends[is_split], level)
        found.append((starts, ends, np.full(len(starts), level)))
    all_starts, all_ends, levels = (np.concatenate(parts) for parts in zip(*found, strict=True))
    order = np.lexsort((levels, all_starts))
    all_starts, all_ends, levels = all_starts[order], all_ends[order], levels[order]
    is_repeated = np.append((all_starts[1:] == all_starts[:-1]) & (all_ends[1:] == all_ends[:-1]), False)
    return all_starts[~is_repeated], all_ends[~is_repeated], levels[~is_repeated]


def _children(keys: NDArray[np.uint64], starts: Integer, ends: Integer, level: int) -> tuple[Integer, Integer]:
    """Ranges of the cells of a level inside the ranges of their parents; single particles are no cells."""
    prefixes = keys >> np.uint64(3 * (BITS - level))
    is_first = np.append(True, prefixes[1:] != prefixes[:-1])
    bounds = np.append(np.flatnonzero(is_first), len(keys))
    parent = np.searchsorted(starts, bounds[:-1], side="right") - 1
    is_cell = (parent >= 0) & (bounds[:-1] < ends[parent]) & (np.diff(bounds) > 1)
    return bounds[:-1][is_cell], bounds[1:][is_cell]


def _link(starts: Integer, ends: Integer, num: int) -> tuple[Integer, Integer]:
    """``first`` and ``following`` of particles and cells."""
    numbers = num + np.arange(len(starts))
    outermost = np.append(np.arange(num), -1)
    outermost[starts[::-1]] = numbers[::-1]  # pre-order: the outermost cell of a start comes first, and is put last
    is_nested = np.append(starts[1:] == starts[:-1], False)
    first = np.where(is_nested, numbers + 1, starts)
    return np.append(np.arange(num), first), outermost[np.append(np.arange(1, num + 1), ends)]


def _moments(positions: Float, masses: Float, starts: Integer, ends: Integer) -> tuple[Float, Float]:
    """Mass and centre of mass of each cell, each summed over its own particles alone."""
    weighted = np.concatenate([masses[:, None], masses[:, None] * positions], axis=1)
    bounds = np.column_stack([starts, ends]).ravel()
    sums = np.add.reduceat(np.append(weighted, np.zeros((1, 4)), axis=0), bounds, axis=0)[::2]
    return sums[:, 0], sums[:, 1:] / sums[:, :1]


def _cell_numbers(cells: NDArray[np.uint64], levels: Integer) -> Float:
    """Numbers of the cells of the finest level, per dimension, as numbers of cells of other levels."""
    return (cells >> (BITS - levels).astype(np.uint64)[:, None]).astype(np.float64)
