"""The embedded engine: Bonsai's files and log, and runs that go on where they were broken off."""

import resource
from dataclasses import replace

import numpy as np
import pytest

from rhodiff.errors import ConfigError
from rhodiff.simulation import Snapshot, particle_ids, read_snapshot
from rhodiff.simulation.energies import parse_energies
from rhodiff.simulation.engine import RunSettings, SimulationFailedError
from rhodiff.simulation.treegrav_engine import TreegravEngine
from rhodiff.store.files import StorageError

SETTINGS = RunSettings(time_step=0.0625, end=0.5, snapshot_interval=0.125, softening_kpc=0.1)


def ball(num=120):
    random = np.random.default_rng(2)
    positions, velocities = random.normal(size=(2, num, 3))
    velocities -= velocities.mean(axis=0)
    ids = np.concatenate([particle_ids(0, "disc", num // 2), particle_ids(0, "dark", num - num // 2)])
    return Snapshot(0.0, np.full(num, 1 / num), positions, 0.4 * velocities, ids)


def run(directory, settings=SETTINGS, start=None, **options):
    engine = TreegravEngine(settings)
    return engine, engine.run(engine.prepare(start or ball(), directory), directory, **options)


def contents(directory):
    return {path.name: path.read_bytes() for path in directory.iterdir() if path.name != "engine.log"}


def test_a_run_leaves_snapshots_at_its_times_and_energies_of_every_step(tmp_path):
    engine, report = run(tmp_path)
    assert [read_snapshot(paths[0]).time for paths in engine.snapshots(tmp_path)] == [0.125, 0.25, 0.375, 0.5]
    history = parse_energies((tmp_path / "engine.log").read_text())
    np.testing.assert_array_equal(history.time, np.arange(9) * 0.0625)
    start = ball()
    kinetic = (start.masses.astype(float) @ (start.velocities.astype(float) ** 2).sum(axis=1)) / 2
    assert history.kinetic[0] == pytest.approx(kinetic, rel=1e-9)
    assert report.energy_error == history.relative_error
    assert 0 < report.energy_error < 0.01


@pytest.mark.parametrize("stop_at", [0.0625, 0.125, 0.1875, 0.4375, 0.5])
def test_a_run_broken_off_anywhere_ends_with_the_same_files(stop_at, tmp_path):
    run(tmp_path / "whole")

    def stop(time):
        if time >= stop_at:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "broken", on_time=stop)
    run(tmp_path / "broken")
    assert contents(tmp_path / "broken") == contents(tmp_path / "whole")


def test_a_damaged_snapshot_and_all_after_it_are_made_again(tmp_path):
    run(tmp_path)
    whole, seen = contents(tmp_path), []
    damaged = tmp_path / "snapshot_00000.3750-0"
    damaged.write_bytes(damaged.read_bytes()[:-1])
    run(tmp_path, on_time=seen.append)
    assert contents(tmp_path) == whole
    assert seen[0] == 0.25


def test_a_log_without_the_start_lets_the_run_begin_again(tmp_path):
    run(tmp_path)
    seen = []
    lines = (tmp_path / "engine.log").read_text().splitlines(keepends=True)
    (tmp_path / "engine.log").write_text("".join(lines[6:-1]))
    run(tmp_path, on_time=seen.append)
    assert seen[0] == 0
    assert (tmp_path / "engine.log").read_text().splitlines(keepends=True) == lines


def test_a_line_that_was_cut_off_does_not_spoil_the_next(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, on_time=lambda time: (_ for _ in ()).throw(KeyboardInterrupt) if time > 0.2 else None)
    with (tmp_path / "engine.log").open("a") as log:
        log.write("iter=5 : time= 0.3125  Etot= -1.")
    run(tmp_path)
    times = parse_energies((tmp_path / "engine.log").read_text()).time
    assert sorted(set(times)) == list(np.arange(9) * 0.0625)


def test_a_finished_run_is_only_judged(tmp_path):
    _, first = run(tmp_path)
    _, second = run(tmp_path, on_time=lambda time: pytest.fail("it was run again"))
    assert second == first


def test_energy_that_is_not_kept_is_a_failure_with_its_reason(tmp_path):
    with pytest.raises(SimulationFailedError, match="halve the time step") as caught:
        run(tmp_path, replace(SETTINGS, max_energy_error=1e-9))
    assert caught.value.reasons == ("energy_error",)


def test_a_particle_that_leaves_all_bounds_is_a_failure_with_its_reason(tmp_path):
    start = ball()
    velocities = start.velocities.copy()
    velocities[:2] = [[3e38, 0, 0], [-3e38, 0, 0]]
    settings = replace(SETTINGS, time_step=1.0, end=4.0, snapshot_interval=1.0)
    with pytest.raises(SimulationFailedError, match="no finite position") as caught:
        run(tmp_path, settings, replace(start, velocities=velocities))
    assert caught.value.reasons[0] == "not_finite"


def test_a_run_over_its_time_stops_and_can_go_on(tmp_path):
    with pytest.raises(SimulationFailedError, match="raise timeout_min") as caught:
        run(tmp_path, replace(SETTINGS, timeout_min=1e-9))
    assert caught.value.reasons == ("timed_out",)
    assert run(tmp_path)[1].is_good


def test_a_number_of_threads_that_is_not_there_is_refused(tmp_path):
    engine = TreegravEngine(SETTINGS, threads=10**6)
    with pytest.raises(ConfigError, match="threads"):
        engine.run(engine.prepare(ball(), tmp_path), tmp_path)


def test_the_form_of_the_softening_is_part_of_what_the_engine_is():
    assert TreegravEngine(SETTINGS).identity["softening"] == "spline, support 2.8 eps"


def test_a_full_disk_is_a_storage_error_and_the_run_can_go_on(tmp_path):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    engine = TreegravEngine(SETTINGS)
    initial = engine.prepare(ball(), tmp_path)
    resource.setrlimit(resource.RLIMIT_FSIZE, (150, hard))
    try:
        with pytest.raises(StorageError, match=r"engine\.log"):
            engine.run(initial, tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert engine.run(initial, tmp_path).is_good
