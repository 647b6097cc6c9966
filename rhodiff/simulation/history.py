"""What becomes of the two galaxies over time: how far apart they are, and whether their centre of mass stays put.

    separation = |median position of the stars of galaxy 1 - that of galaxy 0|
    drift      = |X(t) - X(0) - V(0) t|,   X and V position and velocity of the centre of mass

The median, component by component, stays with the dense centre of a galaxy where tidal tails and single stars that
were thrown out pull the mean away. Galaxies are told apart by the ids that particles began with, also after they
merged. Units are those of :mod:`rhodiff.simulation.units`.
"""

import numpy as np

from rhodiff.errors import DataError
from rhodiff.simulation.snapshot import Snapshot, galaxy_of

__all__ = ["centre_drift", "separation_kpc"]


def separation_kpc(snapshot: Snapshot) -> float:
    """Distance between the median positions of the two galaxies' stars, kpc.

    Args:
        snapshot: of two galaxies.

    Raises:
        DataError: if its stars are not those of galaxies 0 and 1, or a position is not finite.
    """
    stars = snapshot.stars
    galaxy = galaxy_of(stars.ids)
    found = np.unique(galaxy).tolist()
    if found != [0, 1]:
        raise DataError(
            f"the snapshot at time {snapshot.time:g} has stars of the galaxies {found}; a separation is one of "
            "galaxies 0 and 1"
        )
    if not np.isfinite(stars.positions).all():
        raise DataError(f"stars of the snapshot at time {snapshot.time:g} have positions that are not finite")
    centres = [np.median(stars.positions[galaxy == number].astype(np.float64), axis=0) for number in (0, 1)]
    return float(np.linalg.norm(centres[1] - centres[0]))


def centre_drift(initial: Snapshot, snapshot: Snapshot) -> float:
    """Distance of the centre of mass from where its own motion would have taken it, kpc.

    Args:
        initial: the initial conditions.
        snapshot: the same particles later.

    Raises:
        DataError: if it holds other particles.
    """
    if not np.array_equal(initial.ids, snapshot.ids):
        raise DataError(
            f"the snapshot at time {snapshot.time:g} does not hold the {initial.num_particles} particles of the "
            f"initial conditions (it has {snapshot.num_particles}): a drift is one of the same particles"
        )
    masses = initial.masses.astype(np.float64)
    start, motion, now = (
        np.average(values.astype(np.float64), axis=0, weights=masses)
        for values in (initial.positions, initial.velocities, snapshot.positions)
    )
    return float(np.linalg.norm(now - start - motion * (snapshot.time - initial.time)))
