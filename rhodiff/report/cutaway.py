"""A cube of cells with one octant cut away: its outside and three planes through its centre in one picture.

Every face of a cell that can be seen is a square of its colour: those on the surface of the cube, and those that the
missing octant, towards the viewer, lays bare.
"""

from typing import Any

import numpy as np
from matplotlib.colors import Colormap, Normalize
from mpl_toolkits.mplot3d.art3d import Poly3DCollection
from mpl_toolkits.mplot3d.axes3d import Axes3D
from numpy.typing import NDArray

__all__ = ["VIEW", "draw_cutaway", "look_at_cube", "visible_faces"]

Float = NDArray[np.float64]
VIEW = {"elev": 26.0, "azim": 38.0}
"""Degrees: the octant of positive x, y and z is towards the viewer."""
CORNERS = np.array([[0, 0], [1, 0], [1, 1], [0, 1]])


def visible_faces(volume: Float) -> tuple[Float, Float]:
    """Squares that can be seen, and the value of the cell behind each.

    Args:
        volume: ``[n, n, n]``, axes (x, y, z), n even; the octant of large x, y and z is cut away.

    Returns:
        Corners ``[face, 4, 3]`` in [-1, 1], and values ``[face]``.
    """
    n = len(volume)
    found: list[tuple[Float, Float]] = []
    for axis in range(3):
        outer, inner = np.take(volume, -1, axis), np.take(volume, n // 2 - 1, axis)
        is_cut = np.zeros((n, n), np.bool_)
        is_cut[n // 2 :, n // 2 :] = True
        found += [_squares(outer, ~is_cut, axis, 1.0), _squares(inner, is_cut, axis, 0.0)]
    return np.concatenate([corners for corners, _ in found]), np.concatenate([values for _, values in found])


def _squares(plane: Float, shown: NDArray[np.bool_], axis: int, height: float) -> tuple[Float, Float]:
    """Squares of a plane across an axis."""
    cells = np.argwhere(shown)
    flat = (2 * (cells[:, None, :] + CORNERS) / len(plane)) - 1
    corners = np.insert(flat, axis, height, axis=2)
    return corners, plane[shown]


def draw_cutaway(axes: Axes3D, volume: Float, norm: Normalize, color_map: Colormap) -> None:
    """Draw a volume with its front octant cut away.

    Args:
        axes: three-dimensional axes.
        volume: ``[n, n, n]``, axes (x, y, z), n even.
        norm: scale of the colours.
        color_map: of the values.
    """
    corners, values = visible_faces(volume)
    colors = color_map(norm(values))
    # each face borrows a hair of its own colour as an edge, or the page would shine through between them
    squares: Any = Poly3DCollection(corners, facecolors=colors, edgecolors=colors, linewidths=0.15)
    axes.add_collection3d(squares)
    look_at_cube(axes)


def look_at_cube(axes: Axes3D) -> None:
    """The cube [-1, 1]^3 seen from its positive octant, with its axes named."""
    axes.set(xlim=(-1, 1), ylim=(-1, 1), zlim=(-1, 1))
    axes.set_box_aspect((1, 1, 1), zoom=1.08)
    axes.view_init(**VIEW)
    axes.set_axis_off()
    for name, place in (("x", (1.25, -1, -1)), ("y", (-1, 1.25, -1)), ("z", (-1.1, 1.1, 1.15))):
        axes.text(*place, name, fontsize=8, ha="center", va="center")
