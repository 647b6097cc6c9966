r"""Velocities of a sphere that is steady in a galaxy's field: Eddington's inversion.

The isotropic distribution function of a density rho in a relative potential Psi (Binney & Tremaine 2008, eq. 4.46b):

    f(E) = 1 / (sqrt(8) pi^2)  integral over Psi from 0 to E of  d^2 rho / d Psi^2  dPsi / sqrt(E - Psi)

The surface term, d rho / d Psi at Psi = 0 over sqrt(E), is nil for a density that ends softly. At a radius of
potential Psi the speed v has the density v^2 f(Psi - v^2 / 2). Unlike Gaussian velocities of the Jeans equation these
do not relax (Kazantzidis, Magorrian & Moore 2004, ApJ 601, 37). With s = sqrt(E - Psi) the integrand has no
singularity.
"""

import numpy as np
from numpy.typing import NDArray

from rhodiff.errors import ConfigError
from rhodiff.simulation.galaxy_model import GalaxyModel
from rhodiff.simulation.hernquist import HernquistSphere

__all__ = ["IsotropicDistribution"]

Array = NDArray[np.float64]
NUM_OFFSETS = 400
SPEEDS = np.linspace(0, 1, 257)
"""Nodes of the distribution of speeds, in units of the escape speed."""
PARTICLES_AT_ONCE = 4096


class IsotropicDistribution:
    """f(E) of one sphere in the field of its galaxy, as a table.

    Args:
        sphere: whose particles these are.
        galaxy: whose field they move in.

    Attributes:
        energies: E = Psi - v^2 / 2, float64 [node], increasing, in (100 km/s)^2.
        values: f(E), float64 [node], mass / (kpc 100 km/s)^3.

    Raises:
        ConfigError: if f is negative somewhere: no isotropic sphere of that profile is steady in that field.
    """

    def __init__(self, sphere: HernquistSphere, galaxy: GalaxyModel) -> None:
        r = sphere.nodes_kpc
        self._radii, self._potential = r, galaxy.potential(r)
        self.energies = self._potential[::-1]
        curvature = _second_derivative(sphere.density(r), r, galaxy.force(r))[::-1]
        self.values = _integrate(self.energies, curvature)
        if np.any(self.values[1:] <= 0) or not np.all(np.isfinite(self.values)):
            raise ConfigError(
                f"{sphere} has no steady isotropic velocities in this galaxy's field (its distribution function is "
                "negative somewhere): make its taper_kpc larger, or its scale_kpc less unlike the others'"
            )

    def sample_speeds(self, radius_kpc: Array, random: np.random.Generator) -> Array:
        """Speeds of particles at these radii.

        Args:
            radius_kpc: float64 [n].
            random: where the numbers come from.

        Returns:
            float64 [n], 100 km/s, below the escape speed.
        """
        draws = random.random(len(radius_kpc))
        starts = range(0, len(draws), PARTICLES_AT_ONCE)
        pieces = [slice(start, start + PARTICLES_AT_ONCE) for start in starts]
        return np.concatenate([np.zeros(0), *(self._speeds(radius_kpc[piece], draws[piece]) for piece in pieces)])

    def _speeds(self, radius_kpc: Array, draws: Array) -> Array:
        """Invert the cumulative distribution of v at each radius."""
        potential = np.interp(np.log(radius_kpc), np.log(self._radii), self._potential)
        density = SPEEDS**2 * self.evaluate(potential[:, None] * (1 - SPEEDS**2))
        cumulative = np.cumsum(density[:, 1:] + density[:, :-1], axis=1)
        cumulative = np.pad(cumulative / cumulative[:, -1:], ((0, 0), (1, 0)))
        node = np.clip((cumulative <= draws[:, None]).sum(axis=1) - 1, 0, len(SPEEDS) - 2)
        row = np.arange(len(draws))
        below, above = cumulative[row, node], cumulative[row, node + 1]
        share = (draws - below) / (above - below)
        return np.asarray(np.sqrt(2 * potential) * (SPEEDS[node] + share * (SPEEDS[1] - SPEEDS[0])))

    def evaluate(self, energy: Array) -> Array:
        """The value f(E) at any energies, any shape; 0 below the table."""
        log_values = np.log(self.values[1:])
        inside = energy >= self.energies[1]
        return np.where(inside, np.exp(np.interp(energy, self.energies[1:], log_values)), 0.0)


def _second_derivative(density: Array, radius: Array, force: Array) -> Array:
    """d^2 rho / d Psi^2 at the nodes, from d Psi = -g r d(ln r)."""
    log_r, log_slope = np.log(radius), np.gradient(np.log(density), np.log(radius), edge_order=2)
    first = -density * log_slope / (force * radius)
    return np.asarray(-np.gradient(first, log_r, edge_order=2) / (force * radius))


def _integrate(energies: Array, curvature: Array) -> Array:
    """Values of f by the trapezoid rule over ln s of 2 s d^2 rho / d Psi^2 (E - s^2)."""
    values = np.zeros_like(energies)
    fractions = np.geomspace(1e-7, 1, NUM_OFFSETS)
    for i in range(1, len(energies)):
        s = np.sqrt(energies[i] - energies[0]) * fractions
        there = np.interp(energies[i] - s**2, energies, curvature)
        values[i] = 2 * (there[0] * s[0] + np.trapezoid(there * s, np.log(s)))
    return np.asarray(values / (np.sqrt(8) * np.pi**2))
