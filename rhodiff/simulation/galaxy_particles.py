"""The particles of one galaxy at rest at the origin, its disc in the x-y plane and turning anticlockwise about +z.

All particles of a component have one mass. Each component draws from its own random stream, (seed, component,
galaxy): more particles of one change nothing in the others. Those of halo and bulge come in pairs at (x, v) and
(-x, -v): a halo of 2000 independent ones would have its centre of mass half a kpc away from the disc by chance, and
move. Units are those of :mod:`rhodiff.simulation.units`.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rhodiff.errors import ConfigError
from rhodiff.runtime.streams import stream
from rhodiff.simulation.disc_kinematics import disc_kinematics
from rhodiff.simulation.distribution_function import IsotropicDistribution
from rhodiff.simulation.exponential_disc import ExponentialDisc
from rhodiff.simulation.galaxy_model import GalaxyModel
from rhodiff.simulation.hernquist import HernquistSphere
from rhodiff.simulation.snapshot import Snapshot, particle_ids

__all__ = ["ParticleCounts", "equal_mass_counts", "sample_galaxy"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class ParticleCounts:
    """Particles of each component of one galaxy; 0 where the model has no such component."""

    dark: int
    disc: int
    bulge: int


def equal_mass_counts(model: GalaxyModel, total: int) -> ParticleCounts:
    """Share particles out so that those of all components have nearly one mass: heavy ones heat light ones.

    Args:
        model: the galaxy.
        total: particles of the whole galaxy.

    Returns:
        Counts whose sum is the total.

    Raises:
        ConfigError: if a component would get no particle.
    """
    masses = [0.0 if part is None else part.mass for part in (model.halo, model.disc, model.bulge)]
    ends = np.round(np.cumsum([0.0, *masses]) / sum(masses) * total).astype(int)
    counts = ParticleCounts(*np.diff(ends).tolist())
    for name, mass, count in zip(("dark", "disc", "bulge"), masses, np.diff(ends), strict=True):
        if mass > 0 and count < 1:
            raise ConfigError(
                f"{total} particles of one mass leave none for the {name}, {mass / sum(masses):.2g} of the galaxy's "
                "mass: take more, or leave the component out"
            )
    return counts


def sample_galaxy(model: GalaxyModel, counts: ParticleCounts, *, seed: int, galaxy: int = 0) -> Snapshot:
    """Particles of a galaxy that is in equilibrium.

    Args:
        model: its components.
        counts: particles of each.
        seed: of the simulation.
        galaxy: which galaxy of the simulation, 0 for the first: another one has other random numbers and ids.

    Returns:
        The particles at time 0; centre of mass and mean velocity are 0.

    Raises:
        ConfigError: if a component of the model has no particles or the other way round, or is not steady.
    """
    components = {"dark": model.halo, "disc": model.disc, "bulge": model.bulge}
    parts = []
    for name, component in components.items():
        count = getattr(counts, name)
        _check_count(name, component, count)
        if component is not None:
            random = stream(seed, f"initial conditions: {name}", galaxy)
            positions, velocities = _sample(component, model, count, random)
            masses = np.full(count, component.mass / count)
            parts.append((masses, positions, velocities, particle_ids(galaxy, name, count)))
    return _rest(*(np.concatenate(arrays) for arrays in zip(*parts, strict=True)))


def _check_count(name: str, component: object, count: int) -> None:
    if count < 0 or (count > 0) != (component is not None):
        has = "no" if component is None else "a"
        raise ConfigError(
            f"{count} particles for the component {name!r}, and the model has {has} {name}: a component needs "
            "particles (1 or more), one that is left out has 0"
        )


def _sample(
    component: HernquistSphere | ExponentialDisc, model: GalaxyModel, count: int, random: np.random.Generator
) -> tuple[Array, Array]:
    """Positions and velocities, float64 [n, 3] each."""
    if isinstance(component, ExponentialDisc):
        positions = component.sample_positions(count, random)
        return positions, disc_kinematics(component, model).sample_velocities(positions, random)
    half = (count + 1) // 2
    radius = component.sample_radii(half, random)
    speed = IsotropicDistribution(component, model).sample_speeds(radius, random)
    positions, velocities = radius[:, None] * _directions(half, random), speed[:, None] * _directions(half, random)
    return _add_opposites(positions)[:count], _add_opposites(velocities)[:count]


def _add_opposites(vectors: Array) -> Array:
    return np.concatenate([vectors, -vectors])


def _directions(count: int, random: np.random.Generator) -> Array:
    """Unit vectors, even over the sphere, float64 [n, 3]."""
    vectors = random.standard_normal((count, 3))
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))


def _rest(masses: Array, positions: Array, velocities: Array, ids: NDArray[np.uint64]) -> Snapshot:
    """Take out what motion and offset is left: the disc's, by chance, and that of a particle without opposite."""
    positions = positions - np.average(positions, axis=0, weights=masses)
    velocities = velocities - np.average(velocities, axis=0, weights=masses)
    return Snapshot(0.0, masses.astype(np.float32), positions.astype(np.float32), velocities.astype(np.float32), ids)
