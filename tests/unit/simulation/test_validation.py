"""The judgement of a run: a cloud of free particles, whose path is known, and one fault at a time."""

from dataclasses import replace

import numpy as np
import pytest

from rhodiff.errors import ConfigError, DataError
from rhodiff.simulation import (
    ExpectedOutput,
    Snapshot,
    last_good_time,
    particle_ids,
    read_snapshot,
    validate_output,
    write_snapshot,
)
from rhodiff.simulation.energies import energy_line
from rhodiff.simulation.snapshot_files import snapshot_name

TIMES = (0.5, 1.0, 1.5)


def cloud():
    """Particles of unlike mass whose centre of mass is not at rest; coordinates are multiples of 1/8."""
    random = np.random.default_rng(5)
    ids = np.concatenate([particle_ids(0, "disc", 6), particle_ids(1, "bulge", 3), particle_ids(1, "dark", 7)])
    positions, velocities = random.integers(-64, 64, (2, 16, 3)) / 8
    return Snapshot(0.0, random.integers(1, 9, 16) / 4, positions, velocities, ids)


def moved(initial, time):
    return replace(initial, time=time, positions=initial.positions + initial.velocities * np.float32(time))


def energies(drift=0.0, until=1.5):
    lines = [energy_line(i, i / 4, 1.0, -2.0 - drift * i, -1.0) for i in range(int(until * 4) + 1)]
    return "start\n" + "\n".join(lines) + "\nfinished\n"


@pytest.fixture
def run(tmp_path):
    """Folder of a good run and what is expected of it."""
    initial = cloud()
    for time in TIMES:
        write_snapshot(tmp_path / snapshot_name("run", time), moved(initial, time))
    (tmp_path / "engine.log").write_text(energies())
    return tmp_path, ExpectedOutput(initial, "run", TIMES)


def reasons(run):
    return [failure.reason for failure in validate_output(*run).failures]


def rewrite(run, time, **change):
    path = run[0] / snapshot_name("run", time)
    write_snapshot(path, replace(read_snapshot(path), **change))


def test_a_good_run_is_good(run):
    report = validate_output(*run)
    assert report.is_good
    assert report.failures == ()
    assert report.last_time == 1.5
    assert report.energy_error == 0
    assert report.drift_kpc == pytest.approx(0, abs=1e-6)
    report.require()
    assert last_good_time(*run) == 1.5


def test_a_run_of_several_ranks_is_judged_as_one(run):
    whole = read_snapshot(run[0] / snapshot_name("run", 1.0))
    write_snapshot(run[0] / snapshot_name("run", 1.0, 0), whole.select(np.arange(16) % 2 == 0))
    assert reasons(run) == ["lost_particles"]
    write_snapshot(run[0] / snapshot_name("run", 1.0, 1), whole.select(np.arange(16) % 2 == 1))
    assert reasons(run) == []


def test_an_engine_that_wrote_nothing_has_failed_in_everything(tmp_path):
    run = tmp_path, ExpectedOutput(cloud(), "run", TIMES)
    report = validate_output(*run)
    assert reasons(run) == ["missing_snapshot"] * 3 + ["no_log"]
    assert report.last_time == -np.inf
    assert np.isnan(report.energy_error)
    assert np.isnan(report.drift_kpc)
    with pytest.raises(DataError, match=r"run_00000\.5000-0.*run_00001\.5000-0.*engine\.log cannot be read"):
        report.require()
    assert last_good_time(*run) is None


def test_a_missing_snapshot_is_named_and_ends_what_can_be_resumed(run):
    (run[0] / snapshot_name("run", 1.0)).unlink()
    (failure,) = validate_output(*run).failures
    assert failure.reason == "missing_snapshot"
    assert "run_00001.0000-0" in failure.message
    assert last_good_time(*run) == 0.5


@pytest.mark.parametrize("kept", [0, 31, 32, 100, -1])
def test_a_cut_off_snapshot_is_damaged(run, kept):
    path = run[0] / snapshot_name("run", 1.5)
    path.write_bytes(path.read_bytes()[:kept])
    (failure,) = validate_output(*run).failures
    assert failure.reason == "damaged_snapshot"
    assert "cut off" in failure.message
    assert last_good_time(*run) == 1.0


