r"""Minkowski functionals of three-dimensional excursion sets, from counts of windows of 2 x 2 x 2 cells.

Crofton's formulas with the 13 directions of the grid: axes, diagonals of faces, diagonals of the cube, at distances
1, sqrt(2), sqrt(3). With c their shares of the sphere (areas of their Voronoi cells; Ohser & Muecklich 2000,
"Statistical Analysis of Microstructures", ch. 4),

    volume               V = N(cell)
    surface              S = 4 sum_d c_d (crossings of the pairs along d) / sum_d c_d distance_d
    mean curvature       M = 2 pi sum_d 2 c_d spacing_d chi(sections by the lattice planes across d)
    Euler number         chi = N(cells) - N(edges) + N(squares) - N(cubes)

(sums over the 26 and, for M, the 13 directions; spacing_d = 1, 1 / sqrt(2), 1 / sqrt(3)). M is the integral of the
mean curvature, 2 pi times the mean breadth: 4 pi R for a ball. A section's Euler number counts cells, edges and faces
of its lattice: squares, rectangles of sides 1 and sqrt(2), triangles of side sqrt(2). S and M are exact in the mean
over orientations. A plane parallel to the axes gets 0.963 of its area.

With ``open`` boundaries all sums go over the interior windows: the volume counts a window's first cell, the surface
the pairs along the three edges and the six diagonals of faces at its first cell and the four through its middle; in M
and chi a window has its share of what it has in common with its neighbours (1/8 of a cell, 1/4 of an edge, 1/2 of a
face), so that a body that reaches the border is not closed there.

Against QuantImPy 0.4.6: volume and surface are the same. Its mean curvature wraps around in an unsigned integer as
soon as a section of a window is concave, so that only bodies like boxes have the right value, and those away from the
border have ours; its Euler number follows neither 6- nor 26-connectivity, with 1/24 or 1/4 too much in 28 of the 256
kinds of windows, ours is that of the 6-connected body.

Axes: codes ``[N, x, y, z]``, counts ``[N, threshold]``.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from rhodiff.statistics.excursion_counts import (
    LAST,
    ORIGIN,
    SHARED,
    Codes,
    Counts,
    EndCounts,
    LevelCounter,
    least,
    reached,
)

__all__ = ["functionals_3d"]

SHARES = np.array([0.045777891204760918, 0.036980627876075138, 0.035195639782316671])
"""Share of the sphere of each of the 6 axes, 12 diagonals of faces and 8 of the cube."""

DISTANCES = np.sqrt([1.0, 2.0, 3.0])
CROSSING = 4 * SHARES / float(np.sum([6, 12, 8] * SHARES * DISTANCES))
SECTION = 2 * np.pi * 2 * SHARES / DISTANCES

AXES = (1, 2, 3)
Corner = tuple[int, int, int]
CORNERS: tuple[Corner, ...] = tuple((x, y, z) for x, y, z in product((0, 1), repeat=3))
TETRAHEDRA = tuple(tuple(corner for corner in CORNERS if sum(corner) % 2 == parity) for parity in (0, 1))
"""Corners of a window whose pairs are the diagonals of its faces and whose triples are its triangles."""

DIAGONALS = tuple((corner, (1 - corner[0], 1 - corner[1], 1 - corner[2])) for corner in CORNERS[:4])
"""Diagonals of a window; their pairs are its rectangles."""


def functionals_3d(counter: LevelCounter, codes: Codes) -> NDArray[np.float64]:
    """Volume, surface / 8, integral of the mean curvature / 2 pi^2 and Euler number * 3 / 4 pi of interior windows.

    Args:
        counter: what counts.
        codes: ``[N, x, y, z]``.

    Returns:
        ``[N, threshold, 4]``.
    """
    counts = _WindowCounts.of(counter, codes)
    functionals = [
        counts.corners[0],
        _surface(counts) / 8,
        _mean_curvature(counts) / (2 * np.pi**2),
        _euler(counts) * 3 / (4 * np.pi),
    ]
    return np.stack(functionals, axis=-1)


@dataclass(frozen=True, eq=False)
class _WindowCounts:
    """Groups of cells in the set, with the share that a window has of them; ``first``: only of its first cell.

    Attributes:
        cells: cells.
        corners: cells that are a window's corner 0, 1, 2, 3 steps from its first cell, all such corners together.
        edges: pairs of neighbours.
        first_edges: the three at a window's first cell.
        squares: squares of four neighbours.
        face_diagonals: pairs along diagonals of squares.
        first_face_diagonals: those on the three squares at a window's first cell.
        triangles: triples of such diagonals.
        diagonals: pairs along diagonals of windows.
        rectangles: pairs of such diagonals.
        cubes: windows.
    """

    cells: Counts
    corners: tuple[Counts, ...]
    edges: Counts
    first_edges: Counts
    squares: Counts
    face_diagonals: Counts
    first_face_diagonals: Counts
    triangles: Counts
    diagonals: Counts
    rectangles: Counts
    cubes: Counts

    @classmethod
    def of(cls, counter: LevelCounter, codes: Codes) -> "_WindowCounts":
        cells = EndCounts(counter, codes, AXES)
        edges, squares = [], []
        for axis, other, across in ((1, 2, 3), (2, 3, 1), (3, 1, 2)):
            pairs = least(*_ends(codes, axis))
            edges.append(EndCounts(counter, pairs, [other, across]))
            squares.append(EndCounts(counter, least(*_ends(pairs, other)), [across]).weighted(SHARED))
        twice_face_diagonals, triangles = _pairs_and_triples(counter, codes)
        excess = _excess_at_first_faces(counter, codes)
        through = [(_at(codes, one), _at(codes, other)) for one, other in DIAGONALS]
        n1, n2, n3, n4 = (counter.count(one) for one in _sorted(counter, through))
        return cls(
            cells=reached(cells.weighted(SHARED, SHARED, SHARED)),
            corners=tuple(
                reached(_total(cells.weighted(*_place(c)) for c in CORNERS if sum(c) == k)) for k in range(4)
            ),
            edges=reached(_total(one.weighted(SHARED, SHARED) for one in edges)),
            first_edges=reached(_total(one.weighted(ORIGIN, ORIGIN) for one in edges)),
            squares=reached(_total(squares)),
            face_diagonals=reached(twice_face_diagonals) / 2,
            first_face_diagonals=reached(twice_face_diagonals + excess) / 2,
            triangles=reached(triangles),
            diagonals=reached(n1 + n2 + n3 + n4),
            rectangles=reached(3 * n1 + 2 * n2 + n3),
            cubes=reached(n1),
        )


def _place(corner: Corner) -> tuple[tuple[float, float], ...]:
    """Weights of the ends of the axes for the cells that are this corner of a window."""
    return tuple(LAST if step else ORIGIN for step in corner)


def _euler(counts: _WindowCounts) -> Counts:
    return counts.cells - counts.edges + counts.squares - counts.cubes


def _mean_curvature(counts: _WindowCounts) -> Counts:
    """Every cell lies in 3, 6 and 4 kinds of planes, an edge in 2 and 2 of them, a diagonal of a face in 1 and 2."""
    axis, face, cube = SECTION
    return np.asarray(
        (3 * axis + 6 * face + 4 * cube) * counts.cells
        - 2 * (axis + face) * counts.edges
        - (face + 2 * cube) * counts.face_diagonals
        + axis * counts.squares
        + face * counts.rectangles
        + cube * counts.triangles
    )


def _surface(counts: _WindowCounts) -> Counts:
    """Weighted crossings: of a pair p, q there are N(p) + N(q) - 2 N(pq).

    Of a window's pairs 3, 3, 1 (along axes, diagonals of faces, of the cube) end at its first cell, 1, 2, 1 at each
    corner a step away, 0, 1, 1 at each two steps away, and 0, 0, 1 at the last one.
    """
    axis, face, cube = CROSSING
    pairs = axis * counts.first_edges + face * counts.first_face_diagonals + cube * counts.diagonals
    ends = (3 * axis + 3 * face + cube, axis + 2 * face + cube, face + cube, cube)
    return np.asarray(sum(weight * cells for weight, cells in zip(ends, counts.corners, strict=True)) - 2 * pairs)


def _pairs_and_triples(counter: LevelCounter, codes: Codes) -> tuple[Counts, Counts]:
    """Pairs and triples of the four corners of both tetrahedra of every window.

    Of four sorted codes the first is the least of three pairs and three triples, the second of two pairs and a
    triple, the third of a pair.
    """
    pairs, triples = [], []
    for corners in TETRAHEDRA:
        n1, n2, n3 = (counter.count(one) for one in _sorted(counter, [(_at(codes, c),) * 2 for c in corners])[:3])
        pairs.append(3 * n1 + 2 * n2 + n3)
        triples.append(3 * n1 + n2)
    return _total(pairs), _total(triples)


def _sorted(counter: LevelCounter, pairs: Sequence[tuple[Codes, Codes]]) -> list[Codes]:
    """The least of each of four pairs, in rising order cell by cell; to be used before the next are sorted."""
    a, b, c, d, spare = counter.scratch(5, pairs[0][0])
    for (one, other), found in zip(pairs, (a, b, c, d), strict=True):
        np.minimum(one, other, out=found)
    a, b, spare = _ordered(a, b, spare)
    c, d, spare = _ordered(c, d, spare)
    a, c, spare = _ordered(a, c, spare)
    b, d, spare = _ordered(b, d, spare)
    b, c, _ = _ordered(b, c, spare)
    return [a, b, c, d]


def _ordered(a: Codes, b: Codes, spare: Codes) -> tuple[Codes, Codes, Codes]:
    """The lesser, the greater, and an array that is free again; all in place."""
    return np.minimum(a, b, out=spare), np.maximum(a, b, out=b), a


def _excess_at_first_faces(counter: LevelCounter, codes: Codes) -> Counts:
    """Diagonals on the first less those on the last squares along each axis."""
    found = []
    for across in AXES:
        first, last = (np.take(codes, place, axis=across) for place in (0, -1))
        found += [counter.count(one) for one in _crossed(first)]
        found += [-counter.count(one) for one in _crossed(last)]
    return _total(found)


def _crossed(plane: Codes) -> tuple[Codes, Codes]:
    """Least codes of both diagonals of all squares of a plane."""
    return least(plane[:, 1:, 1:], plane[:, :-1, :-1]), least(plane[:, 1:, :-1], plane[:, :-1, 1:])


def _total(counts: Iterable[Counts]) -> Counts:
    return np.asarray(sum(counts))


def _ends(codes: Codes, axis: int) -> tuple[Codes, Codes]:
    """Views of the first and of the second cell of every pair of neighbours along an axis."""
    first, second = [slice(None)] * codes.ndim, [slice(None)] * codes.ndim
    first[axis], second[axis] = slice(None, -1), slice(1, None)
    return codes[tuple(first)], codes[tuple(second)]


def _at(codes: Codes, corner: Corner) -> Codes:
    """The cell at one corner of every window."""
    return codes[(slice(None), *(slice(1, None) if place else slice(None, -1) for place in corner))]
