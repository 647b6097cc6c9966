r"""An exponential disc with the height of an isothermal sheet.

    rho(R, z) = Sigma(R) sech^2(z / z_0) / (2 z_0),     Sigma(R) = M / (2 pi R_d^2) exp(-R / R_d)

Rotation in its own plane, as if it were thin (Freeman 1970, ApJ 160, 811), with y = R / 2 R_d and G = 1:

    v^2(R) = 4 pi Sigma(0) R_d y^2 [I_0(y) K_0(y) - I_1(y) K_1(y)]

which is some percent high for z_0 = R_d / 10. Units are those of :mod:`rhodiff.simulation.units`.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.special import ive, kve

from rhodiff.errors import ConfigError

__all__ = ["ExponentialDisc"]

Array = NDArray[np.float64]
OUTERMOST = 30.0
"""Where the table of radii ends, in R_d: 3e-12 of the mass is outside."""


@dataclass(frozen=True)
class ExponentialDisc:
    """An exponential, isothermal disc.

    Attributes:
        mass: M, in 2.324876e9 solar masses.
        length_kpc: R_d.
        height_kpc: z_0, at most R_d / 2.
        toomre_q: Q = sigma_R kappa / (3.36 Sigma), the same at all radii; below 1 the disc breaks into rings.

    Raises:
        ConfigError: if a number is not positive and finite, or the disc is thicker than R_d / 2.
    """

    mass: float
    length_kpc: float
    height_kpc: float
    toomre_q: float = 1.3

    def __post_init__(self) -> None:
        for name in ("mass", "length_kpc", "height_kpc", "toomre_q"):
            if not 0 < getattr(self, name) < np.inf:
                raise ConfigError(f"disc: {name} is {getattr(self, name)}; it must be > 0 and finite")
        if self.height_kpc > self.length_kpc / 2:
            raise ConfigError(
                f"disc: height_kpc {self.height_kpc} is over half of length_kpc {self.length_kpc}: its velocities "
                "are those of a thin disc; make it a tenth or so"
            )

    def surface_density(self, radius_kpc: Array) -> Array:
        """Sigma(R), any shape, in 2.324876e9 solar masses / kpc^2."""
        return self.mass / (2 * np.pi * self.length_kpc**2) * np.exp(-np.asarray(radius_kpc) / self.length_kpc)

    def enclosed_mass(self, radius_kpc: Array) -> Array:
        """Mass within the radius, taken as thin, any shape."""
        x = np.asarray(radius_kpc, np.float64) / self.length_kpc
        return -self.mass * (np.expm1(-x) + x * np.exp(-x))

    def circular_velocity_squared(self, radius_kpc: Array) -> Array:
        """v^2(R) of the disc alone, any shape, in (100 km/s)^2."""
        y = np.asarray(radius_kpc, np.float64) / (2 * self.length_kpc)
        bessel = ive(0, y) * kve(0, y) - ive(1, y) * kve(1, y)  # the exponential factors cancel
        return np.asarray(2 * self.mass / self.length_kpc * y**2 * bessel)

    def sample_positions(self, count: int, random: np.random.Generator) -> Array:
        """Positions of particles of one mass, the disc's axis along z.

        Args:
            count: number of particles.
            random: where the numbers come from.

        Returns:
            float64 [count, 3], kpc.
        """
        radius = np.interp(random.random(count), self._fraction, self._nodes_kpc)
        angle = random.uniform(0, 2 * np.pi, count)
        height = self.height_kpc * np.arctanh(random.uniform(-1 + np.finfo(float).eps, 1, count))
        return np.column_stack([radius * np.cos(angle), radius * np.sin(angle), height])

    @cached_property
    def _nodes_kpc(self) -> Array:
        return np.concatenate([[0.0], np.geomspace(1e-4, OUTERMOST, 4000)]) * self.length_kpc

    @cached_property
    def _fraction(self) -> Array:
        return self.enclosed_mass(self._nodes_kpc) / self.mass
