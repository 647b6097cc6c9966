r"""Images of a simulation: projected density and velocity, on a physical scale.

Each particle is a ball of Gaussian density, whose width follows the particles around it,

    sigma_i = sqrt(3 / 40) d_i,   d_i = distance of the k-th nearest particle of its kind in space

the width of the cubic spline with support d_i (Dehnen & Aly 2012, MNRAS 425, 1068, table 1). A ball's projection is a
Gaussian of the same width from every side, and its integral over pixel [a, b] x [c, d] is a product of two of

    w(a, b) = [erf((b - x) / (sqrt 2 sigma)) - erf((a - x) / (sqrt 2 sigma))] / 2

so a pixel holds exactly the mass that falls into it, and mass in the image plus mass outside is the total. Densities
are solar masses / kpc^2 and linear: nothing is normalised by image or simulation, no logarithm is taken.

The velocity of a pixel is the mass-weighted mean of its stars along the line of sight, km/s, positive away from the
camera; 0 where the density of stars is below ``FAINTEST``.

Axes: images ``[channel, up, right]``, the first row at the bottom. The time of an image grows with the number of
particles times that of pixels on a side; widths are found once for all cameras.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from scipy.special import erf

from rhodiff.errors import ConfigError, DataError
from rhodiff.simulation.camera import Camera
from rhodiff.simulation.snapshot import Snapshot
from rhodiff.simulation.units import MASS_MSUN, VELOCITY_KM_S

__all__ = ["UNITS", "Channel", "Frame", "Image", "Renderer", "find_widths", "project_balls"]

Channel = Literal["stars", "dark", "velocity"]
UNITS: dict[Channel, str] = {"stars": "Msun/kpc^2", "dark": "Msun/kpc^2", "velocity": "km/s"}
FAINTEST = 1e-3
"""Density of stars below which no velocity is told, solar masses / kpc^2."""
WIDTH_PER_DISTANCE = float(np.sqrt(3 / 40))
AT_ONCE = 4096

Float = NDArray[np.float64]


@dataclass(frozen=True)
class Frame:
    """The square that an image shows, in the plane through a point across the line of sight.

    Attributes:
        width_kpc: side of the square.
        num_pixels: on a side.
        centre_kpc: the point in the middle; the simulation's origin is its centre of mass.

    Raises:
        ConfigError: if there is no such square.
    """

    width_kpc: float
    num_pixels: int = 128
    centre_kpc: tuple[float, float, float] = (0.0, 0.0, 0.0)

    def __post_init__(self) -> None:
        if not (0 < self.width_kpc < np.inf and self.num_pixels >= 1 and np.isfinite(self.centre_kpc).all()):
            raise ConfigError(
                f"an image has a width in kpc > 0, one or more pixels and a finite centre; got {self.width_kpc}, "
                f"{self.num_pixels} and {self.centre_kpc}"
            )

    @property
    def edges_kpc(self) -> Float:
        """Bounds of the pixels from the middle, float64 [num_pixels + 1]."""
        return self.width_kpc * (np.arange(self.num_pixels + 1) / self.num_pixels - 0.5)

    @property
    def pixel_area_kpc2(self) -> float:
        """Area of a pixel."""
        return (self.width_kpc / self.num_pixels) ** 2


@dataclass(frozen=True, eq=False)
class Image:
    """What one camera sees.

    Attributes:
        pixels: float32 [channel, up, right], in ``UNITS``.
        channels: what each one is.
        outside_msun: mass of the channel's particles that falls outside the frame; of the stars for velocity.
    """

    pixels: NDArray[np.float32]
    channels: tuple[Channel, ...]
    outside_msun: tuple[float, ...]


class Renderer:
    """Makes images of one snapshot.

    Args:
        snapshot: the particles.
        frame: what images show.
        channels: what they hold, each once.
        neighbours: k, the number of particles that a ball reaches to.

    Raises:
        ConfigError: if there is no such channel, or k is not 1 or more.
        DataError: if a channel has not more than k particles, or a value is not finite.
    """

    def __init__(
        self, snapshot: Snapshot, frame: Frame, channels: Sequence[Channel] = ("stars",), neighbours: int = 32
    ) -> None:
        allowed = get_args(Channel)
        if not channels or len(set(channels)) < len(channels) or not set(channels) <= set(allowed):
            raise ConfigError(
                f"channels of an image are one or more of {', '.join(allowed)}, each once; got {channels}"
            )
        self._frame, self._channels = frame, tuple(channels)
        self._balls = {kind: _Balls(snapshot, kind, frame, neighbours) for kind in sorted(set(map(_kind, channels)))}

    def render(self, camera: Camera) -> Image:
        """The image of one camera."""
        area, with_velocity = self._frame.pixel_area_kpc2, "velocity" in self._channels
        sums = {
            kind: balls.project(camera.axes, self._frame.edges_kpc, with_velocity=with_velocity and kind == "stars")
            for kind, balls in self._balls.items()
        }
        layers, outside = [], []
        for channel in self._channels:
            kind = _kind(channel)
            mass = sums[kind][0]
            layers.append(_mean_velocity(sums[kind][1], mass, area) if channel == "velocity" else mass / area)
            outside.append(self._balls[kind].total - float(mass.sum()))
        return Image(np.stack(layers).astype(np.float32), self._channels, tuple(outside))


def _kind(channel: Channel) -> str:
    """The particles that a channel shows."""
    return "dark" if channel == "dark" else "stars"


class _Balls:
    """Particles of one kind with their widths, in solar masses, kpc and km/s about the frame's centre."""

    def __init__(self, snapshot: Snapshot, kind: str, frame: Frame, neighbours: int) -> None:
        part = snapshot.select(snapshot.is_dark == (kind == "dark"))
        self._positions = part.positions.astype(np.float64) - frame.centre_kpc
        self._velocities = part.velocities.astype(np.float64) * VELOCITY_KM_S
        self._masses = part.masses.astype(np.float64) * MASS_MSUN
        if not all(np.isfinite(values).all() for values in (self._positions, self._velocities, self._masses)):
            raise DataError(
                f"{kind} particles of the snapshot at time {snapshot.time:g} are not finite: it cannot be seen"
            )
        self._widths = find_widths(self._positions, neighbours)
        self.total = float(self._masses.sum())

    def project(self, axes: Float, edges: Float, *, with_velocity: bool) -> Float:
        """Mass and, where asked for, momentum of each pixel, float64 [1 or 2, up, right]."""
        weights = [self._masses]
        if with_velocity:
            weights.append(-self._masses * (self._velocities @ axes[2]))
        return project_balls(self._positions @ axes[:2].T, self._widths, np.stack(weights), edges)


