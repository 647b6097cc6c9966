r"""An exponential disc with the height of an isothermal sheet.

    rho(R, z) = Sigma(R) sech^2(z / z_0) / (2 z_0),     Sigma(R) = M / (2 pi R_d^2) exp(-R / R_d)

Rotation in its own plane, G = 1: the mean pull between columns of height z_0, softened by eps (Plummer), is that of a
razor-thin disc at the heights h above it, a sum over rings of mass dm and radius a:

    v^2(R) = d Phi / d ln R,    Phi(R) = -integral of dm (2 / pi) K(m) / sqrt((R + a)^2 + h^2),
    m = 4 a R / [(R + a)^2 + h^2],    h = sqrt((z - z')^2 + eps^2) for the pairs of particles of a column

averaged over the pairs. For h = 0 it is Freeman's (1970, ApJ 160, 811) disc, which turns some percent faster than one
of z_0 = R_d / 10, enough to let it swell. Units are those of :mod:`rhodiff.simulation.units`.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.special import ellipkm1

from rhodiff.errors import ConfigError

__all__ = ["ExponentialDisc"]

Array = NDArray[np.float64]
COLUMN = np.linspace(-8, 8, 161)
PAIRS = np.abs(COLUMN[:, None] - COLUMN)
PAIR_WEIGHTS = 1 / (np.cosh(COLUMN[:, None]) * np.cosh(COLUMN)) ** 2
"""Distances of pairs in a column of sech^2, in z_0, and their weights: a trapezoid rule."""
NUM_HEIGHTS, MAX_RINGS = 8, 2000
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

    def circular_velocity_squared(self, nodes_kpc: Array, softening_kpc: float = 0.0) -> Array:
        """v^2(R) of the disc alone.

        Args:
            nodes_kpc: R, float64 [node], increasing, dense enough in ln R to differentiate over.
            softening_kpc: eps.

        Returns:
            float64 [node], in (100 km/s)^2.
        """
        heights = np.hypot(self.height_kpc * _pair_quantiles(), softening_kpc)
        potential = np.mean([self._potential(nodes_kpc, height) for height in heights], axis=0)
        return np.gradient(potential, np.log(nodes_kpc), edge_order=2)

    def vertical_variance(self, radius_kpc: Array, softening_kpc: float = 0.0) -> Array:
        """sigma_z^2 that the disc's own weight asks for: pi Sigma mean (z - z')^2 / sqrt((z - z')^2 + eps^2).

        The virial theorem of a plane sheet; pi Sigma z_0 without softening.

        Args:
            radius_kpc: R, any shape.
            softening_kpc: eps.
        """
        square = (PAIRS * self.height_kpc) ** 2
        with np.errstate(invalid="ignore"):  # a particle and itself, without softening
            pull = np.nan_to_num(square / np.sqrt(square + softening_kpc**2))
        return np.asarray(np.pi * self.surface_density(radius_kpc) * np.average(pull, weights=PAIR_WEIGHTS))

    def _potential(self, radius_kpc: Array, height: float) -> Array:
        """Phi(R) at a height above a razor-thin disc, by the trapezoid rule over rings a quarter of it apart.

        Rings are never closer than R_d / 133; less of a height than that, which would show them, counts as that.
        """
        edge = OUTERMOST / 2 * self.length_kpc
        rings = np.linspace(0, edge, min(int(4 * edge / height) + 2, MAX_RINGS + 1))
        height = max(height, rings[1])
        R = np.asarray(radius_kpc, np.float64)[:, None]
        far, near = (R + rings) ** 2 + height**2, (R - rings) ** 2 + height**2
        kernel = 2 / np.pi * ellipkm1(near / far) / np.sqrt(far)
        return np.asarray(-np.trapezoid(2 * np.pi * rings * self.surface_density(rings) * kernel, rings, axis=1))

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


def _pair_quantiles() -> Array:
    """Distances of pairs in a column, in z_0, that stand for equal shares of all pairs; float64 [height]."""
    order = np.argsort(PAIRS, axis=None)
    share = np.cumsum(PAIR_WEIGHTS.ravel()[order])
    middle = (np.arange(NUM_HEIGHTS) + 0.5) / NUM_HEIGHTS
    return np.asarray(np.interp(middle * share[-1], share, PAIRS.ravel()[order]))
