"""From a point of a grid to a simulation in the archive, whatever happens on the way.

One process works on a simulation at a time; another that wants it waits, and takes what it finds then. What was done
is never done again, and what was broken off goes on from its last good snapshot. An attempt that lost energy, its
centre of mass or its numbers is followed by one at dt / 2 from the start; after any other failure one goes on with
the same dt. If that fails too the failure is recorded, with its reason, and stands until it is forgotten; but a
device or a program that does not work ends the task instead: it would mask every point that comes its way.
"""

import os
import shutil
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from rhodiff.errors import EnvironmentLacksError, RunBusyError, StoppedEarly
from rhodiff.simulation.archive import SimulationFolder, SimulationRecord
from rhodiff.simulation.engine import BASE, INITIAL, LOG, Engine, SimulationFailedError
from rhodiff.simulation.initial_conditions import MergerPoint
from rhodiff.simulation.snapshot import Snapshot
from rhodiff.simulation.snapshot_files import find_rank_files, read_snapshot, read_snapshot_ranks, snapshot_bytes
from rhodiff.simulation.units import SMALLEST_STEP, TIME_MYR
from rhodiff.simulation.validation import ValidationReport
from rhodiff.store.files import StorageError, storage_errors
from rhodiff.store.journal import utc_now
from rhodiff.store.locks import hold_lock

__all__ = ["Simulator", "Task", "Workplace"]

HALVED = {"not_finite", "energy_error", "drift"}
"""Failures that a shorter step can cure."""
NOT_THE_POINTS = {"device_error", "killed", "failed_exit"}
"""Failures of the machine or the program, which say nothing about the point."""
WAIT_S = 5.0


@dataclass(frozen=True)
class Task:
    """One simulation that is asked for.

    Attributes:
        key: its name in the archive.
        point: where in the grid.
        initial: makes the particles at time 0.
        is_kept: whether the archive's folder still holds what is wanted of it.
        keep: stores in the archive what is wanted of the snapshots at the times asked for.
    """

    key: str
    point: MergerPoint
    initial: Callable[[], Snapshot]
    is_kept: Callable[[SimulationFolder], bool]
    keep: Callable[[SimulationFolder, Iterator[Snapshot]], None]


@dataclass(frozen=True)
class Workplace:
    """Where and for whom simulations are run.

    Attributes:
        archive: folder of finished simulations.
        scratch: folder of simulations at work, $VARIABLES in it are filled in; None: beside their results.
        threads: CPU threads of an engine.
        lineage: name that this process shares with those before it that did the same work; None: it has none.
        tell: told now and then what goes on; what it raises ends the work, which then can be resumed.
    """

    archive: Path
    scratch: Path | None = None
    threads: int = 1
    lineage: str | None = None
    tell: Callable[[str], None] = lambda _: None

    def work_folder(self, key: str, time_step: float) -> Path:
        """Folder of a simulation while it runs with one dt.

        Raises:
            EnvironmentLacksError: if the scratch folder names a variable that is not set.
        """
        name = f"work-{time_step:g}"
        if self.scratch is None:
            return self.archive / key / name
        filled = os.path.expandvars(self.scratch)
        if "$" in filled:
            raise EnvironmentLacksError(
                f"data.source.scratch is {self.scratch}, and on {socket.gethostname()} that variable is not set: "
                "name a folder that every node has, such as /tmp, or take null"
            )
        return Path(filled) / f"rhodiff-{os.getuid()}" / key / name


