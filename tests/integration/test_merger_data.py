"""A grid of mergers as a data set, by commands: what is refused, what is masked, and what is mended."""

import json
import os
import re
import signal
import subprocess
from functools import partial

import holds
import numpy as np
import pytest
from experiments import Lab
from merger_sources import SOURCE, spoilt_stand_in

from rhodiff.store.field_store import open_fields

EXPERIMENT = {
    "name": "tiny_mergers",
    "data": {"source": SOURCE, "split": {"train": 0.5, "validation": 0.25, "test": 0.25}, "shard_length": 6},
}
IMAGES = 6
"""Of a simulation, which are a shard."""


def lab(folder, *overrides):
    return Lab.make(folder, EXPERIMENT, *overrides)


def lab_of(folder, **source):
    """An experiment whose file has other settings of the source: ``data`` commands take no overrides."""
    return Lab.make(folder, EXPERIMENT | {"data": EXPERIMENT["data"] | {"source": SOURCE | source}})


def data_of(one):
    (found,) = (one.folder / "data").glob("mergers-*")
    return found


def store_of(one):
    """Fields, parameters and mask."""
    store = open_fields(data_of(one))
    return np.asarray(store.fields), store.parameters, store.valid


def records_of(one):
    """What became of each simulation, by key."""
    paths = (one.folder / "data" / "simulations").glob("*/record.json")
    return {path.parent.name: json.loads(path.read_text()) for path in paths}


def written(folder):
    """Files, and their bytes."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return len(files), sum(path.stat().st_size for path in files)


def assert_same(one, two):
    for ours, theirs in zip(store_of(one), store_of(two), strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    one = lab(tmp_path_factory.mktemp("mergers") / "undisturbed")
    one.do("run", "prepare")
    return one


def test_a_second_time_all_is_done(undisturbed):
    before = records_of(undisturbed)
    assert len(before) == 4
    assert "done before" in undisturbed.do("run", "prepare").err
    assert records_of(undisturbed) == before


@pytest.mark.parametrize("keeps", ["true", "false"])
def test_files_and_bytes_of_the_plan_are_upper_bounds_of_what_is_left(keeps, tmp_path):
    one = lab(tmp_path / "x", f"data.source.keep_snapshots={keeps}")
    (plan,) = one.do("run", "prepare", "--dry-run", "--json").value["plan"]
    assert not (one.folder / "data").exists()
    one.do("run", "prepare")
    files, size = written(one.folder / "data")
    stored = sum(path.stat().st_size for path in data_of(one).rglob("c.*"))
    assert files <= plan["num_files"] <= 2 * files
    assert stored + written(one.folder / "data" / "simulations")[1] <= plan["size_bytes"]
    assert size <= 2 * plan["size_bytes"]


def test_a_preparation_that_is_killed_goes_on_and_repeats_nothing(undisturbed, tmp_path):
    one = lab(tmp_path / "x")
    started = one.start("run", "prepare", before=partial(holds.hold_in_write, "snapshot_00001.5000", 3))
    started.wait_until_held()
    started.send(signal.SIGKILL)
    started.wait()
    before = records_of(one)
    assert len(before) == 2
    one.do("run", "prepare")
    after = records_of(one)
    assert {key: after[key] for key in before} == before
    assert sorted(record["steps"] for record in after.values()) == [12, 20, 20, 20]  # one went on after 8 steps
    assert_same(one, undisturbed)


def test_a_preparation_that_is_asked_to_stop_leaves_within_a_simulation_and_goes_on(undisturbed, tmp_path):
    one = lab(tmp_path / "x", f"data.source.scratch={tmp_path / 'disk'}")
    started = one.start("run", "prepare", before=partial(holds.hold_in_write, "snapshot_00001.5000", 2))
    started.wait_until_held()
    started.send(signal.SIGTERM, signal.SIGCONT)
    ended = started.wait()
    assert ended.code == 75, ended.err
    assert "stopped by SIGTERM after 1 of 4 tasks" in ended.err
    assert not [path for path in (tmp_path / "disk").rglob("*") if path.is_file()]
    one.do("run", "prepare")
    assert sorted(record["steps"] for record in records_of(one).values())[0] < 20
    assert_same(one, undisturbed)


def test_another_experiment_with_more_points_takes_those_that_are_there(undisturbed, tmp_path):
    more = undisturbed.sibling(
        tmp_path / "more",
        f"data.source.archive={undisturbed.folder / 'data' / 'simulations'}",
        "data.source.grid.mass_ratio=[0.5, 0.75, 1.0]",
    )
    before = records_of(undisturbed)
    more.do("run", "prepare")
    after = records_of(undisturbed)
    assert len(after) == 6 and {key: after[key] for key in before} == before
    fields, parameters, valid = store_of(more)
    chosen = parameters[:, 0] != 0.75
    for ours, theirs in zip((fields[chosen], parameters[chosen], valid[chosen]), store_of(undisturbed), strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.fixture
def spoilt(tmp_path):
    """An experiment with Bonsai's stand-in, prepared while it spoiled one of four simulations."""
    engine = SOURCE["engine"] | {"kind": "bonsai", "executable": str(spoilt_stand_in(tmp_path))}
    one = lab_of(tmp_path / "x", engine=engine, archive="elsewhere")
    whole = one.sibling(tmp_path / "whole")
    whole.do("run", "prepare")
    keys = sorted(path.name for path in (whole.folder / "elsewhere").iterdir())
    ended = one.do("run", "prepare", environment={"SPOILT": keys[1]})
    return one, whole, keys[1], ended.err


