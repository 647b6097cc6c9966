"""Whatever happens on the way to a simulation: it is done once, goes on where it broke off, and never lies."""

import itertools
import math
import os
import shutil
import subprocess
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from small_simulations import (
    COUNTS,
    KEPT,
    KEY,
    NUM_STEPS,
    POINT,
    TIME_STEP,
    Process,
    initial,
    positions,
    simulate,
    stand_in,
    task,
    treegrav,
)

from rhodiff.errors import EnvironmentLacksError, StoppedEarly
from rhodiff.simulation import read_snapshot
from rhodiff.simulation.archive import SimulationFolder
from rhodiff.simulation.engine import SimulationFailedError
from rhodiff.simulation.simulator import Simulator, Workplace
from rhodiff.store.files import StorageError


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """Archive and record of a simulation that nothing happened to."""
    archive = tmp_path_factory.mktemp("undisturbed")
    return archive, simulate(archive)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def assert_whole(archive, undisturbed):
    """The same particles as if nothing had happened, and nothing else is left."""
    np.testing.assert_array_equal(positions(archive), positions(undisturbed[0]))
    assert [name for name in names(archive / KEY) if not name.startswith((".", "failed"))] == [
        "engine.log",
        "particles.zip",
        "record.json",
    ]


def stop_at(number):
    """Something that is told how far it is, and asks to stop when it was told so often."""
    count = itertools.count(1)

    def tell(text):
        if next(count) == number:
            raise StoppedEarly("the time is over")

    return tell


def test_a_record_says_how_it_was_made(undisturbed):
    archive, record = undisturbed
    assert SimulationFolder(archive, KEY).read_record() == record
    assert (record.status, record.attempts, record.time_step, record.steps) == ("done", 1, TIME_STEP, NUM_STEPS)
    assert (record.num_particles, record.threads, record.reason) == (300, 1, "")
    assert record.point == {name: getattr(POINT, name) for name in record.point}
    assert record.point["mass_ratio"] == 0.5
    assert 0 < record.energy_error < 0.05 and record.wall_s > 0
    assert names(archive / KEY) == ["engine.log", "particles.zip", "record.json"]


def test_particles_are_kept_at_the_times_asked_for_the_start_included(undisturbed, tmp_path):
    archive, _ = undisturbed
    engine = treegrav(TIME_STEP)
    start = engine.prepare(initial(), tmp_path)
    engine.run(start, tmp_path)
    whole = [start, *(tmp_path / f"snapshot_{time:010.4f}-0" for time in KEPT[1:])]
    np.testing.assert_array_equal(positions(archive), [read_snapshot(path).positions for path in whole])


def test_a_second_call_simulates_nothing(undisturbed):
    archive, record = undisturbed
    before = {path: path.stat().st_mtime_ns for path in (archive / KEY).iterdir()}
    assert simulate(archive, tell=lambda text: pytest.fail(f"it told {text}")) == record
    assert {path: path.stat().st_mtime_ns for path in (archive / KEY).iterdir()} == before


@pytest.mark.parametrize(
    ("goal", "fewest", "most"),
    [
        ({"hold_in": "initial.tipsy"}, NUM_STEPS, NUM_STEPS),
        ({"hold_at": 1}, NUM_STEPS, NUM_STEPS),
        ({"hold_at": 3}, NUM_STEPS, NUM_STEPS),
        ({"hold_in": "snapshot_00000.5000"}, NUM_STEPS, NUM_STEPS),
        ({"hold_at": 7}, NUM_STEPS - 4, NUM_STEPS - 4),
        ({"hold_in": "snapshot_00002.5000"}, NUM_STEPS - 16, NUM_STEPS - 16),
        ({"hold_at": 23}, NUM_STEPS - 20, NUM_STEPS - 20),
        ({"hold_in": "particles.zip"}, 0, 0),
        ({"hold_in": "engine.log"}, 0, 0),
        ({"hold_in": "record.json"}, 0, 0),
    ],
)
def test_a_process_that_is_killed_anywhere_leaves_what_the_next_one_goes_on_from(
    goal, fewest, most, undisturbed, tmp_path
):
    archive = tmp_path / "archive"
    process = Process(archive, **goal)
    process.wait_until_held()
    process.kill()
    assert SimulationFolder(archive, KEY).read_record() is None
    record = simulate(archive)
    assert fewest <= record.steps <= most
    assert_whole(archive, undisturbed)
    assert replace(record, created="", wall_s=0, steps=0, command="") == replace(
        undisturbed[1], created="", wall_s=0, steps=0, command="", files=record.files
    )


