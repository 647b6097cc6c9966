"""What every engine of a simulation does: prepare, run from wherever an earlier attempt came to, and be judged.

A run lives in one folder: the initial conditions (time 0), a snapshot every interval in Bonsai's files, and a log
with Bonsai's lines of energies. It is judged by these alone. A run that was broken off goes on from the last snapshot
up to which all are good; later files are removed first, so that none of another attempt counts. A folder belongs to
one set of initial conditions and settings: another time step asks for another folder.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rhodiff.errors import ConfigError, DataError, RhodiffError
from rhodiff.simulation.energies import parse_energies
from rhodiff.simulation.snapshot import Snapshot
from rhodiff.simulation.snapshot_files import find_rank_files, read_snapshot, snapshot_stem, write_snapshot
from rhodiff.simulation.units import check_time_step
from rhodiff.simulation.validation import ExpectedOutput, ValidationReport, last_good_time, validate_output

__all__ = ["BASE", "ERRORS", "INITIAL", "LOG", "Ending", "Engine", "RunSettings", "SimulationFailedError"]

INITIAL, LOG, ERRORS, BASE = "initial.tipsy", "engine.log", "engine.err", "snapshot"
"""Names in a run's folder: initial conditions, log, errors, and the first part of snapshots' names."""
AT_THE_END = {"energy_error", "drift"}
"""Failures of runs that went to their end: the same settings would only repeat them."""

OnTime = Callable[[float], None]


class SimulationFailedError(RhodiffError):
    """A simulation did not leave what it was to leave (exit code 1).

    Args:
        message: what happened, for people.
        reasons: short names, the first the most telling: see :class:`~rhodiff.simulation.validation.Failure`, and
            timed_out, not_finite, device_error, killed, failed_exit.
    """

    def __init__(self, message: str, reasons: Sequence[str]) -> None:
        super().__init__(message)
        self.reasons = tuple(reasons)


@dataclass(frozen=True)
class RunSettings:
    """How a simulation is run, whatever the engine.

    Attributes:
        time_step: dt, 2^-k units of 9.778145 Myr.
        end: last time, a multiple of the interval.
        snapshot_interval: time between snapshots, a multiple of dt.
        softening_kpc: Plummer length eps.
        theta: opening angle of the tree, in (0, 1].
        max_energy_error: limit of max |E - E_0| / |E_0|.
        max_drift_kpc: limit of the drift of the centre of mass.
        timeout_min: wall time of one attempt; None for no limit.

    Raises:
        ConfigError: if they contradict each other or make no sense.
    """

    time_step: float
    end: float
    snapshot_interval: float
    softening_kpc: float
    theta: float = 0.7
    max_energy_error: float = 0.01
    max_drift_kpc: float = 0.1
    timeout_min: float | None = None

    def __post_init__(self) -> None:
        check_time_step(self.time_step)
        _check_multiple("snapshot_interval", self.snapshot_interval, "time_step", self.time_step)
        _check_multiple("end", self.end, "snapshot_interval", self.snapshot_interval)
        limits = {"softening_kpc": self.softening_kpc, "theta": self.theta, "max_energy_error": self.max_energy_error}
        limits |= {"max_drift_kpc": self.max_drift_kpc, "timeout_min": self.timeout_min or np.inf}
        if bad := {name: value for name, value in limits.items() if not value > 0}:
            raise ConfigError(f"settings of a simulation must be numbers > 0; got {bad}")
        if self.theta > 1:
            raise ConfigError(f"theta is an opening angle in (0, 1]; got {self.theta}")

    @property
    def times(self) -> tuple[float, ...]:
        """Times of the snapshots after the initial conditions."""
        return tuple(self.snapshot_interval * n for n in range(1, round(self.end / self.snapshot_interval) + 1))


@dataclass(frozen=True)
class Ending:
    """How an engine ended, told only where its output is bad.

    Attributes:
        sentence: for people.
        reason: a short name, where the engine itself says that it failed.
    """

    sentence: str
    reason: str | None = None


class Engine(ABC):
    """A program that moves particles.

    Args:
        settings: of the run.
    """

    def __init__(self, settings: RunSettings) -> None:
        self.settings = settings

    @property
    @abstractmethod
    def identity(self) -> dict[str, str]:
        """What makes results of this engine its own: name, versions, softening; part of a simulation's key."""

    @abstractmethod
    def describe_command(self, initial: Path, directory: Path) -> str:
        """How a run from these initial conditions is started, for people and for the record."""

    @abstractmethod
    def _advance(self, initial: Path, directory: Path, start: float | None, on_time: OnTime | None) -> Ending:
        """Move the particles and write the snapshots after ``start``; None: from the initial conditions."""

    def check_folder(self, directory: Path) -> None:  # noqa: B027 - most engines work anywhere
        """Refuse a folder in which the engine could not work, before anything is run there.

        Args:
            directory: of a run that is to come.

        Raises:
            ConfigError: if its path is too long.
        """

    def prepare(self, initial: Snapshot, directory: Path) -> Path:
        """Write the initial conditions, the snapshot at time 0.

        Args:
            initial: particles at time 0.
            directory: of the run; it is made.

        Returns:
            The file; one that is there and holds the same stays.

        Raises:
            ConfigError: if the time is not 0, or the folder holds other initial conditions.
        """
        path = directory / INITIAL
        if initial.time != 0:
            raise ConfigError(f"initial conditions are of time 0; got {initial.time}")
        if path.exists() and not _is_same(read_snapshot(path), initial):
            raise ConfigError(f"{path} holds other initial conditions: a folder is for one run, take another one")
        if not path.exists():
            write_snapshot(path, initial)
        return path

    def run(self, initial: Path, directory: Path, on_time: OnTime | None = None) -> ValidationReport:
        """Run to the end, from wherever the folder's snapshots lead to; a finished run is only judged again.

        Args:
            initial: file of :meth:`prepare`.
            directory: of the run.
            on_time: told now and then how far the run is; what it raises ends the run, which then can be resumed.

        Returns:
            The report of a good run.

        Raises:
            SimulationFailedError: if the output is not what it must be; its message ends with the log's last lines.
        """
        expected = self.expected(initial)
        report = validate_output(directory, expected)
        if report.is_good:
            return report
        if {failure.reason for failure in report.failures} <= AT_THE_END:
            raise _failure(directory, report, Ending("The same settings would give the same again"))
        start = self._find_start(directory, expected)
        self._discard_after(directory, start)
        ending = self._advance(initial, directory, start, on_time)
        report = validate_output(directory, expected)
        if not report.is_good:
            raise _failure(directory, report, ending)
        return report

    def validate(self, initial: Path, directory: Path) -> ValidationReport:
        """Judge what a folder holds; see :mod:`rhodiff.simulation.validation`."""
        return validate_output(directory, self.expected(initial))

    def expected(self, initial: Path) -> ExpectedOutput:
        """What a run from these initial conditions has to leave behind."""
        limits = (self.settings.max_energy_error, self.settings.max_drift_kpc)
        return ExpectedOutput(read_snapshot(initial), BASE, self.settings.times, LOG, *limits)

    def snapshots(self, directory: Path) -> list[list[Path]]:
        """Files of each snapshot, by rank, in order of time."""
        return [find_rank_files(directory, BASE, time) for time in self.settings.times]

    def _find_start(self, directory: Path, expected: ExpectedOutput) -> float | None:
        """The time to go on from; None where snapshots or the energy at the start are not there."""
        last = last_good_time(directory, expected) if _tells_start(directory / LOG, expected) else None
        return last if last is None or last < expected.times[-1] else self._before(last)

    def _before(self, last: float) -> float | None:
        """The snapshot before the last, where all are good and only the log does not reach the end."""
        earlier = [time for time in self.settings.times if time < last]
        return earlier[-1] if earlier else None

    def _discard_after(self, directory: Path, start: float | None) -> None:
        for time in self.settings.times:
            if start is None or time > start:
                for path in directory.glob(f"{snapshot_stem(BASE, time)}-*"):
                    path.unlink()
        if start is None:
            (directory / LOG).unlink(missing_ok=True)


