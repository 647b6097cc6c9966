r"""A Hernquist sphere with a soft edge: halo or bulge.

    rho(r) = A exp(-(r / r_t)^2) / [(r / a) (1 + r / a)^3],      A so that the whole mass is M

(Hernquist 1990, ApJ 356, 359, which is r_t -> infinity: M(<r) = M r^2 / (r + a)^2, A = M / 2 pi a^3). The published
profile holds a sixth of its mass beyond 10 a, where particles cost time and disturb the centre of mass; a sharp edge
has no steady distribution function. Units are those of :mod:`rhodiff.simulation.units`.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.integrate import cumulative_simpson

from rhodiff.errors import ConfigError

__all__ = ["HernquistSphere"]

Array = NDArray[np.float64]
NUM_NODES = 2001
INNERMOST = 1e-4
OUTERMOST = 4.5
"""Innermost node in a and outermost in r_t: 1e-8 of the mass is inside, less than 2e-9 outside."""


@dataclass(frozen=True)
class HernquistSphere:
    """A tapered Hernquist sphere.

    Attributes:
        mass: M, all of it, in 2.324876e9 solar masses.
        scale_kpc: a.
        taper_kpc: r_t, at least 2 a.

    Raises:
        ConfigError: if a number is not positive and finite, or the taper is below 2 a.
    """

    mass: float
    scale_kpc: float
    taper_kpc: float

    def __post_init__(self) -> None:
        for name in ("mass", "scale_kpc", "taper_kpc"):
            if not 0 < getattr(self, name) < np.inf:
                raise ConfigError(f"sphere: {name} is {getattr(self, name)}; it must be > 0 and finite")
        if self.taper_kpc < 2 * self.scale_kpc:
            raise ConfigError(
                f"sphere: taper_kpc {self.taper_kpc} is under twice scale_kpc {self.scale_kpc}: that is no Hernquist "
                "sphere any more; make it 10 scales or so"
            )

    @cached_property
    def nodes_kpc(self) -> Array:
        """Radii of the tables, even in ln r, float64 [node]."""
        return np.geomspace(INNERMOST * self.scale_kpc, OUTERMOST * self.taper_kpc, NUM_NODES)

    def density(self, radius_kpc: Array) -> Array:
        """rho(r), any shape, in 2.324876e9 solar masses / kpc^3."""
        return self._amplitude * self._shape(radius_kpc)

    def enclosed_mass(self, radius_kpc: Array) -> Array:
        """M(<r), any shape."""
        r, nodes = np.asarray(radius_kpc, np.float64), self.nodes_kpc
        inside = np.minimum(r / nodes[0], 1.0) ** 2
        with np.errstate(divide="ignore"):  # the centre: ln 0, where `inside` is 0
            log_mass = np.interp(np.log(r), np.log(nodes), np.log(self._amplitude * self._integral))
        return np.asarray(np.exp(log_mass) * inside)

    def sample_radii(self, count: int, random: np.random.Generator) -> Array:
        """Radii of particles of one mass.

        Args:
            count: number of particles.
            random: where the numbers come from.

        Returns:
            float64 [count], kpc.
        """
        fraction = self._integral / self._integral[-1]
        return np.exp(np.interp(np.log(1 - random.random(count)), np.log(fraction), np.log(self.nodes_kpc)))

    def _shape(self, radius_kpc: Array) -> Array:
        x = np.asarray(radius_kpc, np.float64) / self.scale_kpc
        return np.exp(-((x * self.scale_kpc / self.taper_kpc) ** 2)) / (x * (1 + x) ** 3)

    @cached_property
    def _integral(self) -> Array:
        """M(<r) / A at the nodes: the integral of 4 pi r^3 shape over ln r, from the cusp 2 pi a r^2 on."""
        r = self.nodes_kpc
        cusp = 2 * np.pi * self.scale_kpc * r[0] ** 2
        return np.asarray(cusp + cumulative_simpson(4 * np.pi * r**3 * self._shape(r), x=np.log(r), initial=0))

    @cached_property
    def _amplitude(self) -> float:
        return float(self.mass / self._integral[-1])