def test_a_simulation_that_was_asked_to_stop_goes_on_on_another_node(undisturbed, tmp_path):
    archive, first, second = tmp_path / "archive", tmp_path / "node1", tmp_path / "node2"
    with pytest.raises(StoppedEarly):
        simulate(archive, scratch=first, tell=stop_at(15))
    assert names(archive / KEY) == [f"parked-work-{TIME_STEP:g}"]
    assert not list(first.rglob("*.tipsy"))
    shutil.rmtree(first)
    record = simulate(archive, scratch=second)
    assert record.steps == NUM_STEPS - 12  # 14 steps were seen, a snapshot is written every four
    assert_whole(archive, undisturbed)
    assert not [path for path in second.rglob("*") if path.is_file()]


def test_of_what_two_nodes_were_left_with_the_further_one_counts(undisturbed, tmp_path):
    archive, first, second = tmp_path / "archive", tmp_path / "node1", tmp_path / "node2"
    process = Process(archive, scratch=first, hold_at=7)
    process.wait_until_held()
    process.kill()
    with pytest.raises(StoppedEarly):
        simulate(archive, scratch=second, tell=stop_at(23))
    with pytest.raises(StoppedEarly):
        simulate(archive, scratch=first, tell=stop_at(6))
    record = simulate(archive, scratch=first)
    assert record.steps == NUM_STEPS - 24
    assert_whole(archive, undisturbed)


def test_a_node_that_was_lost_with_its_disk_costs_what_it_had(undisturbed, tmp_path):
    archive, scratch = tmp_path / "archive", tmp_path / "node1"
    process = Process(archive, scratch=scratch, hold_at=23)
    process.wait_until_held()
    process.kill()
    shutil.rmtree(scratch)
    assert simulate(archive, scratch=scratch).steps == NUM_STEPS
    assert_whole(archive, undisturbed)


def test_a_variable_of_scratch_is_filled_in_and_one_that_is_not_set_is_named(tmp_path, monkeypatch):
    monkeypatch.delenv("RHO_NODE_DISK", raising=False)
    with pytest.raises(EnvironmentLacksError, match=r"\$RHO_NODE_DISK/x, and on .* not set"):
        simulate(tmp_path / "archive", scratch=Path("$RHO_NODE_DISK/x"))
    assert names(tmp_path / "archive" / KEY) == []
    monkeypatch.setenv("RHO_NODE_DISK", str(tmp_path / "disk"))
    seen = []
    simulate(
        tmp_path / "archive",
        scratch=Path("$RHO_NODE_DISK/x"),
        tell=lambda text: seen.extend((tmp_path / "disk/x").rglob("initial.tipsy")),
    )
    assert set(seen) == {tmp_path / f"disk/x/rhodiff-{os.getuid()}/{KEY}/work-{TIME_STEP:g}/initial.tipsy"}


@pytest.fixture(scope="module")
def coarse(tmp_path_factory):
    """Energy errors of the same simulation with dt = 1 / 2 and 1 / 4."""
    errors = {}
    for time_step in (0.5, 0.25):
        folder = tmp_path_factory.mktemp("coarse")
        engine = treegrav(time_step, max_energy_error=1e9, max_drift_kpc=1e9)
        errors[time_step] = engine.run(engine.prepare(initial(), folder), folder).energy_error
    assert errors[0.25] < errors[0.5]
    return errors


def test_energy_that_is_not_kept_is_cured_by_half_the_step(coarse, tmp_path):
    limit = math.sqrt(coarse[0.5] * coarse[0.25])
    told = []
    engine = partial(treegrav, max_energy_error=limit, max_drift_kpc=1e9)
    record = simulate(tmp_path, engine, 0.5, tell=told.append)
    assert (record.status, record.attempts, record.time_step) == ("done", 2, 0.25)
    assert record.energy_error == coarse[0.25]
    assert (record.steps, record.reason) == (16, "")
    assert f"{KEY} failed (energy_error); once more with dt 0.25" in told
    assert names(tmp_path / KEY) == ["engine.log", "failed-1.log", "particles.zip", "record.json"]
    assert (tmp_path / KEY / "failed-1.log").read_text().count("iter=") == 9
    assert (tmp_path / KEY / "engine.log").read_text().count("iter=") == 17


