"""The launcher of Bonsai against a program that keeps its contract and fails in each of its documented ways."""

import os
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from rhodiff.errors import ConfigError, EnvironmentLacksError
from rhodiff.simulation import Snapshot, particle_ids, read_snapshot_ranks
from rhodiff.simulation.bonsai_engine import BonsaiEngine, BonsaiProgram, bonsai_command
from rhodiff.simulation.engine import RunSettings, SimulationFailedError

STAND_IN = Path(__file__).with_name("bonsai_stand_in.py")
SETTINGS = RunSettings(time_step=0.0625, end=0.5, snapshot_interval=0.125, softening_kpc=0.05, theta=0.75)


@pytest.fixture
def program(tmp_path, monkeypatch):
    """An executable without a suffix, and the file with a line for each of its starts."""
    executable = tmp_path / "bonsai2_slowdust"
    executable.write_text(f'#!/bin/sh\nexec {sys.executable} {STAND_IN} "$@"\n')
    executable.chmod(0o755)
    monkeypatch.setenv("STAND_IN_CALLS", str(tmp_path / "calls"))
    return BonsaiProgram(str(executable))


def particles():
    """Two galaxies of 12 disc, 5 bulge and 20 dark particles, the whole at rest."""
    ids = np.concatenate(
        [
            particle_ids(galaxy, component, count)
            for galaxy in (0, 1)
            for component, count in (("disc", 12), ("bulge", 5), ("dark", 20))
        ]
    )
    random = np.random.default_rng(1)
    positions, velocities = random.normal(size=(2, len(ids), 3))
    return Snapshot(0.0, np.full(len(ids), 0.5), positions, velocities - velocities.mean(axis=0), ids)


def run(engine, directory, **options):
    return engine.run(engine.prepare(particles(), directory), directory, **options)


def test_a_good_run_leaves_every_snapshot_and_a_report(program, tmp_path):
    engine = BonsaiEngine(SETTINGS, program)
    report = run(engine, tmp_path / "run")
    assert report.is_good
    assert report.last_time == 0.5
    start = particles()
    for time, paths in zip((0.125, 0.25, 0.375, 0.5), engine.snapshots(tmp_path / "run"), strict=True):
        snapshot = read_snapshot_ranks(paths)
        assert snapshot.time == time
        np.testing.assert_array_equal(snapshot.ids, start.ids)
        np.testing.assert_allclose(snapshot.positions, start.positions + start.velocities * time, atol=1e-6)


def test_files_of_several_ranks_are_one_snapshot(program, tmp_path):
    engine = BonsaiEngine(SETTINGS, replace(program, launcher=("env", "STAND_IN_RANKS=3"), ranks=3))
    run(engine, tmp_path / "run")
    paths = engine.snapshots(tmp_path / "run")[-1]
    assert [path.name for path in paths] == [f"snapshot_00000.5000-{rank}" for rank in range(3)]
    assert read_snapshot_ranks(paths).num_particles == 74


@pytest.mark.parametrize(
    ("failure", "reasons", "words"),
    [
        ("silent", {"missing_snapshot", "no_log"}, ["exit code 0", "Can't open input file"]),
        ("unwritable", {"missing_snapshot"}, ["no snapshot snapshot_00000.3750-0", "exit code 0"]),
        ("exception", {"missing_snapshot", "ended_early"}, ["exit code 0", "terminate called"]),
        ("truncated", {"damaged_snapshot"}, ["cut off"]),
        ("lost", {"lost_particles"}, ["lacks 2"]),
        ("nan", {"damaged_snapshot"}, ["not finite for 1 of 74"]),
        ("duplicate", {"damaged_snapshot"}, ["more than once"]),
        ("energy", {"energy_error"}, ["energy changed by 0.0667"]),
        ("cuda", {"device_error", "missing_snapshot", "ended_early"}, ["255", "CUDA error: out of memory"]),
        ("abort", {"killed", "missing_snapshot", "ended_early"}, ["signal 6"]),
    ],
)
def test_each_way_to_fail_has_its_own_message(failure, reasons, words, program, tmp_path, monkeypatch):
    monkeypatch.setenv("STAND_IN_FAILURE", failure)
    with pytest.raises(SimulationFailedError) as caught:
        run(BonsaiEngine(SETTINGS, program), tmp_path / "run")
    assert set(caught.value.reasons) == reasons
    for word in [*words, str(tmp_path / "run"), "--snapname"]:
        assert word in str(caught.value)