def test_what_failed_is_told_masked_and_tried_again_when_that_is_asked_for(spoilt):
    one, whole, key, told = spoilt
    folder = data_of(one)
    for words in (key, "missing_snapshot", "exit code 0", f"rhodiff-hpc data repair --failed {folder}"):
        assert words in told
    _, _, valid = store_of(one)
    assert (~valid).sum() == IMAGES
    ended = one.do("data", "verify", str(folder))
    assert "4 of 4 shards are sound" in ended.out and "masked" in ended.out and key in ended.out
    (failure,) = one.do("data", "verify", str(folder), "--json").value["failures"]
    assert key in failure["reasons"][0]
    assert "0 shards made again" in one.do("data", "repair", str(folder)).out
    assert "1 shards made again" in one.do("data", "repair", "--failed", str(folder)).out
    assert one.do("data", "verify", str(folder), "--json").value["failures"] == []
    assert_same(one, whole)


def test_a_simulation_that_fails_again_stays_masked(spoilt):
    one, _, key, _ = spoilt
    one.do("data", "repair", "--failed", str(data_of(one)), environment={"SPOILT": key})
    assert (~store_of(one)[2]).sum() == IMAGES
    assert len(one.do("data", "verify", str(data_of(one)), "--json").value["failures"]) == 1


def test_a_lost_shard_is_made_again_from_the_archive(spoilt):
    _, whole, _, _ = spoilt
    folder, before = data_of(whole), [field.copy() for field in store_of(whole)]
    times = {path: path.stat().st_mtime_ns for path in (whole.folder / "elsewhere").rglob("*") if path.is_file()}
    (lost,) = (folder / "fields.zarr" / "fields").glob("c.2.*")
    lost.unlink()
    assert whole.run("data", "verify", str(folder)).code == 1
    assert "1 shards made again" in whole.do("data", "repair", str(folder)).out
    for ours, theirs in zip(store_of(whole), before, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    now = {path: path.stat().st_mtime_ns for path in (whole.folder / "elsewhere").rglob("*") if path.is_file()}
    assert now == times


def test_damaged_particles_are_named_when_a_shard_is_made_from_them(spoilt):
    _, whole, key, _ = spoilt
    folder = data_of(whole)
    particles = whole.folder / "elsewhere" / key / "particles.zip"
    os.truncate(particles, particles.stat().st_size // 2)
    for lost in (folder / "fields.zarr" / "fields").glob("c.*"):
        lost.unlink()
    ended = whole.run("data", "repair", str(folder))
    assert ended.code != 0 and ended.err.count("error:") == 1
    assert f"{particles} is not what its record vouches for" in ended.err.replace("\n", " ")


def test_a_disk_that_is_too_small_is_named_and_the_next_call_goes_on(small_disk, undisturbed, tmp_path):
    disk = small_disk("size=60k")
    one = lab(tmp_path / "x", f"data.source.scratch={disk}")
    ended = one.run("run", "prepare")
    assert ended.code == 1 and ended.err.count("error:") == 1
    assert re.search(rf"{disk}/\S+ on \S+ has room for 0\.1 MB", ended.err)
    assert records_of(one) == {}
    subprocess.run(["mount", "-o", "remount,size=4m", str(disk)], check=True)
    one.do("run", "prepare")
    assert_same(one, undisturbed)


BONSAI = "data.source.engine={{kind: bonsai, executable: {}}}"


@pytest.mark.parametrize("command", [("run", "prepare"), ("submit", "prepare", "--dry-run", "--time", "5")])
@pytest.mark.parametrize(
    ("overrides", "code", "words"),
    [
        (["data.source.grid.mas_ratio=1"], 2, "did you mean 'mass_ratio'"),
        (["data.source.grid.mass_ratio=0"], 2, "data.source.grid.mass_ratio has the value 0"),
        (["data.source.grid.mass_ratio=[]"], 2, "grid.mass_ratio"),
        (
            ["data.source.engine={kind: bonsai, executable: /bin/true, time_step: 0.1}"],
            2,
            "time_step 0.1 is not 2^-k",
        ),
        ([BONSAI.format("/nowhere/bonsai2_slowdust")], 5, "'/nowhere/bonsai2_slowdust' is not there"),
        ([BONSAI.format("rhodiff.yaml")], 5, "may not be executed"),
        ([BONSAI.format("/bin/true"), f"data.source.archive={'/'.join(['d' * 50] * 5)}"], 2, "under 256"),
        (["data.source.held_out={mass: [1]}"], 2, "data.source.held_out: no parameter 'mass'"),
    ],
)
def test_bad_input_is_refused_with_its_key_before_anything_is_written_or_submitted(
    overrides, code, words, command, tmp_path
):
    one = lab(tmp_path / "x", *overrides)
    ended = one.run(*command)
    assert ended.code == code, ended.err
    assert words in " ".join(ended.err.split()), ended.err
    assert sorted(path.name.split("-")[0] for path in one.folder.iterdir()) == ["command", "command", "rhodiff.yaml"]
