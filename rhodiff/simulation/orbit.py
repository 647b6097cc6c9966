r"""The Kepler orbit on which two galaxies meet, as if each were a mass at its centre.

With pericentre q, eccentricity e and separation d, total mass M and G = 1 (Murray & Dermott 1999, section 2.3):

    d = q (1 + e) / (1 + e cos nu),    v^2 = M [2 / d - (1 - e) / q],    v_t = sqrt(M q (1 + e)) / d

on the way in: the true anomaly nu is negative. e = 1 is the parabola, of energy 0. The orbit lies in the x-y plane,
turns about +z, and at pericentre the second galaxy is at +x of the first. Galaxies overlap long before, so a real
encounter comes closer and loses energy. Units are those of :mod:`rhodiff.simulation.units`.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rhodiff.errors import ConfigError

__all__ = ["KeplerOrbit"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class KeplerOrbit:
    """An orbit and the point on it where a simulation begins.

    Attributes:
        pericentre_kpc: q, the closest distance of the point masses.
        separation_kpc: d, the distance at the start, at least q.
        eccentricity: e >= 0; 1 for the parabola.

    Raises:
        ConfigError: if a number is out of range, or an ellipse does not reach out to the separation.
    """

    pericentre_kpc: float
    separation_kpc: float
    eccentricity: float = 1.0

    def __post_init__(self) -> None:
        q, d, e = self.pericentre_kpc, self.separation_kpc, self.eccentricity
        if not (0 < q < np.inf and q <= d < np.inf and 0 <= e < np.inf):
            raise ConfigError(
                f"orbit: pericentre_kpc {q}, separation_kpc {d}, eccentricity {e}; needed are 0 < pericentre <= "
                "separation and eccentricity >= 0 (1: parabola), all finite"
            )
        if e < 1 and d > q * (1 + e) / (1 - e) * (1 + 1e-12):
            raise ConfigError(
                f"orbit: the ellipse of pericentre_kpc {q} and eccentricity {e} reaches out to "
                f"{q * (1 + e) / (1 - e):g} kpc only, not to separation_kpc {d}: raise the eccentricity or "
                "start closer"
            )

    def relative(self, total_mass: float) -> tuple[Array, Array]:
        """Where the second galaxy is and moves, seen from the first.

        Args:
            total_mass: M, in 2.324876e9 solar masses.

        Returns:
            Position in kpc and velocity in 100 km/s, float64 [3] each.
        """
        q, d, e = self.pericentre_kpc, self.separation_kpc, self.eccentricity
        tangential = np.sqrt(total_mass * q * (1 + e)) / d
        square = total_mass * (2 / d - (1 - e) / q)
        radial = -np.sqrt(max(square - tangential**2, 0.0))
        cos = 1.0 if e == 0 else np.clip((q * (1 + e) / d - 1) / e, -1, 1)
        outward = np.array([cos, -np.sqrt(1 - cos**2), 0.0])
        ahead = np.array([-outward[1], outward[0], 0.0])
        return d * outward, radial * outward + tangential * ahead

    def centre_of_mass_frame(self, first: float, second: float) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
        """Positions and velocities of both galaxies about their centre of mass.

        Args:
            first: mass of the first galaxy.
            second: mass of the second one.

        Returns:
            (position, velocity) of the first and of the second, float64 [3] each.
        """
        position, velocity = self.relative(first + second)
        left, right = -second / (first + second), first / (first + second)
        return (left * position, left * velocity), (right * position, right * velocity)
