"""Whether a simulation did what it was asked: judged by what it wrote, never by its exit code.

Bonsai exits 0 after a missing input, an unwritable snapshot, failing devices and exceptions. A run is good when every
snapshot asked for is there with the exact size and header, holds every particle of the initial conditions once with
its mass and with finite values, the log reaches the end, energy is kept within the limit, and the centre of mass is
where its own motion would have taken it:

    drift = max over snapshots of |X(t) - X(0) - V(0) t|
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rhodiff.errors import ConfigError, DataError
from rhodiff.simulation.energies import EnergyHistory, parse_energies
from rhodiff.simulation.history import centre_drift
from rhodiff.simulation.snapshot import Snapshot
from rhodiff.simulation.snapshot_files import find_rank_files, read_snapshot_ranks, snapshot_stem

__all__ = ["ExpectedOutput", "Failure", "ValidationReport", "last_good_time", "validate_output"]

NAME_RESOLUTION = 5.1e-5
"""Half of the last decimal of the time in a file's name."""
LOG_RESOLUTION = 1e-5
"""Times in a log have six digits."""


@dataclass(frozen=True, eq=False)
class ExpectedOutput:
    """What a run has to leave behind.

    Attributes:
        initial: the initial conditions.
        base: first part of the snapshots' names, Bonsai's ``--snapname``.
        times: of the snapshots that the run writes, increasing, all after the initial one, in units of 9.778145 Myr.
        log_name: file in the run's folder with what the engine printed.
        max_energy_error: limit of max |E - E_0| / |E_0|.
        max_drift_kpc: limit of the drift of the centre of mass.

    Raises:
        ConfigError: if there are no times, or they do not increase from the initial one.
    """

    initial: Snapshot
    base: str
    times: tuple[float, ...]
    log_name: str = "engine.log"
    max_energy_error: float = 0.01
    max_drift_kpc: float = 0.1

    def __post_init__(self) -> None:
        if not self.times or np.any(np.diff([self.initial.time, *self.times]) <= 0):
            raise ConfigError(
                f"times of snapshots {self.times}: at least one is needed, and each must be later than the one "
                f"before and than the initial conditions ({self.initial.time})"
            )


@dataclass(frozen=True)
class Failure:
    """One thing that is wrong.

    Attributes:
        reason: a short name: missing_snapshot, damaged_snapshot, wrong_time, lost_particles, changed_masses,
            no_log, damaged_log, ended_early, energy_error, or drift.
        message: what was got, what was expected, and where.
    """

    reason: str
    message: str


@dataclass(frozen=True)
class ValidationReport:
    """What a run left behind.

    Attributes:
        failures: everything that is wrong; empty for a good run.
        last_time: the last time the log tells; -inf for none.
        energy_error: max |E - E_0| / |E_0|; nan where it is not known.
        drift_kpc: largest drift of the centre of mass over the snapshots that could be read; nan for none.
    """

    failures: tuple[Failure, ...]
    last_time: float
    energy_error: float
    drift_kpc: float

    @property
    def is_good(self) -> bool:
        """Whether nothing is wrong."""
        return not self.failures

    def require(self) -> None:
        """Go on only with a good run.

        Raises:
            DataError: with every failure's message.
        """
        if self.failures:
            raise DataError("the simulation failed: " + "; ".join(failure.message for failure in self.failures))


def validate_output(directory: str | Path, expected: ExpectedOutput) -> ValidationReport:
    """Judge what a run left in its folder.

    Args:
        directory: of the run.
        expected: what it has to hold.

    Returns:
        A report; a bad run is a result, not an exception.
    """
    folder = Path(directory)
    verdicts = [_judge_snapshot(folder, expected, time) for time in expected.times]
    history, log_failures = _judge_log(folder / expected.log_name, expected)
    drift = max((drift for _, drift in verdicts if not np.isnan(drift)), default=float("nan"))
    return ValidationReport(
        failures=(*(failure for failures, _ in verdicts for failure in failures), *log_failures),
        last_time=history.last_time,
        energy_error=history.relative_error,
        drift_kpc=drift,
    )