def test_a_program_that_hangs_is_ended_after_its_time(program, tmp_path, monkeypatch):
    monkeypatch.setenv("STAND_IN_FAILURE", "hang")
    with pytest.raises(SimulationFailedError, match=r"did not end within .* reaches time") as caught:
        run(BonsaiEngine(replace(SETTINGS, timeout_min=0.05), program), tmp_path / "run")
    assert caught.value.reasons == ("timed_out",)


def test_a_stop_from_outside_ends_the_program_and_the_next_run_restarts_it(program, tmp_path, monkeypatch):
    monkeypatch.setenv("STAND_IN_FAILURE", "hang")
    pids, others = [], set(children_of(os.getpid()))  # among them the fork server of other tests

    def stop(reached):
        if reached >= 0.375:
            pids.extend(set(children_of(os.getpid())) - others)
            raise KeyboardInterrupt

    engine = BonsaiEngine(SETTINGS, program)
    with pytest.raises(KeyboardInterrupt):
        run(engine, tmp_path / "run", on_time=stop)
    assert pids
    assert not set(pids) & set(children_of(os.getpid()))
    monkeypatch.delenv("STAND_IN_FAILURE")
    assert run(engine, tmp_path / "run").is_good
    calls = (tmp_path / "calls").read_text().splitlines()
    assert "--restart" not in calls[0]
    assert calls[1].startswith(f"--restart -i {tmp_path / 'run' / 'snapshot_00000.2500'} ")


def children_of(pid):
    import psutil

    return [child.pid for child in psutil.Process(pid).children()]


@pytest.mark.parametrize("failure", ["truncated", "cuda", "nan"])
def test_a_failed_run_goes_on_from_the_last_good_snapshot_and_equals_the_whole_one(
    failure, program, tmp_path, monkeypatch
):
    engine = BonsaiEngine(SETTINGS, program)
    run(engine, tmp_path / "whole")
    monkeypatch.setenv("STAND_IN_FAILURE", failure)
    with pytest.raises(SimulationFailedError):
        run(engine, tmp_path / "run")
    monkeypatch.delenv("STAND_IN_FAILURE")
    assert run(engine, tmp_path / "run").is_good
    for ours, theirs in zip(engine.snapshots(tmp_path / "run"), engine.snapshots(tmp_path / "whole"), strict=True):
        one, other = read_snapshot_ranks(ours), read_snapshot_ranks(theirs)
        np.testing.assert_allclose(one.positions, other.positions, atol=1e-6)


def test_a_restart_with_another_number_of_ranks_begins_again(program, tmp_path, monkeypatch):
    monkeypatch.setenv("STAND_IN_FAILURE", "cuda")
    with pytest.raises(SimulationFailedError):
        run(BonsaiEngine(SETTINGS, program), tmp_path / "run")
    monkeypatch.delenv("STAND_IN_FAILURE")
    two = replace(program, launcher=("env", "STAND_IN_RANKS=2"), ranks=2)
    assert run(BonsaiEngine(SETTINGS, two), tmp_path / "run").is_good
    assert "--restart" not in (tmp_path / "calls").read_text()


def test_a_finished_run_is_not_run_again(program, tmp_path):
    engine = BonsaiEngine(SETTINGS, program)
    assert run(engine, tmp_path / "run") == run(engine, tmp_path / "run")
    assert len((tmp_path / "calls").read_text().splitlines()) == 1


def test_a_run_that_kept_no_energy_is_not_repeated_with_the_same_settings(program, tmp_path, monkeypatch):
    monkeypatch.setenv("STAND_IN_FAILURE", "energy")
    engine = BonsaiEngine(SETTINGS, program)
    for _ in range(2):
        with pytest.raises(SimulationFailedError, match="energy changed"):
            run(engine, tmp_path / "run")
    assert len((tmp_path / "calls").read_text().splitlines()) == 1