def test_what_fails_at_half_the_step_too_is_recorded_and_gives_no_particles(coarse, tmp_path):
    engine = partial(treegrav, max_energy_error=coarse[0.25] / 2, max_drift_kpc=1e9)
    record = simulate(tmp_path, engine, 0.5)
    assert (record.status, record.reason) == ("failed", "energy_error")
    assert (record.attempts, record.time_step, record.log) == (2, 0.25, "failed-2.log")
    assert record.energy_error == coarse[0.25]
    assert record.files == {}
    assert "halve the time step" in record.message
    assert names(tmp_path / KEY) == ["failed-1.log", "failed-2.log", "record.json"]
    assert (tmp_path / KEY / "failed-2.log").read_text().count("iter=") == 17
    again = simulate(tmp_path, engine, 0.5, tell=lambda text: pytest.fail("it was tried again"))
    assert again.created == record.created
    SimulationFolder(tmp_path, KEY).forget()
    assert simulate(tmp_path, partial(treegrav, max_energy_error=1.0, max_drift_kpc=1e9), 0.5).status == "done"


def test_the_smallest_step_is_not_halved(tmp_path):
    engine = partial(treegrav, end=2.0**-12, snapshot_interval=2.0**-12, max_energy_error=1e-30)
    told = []
    place = Workplace(tmp_path, tell=told.append)
    record = Simulator(place, engine, 2.0**-13, (2.0**-12,)).simulate(task())
    assert (record.status, record.reason, record.time_step) == ("failed", "energy_error", 2.0**-13)
    assert len([text for text in told if "Myr" in text]) == 3  # the start and two steps, once


def test_a_process_killed_in_the_second_attempt_does_not_repeat_the_first(coarse, tmp_path):
    limit = math.sqrt(coarse[0.5] * coarse[0.25])
    engine = partial(treegrav, max_energy_error=limit, max_drift_kpc=1e9)
    with pytest.raises(StoppedEarly):
        simulate(tmp_path, engine, 0.5, tell=stop_at(9 + 1 + 12))  # a step, the failure, and 11 steps
    told = []
    record = simulate(tmp_path, engine, 0.5, tell=told.append)
    assert (record.attempts, record.time_step, record.energy_error) == (2, 0.25, coarse[0.25])
    assert record.steps < 16
    assert not [text for text in told if "attempt 1" in text]


@pytest.mark.parametrize(("failure", "words"), [("cuda", "exit code 255"), ("abort", "signal 6")])
def test_a_device_or_program_that_does_not_work_ends_the_task_and_masks_nothing(
    failure, words, tmp_path, monkeypatch
):
    monkeypatch.setenv("STAND_IN_FAILURE", failure)
    monkeypatch.setenv("STAND_IN_CALLS", str(tmp_path / "calls"))
    engine = partial(stand_in, tmp_path / "bonsai")
    with pytest.raises(SimulationFailedError, match=words):
        simulate(tmp_path / "archive", engine)
    assert len((tmp_path / "calls").read_text().splitlines()) == 2
    assert SimulationFolder(tmp_path / "archive", KEY).read_record() is None
    monkeypatch.delenv("STAND_IN_FAILURE")
    record = simulate(tmp_path / "archive", engine)
    assert record.status == "done"
    assert (tmp_path / "calls").read_text().splitlines()[2].startswith("--restart")


@pytest.mark.parametrize(
    ("failure", "reason", "time_steps"),
    [
        ("silent", "missing_snapshot", [0.125, 0.125]),
        ("unwritable", "missing_snapshot", [0.125, 0.125]),
        ("lost", "lost_particles", [0.125, 0.125]),
        ("nan", "damaged_snapshot", [0.125, 0.125]),
        ("energy", "energy_error", [0.125, 0.0625]),
    ],
)
def test_an_output_that_is_bad_twice_is_masked_with_its_reason(failure, reason, time_steps, tmp_path, monkeypatch):
    monkeypatch.setenv("STAND_IN_FAILURE", failure)
    monkeypatch.setenv("STAND_IN_CALLS", str(tmp_path / "calls"))
    record = simulate(tmp_path / "archive", partial(stand_in, tmp_path / "bonsai"))
    assert (record.status, record.reason, record.attempts) == ("failed", reason, 2)
    assert str(tmp_path / "bonsai") in record.command and "--snapname" in record.command
    calls = (tmp_path / "calls").read_text().splitlines()
    assert [float(call.split("-t ")[1].split()[0]) for call in calls] == time_steps
    assert not SimulationFolder(tmp_path / "archive", KEY).particles.exists()
    assert (tmp_path / "archive" / KEY / "failed-2.log").exists()