def last_good_time(directory: str | Path, expected: ExpectedOutput) -> float | None:
    """The last time from which a broken-off run can go on: all snapshots up to there are good.

    Args:
        directory: of the run.
        expected: what it has to hold in the end.

    Returns:
        One of the expected times, or None if the run has to begin again.
    """
    last = None
    for time in expected.times:
        if _judge_snapshot(Path(directory), expected, time)[0]:
            break
        last = time
    return last


def _judge_snapshot(folder: Path, expected: ExpectedOutput, time: float) -> tuple[list[Failure], float]:
    """Failures of one snapshot and its drift, nan where it cannot be told."""
    name = folder / snapshot_stem(expected.base, time)
    try:
        paths = find_rank_files(folder, expected.base, time)
    except DataError as error:
        return [Failure("missing_snapshot", str(error))], float("nan")
    try:
        snapshot = read_snapshot_ranks(paths)
    except DataError as error:
        return [Failure("damaged_snapshot", str(error))], float("nan")
    if failure := _compare_particles(name, snapshot, expected.initial):
        return [failure], float("nan")
    failures = []
    if abs(snapshot.time - time) > NAME_RESOLUTION:
        failures.append(
            Failure("wrong_time", f"snapshot {name} says that its time is {snapshot.time:g}; expected was {time:g}")
        )
    drift = centre_drift(expected.initial, snapshot)
    if drift > expected.max_drift_kpc:
        failures.append(
            Failure(
                "drift",
                f"snapshot {name}: the centre of mass is {drift:.3g} kpc off its path; at most "
                f"{expected.max_drift_kpc:g} is allowed: forces are too coarse (lower theta) or the step is too long",
            )
        )
    return failures, drift


def _compare_particles(name: Path, snapshot: Snapshot, initial: Snapshot) -> Failure | None:
    """Whether the same particles are there, with the same masses."""
    lost = np.setdiff1d(initial.ids, snapshot.ids, assume_unique=True)
    strange = np.setdiff1d(snapshot.ids, initial.ids, assume_unique=True)
    if len(lost) or len(strange):
        return Failure(
            "lost_particles",
            f"snapshot {name} lacks {_some(lost)} of {initial.num_particles} particles and has {_some(strange)} that "
            "the initial conditions do not have",
        )
    changed = initial.ids[snapshot.masses != initial.masses]
    if len(changed):
        return Failure(
            "changed_masses", f"snapshot {name} has other masses than at the start for {_some(changed)} ids"
        )
    return None


def _some(ids: NDArray[np.uint64]) -> str:
    return f"{len(ids)} (id {ids[0]} first)" if len(ids) else "0"


def _judge_log(path: Path, expected: ExpectedOutput) -> tuple[EnergyHistory, list[Failure]]:
    """The energies told, and what is wrong with them."""
    nothing = parse_energies("")
    try:
        history = parse_energies(path.read_text(encoding="utf-8", errors="replace"))
    except OSError as error:
        return nothing, [Failure("no_log", f"the engine's log {path} cannot be read: {error.strerror}")]
    except DataError as error:
        return nothing, [Failure("damaged_log", f"{path}: {error}")]
    if not len(history.time):
        return nothing, [Failure("no_log", f"the engine's log {path} tells no energies: it made no step")]
    return history, _judge_energies(path, history, expected)


def _judge_energies(path: Path, history: EnergyHistory, expected: ExpectedOutput) -> list[Failure]:
    failures = []
    if not history.last_time >= expected.times[-1] * (1 - LOG_RESOLUTION):
        failures.append(
            Failure(
                "ended_early",
                f"{path} ends at time {history.last_time:g}; the run was to reach {expected.times[-1]:g}",
            )
        )
    if not history.relative_error <= expected.max_energy_error:
        failures.append(
            Failure(
                "energy_error",
                f"{path}: energy changed by {history.relative_error:.3g} of itself (nan: no number); at most "
                f"{expected.max_energy_error:g} is allowed: halve the time step or raise the softening",
            )
        )
    return failures
