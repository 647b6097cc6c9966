"""The particles of a simulation at one time, and the numbers that name them.

A particle's 64-bit id says what it is, since Bonsai hands particles back in another order and tells their kinds apart
by the id alone:

    disc [0, 2e18)      bulge [2e18, 3e18)      dark [3e18, ...)
    id = first id of the component + 1e15 * galaxy + index

so that ids of ours hold galaxies 0..999 with fewer than 1e15 particles a component. Units are those of
:mod:`rhodiff.simulation.units`.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rhodiff.errors import DataError

__all__ = ["COMPONENTS", "MAX_GALAXIES", "Snapshot", "galaxy_of", "merge_snapshots", "particle_ids"]

COMPONENTS = {"disc": 0, "bulge": 2 * 10**18, "dark": 3 * 10**18}
"""First id of each component; Bonsai's own ranges."""
GALAXY_STRIDE = 10**15
MAX_GALAXIES = 1000


@dataclass(frozen=True, eq=False)
class Snapshot:
    """Particles at one time, sorted by id whatever order they were given in.

    Attributes:
        time: in units of 9.778145 Myr.
        masses: float32 [n], 2.324876e9 solar masses.
        positions: float32 [n, 3], kpc.
        velocities: float32 [n, 3], 100 km/s.
        ids: uint64 [n], see :func:`particle_ids`.

    Raises:
        DataError: if an array has not its shape, or ids are not whole numbers >= 0.
    """

    time: float
    masses: NDArray[np.float32]
    positions: NDArray[np.float32]
    velocities: NDArray[np.float32]
    ids: NDArray[np.uint64]

    def __post_init__(self) -> None:
        count = np.shape(self.ids)[0] if np.ndim(self.ids) == 1 else -1
        shapes = {"masses": (count,), "positions": (count, 3), "velocities": (count, 3), "ids": (count,)}
        for name, shape in shapes.items():
            if np.shape(getattr(self, name)) != shape:
                raise DataError(
                    f"snapshot: {name} has the shape {np.shape(getattr(self, name))}; needed are ids [n], masses "
                    "[n], positions [n, 3] and velocities [n, 3] of one n"
                )
        order = np.argsort(_whole_numbers(self.ids), kind="stable")
        object.__setattr__(self, "time", float(self.time))
        object.__setattr__(self, "ids", np.asarray(self.ids).astype(np.uint64)[order])
        for name in ("masses", "positions", "velocities"):
            object.__setattr__(self, name, np.asarray(getattr(self, name), np.float32)[order])

    @property
    def num_particles(self) -> int:
        """Particles of every kind."""
        return len(self.ids)

    @property
    def is_disc(self) -> NDArray[np.bool_]:
        """Which particles are of a disc, bool [n]."""
        return self.ids < np.uint64(COMPONENTS["bulge"])

    @property
    def is_bulge(self) -> NDArray[np.bool_]:
        """Which particles are of a bulge, bool [n]."""
        return ~self.is_disc & ~self.is_dark

    @property
    def is_dark(self) -> NDArray[np.bool_]:
        """Which particles are dark matter, bool [n]."""
        return self.ids >= np.uint64(COMPONENTS["dark"])

    @property
    def stars(self) -> "Snapshot":
        """The particles of discs and bulges."""
        return self.select(~self.is_dark)

    def select(self, chosen: NDArray[Any]) -> "Snapshot":
        """Some of the particles, at the same time.

        Args:
            chosen: bool [n], or positions in the arrays.
        """
        return Snapshot(
            self.time, self.masses[chosen], self.positions[chosen], self.velocities[chosen], self.ids[chosen]
        )


def _whole_numbers(ids: NDArray[Any]) -> NDArray[Any]:
    values = np.asarray(ids)
    if values.dtype.kind not in "iu" or (values.dtype.kind == "i" and np.any(values < 0)):
        raise DataError(
            f"snapshot: ids are {values.dtype} {values[:3]}...; they must be whole numbers >= 0 (uint64), since a "
            "float does not hold 64 bits"
        )
    return values


def merge_snapshots(parts: list[Snapshot]) -> Snapshot:
    """Particles of several parts as one snapshot, at the time of the first.

    Args:
        parts: at least one, of one time.

    Raises:
        DataError: if there is none, or their times differ.
    """
    times = sorted({part.time for part in parts})
    if len(times) != 1:
        raise DataError(f"parts of one snapshot must be of one time; got {len(parts)} parts of the times {times}")
    return Snapshot(
        times[0],
        np.concatenate([part.masses for part in parts]),
        np.concatenate([part.positions for part in parts]),
        np.concatenate([part.velocities for part in parts]),
        np.concatenate([part.ids for part in parts]),
    )


def particle_ids(galaxy: int, component: str, count: int) -> NDArray[np.uint64]:
    """Ids of one component of one galaxy.

    Args:
        galaxy: 0 for the first.
        component: "disc", "bulge" or "dark".
        count: number of particles.

    Returns:
        uint64 [count], increasing by 1.

    Raises:
        DataError: if there is no such component, or galaxy or count are out of range.
    """
    if component not in COMPONENTS:
        raise DataError(f"component {component!r} is none of {', '.join(COMPONENTS)}")
    if not (0 <= galaxy < MAX_GALAXIES and 0 <= count < GALAXY_STRIDE):
        raise DataError(
            f"galaxy {galaxy} with {count} particles has no ids: galaxies are 0..{MAX_GALAXIES - 1}, with fewer than "
            f"{GALAXY_STRIDE:.0e} particles a component"
        )
    first = COMPONENTS[component] + galaxy * GALAXY_STRIDE
    return np.arange(first, first + count, dtype=np.uint64)


def galaxy_of(ids: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Which galaxy each particle began in.

    Args:
        ids: uint64 [n], of :func:`particle_ids`.

    Returns:
        int64 [n]; 0 for the first galaxy.
    """
    starts = np.array(sorted(COMPONENTS.values()), dtype=np.uint64)
    component = np.searchsorted(starts, ids, side="right") - 1
    return ((ids - starts[component]) // np.uint64(GALAXY_STRIDE)).astype(np.int64)
