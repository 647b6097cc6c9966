"""Parameters of images of mergers: where in the grid, when, and from where they are seen."""

from collections.abc import Sequence
from dataclasses import fields

import numpy as np
from numpy.typing import NDArray

from rhodiff.simulation.camera import Camera
from rhodiff.simulation.initial_conditions import MergerPoint
from rhodiff.simulation.units import to_myr
from rhodiff.store.spec import Parameter

__all__ = ["image_parameters", "image_table"]

AXES = tuple(field.name for field in fields(MergerPoint))
UNITS = {"deg": "deg", "kpc": "kpc"}
"""Units by the last part of an axis' name; others are dimensionless."""


def image_parameters() -> tuple[Parameter, ...]:
    """All axes of the grid, the time, the camera's number, its angles, and its direction, which has no seam."""
    axes = [Parameter(name=name, unit=UNITS.get(name.rpartition("_")[2], "")) for name in AXES]
    angles = [Parameter(name=name, unit="deg") for name in ("polar_deg", "azimuth_deg", "roll_deg")]
    direction = [Parameter(name=name) for name in ("view_x", "view_y", "view_z")]
    return (*axes, Parameter(name="t_myr", unit="Myr"), Parameter(name="camera"), *angles, *direction)


def image_table(
    points: Sequence[MergerPoint], times: Sequence[float], cameras: Sequence[tuple[int, Camera]]
) -> NDArray[np.float64]:
    """Values of :func:`image_parameters` for every point, time and camera, the last fastest.

    Args:
        points: of the grid.
        times: in units of 9.778145 Myr.
        cameras: with their numbers.

    Returns:
        float64 ``[image, parameter]``.
    """
    seen_from = np.array([(n, one.polar_deg, one.azimuth_deg, one.roll_deg, *one.axes[2]) for n, one in cameras])
    seen_at = np.repeat(to_myr(times), len(seen_from))
    seen = np.column_stack([seen_at, np.tile(seen_from, (len(times), 1))])
    axes = np.array([[getattr(point, name) for name in AXES] for point in points])
    return np.column_stack([np.repeat(axes, len(seen), axis=0), np.tile(seen, (len(points), 1))])
