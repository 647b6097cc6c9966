"""Looking after real stores: every damage is found and named, and repaired without touching anything else."""

import json
import os
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from rhodiff.config.loading import apply_overrides, parse_experiment
from rhodiff.errors import DataError
from rhodiff.stages.inspection import find_faults, inspect, repair
from rhodiff.stages.parts import Part
from rhodiff.stages.prepare import prepare
from rhodiff.stages.workspace import Workspace
from rhodiff.store.field_store import open_fields, shard_range
from rhodiff.store.field_writing import create_fields, write_shard
from rhodiff.store.files import write_marker
from rhodiff.store.layout import RunFolder

FIELD, TABLE, MASK = "fields.zarr/fields/c.1.0.0.0.0", "fields.zarr/parameters/c.1.0", "fields.zarr/valid/c.1"
LAST = "fields.zarr/fields/c.3.0.0.0.0"


@pytest.fixture
def folder(workspace):
    return prepare(workspace)


def snapshot(folder):
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(p.relative_to(folder)): (p.read_bytes(), p.stat().st_mtime_ns) for p in files}


def flip(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def truncate(path):
    os.truncate(path, path.stat().st_size - 3)


def delete(path):
    path.unlink()


def empty(path):
    os.truncate(path, 0)


def faults_of(folder):
    return [(fault.shard, fault.reason) for fault in find_faults(inspect(folder))]


@pytest.mark.parametrize(
    ("name", "damage", "shard", "reason"),
    [
        (FIELD, delete, 1, "c.1.0.0.0.0 is missing"),
        (FIELD, truncate, 1, r"has 10321 bytes, its marker says 10324"),
        (FIELD, empty, 1, "has 0 bytes"),
        (FIELD, flip, 1, "content of .*c.1.0.0.0.0 has changed"),
        (LAST, truncate, 3, "its marker says"),
        (LAST, delete, 3, "is missing"),
        (TABLE, flip, 1, "parameters/c.1.0 has changed"),
        (TABLE, delete, 1, "parameters/c.1.0 is missing"),
        (MASK, truncate, 1, "valid/c.1 has"),
        ("markers/shard-000001.json", delete, 1, "no marker shard-000001.json"),
        ("markers/shard-000001.json", truncate, 1, "no marker shard-000001.json"),
    ],
)
def test_damage_is_named_and_repaired_bit_for_bit_and_nothing_else_is_touched(
    folder, observer, name, damage, shard, reason
):
    before = snapshot(folder)
    damage(folder / name)
    ((found, text),) = faults_of(folder)
    assert found == shard
    assert re.search(reason, text)
    assert [fault.shard for fault in repair(inspect(folder), observer)] == [shard]
    after = snapshot(folder)
    assert {n: content for n, (content, _) in after.items()} == {n: content for n, (content, _) in before.items()}
    remade = {n for n in after if after[n][1] != before[n][1]}
    assert {n for n in remade if f"c.{shard}" not in n} <= {f"markers/shard-{shard:06d}.json", "markers/done.json"}
    assert faults_of(folder) == []


def test_a_sound_data_set_has_no_faults_and_repair_does_nothing(folder, observer):
    before = snapshot(folder)
    assert faults_of(folder) == []
    assert repair(inspect(folder), observer) == []
    assert snapshot(folder) == before


@pytest.mark.parametrize("damage", [delete, empty])
def test_a_missing_done_marker_is_a_fault_of_the_whole_and_written_again(folder, observer, damage):
    before = snapshot(folder)
    damage(folder / "markers/done.json")
    assert faults_of(folder) == [(None, "not finished (no marker done.json)")]
    repair(inspect(folder), observer)
    assert faults_of(folder) == []
    after = snapshot(folder)
    assert [n for n in after if after[n] != before[n]] in ([], ["markers/done.json"])
    assert after["markers/done.json"][0] == before["markers/done.json"][0]


@pytest.mark.parametrize("name", ["split/c.0", "group/c.0", "zarr.json", "fields/zarr.json"])
def test_damage_to_what_all_shards_share_is_named_and_not_papered_over(folder, observer, name):
    path = folder / "fields.zarr" / name
    path.write_bytes(path.read_bytes() + b"\n")
    ((shard, reason),) = faults_of(folder)
    assert shard is None
    assert name in reason
    before = snapshot(folder)
    with pytest.raises(DataError, match=r"cannot be repaired.*Remove the folder and run 'rhodiff-hpc run prepare'"):
        repair(inspect(folder), observer)
    assert snapshot(folder) == before


def test_several_faults_are_all_found_and_repaired(folder, observer):
    before = snapshot(folder)
    delete(folder / FIELD)
    flip(folder / LAST)
    delete(folder / "markers/shard-000000.json")
    delete(folder / "markers/done.json")
    assert [shard for shard, _ in faults_of(folder)] == [0, 1, 3, None]
    repair(inspect(folder), observer)
    assert {n: content for n, (content, _) in snapshot(folder).items()} == {n: c for n, (c, _) in before.items()}


def test_an_unfinished_preparation_is_not_sound(workspace, observer):
    folder = prepare(workspace, Part(0, 2))
    assert [shard for shard, _ in faults_of(folder)] == [1, 3, None]
    repair(inspect(folder), observer)
    assert faults_of(folder) == []


def test_a_marker_of_another_shard_does_not_vouch(folder):
    shutil.copy(folder / "markers/shard-000000.json", folder / "markers/shard-000001.json")
    assert faults_of(folder) == [(1, "its marker shard-000001.json vouches for other files")]


def test_relative_paths_work(folder, observer, monkeypatch):
    delete(folder / FIELD)
    monkeypatch.chdir(folder)
    assert [shard for shard, _ in faults_of(Path())] == [1]
    repair(inspect(Path()), observer)
    monkeypatch.chdir(folder / "fields.zarr")
    assert faults_of(Path()) == []


def test_a_data_set_that_was_moved_with_its_name_is_repaired_where_it_is(folder, observer, tmp_path):
    moved = tmp_path / "elsewhere" / folder.name
    moved.parent.mkdir()
    folder.rename(moved)
    delete(moved / FIELD)
    repair(inspect(moved), observer)
    assert faults_of(moved) == []
    assert not folder.exists()


def test_a_renamed_data_set_is_not_repaired_under_its_false_name(folder, observer):
    renamed = folder.with_name("backup")
    folder.rename(renamed)
    delete(renamed / FIELD)
    with pytest.raises(DataError, match=f"renamed from '{folder.name}'"):
        repair(inspect(renamed), observer)


def test_a_data_set_without_test_part_is_repaired(tmp_path, harmonics, observer):
    overrides = ["data.split={train: 0.7, validation: 0.3, test: 0}", "evaluation.reference=validation"]
    experiment = parse_experiment(apply_overrides(harmonics, overrides), "test")
    folder = prepare(Workspace(experiment, tmp_path, observer))
    delete(folder / FIELD)
    repair(inspect(folder), observer)
    assert faults_of(folder) == []


def test_a_store_that_nobody_prepared_is_not_repaired(tmp_path, folder, observer):
    path = tmp_path / "own" / "fields.zarr"
    create_fields(path, open_fields(folder).spec, (), num_fields=2, shard_length=2)
    with pytest.raises(DataError, match="not made by 'rhodiff-hpc run prepare'"):
        repair(inspect(path), observer)


@pytest.fixture
def from_file(tmp_path, observer):
    path = tmp_path / "input.npy"
    np.save(path, np.random.default_rng(0).normal(size=(20, 4, 4)).astype(np.float32))
    settings = {"name": "a", "data": {"source": {"kind": "arrays", "fields": "input.npy"}, "shard_length": 5}}
    return path, prepare(Workspace(parse_experiment(settings, "test"), tmp_path, observer))


@pytest.mark.parametrize("change", ["another content", "removed"])
def test_a_data_set_whose_input_changed_is_not_repaired_and_not_harmed(from_file, observer, change):
    path, folder = from_file
    (folder / "fields.zarr/fields/c.2.0.0.0").unlink()
    before = snapshot(folder)
    if change == "removed":
        path.unlink()
    else:
        np.save(path, np.zeros((20, 4, 4), dtype=np.float32))
    with pytest.raises(Exception, match=r"input\.npy") as caught:
        repair(inspect(folder), observer)
    assert caught.value.exit_code == 2
    assert snapshot(folder) == before


def test_a_data_set_from_a_file_is_repaired_from_that_file(from_file, observer):
    _, folder = from_file
    before = snapshot(folder)
    (folder / "fields.zarr/fields/c.2.0.0.0").unlink()
    repair(inspect(folder), observer)
    assert {n: c for n, (c, _) in snapshot(folder).items()} == {n: c for n, (c, _) in before.items()}


@pytest.fixture
def samples(tmp_path, folder):
    """A store of five generated fields in a run folder."""
    run, spec = RunFolder(tmp_path / "runs" / "x-00000000"), open_fields(folder).spec
    path = run.samples("abcd1234")
    create_fields(path, spec, (), num_fields=5, shard_length=2, extra_axis=("step", 1))
    for shard in range(3):
        start, stop = shard_range(shard, 5, 2)
        fields = np.full((stop - start, *spec.field_shape), shard, np.float32)
        valid = np.ones(stop - start, np.bool_)
        files = write_shard(path, start, fields, np.empty((stop - start, 0)), valid, fields[:, None])
        write_marker(run.samples_marker("abcd1234", shard), files)
    return path


def test_damaged_samples_are_forgotten_so_that_sampling_makes_them_again(samples, observer):
    assert faults_of(samples) == []
    flip(samples / "trajectory/c.1.0.0.0.0.0")
    markers = samples.parent.parent / "markers"
    before = sorted(path.name for path in markers.iterdir())
    assert [shard for shard, _ in faults_of(samples)] == [1]
    assert not inspect(samples).is_data_set
    repair(inspect(samples), observer)
    assert sorted(path.name for path in markers.iterdir()) == [n for n in before if not n.endswith("000001.json")]


def test_what_is_no_data_set_and_no_samples_is_refused(tmp_path, folder):
    with pytest.raises(DataError, match="no store of fields"):
        inspect(tmp_path)
    with pytest.raises(DataError, match="no store of fields"):
        inspect(folder / "markers")
    shutil.copytree(folder / "fields.zarr", tmp_path / "copy.zarr")
    with pytest.raises(DataError, match="neither a prepared data folder nor a store in the samples folder"):
        inspect(tmp_path / "copy.zarr")


def test_a_store_whose_metadata_is_torn_is_refused(folder):
    path = folder / "fields.zarr/zarr.json"
    path.write_text(json.dumps(json.loads(path.read_text()))[:-10])
    with pytest.raises(DataError, match="damaged"):
        inspect(folder)
