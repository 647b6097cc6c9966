"""Bonsai's files, byte by byte: written with ``struct`` here, and read and written by the package."""

import struct
from dataclasses import replace

import numpy as np
import pytest

from rhodiff.errors import DataError
from rhodiff.simulation import Snapshot, particle_ids, read_snapshot, read_snapshot_ranks, write_snapshot
from rhodiff.simulation.snapshot_files import find_rank_files, snapshot_bytes, snapshot_name, snapshot_stem

DARK, STAR = 3 * 10**18 + 11, 10**15 + 4


def header(time=1.25, nbodies=2, ndim=3, nsph=0, ndark=1, nstar=1, version=2):
    return struct.pack("<d6i", time, nbodies, ndim, nsph, ndark, nstar, version)


def dark(*numbers, identity=DARK):
    return struct.pack("<7fQ", *numbers, identity)


def star(*numbers, identity=STAR, metals=0.0, tform=0.0):
    return struct.pack("<9fQ", *numbers, metals, tform, identity)


GOOD = header() + dark(1.5, 1, 2, 3, 4, 5, 6) + star(0.1, -1, -2, -3, -4, -5, 1e-20)


def any_floats(random, shape):
    """Finite float32 of every exponent, from random bits: subnormal, tiny, huge and negative ones."""
    bits = random.integers(0, 2**32, shape, dtype=np.uint32)
    values = bits.view(np.float32)
    return np.where(np.isfinite(values), values, np.float32(-0.0))


def random_snapshot(counts=(13, 7, 5), seed=0, time=0.0625):
    random = np.random.default_rng(seed)
    names = zip(("disc", "bulge", "dark"), counts, strict=True)
    ids = np.concatenate([particle_ids(seed % 3, name, count) for name, count in names])
    n = len(ids)
    order = random.permutation(n)
    return Snapshot(time, any_floats(random, n), any_floats(random, (n, 3)), any_floats(random, (n, 3)), ids[order])


def assert_same(one, two):
    assert one.time == two.time
    for name in ("masses", "positions", "velocities", "ids"):
        left, right = getattr(one, name), getattr(two, name)
        assert (left.dtype, left.shape, left.tobytes()) == (right.dtype, right.shape, right.tobytes())


def test_a_file_of_known_bytes_is_read(tmp_path):
    path = tmp_path / "snap"
    path.write_bytes(GOOD)
    snapshot = read_snapshot(path)
    assert snapshot.time == 1.25
    assert snapshot.ids.tolist() == [STAR, DARK]
    assert snapshot.masses.tolist() == [np.float32(0.1), 1.5]
    assert snapshot.positions.tolist() == [[-1, -2, -3], [1, 2, 3]]
    assert snapshot.velocities.tolist() == [[-4, -5, np.float32(1e-20)], [4, 5, 6]]


def test_a_file_is_written_with_exactly_these_bytes(tmp_path):
    (tmp_path / "given").write_bytes(GOOD)
    write_snapshot(tmp_path / "folder" / "copy", read_snapshot(tmp_path / "given"))
    assert (tmp_path / "folder" / "copy").read_bytes() == GOOD
    assert len(GOOD) == snapshot_bytes(num_dark=1, num_stars=1) == 32 + 36 + 44


@pytest.mark.parametrize("counts", [(13, 7, 5), (1, 0, 0), (0, 0, 4), (0, 3, 0)])
@pytest.mark.parametrize("seed", range(4))
def test_a_snapshot_comes_back_bit_for_bit(tmp_path, counts, seed):
    snapshot = random_snapshot(counts, seed)
    write_snapshot(tmp_path / "snap", snapshot)
    assert_same(read_snapshot(tmp_path / "snap"), snapshot)


def test_the_order_in_a_file_does_not_matter(tmp_path):
    rows = [star(i, i, i, i, i, i, i, identity=i) for i in (9, 2, 5)]
    (tmp_path / "snap").write_bytes(header(nbodies=3, ndark=0, nstar=3) + b"".join(rows))
    assert read_snapshot(tmp_path / "snap").masses.tolist() == [2, 5, 9]


def test_metals_and_formation_time_are_not_kept(tmp_path):
    (tmp_path / "snap").write_bytes(header(nbodies=1, ndark=0) + star(*range(7), metals=5.0, tform=float("nan")))
    write_snapshot(tmp_path / "again", read_snapshot(tmp_path / "snap"))
    assert (tmp_path / "again").read_bytes() == header(nbodies=1, ndark=0) + star(*range(7))


@pytest.mark.parametrize("size", range(len(GOOD)))
def test_a_file_that_was_cut_off_anywhere_is_refused(tmp_path, size):
    (tmp_path / "snap").write_bytes(GOOD[:size])
    with pytest.raises(DataError, match="cut off"):
        read_snapshot(tmp_path / "snap")


NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (GOOD + b"\0", r"113 bytes.*asks for 112.*written over"),
        (header(version=1) + GOOD[32:], "version 2"),
        (header(ndim=2) + GOOD[32:], "ndim 3"),
        (header(nsph=1) + GOOD[32:], "nsph 0"),
        (header(nbodies=3) + GOOD[32:], "nbodies = ndark"),
        (header(ndark=-1, nstar=3) + GOOD[32:], "nbodies = ndark"),
        (header(time=NAN) + GOOD[32:], "finite time"),
        (struct.pack(">d6i", 1.25, 2, 3, 0, 1, 1, 2) + GOOD[32:], "ndim 3"),
        (header(nbodies=0, ndark=0, nstar=0), "no particle"),
        (header(nbodies=1, nstar=0) + dark(1, 1, NAN, 3, 4, 5, 6), f"positions.*1 of 1.*{DARK}"),
        (header(nbodies=1, nstar=0) + dark(1, 1, 2, 3, 4, INF, 6), "velocities.*not finite"),
        (header(nbodies=1, ndark=0) + star(-INF, 1, 2, 3, 4, 5, 6), f"masses.*{STAR}"),
        (header(ndark=0, nstar=2) + star(*range(7)) + star(*range(7)), rf"1 ids more than once, {STAR}"),
        (header(ndark=2, nstar=0) + dark(*range(7)) + dark(*range(7), identity=5), "1 ids of the wrong kind, 5"),
        (header(nbodies=1, ndark=0) + star(*range(7), identity=DARK), f"wrong kind, {DARK}"),
    ],
)
def test_each_fault_of_a_file_has_its_own_message(tmp_path, content, message):
    path = tmp_path / "snap"
    path.write_bytes(content)
    with pytest.raises(DataError, match=message) as caught:
        read_snapshot(path)
    assert str(path) in str(caught.value)


def test_what_is_no_file_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"cannot be read: No such file"):
        read_snapshot(tmp_path / "absent")
    with pytest.raises(DataError, match=r"cannot be read: Is a directory"):
        read_snapshot(tmp_path)


@pytest.mark.parametrize("name", ["masses", "positions", "velocities"])
def test_a_snapshot_that_would_be_refused_is_not_written(tmp_path, name):
    good = random_snapshot()
    write_snapshot(tmp_path / "snap", good)
    values = getattr(good, name).copy()
    values.flat[-1] = NAN
    with pytest.raises(DataError, match=f"{name} that are not finite"):
        write_snapshot(tmp_path / "snap", replace(good, **{name: values}))
    assert_same(read_snapshot(tmp_path / "snap"), good)


def test_ids_given_twice_are_not_written(tmp_path):
    good = random_snapshot()
    with pytest.raises(DataError, match="more than once"):
        write_snapshot(tmp_path / "snap", good.select(np.array([0, 0, 1])))
    assert list(tmp_path.iterdir()) == []


def split(snapshot, folder, parts):
    """Files of several ranks, particles dealt out at random; one rank may have none."""
    owner = np.random.default_rng(1).integers(0, parts, snapshot.num_particles)
    for rank in range(parts):
        part = snapshot.select(owner == rank)
        num_dark = int(part.is_dark.sum())
        path = folder / snapshot_name("run", snapshot.time, rank)
        rows = zip(part.masses, part.positions, part.velocities, part.ids, part.is_dark, strict=True)
        records = [(d, (dark if d else star)(m, *x, *v, identity=int(i))) for m, x, v, i, d in rows]
        body = b"".join(r for d, r in records if d) + b"".join(r for d, r in records if not d)
        n = part.num_particles
        path.write_bytes(header(snapshot.time, n, ndark=num_dark, nstar=n - num_dark) + body)


@pytest.mark.parametrize("parts", [1, 3, 40])
def test_files_of_several_ranks_are_one_snapshot(tmp_path, parts):
    snapshot = random_snapshot()
    split(snapshot, tmp_path, parts)
    paths = find_rank_files(tmp_path, "run", snapshot.time)
    assert len(paths) == parts
    assert_same(read_snapshot_ranks(paths), snapshot)
    assert_same(read_snapshot_ranks(paths[::-1]), snapshot)


def test_a_particle_on_two_ranks_is_refused(tmp_path):
    split(random_snapshot(), tmp_path, 2)
    paths = find_rank_files(tmp_path, "run", 0.0625)
    with pytest.raises(DataError, match="more than once"):
        read_snapshot_ranks([*paths, paths[0]])


def test_ranks_of_different_times_are_refused(tmp_path):
    write_snapshot(tmp_path / "a", random_snapshot((2, 0, 0), seed=0, time=1.0))
    write_snapshot(tmp_path / "b", random_snapshot((2, 0, 0), seed=1, time=2.0))
    with pytest.raises(DataError, match="of one time"):
        read_snapshot_ranks([tmp_path / "a", tmp_path / "b"])


def test_names_are_bonsais():
    assert snapshot_name("BASE", 1.25) == "BASE_00001.2500-0"
    assert snapshot_name("BASE", 0.5, rank=12) == "BASE_00000.5000-12"
    assert snapshot_stem("BASE", 10) == "BASE_00010.0000"


def test_missing_ranks_are_named(tmp_path):
    for rank in (0, 2, 11):
        (tmp_path / snapshot_name("run", 1, rank)).touch()
    (tmp_path / (snapshot_name("run", 1, 0) + ".tmp")).touch()
    with pytest.raises(DataError, match=r"no file of ranks \[1, 3, 4, 5, 6, 7, 8, 9, 10\]"):
        find_rank_files(tmp_path, "run", 1)
    with pytest.raises(DataError, match=r"no snapshot run_00002.0000-0"):
        find_rank_files(tmp_path, "run", 2)