def test_the_command_is_bonsais():
    program = BonsaiProgram("bonsai", device=1, launcher=("srun", "-n", "2"), ranks=2)
    words = bonsai_command(program, SETTINGS, Path("/opt/bonsai"), Path("/s/r/initial.tipsy"), Path("/s/r"), None)
    assert " ".join(words) == (
        "srun -n 2 /opt/bonsai -i /s/r/initial.tipsy -t 0.0625 -T 0.5 -e 0.05 -o 0.75 --snapname /s/r/snapshot "
        "--snapiter 0.125 --dev 1 --log"
    )
    restart = bonsai_command(program, SETTINGS, Path("/opt/bonsai"), Path("/s/r/initial.tipsy"), Path("/s/r"), 0.25)
    assert restart[4:7] == ["--restart", "-i", "/s/r/snapshot_00000.2500"]


@pytest.mark.parametrize(("length", "is_short"), [(255, True), (256, False)])
def test_paths_of_256_characters_are_refused(length, is_short):
    name = "/snapshot_00000.5000-0"
    folder = Path("/" + "x" * (length - len(name) - 1))
    arguments = (BonsaiProgram("b"), SETTINGS, Path("/b"), folder / "i", folder, None)
    if is_short:
        assert str(folder / "snapshot") in bonsai_command(*arguments)
    else:
        with pytest.raises(ConfigError, match="256 characters"):
            bonsai_command(*arguments)


def test_an_executable_that_cannot_be_used_is_named(tmp_path):
    (tmp_path / "plain").write_text("")
    for name, state in (("missing", "is not there"), ("plain", "may not be executed"), ("", "is a folder")):
        with pytest.raises(EnvironmentLacksError, match=state):
            BonsaiEngine(SETTINGS, BonsaiProgram(f"{tmp_path}/{name}"))
    shutil.copy(STAND_IN, tmp_path / "foreign")
    (tmp_path / "foreign").write_bytes(b"\x7fELF\x02\x01\x01" + bytes(60))
    (tmp_path / "foreign").chmod(0o755)
    with pytest.raises(EnvironmentLacksError, match="cannot be started"):
        run(BonsaiEngine(SETTINGS, BonsaiProgram(str(tmp_path / "foreign"))), tmp_path / "run")


@pytest.mark.parametrize("change", [{"ranks": 0}, {"device": -1}, {"ranks": 2}])
def test_programs_that_make_no_sense_are_refused(change):
    with pytest.raises(ConfigError):
        BonsaiProgram("bonsai", **change)


def test_another_executable_is_another_engine(program, tmp_path):
    first = BonsaiEngine(SETTINGS, program).identity
    Path(program.executable).write_text("#!/bin/sh\nexit 0\n")
    assert BonsaiEngine(SETTINGS, program).identity != first


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"time_step": 0.1}, "2\\^-k"),
        ({"snapshot_interval": 0.1}, "snapshot_interval"),
        ({"snapshot_interval": 0.03125}, "snapshot_interval"),
        ({"end": 0.6}, "end"),
        ({"end": float("inf")}, "end"),
        ({"softening_kpc": 0}, "softening_kpc"),
        ({"theta": 2}, "theta"),
        ({"max_energy_error": float("nan")}, "max_energy_error"),
        ({"timeout_min": -1}, "timeout_min"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(change, message):
    with pytest.raises(ConfigError, match=message):
        replace(SETTINGS, **change)


def test_a_folder_is_for_one_set_of_initial_conditions(program, tmp_path):
    engine = BonsaiEngine(SETTINGS, program)
    engine.prepare(particles(), tmp_path)
    with pytest.raises(ConfigError, match="other initial conditions"):
        engine.prepare(particles().select(np.arange(10)), tmp_path)
    with pytest.raises(ConfigError, match="time 0"):
        engine.prepare(replace(particles(), time=1.0), tmp_path / "other")
