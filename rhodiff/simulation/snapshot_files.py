"""Snapshots in Bonsai's files: "tipsy with 64-bit ids", little-endian.

    header, 32 bytes   f8 time; i4 nbodies, ndim (3), nsph (0), ndark, nstar, version (2)
    dark, 36 each      f4 mass, pos[3], vel[3]; u8 id at offset 28
    star, 44 each      f4 mass, pos[3], vel[3], metals, tform; u8 id at offset 36

    size = 32 + 36 ndark + 44 nstar

Dark particles come first and are those with ids >= 3e18. Bonsai writes one file a rank, ``BASE_00001.2500-0``,
whose particles are in no particular order. Masses, positions, velocities, ids and the time come back bit for bit.
``metals`` and ``tform`` mean nothing to Bonsai nor to us: they are not kept, and written as 0.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from rhodiff.errors import DataError
from rhodiff.simulation.snapshot import COMPONENTS, Snapshot, merge_snapshots
from rhodiff.store.files import write_atomic

__all__ = [
    "find_rank_files",
    "read_snapshot",
    "read_snapshot_ranks",
    "snapshot_bytes",
    "snapshot_name",
    "snapshot_stem",
    "write_snapshot",
]

HEADER = np.dtype(
    [("time", "<f8")] + [(name, "<i4") for name in ("nbodies", "ndim", "nsph", "ndark", "nstar", "version")]
)
BODY = [("mass", "<f4"), ("pos", "<f4", 3), ("vel", "<f4", 3)]
DARK = np.dtype([*BODY, ("id", "<u8")])
STAR = np.dtype([*BODY, ("metals", "<f4"), ("tform", "<f4"), ("id", "<u8")])
FIRST_DARK = np.uint64(COMPONENTS["dark"])
VERSION = 2


def snapshot_stem(base: str, time: float) -> str:
    """A snapshot's name without the rank, as Bonsai's ``--restart -i`` wants it: ``BASE_00001.2500``.

    Four decimals: times closer than 1e-4 share a name.

    Args:
        base: Bonsai's ``--snapname``.
        time: in units of 9.778145 Myr.
    """
    return f"{base}_{time:010.4f}"


def snapshot_name(base: str, time: float, rank: int = 0) -> str:
    """The name of a rank's file of a snapshot: ``BASE_00001.2500-0``."""
    return f"{snapshot_stem(base, time)}-{rank}"


def snapshot_bytes(num_dark: int, num_stars: int) -> int:
    """Size of a file that holds these particles."""
    return HEADER.itemsize + DARK.itemsize * num_dark + STAR.itemsize * num_stars


def find_rank_files(directory: Path, base: str, time: float) -> list[Path]:
    """The files of one snapshot, by rank.

    Raises:
        DataError: if there is none, or ranks are missing between others.
    """
    stem = snapshot_stem(base, time)
    ranks = {
        int(rank): path
        for path in directory.glob(f"{stem}-*")
        if (rank := path.name.removeprefix(f"{stem}-")).isdigit()
    }
    if not ranks:
        raise DataError(f"{directory} holds no snapshot {stem}-0: the run did not write it")
    if missing := sorted(set(range(max(ranks) + 1)) - ranks.keys()):
        raise DataError(f"{directory} holds {stem}-{max(ranks)} but no file of ranks {missing}: the snapshot is torn")
    return [ranks[rank] for rank in sorted(ranks)]


def read_snapshot(path: str | Path) -> Snapshot:
    """Read one file, which holds a whole snapshot.

    Args:
        path: a file as Bonsai or :func:`write_snapshot` writes it.

    Returns:
        The particles, sorted by id.

    Raises:
        DataError: if it is missing, has another size or header than the format asks for, holds no particle, a value
            that is not finite, an id twice, or an id of the wrong kind.
    """
    return read_snapshot_ranks([path])


def read_snapshot_ranks(paths: Sequence[str | Path]) -> Snapshot:
    """Read a snapshot from the files of all its ranks.

    Args:
        paths: the files of one time, in any order.

    Returns:
        The particles of all files, sorted by id.

    Raises:
        DataError: as :func:`read_snapshot`, and if the files differ in time or share an id.
    """
    snapshot = merge_snapshots([_read_file(Path(path)) for path in paths])
    _check_particles(snapshot, ", ".join(map(str, paths)))
    return snapshot


