"""Kick-drift-kick leapfrog with one fixed step for all particles.

    v += a(x) dt / 2,   x += v dt,   v += a(x) dt / 2

second order, time-reversible and symplectic (Quinn et al. 1997, astro-ph/9710043), in float64. Velocities are those
of the same time as positions after every step, so at outputs too.

A snapshot holds float32. What an output rounds, the integration goes on from: positions are rounded before the forces
of an output's step, velocities after its second kick. So a run that starts again from any of its snapshots gives the
later ones bit for bit, on the same kind of CPU, number of threads and outputs; each output costs 6e-8 of rounding.

Energies are T = sum m v^2 / 2 and W = sum m phi / 2, of every step. Units are those of
:mod:`rhodiff.simulation.units`.
"""

import time as clock
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rhodiff.errors import ConfigError
from rhodiff.simulation.snapshot import Snapshot
from rhodiff.simulation.tree_forces import TreeForces
from rhodiff.simulation.units import check_time_step

__all__ = ["IntegrationLog", "StepRecord", "integrate"]

Float = NDArray[np.float64]


@dataclass(frozen=True)
class StepRecord:
    """The whole system after one step.

    Attributes:
        iteration: steps since time 0.
        time: in units of 9.778145 Myr.
        kinetic: T, in 2.324876e9 solar masses (100 km/s)^2.
        potential: W, same units.
        centre_kpc: centre of mass, three numbers.
        centre_velocity: velocity of the centre of mass, 100 km/s, three numbers.
        wall_s: seconds that the step took.
    """

    iteration: int
    time: float
    kinetic: float
    potential: float
    centre_kpc: tuple[float, float, float]
    centre_velocity: tuple[float, float, float]
    wall_s: float

    @property
    def energy(self) -> float:
        """T + W."""
        return self.kinetic + self.potential


@dataclass(frozen=True)
class IntegrationLog:
    """All steps of one call, the state it started from first.

    Attributes:
        records: in order of time.
    """

    records: tuple[StepRecord, ...]

    @property
    def energy_error(self) -> float:
        """Largest |E - E_0| / |E_0|, E_0 the energy that the call started from."""
        start = self.records[0].energy
        return max(abs((record.energy - start) / start) for record in self.records)

    @property
    def centre_drift_kpc(self) -> float:
        """Largest distance of the centre of mass from the straight line that it started on."""
        first = self.records[0]
        return max(float(np.linalg.norm(_away_from_line(first, record))) for record in self.records)

    @property
    def wall_s(self) -> float:
        """Seconds that all steps took."""
        return sum(record.wall_s for record in self.records)


def integrate(
    snapshot: Snapshot,
    *,
    dt: float,
    end: float,
    outputs: Sequence[float],
    softening: float,
    on_output: Callable[[Snapshot], None],
    theta: float = 0.7,
    threads: int = 1,
    on_step: Callable[[StepRecord], None] | None = None,
) -> IntegrationLog:
    """Move particles under their own gravity.

    Args:
        snapshot: where to start: initial conditions, or any output of an earlier call.
        dt: step, 2^-k units of time.
        end: last time, a multiple of dt.
        outputs: times of outputs, multiples of dt up to ``end``; those up to the start are left out.
        softening: Plummer length eps, kpc.
        on_output: called with each output.
        theta: opening angle of the tree.
        threads: CPU threads of the forces.
        on_step: called after each step, and with the start; what it raises ends the run.

    Returns:
        Energies, centre of mass and wall time of each step.

    Raises:
        ConfigError: if dt, a time or another setting makes no sense.
        DataError: if a position is not finite any more, or masses are not positive.
    """
    check_time_step(dt)
    first, last = _step_of(snapshot.time, dt, "the start"), _step_of(end, dt, "end")
    wanted = {_step_of(time, dt, "an output") for time in outputs}
    if last < first or max(wanted, default=first) > last:
        raise ConfigError(
            f"the start ({snapshot.time:g}) comes first, then outputs ({len(outputs)}, up to "
            f"{max(outputs, default=end):g}), and none is after the end ({end:g}); in units of time"
        )
    motion = _Motion(snapshot, TreeForces(snapshot.masses, softening=softening, theta=theta, threads=threads))
    records = [motion.record(first, dt)]
    _tell(on_step, records)
    for iteration in range(first + 1, last + 1):
        motion.step(dt, rounds=iteration in wanted)
        records.append(motion.record(iteration, dt))
        _tell(on_step, records)
        if iteration in wanted:
            on_output(motion.snapshot(iteration * dt))
    return IntegrationLog(tuple(records))


class _Motion:
    """Positions, velocities and the forces at them."""

    def __init__(self, snapshot: Snapshot, forces: TreeForces) -> None:
        self._began = clock.perf_counter()
        self._start, self._forces = snapshot, forces
        self._masses = snapshot.masses.astype(np.float64)
        self._positions = snapshot.positions.astype(np.float64)
        self._velocities = snapshot.velocities.astype(np.float64)
        self._accelerations, self._potentials = forces.fields(self._positions)

    def step(self, dt: float, *, rounds: bool) -> None:
        """One kick-drift-kick; ``rounds``: to what a snapshot holds."""
        self._began = clock.perf_counter()
        self._velocities += self._accelerations * (dt / 2)
        self._positions += self._velocities * dt
        if rounds:
            self._positions = _as_stored(self._positions).astype(np.float64)
        self._accelerations, self._potentials = self._forces.fields(self._positions)
        self._velocities += self._accelerations * (dt / 2)
        if rounds:
            self._velocities = _as_stored(self._velocities).astype(np.float64)

    def snapshot(self, time: float) -> Snapshot:
        start = self._start
        return Snapshot(time, start.masses, _as_stored(self._positions), _as_stored(self._velocities), start.ids)

    def record(self, iteration: int, dt: float) -> StepRecord:
        return StepRecord(
            iteration,
            iteration * dt,
            float(self._masses @ (self._velocities**2).sum(axis=1)) / 2,
            float(self._masses @ self._potentials) / 2,
            self._mean(self._positions),
            self._mean(self._velocities),
            clock.perf_counter() - self._began,
        )

    def _mean(self, values: Float) -> tuple[float, float, float]:
        x, y, z = (self._masses @ values / self._masses.sum()).tolist()
        return x, y, z


def _as_stored(values: Float) -> NDArray[np.float32]:
    """As a snapshot holds them; what float32 cannot hold becomes infinite, and is refused where it is used."""
    with np.errstate(over="ignore"):
        return values.astype(np.float32)


def _step_of(time: float, dt: float, what: str) -> int:
    steps = time / dt
    if not (np.isfinite(steps) and steps >= 0 and steps == round(steps)):
        raise ConfigError(f"{what} ({time}) is no multiple of the step dt = {dt}; nearest_times finds one")
    return round(steps)


def _tell(on_step: Callable[[StepRecord], None] | None, records: list[StepRecord]) -> None:
    if on_step is not None:
        on_step(records[-1])


def _away_from_line(first: StepRecord, record: StepRecord) -> Float:
    travelled = np.asarray(first.centre_velocity) * (record.time - first.time)
    return np.asarray(np.asarray(record.centre_kpc) - np.asarray(first.centre_kpc) - travelled)