def _check_multiple(name: str, value: float, of: str, unit: float) -> None:
    ratio = value / unit if unit > 0 else 0.0
    if not (np.isfinite(ratio) and ratio >= 1 and ratio == round(ratio)):
        raise ConfigError(f"{name} {value} is not a whole multiple of {of} {unit} (in units of 9.778145 Myr)")


def _is_same(a: Snapshot, b: Snapshot) -> bool:
    return all(np.array_equal(getattr(a, n), getattr(b, n)) for n in ("ids", "masses", "positions", "velocities"))


def _tells_start(log: Path, expected: ExpectedOutput) -> bool:
    """Whether a log holds the energy that all later ones are compared with."""
    try:
        times = parse_energies(log.read_text(errors="replace")).time
    except (OSError, DataError):
        return False
    return len(times) > 0 and bool(times[0] <= expected.times[0])


def _failure(directory: Path, report: ValidationReport, ending: Ending) -> SimulationFailedError:
    """The error of a bad run: its failures, how the engine ended, and its last words."""
    reasons = [*([ending.reason] if ending.reason else []), *dict.fromkeys(f.reason for f in report.failures)]
    messages = [failure.message for failure in report.failures]
    more = f" (and {len(messages) - 3} more)" if len(messages) > 3 else ""
    return SimulationFailedError(
        f"the simulation in {directory} failed: {'; '.join(messages[:3])}{more}. {ending.sentence}. "
        f"{_last_words(directory)}",
        reasons,
    )


def _last_words(directory: Path, lines: int = 5) -> str:
    """The last lines of what the engine printed."""
    paths = [path for path in (directory / LOG, directory / ERRORS) if path.exists()]
    tails = {path.name: path.read_text(errors="replace").splitlines()[-lines:] for path in paths}
    told = [f"{name}: {' | '.join(tail)}" for name, tail in tails.items() if tail]
    return "Last lines of " + "; ".join(told) if told else "The engine printed nothing"
