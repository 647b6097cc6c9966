r"""Velocities of a disc in the epicyclic approximation.

With the speed v_c of a circular orbit, Omega = v_c / R and kappa^2 = 4 Omega^2 + R d Omega^2 / dR (Binney & Tremaine
2008, eqs. 3.80, 3.100, 4.228, 6.71; Hernquist 1993, ApJS 86, 389), G = 1:

    sigma_R     = Q 3.36 Sigma / kappa                                 Toomre's Q, the same everywhere
    sigma_phi^2 = sigma_R^2 kappa^2 / 4 Omega^2
    mean v_phi^2 = v_c^2 + sigma_R^2 [1 - kappa^2 / 4 Omega^2 + d ln(Sigma sigma_R^2) / d ln R]
    sigma_z^2   = pi Sigma z_0 + mean over the column of z dPhi/dz of halo and bulge

The last is the vertical virial theorem of a sheet: the first term alone is that of an isothermal sheet by itself,
without softening; it and v_c are softened as :mod:`rhodiff.simulation.exponential_disc` says.
Velocities are Gaussian about the mean. Units are those of :mod:`rhodiff.simulation.units`.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rhodiff.errors import ConfigError
from rhodiff.simulation.exponential_disc import ExponentialDisc
from rhodiff.simulation.galaxy_model import GalaxyModel

__all__ = ["DiscKinematics", "disc_kinematics"]

Array = NDArray[np.float64]
TOOMRE = 3.36
NUM_NODES = 500
HEIGHTS = np.linspace(0, 10, 81)[:, None]
WEIGHTS = np.where(HEIGHTS > 0, 2, 1) / np.cosh(HEIGHTS) ** 2
"""Trapezoid rule over a column of sech^2, in z_0, for the mean pull of the spheres; both halves are the same."""


@dataclass(frozen=True, eq=False)
class DiscKinematics:
    """A disc's velocities by radius; all float64 [node], 100 km/s, kappa 100 km/s / kpc.

    Attributes:
        radius_kpc: R, increasing.
        circular: v_c.
        kappa: epicyclic frequency.
        mean: mean azimuthal velocity.
        sigma_radial: dispersion along R.
        sigma_azimuthal: dispersion along phi.
        sigma_vertical: dispersion along z.
    """

    radius_kpc: Array
    circular: Array
    kappa: Array
    mean: Array
    sigma_radial: Array
    sigma_azimuthal: Array
    sigma_vertical: Array

    def sample_velocities(self, positions_kpc: Array, random: np.random.Generator) -> Array:
        """Velocities of particles of the disc, turning anticlockwise seen from +z.

        Args:
            positions_kpc: float64 [n, 3].
            random: where the numbers come from.

        Returns:
            float64 [n, 3], 100 km/s.
        """
        radius = np.hypot(positions_kpc[:, 0], positions_kpc[:, 1])
        mean, *sigmas = (
            np.interp(radius, self.radius_kpc, values)
            for values in (self.mean, self.sigma_radial, self.sigma_azimuthal, self.sigma_vertical)
        )
        outward, along, up = random.standard_normal((3, len(radius))) * np.array(sigmas)
        angle = np.arctan2(positions_kpc[:, 1], positions_kpc[:, 0])
        cos, sin, along = np.cos(angle), np.sin(angle), along + mean
        return np.column_stack([outward * cos - along * sin, outward * sin + along * cos, up])


def disc_kinematics(disc: ExponentialDisc, galaxy: GalaxyModel) -> DiscKinematics:
    """The steady velocities of a disc.

    Args:
        disc: whose particles these are.
        galaxy: whose field they move in; the disc is one of its components.

    Raises:
        ConfigError: if the disc is too hot to rotate: mean v_phi^2 is negative at some radius beyond R_d / 2.
    """
    R = np.geomspace(1e-3, 30, NUM_NODES) * disc.length_kpc
    omega2 = galaxy.spheres_force(R) / R + disc.circular_velocity_squared(R, galaxy.softening_kpc) / R**2
    kappa2 = 4 * omega2 + np.gradient(omega2, np.log(R), edge_order=2)
    sigma_R = disc.toomre_q * TOOMRE * disc.surface_density(R) / np.sqrt(kappa2)
    ratio = kappa2 / (4 * omega2)
    slope = -R / disc.length_kpc + 2 * np.gradient(np.log(sigma_R), np.log(R), edge_order=2)
    mean2 = omega2 * R**2 + sigma_R**2 * (1 - ratio + slope)
    _check_rotation(disc, R, mean2)
    return DiscKinematics(
        radius_kpc=R,
        circular=np.sqrt(omega2) * R,
        kappa=np.sqrt(kappa2),
        mean=np.sqrt(np.maximum(mean2, 0)),
        sigma_radial=sigma_R,
        sigma_azimuthal=sigma_R * np.sqrt(ratio),
        sigma_vertical=np.sqrt(_vertical_variance(disc, galaxy, R)),
    )


def _vertical_variance(disc: ExponentialDisc, galaxy: GalaxyModel, R: Array) -> Array:
    z = disc.height_kpc * HEIGHTS
    r = np.hypot(R, z)
    own = disc.vertical_variance(R, galaxy.softening_kpc)
    return np.asarray(own + np.average(z**2 / r * galaxy.spheres_force(r), axis=0, weights=WEIGHTS[:, 0]))


def _check_rotation(disc: ExponentialDisc, R: Array, mean2: Array) -> None:
    """Refuse a disc that is no disc; within R_d / 2 random motion may rule, and the mean is 0 there."""
    lost = R[(mean2 < 0) & (disc.length_kpc / 2 < R)]
    if len(lost):
        raise ConfigError(
            f"disc: with toomre_q {disc.toomre_q} and {disc.mass:g} of mass nothing rotates at R = {lost[0]:.2g} to "
            f"{lost[-1]:.2g} kpc: lower toomre_q (1 to 2 is usual) or give more of the mass to halo and bulge"
        )
