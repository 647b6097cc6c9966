"""The archive of simulations: what was stored comes back bit for bit, what was damaged does not come back at all."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest

from rhodiff.errors import DataError
from rhodiff.simulation import Snapshot, particle_ids
from rhodiff.simulation.archive import SimulationFolder, SimulationRecord
from rhodiff.store.files import StorageError

TIMES = (0.5, 1.25, 4.0)


def snapshots(times=TIMES, num=40):
    random = np.random.default_rng(5)
    ids = np.concatenate([particle_ids(0, "disc", num // 2), particle_ids(1, "dark", num // 2)])
    masses = random.uniform(0.1, 1, num).astype(np.float32)
    for time in times:
        positions, velocities = random.normal(size=(2, num, 3)).astype(np.float32)
        yield Snapshot(time, masses, positions, velocities, ids)


def record_of(folder, **values):
    made = SimulationRecord(
        key=folder.key,
        status="done",
        point={"mass_ratio": 0.5, "seed": 3},
        engine={"engine": "treegrav"},
        command="treegrav ...",
        time_step=0.125,
        attempts=1,
        energy_error=1e-3,
        drift_kpc=0.01,
        wall_s=2.0,
        steps=32,
        threads=1,
        num_particles=40,
        host="n1",
        created="2026-01-01T00:00:00.000Z",
        files=folder.checksums(),
    )
    return replace(made, **values)


@pytest.fixture
def folder(tmp_path):
    """A simulation with particles and images, and the record that vouches for them."""
    folder = SimulationFolder(tmp_path, "0123456789abcdef")
    folder.write_particles(snapshots(), TIMES)
    folder.write_images("aa", np.arange(24, dtype=np.float32).reshape(2, 3, 4))
    folder.write_record(record_of(folder))
    return folder


def test_particles_come_back_bit_for_bit_at_any_of_their_times(folder):
    for asked in (TIMES, TIMES[1:], TIMES[::-1]):
        stored = {snapshot.time: snapshot for snapshot in snapshots()}
        for time, found in zip(asked, folder.read_particles(asked), strict=True):
            assert found.time == time
            for name in ("masses", "positions", "velocities", "ids"):
                theirs = getattr(stored[time], name)
                assert getattr(found, name).dtype == theirs.dtype
                np.testing.assert_array_equal(getattr(found, name), theirs)


def test_images_come_back_bit_for_bit(folder):
    np.testing.assert_array_equal(folder.read_images("aa"), np.arange(24, dtype=np.float32).reshape(2, 3, 4))


def test_a_time_that_was_not_stored_is_refused(folder):
    with pytest.raises(DataError, match=r"holds the times \[0.5, 1.25, 4.0\], not \[2.0\]"):
        list(folder.read_particles([0.5, 2.0]))


def test_no_flipped_bit_anywhere_gives_particles(folder):
    content = folder.particles.read_bytes()
    for position in range(0, len(content), 97):
        damaged = bytearray(content)
        damaged[position] ^= 0x10
        folder.particles.write_bytes(damaged)
        with pytest.raises(DataError, match=r"particles\.zip is not what its record vouches for.*run prepare"):
            next(folder.read_particles(TIMES))


@pytest.mark.parametrize("name", ["particles.zip", "images-aa.npy"])
@pytest.mark.parametrize("size", [0, 1, 100, -1])
def test_a_file_that_was_cut_off_is_one_clear_error(size, name, folder):
    path = folder.path / name
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(DataError, match=rf"{name} is not what its record vouches for.*Remove {folder.path}"):
        _ = folder.read_images("aa") if name.startswith("images") else list(folder.read_particles(TIMES))


def test_results_without_a_record_that_vouches_for_them_do_not_count(folder):
    assert folder.holds(folder.particles) and folder.holds(folder.images("aa"))
    assert not folder.holds(folder.images("bb"))
    folder.write_images("bb", np.zeros((1, 1, 1), np.float32))
    assert not folder.holds(folder.images("bb"))
    folder.particles.unlink()
    assert not folder.holds(folder.particles)
    folder.forget()
    assert not folder.holds(folder.images("aa"))
    with pytest.raises(DataError, match=r"particles\.zip is missing"):
        list(folder.read_particles(TIMES))


def test_a_record_comes_back_as_it_was_numbers_that_are_none_included(folder):
    record = record_of(folder, status="failed", energy_error=math.nan, reason="energy_error", message="too much")
    folder.write_record(record)
    found = folder.read_record()
    assert math.isnan(found.energy_error)
    assert replace(found, energy_error=0.0) == replace(record, energy_error=0.0)


@pytest.mark.parametrize("damage", ["cut", "empty", "lacks", "more"])
def test_a_damaged_record_is_none(damage, folder):
    path = folder.path / "record.json"
    plain = json.loads(path.read_text())
    lacking = {name: value for name, value in plain.items() if name != "status"}
    text = {
        "cut": path.read_text()[:-20],
        "empty": "",
        "lacks": json.dumps(lacking),
        "more": json.dumps(plain | {"strange": 1}),
    }[damage]
    path.write_text(text)
    assert folder.read_record() is None


def test_a_failure_is_told_with_point_host_log_and_command(folder):
    told = record_of(
        folder, status="failed", attempts=2, reason="drift", message="It went away.", log="failed-2.log"
    ).describe_failure(folder.path.parent)
    for words in (
        f"simulation {folder.key} (mass_ratio = 0.5, seed = 3) failed 2 times on n1",
        "dt 0.125",
        "drift: It went away.",
        f"Log: {folder.path / 'failed-2.log'}",
        "Command: treegrav ...",
    ):
        assert words in told


def test_a_full_disk_leaves_what_was_there_and_no_fragment(small_disk):
    folder = SimulationFolder(small_disk("size=256k"), "k")
    folder.write_particles(snapshots(), TIMES)
    folder.write_record(record_of(folder))
    with pytest.raises(StorageError, match=r"particles\.zip"):
        folder.write_particles(snapshots(num=8000), TIMES)
    assert sorted(path.name for path in folder.path.iterdir()) == ["particles.zip", "record.json"]
    assert len(list(folder.read_particles(TIMES))) == len(TIMES)


def test_a_log_that_was_never_written_is_left_out_and_another_one_copied_whole(folder, tmp_path):
    folder.keep_log(tmp_path / "none.log", folder.log)
    assert not folder.log.exists()
    (tmp_path / "some.log").write_bytes(b"iter=0\xff\n")
    folder.keep_log(tmp_path / "some.log", folder.failed_log(1))
    assert (folder.path / "failed-1.log").read_bytes() == b"iter=0\xff\n"