def find_widths(positions: Float, neighbours: int = 32) -> Float:
    """Widths sigma of the balls of some particles.

    Args:
        positions: kpc, float64 [n, 3].
        neighbours: k.

    Returns:
        kpc, float64 [n]; 0 for more than k particles at one place.

    Raises:
        ConfigError: if k is not 1 or more.
        DataError: if there are not more than k particles.
    """
    if neighbours < 1:
        raise ConfigError(f"neighbours is a number of particles >= 1; got {neighbours}")
    if len(positions) <= neighbours:
        raise DataError(
            f"{len(positions)} particles have no {neighbours} nearest neighbours: take more particles or fewer "
            "neighbours"
        )
    distances, _ = cKDTree(positions).query(positions, k=[neighbours + 1])  # the first is the particle itself
    return np.asarray(WIDTH_PER_DISTANCE * distances[:, 0])


def project_balls(places: Float, widths: Float, weights: Float, edges: Float) -> Float:
    """Sums of Gaussian balls over pixels.

    Args:
        places: of the centres, right and up, float64 [n, 2].
        widths: sigma, >= 0, float64 [n].
        weights: integral of each ball, float64 [quantity, n].
        edges: bounds of the pixels, the same on both axes, increasing, float64 [pixel + 1].

    Returns:
        float64 [quantity, up, right].
    """
    image = np.zeros((len(weights), len(edges) - 1, len(edges) - 1))
    for start in range(0, len(places), AT_ONCE):
        part = slice(start, start + AT_ONCE)
        right, up = (_shares(places[part, axis], widths[part], edges) for axis in (0, 1))
        for quantity, weight in zip(image, weights[:, part], strict=True):
            quantity += (up * weight) @ right.T
    return image


def _shares(places: Float, widths: Float, edges: Float) -> Float:
    """Share of each ball in each pixel along one axis, float64 [pixel, n]."""
    smallest = 1e-9 * (edges[-1] - edges[0])
    scale = np.sqrt(2) * np.maximum(widths, smallest)
    return np.asarray(np.diff(erf((edges[:, None] - places) / scale), axis=0) / 2)


def _mean_velocity(momentum: Float, mass: Float, area: float) -> Float:
    is_seen = mass > FAINTEST * area
    return np.divide(momentum, mass, out=np.zeros_like(mass), where=is_seen)