def write_snapshot(path: str | Path, snapshot: Snapshot) -> None:
    """Write a snapshot into one file, whole or not at all.

    Args:
        path: target; its folder is made.
        snapshot: the particles.

    Raises:
        DataError: if a value is not finite, an id is there twice, or there is no particle.
        StorageError: if the disk is full or refuses.
    """
    _check_particles(snapshot, f"for {path}")
    write_atomic(Path(path), lambda handle: _write(handle, snapshot))


def _write(handle: BinaryIO, snapshot: Snapshot) -> None:
    is_dark = snapshot.is_dark
    num_dark, num = int(is_dark.sum()), snapshot.num_particles
    handle.write(np.array((snapshot.time, num, 3, 0, num_dark, num - num_dark, VERSION), HEADER).tobytes())
    handle.write(_records(snapshot.select(is_dark), DARK).tobytes())
    handle.write(_records(snapshot.select(~is_dark), STAR).tobytes())


def _records(snapshot: Snapshot, layout: np.dtype[Any]) -> NDArray[Any]:
    records = np.zeros(snapshot.num_particles, layout)
    records["mass"], records["pos"], records["vel"] = snapshot.masses, snapshot.positions, snapshot.velocities
    records["id"] = snapshot.ids
    return records


def _read_file(path: Path) -> Snapshot:
    content = _content(path)
    header = _read_header(path, content)
    num_dark, num_stars = int(header["ndark"]), int(header["nstar"])
    dark = np.frombuffer(content, DARK, num_dark, HEADER.itemsize)
    star = np.frombuffer(content, STAR, num_stars, HEADER.itemsize + num_dark * DARK.itemsize)
    _check_kinds(path, dark["id"], star["id"])
    masses, positions, velocities, ids = (np.concatenate([dark[n], star[n]]) for n in ("mass", "pos", "vel", "id"))
    return Snapshot(float(header["time"]), masses, positions, velocities, ids)


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"snapshot {path} cannot be read: {error.strerror}") from error


def _read_header(path: Path, content: bytes) -> np.void:
    """The header, if it and the size are right."""
    if len(content) < HEADER.itemsize:
        raise DataError(
            f"snapshot {path} has {len(content)} bytes, less than its header of {HEADER.itemsize}: it was cut off"
        )
    header: np.void = np.frombuffer(content, HEADER, 1)[0]
    values = {name: int(header[name]) for name in HEADER.names or () if name != "time"}
    right = values["ndim"] == 3 and values["nsph"] == 0 and values["version"] == VERSION
    counts = min(values["ndark"], values["nstar"]) >= 0 and values["nbodies"] == values["ndark"] + values["nstar"]
    if not (right and counts and np.isfinite(header["time"])):
        raise DataError(
            f"snapshot {path} has the header time {header['time']:g}, {values}: a Bonsai file has a finite time, "
            f"ndim 3, nsph 0, version {VERSION} and nbodies = ndark + nstar"
        )
    needed = snapshot_bytes(values["ndark"], values["nstar"])
    if len(content) != needed:
        raise DataError(
            f"snapshot {path} has {len(content)} bytes, but its header ({values['ndark']} dark, {values['nstar']} "
            f"star particles) asks for {needed}: it was {'cut off' if len(content) < needed else 'written over'}"
        )
    return header


def _check_kinds(path: Path, dark: NDArray[np.uint64], star: NDArray[np.uint64]) -> None:
    """Refuse ids that Bonsai would turn into particles of the other kind."""
    wrong = [*dark[dark < FIRST_DARK], *star[star >= FIRST_DARK]]
    if wrong:
        raise DataError(
            f"snapshot {path} has {len(wrong)} ids of the wrong kind, {wrong[0]} first: dark particles have ids >= "
            "3e18, stars lower ones"
        )


def _check_particles(snapshot: Snapshot, where: str) -> None:
    """Refuse what no simulation can go on from."""
    if snapshot.num_particles == 0:
        raise DataError(f"snapshot {where} holds no particle")
    if not np.isfinite(snapshot.time):
        raise DataError(f"snapshot {where} has the time {snapshot.time}; it must be finite")
    for name in ("masses", "positions", "velocities"):
        values = getattr(snapshot, name)
        bad = ~np.isfinite(values).reshape(snapshot.num_particles, -1).all(axis=1)
        if bad.any():
            raise DataError(
                f"snapshot {where} has {name} that are not finite for {bad.sum()} of {len(bad)} particles, id "
                f"{snapshot.ids[bad][0]} first: the simulation failed before this time"
            )
    twice = snapshot.ids[1:][snapshot.ids[1:] == snapshot.ids[:-1]]
    if len(twice):
        raise DataError(f"snapshot {where} has {len(twice)} ids more than once, {twice[0]} first; every id is unique")
