"""Square patches of the sky: where their centres lie, which directions their pixels see, which of them overlap.

Axes of a patch are ``[row, column]``: with position angle 0 the row index grows towards Galactic north and the column
index towards decreasing longitude, so that drawn with the first row at the bottom, north is up and east left, as on
the sky seen from inside. The projection is gnomonic (TAN; Calabretta & Greisen 2002, A&A 395, 1077, section 5.1.3).
"""

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

__all__ = ["lay_centres", "near_any", "nearest", "patch_directions", "patch_radius_deg", "unit_vectors"]


def lay_centres(spacing_deg: float, min_abs_latitude_deg: float) -> NDArray[np.float64]:
    """Patch centres at nearly equal distances over both Galactic caps.

    Each cap, ``min_abs_latitude_deg`` to 90 deg, is cut into round(height / spacing) >= 1 bands of equal height; in
    the middle b of each band lie round(360 deg cos b / spacing) >= 1 centres, equally spaced in longitude from half a
    step on. A centre so stands for a solid angle of about spacing^2.

    Args:
        spacing_deg: distance wanted between neighbours, degrees.
        min_abs_latitude_deg: lower edge of the caps, degrees.

    Returns:
        float64 ``[centre, 2]``: longitude in [0, 360) and latitude, degrees; by longitude, then latitude.
    """
    height = 90.0 - min_abs_latitude_deg
    num_bands = max(1, round(height / spacing_deg))
    latitudes = min_abs_latitude_deg + (np.arange(num_bands) + 0.5) * height / num_bands
    rings = []
    for latitude in latitudes:
        count = max(1, round(360.0 * float(np.cos(np.radians(latitude))) / spacing_deg))
        longitudes = (np.arange(count) + 0.5) * 360.0 / count
        rings += [np.stack([longitudes, np.full(count, sign * latitude)], axis=1) for sign in (-1, 1)]
    centres = np.concatenate(rings)
    return np.asarray(centres[np.lexsort((centres[:, 1], centres[:, 0]))])


def patch_directions(
    centre_deg: NDArray[np.float64], position_angle_deg: float, size: int, pixel_scale_arcmin: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Galactic direction of each pixel of one gnomonic patch.

    A point at (x, y) of the tangent plane, in radians to the left and up, lies in the direction c + x l + y u, with
    the unit vectors c to the centre, u = n cos p + e sin p up and l = e cos p - n sin p left, n north, e east, and p
    the position angle of "up", from north through east.

    Args:
        centre_deg: ``[2]``: longitude and latitude, degrees.
        position_angle_deg: p, degrees.
        size: pixels on a side; the centre lies between the middle pixels of an even size.
        pixel_scale_arcmin: pixel spacing in the tangent plane, arcminutes.

    Returns:
        Longitude in [0, 360) and latitude, degrees, each float64 ``[row, column]``.
    """
    lon, lat = np.radians(centre_deg)
    centre = unit_vectors(centre_deg[None])[0]
    east = np.array([-np.sin(lon), np.cos(lon), 0.0])
    north = np.array([-np.sin(lat) * np.cos(lon), -np.sin(lat) * np.sin(lon), np.cos(lat)])
    sin, cos = np.sin(np.radians(position_angle_deg)), np.cos(np.radians(position_angle_deg))
    offset = (np.arange(size) - 0.5 * (size - 1)) * np.radians(pixel_scale_arcmin / 60.0)
    up = offset[:, None, None] * (cos * north + sin * east)
    left = -offset[None, :, None] * (cos * east - sin * north)
    x, y, z = np.moveaxis(centre + up + left, -1, 0)
    return np.degrees(np.arctan2(y, x)) % 360.0, np.degrees(np.arctan2(z, np.hypot(x, y)))


def patch_radius_deg(size: int, pixel_scale_arcmin: float) -> float:
    """Angle from the centre of a gnomonic patch to its corner, arctan(size scale / sqrt(2)), degrees."""
    return float(np.degrees(np.arctan(size * np.radians(pixel_scale_arcmin / 60.0) / np.sqrt(2.0))))


def unit_vectors(directions_deg: NDArray[np.float64]) -> NDArray[np.float64]:
    """Unit vectors ``[n, 3]`` of directions ``[n, 2]`` (longitude, latitude) in degrees."""
    lon, lat = np.radians(directions_deg).T
    return np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)], axis=1)


def near_any(
    directions_deg: NDArray[np.float64], others_deg: NDArray[np.float64], separation_deg: float
) -> NDArray[np.bool_]:
    """Which directions lie closer than a separation to any of the others.

    Args:
        directions_deg: ``[n, 2]``, longitude and latitude, degrees.
        others_deg: ``[m, 2]``, may be empty.
        separation_deg: below 180.

    Returns:
        bool ``[n]``.
    """
    if len(others_deg) == 0 or len(directions_deg) == 0:
        return np.zeros(len(directions_deg), dtype=np.bool_)
    chord, _ = cKDTree(unit_vectors(others_deg)).query(unit_vectors(directions_deg))
    return np.asarray(chord < 2.0 * np.sin(0.5 * np.radians(separation_deg)))


def nearest(directions_deg: NDArray[np.float64], others_deg: NDArray[np.float64]) -> NDArray[np.int64]:
    """Index of the nearest of the other directions.

    Args:
        directions_deg: ``[n, 2]``, longitude and latitude, degrees.
        others_deg: ``[m, 2]``, not empty.

    Returns:
        int64 ``[n]``.
    """
    _, index = cKDTree(unit_vectors(others_deg)).query(unit_vectors(directions_deg))
    return np.asarray(index, dtype=np.int64)
