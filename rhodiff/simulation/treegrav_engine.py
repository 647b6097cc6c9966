"""The embedded engine: pytreegrav's forces in a leapfrog, on CPUs, with the files and the log of Bonsai.

A run that was broken off at any point gives the same snapshots, bit for bit, as one that was not (on the same kind of
CPU and number of threads): see :mod:`rhodiff.simulation.leapfrog`.
"""

import time
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from io import FileIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rhodiff.errors import DataError, EnvironmentLacksError
from rhodiff.simulation.compiled import INSTALL
from rhodiff.simulation.energies import energy_line, parse_energies
from rhodiff.simulation.engine import BASE, LOG, Ending, Engine, OnTime, RunSettings, SimulationFailedError
from rhodiff.simulation.leapfrog import StepRecord, integrate
from rhodiff.simulation.snapshot import Snapshot
from rhodiff.simulation.snapshot_files import find_rank_files, read_snapshot, snapshot_name, write_snapshot
from rhodiff.simulation.tree_forces import SPLINE_PER_PLUMMER, TreeForces
from rhodiff.store.files import storage_errors

__all__ = ["TreegravEngine"]


class TreegravEngine(Engine):
    """Runs simulations in this process.

    Args:
        settings: of the run.
        threads: CPU threads of the forces.

    Raises:
        EnvironmentLacksError: if pytreegrav is not installed.
    """

    def __init__(self, settings: RunSettings, *, threads: int = 1) -> None:
        super().__init__(settings)
        self._threads = threads
        try:
            self._version = version("pytreegrav")
        except PackageNotFoundError:
            raise EnvironmentLacksError(f"the engine 'treegrav' needs the package pytreegrav: {INSTALL}") from None

    @property
    def identity(self) -> dict[str, str]:
        """Name, version of pytreegrav, and the softening's form."""
        softening = f"spline, support {SPLINE_PER_PLUMMER} eps"
        return {"engine": "treegrav", "pytreegrav": self._version, "softening": softening}

    def forces_among(self, masses: NDArray[np.floating]) -> TreeForces:
        """The forces that a run uses.

        Args:
            masses: of the particles, [n], 2.324876e9 solar masses.
        """
        one = self.settings
        return TreeForces(masses, softening=one.softening_kpc, theta=one.theta, threads=self._threads)

    def describe_command(self, initial: Path, directory: Path) -> str:
        """The settings of the call, which is no command of a shell."""
        one = self.settings
        return (
            f"treegrav from {initial} in {directory}: dt {one.time_step:g}, end {one.end:g}, snapshots every "
            f"{one.snapshot_interval:g}, eps {one.softening_kpc:g} kpc, theta {one.theta:g}, {self._threads} threads"
        )

    def _advance(self, initial: Path, directory: Path, start: float | None, on_time: OnTime | None) -> Ending:
        settings = self.settings
        snapshot = read_snapshot(initial if start is None else find_rank_files(directory, BASE, start)[0])

        def write(output: Snapshot) -> None:
            write_snapshot(directory / snapshot_name(BASE, output.time), output)

        with (directory / LOG).open("a+b", buffering=0) as log:
            try:
                integrate(
                    snapshot,
                    dt=settings.time_step,
                    end=settings.end,
                    outputs=settings.times,
                    softening=settings.softening_kpc,
                    theta=settings.theta,
                    threads=self._threads,
                    on_output=write,
                    on_step=_observer(directory / LOG, log, settings.timeout_min, on_time),
                )
            except DataError as error:
                return Ending(f"The engine stopped: {error}", "not_finite")
        return Ending("The engine went to its end")


def _observer(
    path: Path, log: FileIO, timeout_min: float | None, on_time: OnTime | None
) -> Callable[[StepRecord], None]:
    """Writes a line a step, and ends a run that takes too long."""
    log.seek(0)
    earlier = log.readall().decode(errors="replace")
    if earlier and not earlier.endswith("\n"):
        log.write(b"\n")  # an attempt before was killed in the middle of a line
    totals = parse_energies(earlier).total.tolist()[:1]
    began = time.monotonic()

    def observe(record: StepRecord) -> None:
        if not totals:
            totals.append(record.energy)
        line = energy_line(record.iteration, record.time, record.kinetic, record.potential, totals[0])
        with storage_errors(path):
            _append(log, f"{line}\n".encode())
        if timeout_min is not None and time.monotonic() - began > timeout_min * 60:
            raise SimulationFailedError(
                f"{path}: no end after {timeout_min:g} min, at time {record.time:g}: raise timeout_min; the same "
                "command goes on from the last snapshot",
                ["timed_out"],
            )
        if on_time is not None:
            on_time(record.time)

    return observe


def _append(log: FileIO, data: bytes) -> None:
    """Write all of it: a disk that is nearly full takes a part first, and refuses the rest."""
    while data:
        data = data[log.write(data) :]
