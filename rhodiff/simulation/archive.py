"""Finished simulations, one folder each, found again by whatever asks for the same.

    <archive>/<key>/record.json     what became of it: written last, it vouches for the results by their checksums
                    particles.zip   a Zarr group in one file: positions and velocities [time, particle, 3], float32,
                                    masses and ids [particle], time [time]
                    engine.log      energies of every step of the run that counts
                    failed-1.log    log of an attempt that failed
                    work-...        an attempt's folder while it runs
                    lock            held by the process that works on it

The key is a hash of everything that makes the result, so that a grid that grows asks for its old points by the same
keys. Particles are kept at the times of the images only, in the order of their ids.
"""

import os
import secrets
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import zarr
from numpy.typing import NDArray
from zarr.storage import ZipStore

from rhodiff.errors import DataError
from rhodiff.simulation.snapshot import Snapshot
from rhodiff.store.field_store import array_of
from rhodiff.store.files import checksum, read_json, storage_errors, write_atomic, write_json
from rhodiff.store.records import from_plain, to_plain

__all__ = ["SimulationFolder", "SimulationRecord"]

MOVING = ("positions", "velocities")


@dataclass(frozen=True)
class SimulationRecord:
    """What became of a simulation.

    Attributes:
        key: its name in the archive.
        status: ``done``, or ``failed``: then there are no particles.
        point: the values of the grid's axes.
        engine: what the engine says of itself: name, versions, checksum, softening.
        command: how it was run, words of the program or, for the embedded engine, its settings.
        time_step: dt of the attempt that counts, units of 9.778145 Myr.
        attempts: how many there were.
        energy_error: max |E - E_0| / |E_0|; nan where it is not known.
        drift_kpc: drift of the centre of mass; nan where it is not known.
        wall_s: seconds of the attempt that counts, without what was done before it was resumed.
        steps: steps made in that time.
        threads: CPU threads.
        num_particles: of both galaxies.
        host: where it ran.
        created: when it was finished, ISO 8601 UTC.
        files: SHA-256 of each file of results, by name; empty for a failed one.
        reason: short name of the failure; empty for none.
        message: what happened, for people; empty for none.
        log: the log of the last attempt, relative to the simulation's folder.
    """

    key: str
    status: Literal["done", "failed"]
    point: dict[str, float]
    engine: dict[str, str]
    command: str
    time_step: float
    attempts: int
    energy_error: float
    drift_kpc: float
    wall_s: float
    steps: int
    threads: int
    num_particles: int
    host: str
    created: str
    files: dict[str, str] = field(default_factory=dict)
    reason: str = ""
    message: str = ""
    log: str = "engine.log"

    def describe_failure(self, archive: Path) -> str:
        """One paragraph for people.

        Args:
            archive: folder of all simulations.
        """
        point = ", ".join(f"{name} = {value:g}" for name, value in self.point.items())
        return (
            f"simulation {self.key} ({point}) failed {self.attempts} times on {self.host}, the last time with dt "
            f"{self.time_step:g}: {self.reason}: {self.message} Log: {archive / self.key / self.log}. "
            f"Command: {self.command}"
        )


