r"""Two galaxies about to meet: the initial conditions of a merger.

The second galaxy is the first model scaled, so that it stays in equilibrium, with its own random numbers:

    mass x m,    length x s,    velocity x sqrt(m / s)

for mass ratio m and size ratio s; times scale as sqrt(s^3 / m). Both are set on a Kepler orbit of the x-y plane
(:mod:`rhodiff.simulation.orbit`), centre of mass at rest at the origin. Each disc is turned by an inclination i and
an argument of pericentre w (Toomre & Toomre 1972, ApJ 178, 623):

    R = R_z(phi_0 - w) R_x(i)

i is the angle between the disc's spin and the orbit's (0 prograde, 180 retrograde), w the angle in the orbit's plane
from the ascending node of the disc to where the other galaxy is at pericentre: phi_0 = 0 for the first galaxy, whose
companion passes at +x, and 180 degrees for the second. Units are those of :mod:`rhodiff.simulation.units`.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from rhodiff.errors import ConfigError
from rhodiff.simulation.galaxy_model import GalaxyModel
from rhodiff.simulation.galaxy_particles import ParticleCounts, sample_galaxy
from rhodiff.simulation.orbit import KeplerOrbit
from rhodiff.simulation.snapshot import Snapshot, merge_snapshots

__all__ = ["MergerPoint", "build_merger", "disc_rotation", "scale_galaxy"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class MergerPoint:
    """A point of the grid of simulations.

    Attributes:
        mass_ratio: m, the second galaxy's mass over the first's, > 0.
        size_ratio: s, the second galaxy's lengths over the first's, > 0.
        pericentre_kpc: of the orbit of point masses.
        separation_kpc: of the centres at the start.
        inc1_deg: inclination of the first disc.
        omega1_deg: its argument of pericentre.
        inc2_deg: inclination of the second disc.
        omega2_deg: its argument of pericentre.
        seed: of all random numbers.
        eccentricity: of the orbit; 1 for the parabola.

    Raises:
        ConfigError: if a ratio is not positive, an angle not finite, or there is no such orbit.
    """

    mass_ratio: float = 1.0
    size_ratio: float = 1.0
    pericentre_kpc: float = 5.0
    separation_kpc: float = 60.0
    inc1_deg: float = 0.0
    omega1_deg: float = 0.0
    inc2_deg: float = 0.0
    omega2_deg: float = 0.0
    seed: int = 0
    eccentricity: float = 1.0

    def __post_init__(self) -> None:
        for name in ("mass_ratio", "size_ratio"):
            if not 0 < getattr(self, name) < np.inf:
                raise ConfigError(f"merger: {name} is {getattr(self, name)}; it must be > 0 and finite")
        for name in ("inc1_deg", "omega1_deg", "inc2_deg", "omega2_deg"):
            if not np.isfinite(getattr(self, name)):
                raise ConfigError(f"merger: {name} is {getattr(self, name)}; an angle must be finite")
        _ = self.orbit

    @property
    def orbit(self) -> KeplerOrbit:
        """The orbit of the two centres."""
        return KeplerOrbit(self.pericentre_kpc, self.separation_kpc, self.eccentricity)


def build_merger(point: MergerPoint, model: GalaxyModel, counts: ParticleCounts) -> Snapshot:
    """The particles of both galaxies at time 0.

    Args:
        point: what is particular to this simulation.
        model: the first galaxy; the second is it, scaled. The softening is one length for both.
        counts: particles of each component of either galaxy.

    Returns:
        Particles of galaxies 0 and 1 (:func:`rhodiff.simulation.snapshot.galaxy_of`), the centre of mass at rest at
        the origin.

    Raises:
        ConfigError: if a component is not steady or has no particles.
    """
    unscaled = replace(model, softening_kpc=model.softening_kpc / point.size_ratio)
    first = sample_galaxy(model, counts, seed=point.seed, galaxy=0)
    second = sample_galaxy(unscaled, counts, seed=point.seed, galaxy=1)
    second = scale_galaxy(second, point.mass_ratio, point.size_ratio)
    places = point.orbit.centre_of_mass_frame(model.mass, model.mass * point.mass_ratio)
    turns = (
        disc_rotation(point.inc1_deg, point.omega1_deg),
        disc_rotation(point.inc2_deg, point.omega2_deg - 180.0),
    )
    return merge_snapshots(
        [_place(galaxy, turn, *at) for galaxy, turn, at in zip((first, second), turns, places, strict=True)]
    )


def scale_galaxy(galaxy: Snapshot, mass_ratio: float, size_ratio: float) -> Snapshot:
    """A galaxy of another mass and size in the same equilibrium.

    Args:
        galaxy: at rest at the origin.
        mass_ratio: factor of the masses.
        size_ratio: factor of the lengths.
    """
    return replace(
        galaxy,
        masses=galaxy.masses * np.float32(mass_ratio),
        positions=galaxy.positions * np.float32(size_ratio),
        velocities=galaxy.velocities * np.float32(np.sqrt(mass_ratio / size_ratio)),
    )


def disc_rotation(inclination_deg: float, argument_deg: float) -> Array:
    """R_z(-w) R_x(i), float64 [3, 3], to be applied to column vectors."""
    i, w = np.radians(inclination_deg), -np.radians(argument_deg)
    about_z = np.array([[np.cos(w), -np.sin(w), 0], [np.sin(w), np.cos(w), 0], [0, 0, 1]])
    about_x = np.array([[1, 0, 0], [0, np.cos(i), -np.sin(i)], [0, np.sin(i), np.cos(i)]])
    return np.asarray(about_z @ about_x)


def _place(galaxy: Snapshot, turn: Array, position: Array, velocity: Array) -> Snapshot:
    positions = galaxy.positions @ turn.T + position
    velocities = galaxy.velocities @ turn.T + velocity
    return replace(galaxy, positions=positions.astype(np.float32), velocities=velocities.astype(np.float32))
