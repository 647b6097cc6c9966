r"""A galaxy of halo, bulge and disc, and the field in which each of them must be in equilibrium.

The field is taken as spherical, with the disc's mass spread over spheres (Hernquist 1993, ApJS 86, 389):

    g(r) = M(<r) r / (r^2 + eps^2)^(3/2),     Psi(r) = integral of g from r to infinity

The factor of the Plummer softening eps is that of a mass at the centre, and an approximation elsewhere: it keeps a
bulge from puffing up where the engine's forces are softer than Newton's. Units are those of
:mod:`rhodiff.simulation.units`, G = 1.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.integrate import cumulative_simpson

from rhodiff.errors import ConfigError
from rhodiff.simulation.exponential_disc import ExponentialDisc
from rhodiff.simulation.hernquist import HernquistSphere
from rhodiff.simulation.units import MASS_MSUN

__all__ = ["GalaxyModel"]

Array = NDArray[np.float64]


def _default_halo() -> HernquistSphere:
    return HernquistSphere(mass=2e11 / MASS_MSUN, scale_kpc=15.0, taper_kpc=60.0)


def _default_bulge() -> HernquistSphere:
    return HernquistSphere(mass=1e10 / MASS_MSUN, scale_kpc=0.6, taper_kpc=10.0)


def _default_disc() -> ExponentialDisc:
    return ExponentialDisc(mass=4e10 / MASS_MSUN, length_kpc=3.0, height_kpc=0.3)


@dataclass(frozen=True)
class GalaxyModel:
    """The components of a galaxy; as it is, one like the Milky Way within 60 kpc.

    Attributes:
        halo: dark matter, 2e11 solar masses: particles much heavier than those of the disc would heat it.
        bulge: 1e10 solar masses; None for none.
        disc: 4e10 solar masses; None for none.
        softening_kpc: Plummer-equivalent softening of the engine, >= 0.

    Raises:
        ConfigError: if the softening is negative or not finite.
    """

    halo: HernquistSphere = field(default_factory=_default_halo)
    bulge: HernquistSphere | None = field(default_factory=_default_bulge)
    disc: ExponentialDisc | None = field(default_factory=_default_disc)
    softening_kpc: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.softening_kpc < np.inf:
            raise ConfigError(f"galaxy: softening_kpc is {self.softening_kpc}; it must be >= 0 and finite")

    @property
    def spheres(self) -> list[HernquistSphere]:
        """Halo and, where there is one, bulge."""
        return [sphere for sphere in (self.halo, self.bulge) if sphere is not None]

    @property
    def mass(self) -> float:
        """All of it, in 2.324876e9 solar masses."""
        return sum(part.mass for part in (*self.spheres, self.disc) if part is not None)

    def spheres_force(self, radius_kpc: Array) -> Array:
        """Pull of halo and bulge towards the centre, any shape."""
        return self._soften(np.sum([s.enclosed_mass(radius_kpc) for s in self.spheres], axis=0), radius_kpc)

    def force(self, radius_kpc: Array) -> Array:
        """g(r) of the whole galaxy as a sphere, any shape, in (100 km/s)^2 / kpc."""
        disc = 0.0 if self.disc is None else self._soften(self.disc.enclosed_mass(radius_kpc), radius_kpc)
        return self.spheres_force(radius_kpc) + disc

    def potential(self, nodes_kpc: Array) -> Array:
        """Psi(r) at increasing radii, dense enough to integrate over.

        Args:
            nodes_kpc: float64 [node], increasing; nearly all mass within the last one, or it counts as a mass at
                the centre from there on.

        Returns:
            float64 [node], positive, (100 km/s)^2.
        """
        r = np.asarray(nodes_kpc, np.float64)
        outer = np.geomspace(r[-1], 1e3 * max(r[-1], self.halo.taper_kpc), 2001)
        beyond = cumulative_simpson(self.force(outer) * outer, x=np.log(outer), initial=0)[-1]
        inward = cumulative_simpson(self.force(r) * r, x=np.log(r), initial=0)
        return np.asarray(inward[-1] - inward + beyond + self.mass / outer[-1])

    def _soften(self, mass: Array, radius_kpc: Array) -> Array:
        r = np.asarray(radius_kpc, np.float64)
        return mass * r / (r**2 + self.softening_kpc**2) ** 1.5
