"""Gravity of many particles by a Barnes-Hut tree, G = 1.

    a_i = sum_j m_j K(r_ij) (x_j - x_i),   phi_i = sum_j m_j W(r_ij),   j != i

with K = 1 / r^3 and W = -1 / r for r >= h, and those of the cubic M4 spline of support h inside. The softening that a
user gives is the Plummer length eps of Bonsai; h = 2.8 eps has the same potential at r = 0 (-1 / eps), so that both
engines have wells of one depth, but only the spline is Newtonian outside h (Springel et al. 2001, New Astron. 6, 79).

At theta = 0.7 the error of a force is 0.2 to 0.3 % (rms) of the direct sum. The tree's forces are no action and
reaction: momentum is conserved to that error only.

Results do not depend on the number of threads beyond rounding, and the same number of threads on the same kind of CPU
gives the same bits.
"""

import numpy as np
from numpy.typing import NDArray

from rhodiff.errors import ConfigError, DataError
from rhodiff.simulation.compiled import load_tree_walk
from rhodiff.simulation.octree import build_octree

__all__ = ["SPLINE_PER_PLUMMER", "TreeForces"]

SPLINE_PER_PLUMMER = 2.8
"""Support h of the spline over the Plummer length eps."""

Float = NDArray[np.float64]


class TreeForces:
    """Forces among particles of given masses.

    Args:
        masses: [n], 2.324876e9 solar masses, positive.
        softening: Plummer length eps, kpc.
        theta: opening angle; smaller is more accurate and slower, 0 the direct sum.
        threads: CPU threads of the walk.

    Raises:
        ConfigError: if softening, theta or threads make no sense here.
        DataError: if masses are not positive.
        EnvironmentLacksError: if numba or pytreegrav cannot be loaded.
    """

    def __init__(
        self, masses: NDArray[np.floating], *, softening: float, theta: float = 0.7, threads: int = 1
    ) -> None:
        _check(masses, softening, theta)
        self._masses = np.asarray(masses, np.float64)
        self._support, self._theta = SPLINE_PER_PLUMMER * softening, max(theta, 1e-9)
        self._walk = load_tree_walk()
        self._walk.check_threads(threads)
        self._threads = threads

    def fields(self, positions: Float) -> tuple[Float, Float]:
        """Accelerations and potentials at all particles, their own left out.

        Args:
            positions: kpc, float64 [n, 3], in the order of the masses.

        Returns:
            Accelerations, (100 km/s)^2 / kpc, float64 [n, 3], and potentials, (100 km/s)^2, float64 [n].

        Raises:
            DataError: if positions are not finite.
        """
        if not np.isfinite(positions).all():
            bad = int((~np.isfinite(positions)).any(axis=1).sum())
            raise DataError(
                f"{bad} of {len(positions)} particles have no finite position any more: take a smaller dt or a "
                "larger softening"
            )
        tree = build_octree(positions, self._masses)
        fields = np.empty((len(positions), 4))
        fields[tree.order] = self._walk.walk(tree, support=self._support, theta=self._theta, threads=self._threads)
        return fields[:, :3], fields[:, 3]


def _check(masses: NDArray[np.floating], softening: float, theta: float) -> None:
    if not (np.isfinite(softening) and softening > 0):
        raise ConfigError(f"softening is a length in kpc > 0; got {softening}")
    if not 0 <= theta <= 1:
        raise ConfigError(f"theta is an opening angle between 0 (direct sum) and 1; got {theta}")
    if len(masses) == 0 or not (np.isfinite(masses).all() and np.all(masses > 0)):
        raise DataError(
            f"masses must be there, finite and > 0; got {len(masses)}, the lowest {np.min(masses, initial=np.inf)}"
        )