class Simulator:
    """Runs simulations and keeps them.

    Args:
        workplace: where.
        engine: makes the engine for a time step.
        time_step: dt of the first attempt.
        times: of the snapshots that are kept, in units of 9.778145 Myr; 0, or multiples of the snapshots' interval.
    """

    def __init__(
        self, workplace: Workplace, engine: Callable[[float], Engine], time_step: float, times: Sequence[float]
    ) -> None:
        self._place, self._engine, self._time_step, self._times = workplace, engine, time_step, tuple(times)

    def simulate(self, task: Task) -> SimulationRecord:
        """The record of a simulation, which is run if there is none.

        Args:
            task: what is asked for.

        Raises:
            SimulationFailedError: if the device or the program does not work.
            StorageError: if the disk has no room.
            EnvironmentLacksError: if the engine or the scratch folder is not there.
        """
        folder = SimulationFolder(self._place.archive, task.key)
        found = _stands(folder, task)
        if found is not None:
            return found
        with _alone(folder, self._place):
            found = _stands(folder, task)  # whoever held the lock may have made it
            return found if found is not None else self._try_twice(folder, task)

    def _try_twice(self, folder: SimulationFolder, task: Task) -> SimulationRecord:
        try:
            return self._attempt(folder, task, self._time_step, 1)
        except SimulationFailedError as error:
            self._keep_failure(folder, self._time_step, 1)
            is_cured = bool(set(error.reasons) & HALVED) and self._time_step > SMALLEST_STEP
            time_step = self._time_step / 2 if is_cured else self._time_step
            self._place.tell(f"{task.key} failed ({error.reasons[0]}); once more with dt {time_step:g}")
        try:
            return self._attempt(folder, task, time_step, 2)
        except SimulationFailedError as error:
            self._keep_failure(folder, time_step, 2)
            if error.reasons[0] in NOT_THE_POINTS:
                raise
            return self._mask(folder, task, time_step, error)

    def _attempt(self, folder: SimulationFolder, task: Task, time_step: float, number: int) -> SimulationRecord:
        work, engine = self._place.work_folder(task.key, time_step), self._engine(time_step)
        with self._parked(folder, work):
            path = work / INITIAL
            if not path.exists():
                initial = task.initial()
                _check_room(work, engine, initial)
                engine.prepare(initial, work)
            watch = _Watch(f"simulation {task.key}, attempt {number}", engine, self._place.tell)
            report = engine.run(path, work, watch)
            task.keep(folder, self._snapshots(work))
            folder.keep_log(work / LOG, folder.log)
        record = replace(
            self._describe(task, engine, path, report, number),
            wall_s=watch.wall_s,
            steps=watch.steps,
            files=folder.checksums(),
        )
        folder.write_record(record)
        self._clear(folder, time_step)
        return record

    def _mask(
        self, folder: SimulationFolder, task: Task, time_step: float, error: SimulationFailedError
    ) -> SimulationRecord:
        """Record that a point failed for good."""
        work, engine = self._place.work_folder(task.key, time_step), self._engine(time_step)
        report = engine.validate(work / INITIAL, work)
        record = replace(
            self._describe(task, engine, work / INITIAL, report, 2),
            status="failed",
            reason=error.reasons[0],
            message=str(error),
            log=folder.failed_log(2).name,
        )
        folder.write_record(record)
        self._clear(folder, time_step)
        return record

    def _describe(
        self, task: Task, engine: Engine, initial: Path, report: ValidationReport, attempts: int
    ) -> SimulationRecord:
        """What is told of every simulation, whatever became of it; times and results are the caller's to add."""
        return SimulationRecord(
            key=task.key,
            status="done",
            point=asdict(task.point),
            engine=engine.identity,
            command=engine.describe_command(initial, initial.parent),
            time_step=engine.settings.time_step,
            attempts=attempts,
            energy_error=report.energy_error,
            drift_kpc=report.drift_kpc,
            wall_s=float("nan"),
            steps=0,
            threads=self._place.threads,
            num_particles=read_snapshot(initial).num_particles,
            host=socket.gethostname(),
            created=utc_now(),
        )

    def _snapshots(self, work: Path) -> Iterator[Snapshot]:
        """Those that are kept, one by one."""
        for wanted in self._times:
            yield (
                read_snapshot(work / INITIAL)
                if wanted == 0
                else read_snapshot_ranks(find_rank_files(work, BASE, wanted))
            )

    def _keep_failure(self, folder: SimulationFolder, time_step: float, number: int) -> None:
        folder.keep_log(self._place.work_folder(folder.key, time_step) / LOG, folder.failed_log(number))

    def _clear(self, folder: SimulationFolder, time_step: float) -> None:
        """Remove the folders of all attempts, up to the last one."""
        for one in {self._time_step, time_step}:
            shutil.rmtree(self._place.work_folder(folder.key, one), ignore_errors=True)
            shutil.rmtree(_parking(folder, self._place.work_folder(folder.key, one)), ignore_errors=True)

    @contextmanager
    def _parked(self, folder: SimulationFolder, work: Path) -> Iterator[None]:
        """Take up what an attempt that was stopped left in the archive, and leave there what this one has so far."""
        if self._place.scratch is None:
            yield
            return
        parking = _parking(folder, work)
        if _num_snapshots(parking) > _num_snapshots(work) or (not work.exists() and parking.exists()):
            _move(parking, work)
        try:
            yield
        except (StoppedEarly, KeyboardInterrupt):
            if work.exists():
                _move(work, parking)
            raise