class SimulationFolder:
    """One simulation's folder in the archive.

    Args:
        archive: folder of all simulations.
        key: name of this one.
    """

    def __init__(self, archive: Path, key: str) -> None:
        self.path, self.key = archive / key, key

    @property
    def lock(self) -> Path:
        """Held by whoever works on it."""
        return self.path / "lock"

    @property
    def log(self) -> Path:
        """Energies of the run that counts."""
        return self.path / "engine.log"

    @property
    def particles(self) -> Path:
        """Particles at the times of the images."""
        return self.path / "particles.zip"

    def images(self, identity: str) -> Path:
        """Images of one kind, kept instead of particles."""
        return self.path / f"images-{identity}.npy"

    def failed_log(self, attempt: int) -> Path:
        """Log of an attempt that failed, counted from 1."""
        return self.path / f"failed-{attempt}.log"

    def read_record(self) -> SimulationRecord | None:
        """What became of it; None while nothing did, and where the record is damaged."""
        path = self.path / "record.json"
        try:
            return from_plain(SimulationRecord, read_json(path)) if path.exists() else None
        except (DataError, KeyError, TypeError):
            return None

    def write_record(self, record: SimulationRecord) -> None:
        """Say what became of it, last of all."""
        write_json(self.path / "record.json", to_plain(record))

    def checksums(self) -> dict[str, str]:
        """SHA-256 of each file of results that is there, by name."""
        found = [path for path in (self.particles, *self.path.glob("images-*.npy")) if path.exists()]
        return {path.name: checksum(path) for path in sorted(found)}

    def holds(self, path: Path) -> bool:
        """Whether a file of results is there and the record vouches for it; its content is looked at when it is read.

        Args:
            path: :attr:`particles`, or some :meth:`images`.
        """
        record = self.read_record()
        return record is not None and path.name in record.files and path.exists()

    def forget(self) -> None:
        """Remove the record, so that it is simulated again."""
        (self.path / "record.json").unlink(missing_ok=True)

    def keep_log(self, source: Path, target: Path) -> None:
        """Copy an attempt's log into the archive, whole or not at all; one that was never written is left out."""
        if source.exists():
            content = source.read_bytes()
            write_atomic(target, lambda handle: handle.write(content))

    def write_particles(self, snapshots: Iterable[Snapshot], times: Sequence[float]) -> None:
        """Store particles, whole or not at all.

        Args:
            snapshots: of the same particles, in order of time.
            times: of these, in units of 9.778145 Myr.

        Raises:
            StorageError: if the disk refuses.
        """
        temporary = self.particles.with_name(f".{self.particles.name}.{secrets.token_hex(4)}.tmp")
        with storage_errors(self.particles):
            self.path.mkdir(parents=True, exist_ok=True)
            try:
                with ZipStore(temporary, mode="w") as store:
                    _fill(zarr.create_group(store), snapshots, times)
                with temporary.open("rb") as handle:
                    os.fsync(handle.fileno())
                temporary.rename(self.particles)
            finally:
                temporary.unlink(missing_ok=True)

    def read_particles(self, times: Sequence[float]) -> Iterator[Snapshot]:
        """The snapshots of some times, one by one.

        Args:
            times: in units of 9.778145 Myr, of those that were stored.

        Raises:
            DataError: if the file is not what the record vouches for, or holds no such time.
        """
        self._verify(self.particles)
        with ZipStore(self.particles, mode="r") as store:
            root = zarr.open_group(store, mode="r")
            stored = np.asarray(array_of(root, "time")[:]).tolist()
            if absent := sorted(set(times) - set(stored)):
                raise DataError(f"{self.particles} holds the times {stored}, not {absent}: it is of another grid")
            masses, ids = (np.asarray(array_of(root, name)[:]) for name in ("masses", "ids"))
            for time in times:
                row = stored.index(time)
                positions, velocities = (np.asarray(array_of(root, name)[row]) for name in MOVING)
                yield Snapshot(time, masses, positions, velocities, ids)

    def write_images(self, identity: str, images: NDArray[np.float32]) -> None:
        """Store images, whole or not at all."""
        write_atomic(self.images(identity), lambda handle: np.save(handle, images))

    def read_images(self, identity: str) -> NDArray[np.float32]:
        """Images that were kept.

        Raises:
            DataError: if the file is not what the record vouches for.
        """
        self._verify(self.images(identity))
        return np.asarray(np.load(self.images(identity)), dtype=np.float32)

    def _verify(self, path: Path) -> None:
        """Refuse a file of results that is not what was written: damaged, it could give numbers all the same."""
        record = self.read_record()
        vouched = record.files.get(path.name) if record is not None else None
        found = checksum(path) if path.exists() else None
        if found is None or found != vouched:
            state = "is missing" if found is None else "is not what its record vouches for: it is damaged"
            raise DataError(f"{path} {state}. Remove {self.path}, and 'rhodiff-hpc run prepare' simulates it again")


def _fill(root: zarr.Group, snapshots: Iterable[Snapshot], times: Sequence[float]) -> None:
    _add(root, "time", np.asarray(times, np.float64), ["time"])
    moving = {}
    for row, snapshot in enumerate(snapshots):
        assert snapshot.time == times[row], f"snapshot {row} is of time {snapshot.time}, not {times[row]}"
        if row == 0:
            _add(root, "masses", snapshot.masses, ["particle"])
            _add(root, "ids", snapshot.ids, ["particle"])
            moving = {name: _make(root, name, len(times), snapshot.num_particles) for name in MOVING}
        for name, array in moving.items():
            array[row] = getattr(snapshot, name)


def _add(root: zarr.Group, name: str, values: NDArray[Any], axes: Sequence[str]) -> None:
    root.create_array(name, data=values, chunks=values.shape, dimension_names=axes)


def _make(root: zarr.Group, name: str, num_times: int, num_particles: int) -> zarr.Array[Any]:
    return root.create_array(
        name,
        shape=(num_times, num_particles, 3),
        chunks=(1, num_particles, 3),
        dtype="float32",
        dimension_names=["time", "particle", "axis"],
    )