def test_a_position_that_is_nan_is_damage(run):
    path = run[0] / snapshot_name("run", 0.5)
    content = bytearray(path.read_bytes())
    content[32 + 4 : 32 + 8] = np.float32(np.nan).tobytes()
    path.write_bytes(content)
    (failure,) = validate_output(*run).failures
    assert failure.reason == "damaged_snapshot"
    assert "positions that are not finite" in failure.message
    assert last_good_time(*run) is None


def test_lost_and_strange_particles_are_counted(run):
    ids = cloud().ids.copy()
    ids[:2] = [77, 78]
    rewrite(run, 1.0, ids=ids)
    (failure,) = validate_output(*run).failures
    assert failure.reason == "lost_particles"
    assert "lacks 2 (id 0 first) of 16 particles and has 2 (id 77 first)" in failure.message


def test_another_mass_is_another_particle(run):
    masses = cloud().masses.copy()
    masses[3] *= 2
    rewrite(run, 1.0, masses=masses)
    (failure,) = validate_output(*run).failures
    assert failure.reason == "changed_masses"
    assert "for 1 (id 3 first) ids" in failure.message


def test_a_snapshot_of_another_time_is_refused(run):
    initial = cloud()
    write_snapshot(run[0] / snapshot_name("run", 1.0), moved(initial, 1.25))
    assert reasons(run) == ["wrong_time"]


def test_drift_is_measured_against_the_uniform_motion_of_the_centre(run):
    initial = cloud()
    shift = np.array([0.0, 0.03, 0.04], np.float32)
    rewrite(run, 1.0, positions=moved(initial, 1.0).positions + shift)
    assert validate_output(*run).is_good
    assert validate_output(*run).drift_kpc == pytest.approx(0.05, rel=1e-4)
    rewrite(run, 1.0, positions=moved(initial, 1.0).positions + 3 * shift)
    (failure,) = validate_output(*run).failures
    assert failure.reason == "drift"
    assert "0.15 kpc off its path; at most 0.1" in failure.message


def test_one_particle_moves_the_centre_by_its_share_of_the_mass(run):
    initial = cloud()
    positions = moved(initial, 1.0).positions.copy()
    positions[2, 0] += 0.5
    rewrite(run, 1.0, positions=positions)
    share = initial.masses[2] / initial.masses.sum()
    assert validate_output(*run).drift_kpc == pytest.approx(0.5 * share, rel=1e-4)


@pytest.mark.parametrize(
    ("log", "reason", "message"),
    [
        (energies(until=1.25), "ended_early", "ends at time 1.25; the run was to reach 1.5"),
        (energies(drift=0.002), "energy_error", "changed by 0.012"),
        (energies() + "iter=9 : time= 2  Etot= nan  Ekin= 1  Epot= 1 : de= nan\n", "energy_error", "changed by nan"),
        ("CUDA error: out of memory\n", "no_log", "tells no energies"),
        ("iter=1 : time= ?  Etot= 1  Ekin= 1  Epot= 1 : de= 1\n", "damaged_log", "no numbers"),
    ],
)
def test_each_fault_of_the_log_has_its_own_message(run, log, reason, message):
    (run[0] / "engine.log").write_text(log)
    (failure,) = validate_output(*run).failures
    assert failure.reason == reason
    assert message in failure.message


def test_the_limits_are_those_asked_for(run):
    (run[0] / "engine.log").write_text(energies(drift=0.002))
    folder, expected = run
    assert validate_output(folder, replace(expected, max_energy_error=0.02)).is_good
    assert validate_output(folder, replace(expected, max_energy_error=0.02)).energy_error == pytest.approx(0.012)


def test_six_digits_of_a_late_time_are_enough(tmp_path):
    initial = cloud()
    write_snapshot(tmp_path / snapshot_name("run", 123.0625), moved(initial, 123.0625))
    (tmp_path / "engine.log").write_text("iter=9 : time= 123.062  Etot= -1  Ekin= 1  Epot= -2 : de= 0\n")
    assert reasons((tmp_path, ExpectedOutput(initial, "run", (123.0625,)))) == []


@pytest.mark.parametrize("times", [(), (0.0,), (1.0, 1.0), (2.0, 1.0)])
def test_times_that_are_none_or_do_not_increase_are_refused(times):
    with pytest.raises(ConfigError, match="times of snapshots"):
        ExpectedOutput(cloud(), "run", times)