def _stands(folder: SimulationFolder, task: Task) -> SimulationRecord | None:
    """A record that is there, and for a simulation that was done its results too."""
    record = folder.read_record()
    return record if record is not None and (record.status == "failed" or task.is_kept(folder)) else None


@contextmanager
def _alone(folder: SimulationFolder, place: Workplace) -> Iterator[None]:
    """Hold the lock of a simulation; wait while another process works on it."""
    with ExitStack() as held:
        while True:
            lock = hold_lock(folder.lock, f"simulation {folder.key}", lineage=place.lineage)
            try:
                held.enter_context(lock)
                break
            except RunBusyError as error:
                place.tell(f"waiting: {error}")
                time.sleep(WAIT_S)
        yield


class _Watch:
    """Passes on how far a run is, and measures it."""

    def __init__(self, title: str, engine: Engine, tell: Callable[[str], None]) -> None:
        self._title, self._engine, self._tell = title, engine, tell
        self._first: float | None = None
        self._began = self._last = time.perf_counter()

    def __call__(self, now: float) -> None:
        self._last = time.perf_counter()
        if self._first is None:
            self._first, self._began = now, self._last
        end = self._engine.settings.end
        self._tell(f"{self._title}: {now * TIME_MYR:.0f} of {end * TIME_MYR:.0f} Myr")

    @property
    def wall_s(self) -> float:
        """Seconds of the steps that were seen."""
        return self._last - self._began

    @property
    def steps(self) -> int:
        """Steps in that time."""
        settings = self._engine.settings
        return 0 if self._first is None else round((settings.end - self._first) / settings.time_step)


def _check_room(work: Path, engine: Engine, initial: Snapshot) -> None:
    """Refuse to begin where the snapshots would not fit: an engine may not tell that its disk is full."""
    num_dark = int(initial.is_dark.sum())
    wanted = snapshot_bytes(num_dark, initial.num_particles - num_dark) * (1 + len(engine.settings.times))
    with storage_errors(work):
        work.mkdir(parents=True, exist_ok=True)
        left = os.statvfs(work)
    free = left.f_bavail * left.f_frsize
    if free < wanted:
        raise StorageError(
            f"{work} on {socket.gethostname()} has room for {free / 1e6:.1f} MB, and the simulation writes "
            f"{wanted / 1e6:.1f} MB of snapshots: make room there, or let data.source.scratch name another "
            "folder, and repeat the command. Nothing is lost"
        )


def _parking(folder: SimulationFolder, work: Path) -> Path:
    """Where an attempt waits in the archive while its job is gone from the node."""
    return folder.path / f"parked-{work.name}"


def _num_snapshots(work: Path) -> int:
    """How far an attempt is: a node may hold what another left behind long ago."""
    return len(list(work.glob(f"{BASE}_*")))


def _move(source: Path, target: Path) -> None:
    """Copy a folder between file systems, whole or not at all, in place of what is there, and remove it."""
    temporary = target.with_name(f".{target.name}.tmp")
    with storage_errors(target):
        shutil.rmtree(temporary, ignore_errors=True)
        shutil.copytree(source, temporary)
        shutil.rmtree(target, ignore_errors=True)
        temporary.rename(target)
    shutil.rmtree(source, ignore_errors=True)