def test_a_program_that_hangs_is_ended_twice_and_recorded(tmp_path, monkeypatch):
    monkeypatch.setenv("STAND_IN_FAILURE", "hang")
    record = simulate(tmp_path / "archive", partial(stand_in, tmp_path / "bonsai", timeout_min=0.02))
    assert (record.status, record.reason, record.attempts) == ("failed", "timed_out", 2)
    assert "did not end within 0.02 min" in record.message
    assert math.isfinite(record.energy_error)


def test_two_that_want_the_same_at_once_simulate_it_once(undisturbed, tmp_path):
    archive = tmp_path / "archive"
    first = Process(archive, hold_at=7)
    first.wait_until_held()
    second = Process(archive)
    second.wait_until_told(f"waiting: simulation {KEY}: process {first.process.pid} on ")
    first.release()
    assert first.wait().count("Myr") == NUM_STEPS + 1
    assert "Myr" not in second.wait()
    assert_whole(archive, undisturbed)


def test_one_that_waits_takes_over_when_the_other_is_killed(undisturbed, tmp_path):
    archive = tmp_path / "archive"
    first = Process(archive, hold_at=15)
    first.wait_until_held()
    second = Process(archive)
    second.wait_until_told("waiting")
    first.kill()
    assert second.wait().count("Myr") == NUM_STEPS - 12 + 1
    assert_whole(archive, undisturbed)
    assert not (archive / KEY / "lock").exists()


def test_a_disk_without_room_for_the_snapshots_is_refused_before_the_first_step(small_disk, undisturbed):
    disk = small_disk("size=64k")
    with pytest.raises(StorageError, match=r"room for 0\.1 MB, and the simulation writes 0\.1 MB.*Nothing is lost"):
        simulate(disk, tell=lambda text: pytest.fail("it began"))
    subprocess.run(["mount", "-o", "remount,size=4m", str(disk)], check=True)
    simulate(disk)
    assert_whole(disk, undisturbed)


def test_a_disk_that_fills_up_on_the_way_ends_the_task_and_the_next_goes_on(small_disk, undisturbed):
    disk = small_disk("size=512k")
    count = itertools.count(1)

    def fill(text):
        if next(count) == 14:
            with pytest.raises(OSError, match="No space"), (disk / "other").open("wb", buffering=0) as other:
                while True:
                    other.write(bytes(4096))

    with pytest.raises(StorageError, match=r"work-0\.125"):
        simulate(disk, tell=fill)
    (disk / "other").unlink()
    assert simulate(disk).steps == NUM_STEPS - 12
    assert_whole(disk, undisturbed)


def test_the_room_that_is_asked_for_is_that_of_all_snapshots(tmp_path, monkeypatch):
    needed = 9 * (32 + 36 * 2 * COUNTS.dark + 44 * 2 * (COUNTS.disc + COUNTS.bulge))
    monkeypatch.setattr(os, "statvfs", lambda path: SimpleNamespace(f_bavail=needed - 1, f_frsize=1, f_files=0))
    with pytest.raises(StorageError, match="room"):
        simulate(tmp_path)
    monkeypatch.setattr(os, "statvfs", lambda path: SimpleNamespace(f_bavail=needed, f_frsize=1, f_files=0))
    assert simulate(tmp_path).status == "done"


@pytest.mark.parametrize("damage", ["record", "particles"])
def test_what_is_lost_from_the_archive_is_simulated_again(damage, undisturbed, tmp_path):
    archive = tmp_path / "archive"
    shutil.copytree(undisturbed[0], archive)
    if damage == "record":
        path = archive / KEY / "record.json"
        path.write_bytes(path.read_bytes()[:-30])
    else:
        (archive / KEY / "particles.zip").unlink()
    assert simulate(archive).steps == NUM_STEPS
    assert_whole(archive, undisturbed)
