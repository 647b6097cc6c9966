"""Directions from which a simulation is seen.

A camera stands far away in the direction d = (sin t cos p, sin t sin p, cos t), polar angle t and azimuth p, and
looks at the origin: a parallel projection. Its image has the axes

    right = (-sin p, cos p, 0),   up = (-cos t cos p, -cos t sin p, sin t),   right x up = d

turned counter-clockwise by the roll angle. The polar angle 0 with azimuth -90 sees the x-y plane as on paper.

The fixed cameras 0-13 stand on a Fibonacci lattice (Gonzalez 2010, Math. Geosci. 42, 49), each in an equal area of
the sphere:

    cos t_i = 1 - (2 i + 1) / 14,   p_i = 360 deg * i (3 - sqrt 5) / 2

No two are closer than 48 degrees (56 is the most that 14 points can have), and none is within 12 degrees of opposite
another: from there it would only see the other's density in a mirror.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rhodiff.errors import ConfigError

__all__ = ["NUM_CAMERAS", "Camera", "fixed_camera"]

NUM_CAMERAS = 14

Float = NDArray[np.float64]


@dataclass(frozen=True)
class Camera:
    """A direction of view.

    Attributes:
        polar_deg: angle of the camera's direction from +z, 0 to 180.
        azimuth_deg: its angle in the x-y plane from +x towards +y.
        roll_deg: by which the image's axes are turned, counter-clockwise in the image.

    Raises:
        ConfigError: if an angle is not finite, or the polar angle out of range.
    """

    polar_deg: float
    azimuth_deg: float
    roll_deg: float = 0.0

    def __post_init__(self) -> None:
        angles = (self.polar_deg, self.azimuth_deg, self.roll_deg)
        if not (np.isfinite(angles).all() and 0 <= self.polar_deg <= 180):
            raise ConfigError(f"a camera has finite angles and a polar angle of 0 to 180 degrees; got {angles}")

    @property
    def axes(self) -> Float:
        """Unit vectors right, up and towards the camera, float64 [3, 3], one a row."""
        polar, azimuth, roll = np.radians([self.polar_deg, self.azimuth_deg, self.roll_deg])
        towards = [np.sin(polar) * np.cos(azimuth), np.sin(polar) * np.sin(azimuth), np.cos(polar)]
        right = np.array([-np.sin(azimuth), np.cos(azimuth), 0.0])
        up = np.cross(towards, right)
        turned = np.cos(roll) * right + np.sin(roll) * up, np.cos(roll) * up - np.sin(roll) * right
        return np.array([*turned, towards])


def fixed_camera(number: int) -> Camera:
    """One of the cameras that every grid has.

    Args:
        number: 0 to 13.

    Raises:
        ConfigError: if there is no such camera.
    """
    if number not in range(NUM_CAMERAS):
        raise ConfigError(f"cameras are 0 to {NUM_CAMERAS - 1}; got {number}")
    polar = np.degrees(np.arccos(1 - (2 * number + 1) / NUM_CAMERAS))
    return Camera(float(polar), float(np.degrees(number * np.pi * (3 - np.sqrt(5))) % 360))
