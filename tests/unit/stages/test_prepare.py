"""Preparing data: any division gives the same files, what is done is not done again, what is missing is."""

import json
import os
import signal

import numpy as np
import pytest
import zarr

from rhodiff.config.loading import apply_overrides, parse_experiment
from rhodiff.errors import ConfigError, DataError, StoppedEarly
from rhodiff.sources.registry import build_source
from rhodiff.stages.inspection import find_faults, inspect
from rhodiff.stages.parts import Part, parse_part
from rhodiff.stages.prepare import missing_shards, prepare
from rhodiff.stages.workspace import Workspace
from rhodiff.store.files import StorageError


@pytest.fixture
def make(tmp_path, harmonics, observer):
    def with_overrides(*overrides, folder="here"):
        experiment = parse_experiment(apply_overrides(harmonics, overrides), "test")
        (tmp_path / folder).mkdir(exist_ok=True)
        return Workspace(experiment, tmp_path / folder, observer)

    return with_overrides


def contents(folder):
    """Content of all files that hold numbers; metadata has times in it."""
    files = (path for path in (folder / "fields.zarr").rglob("c.*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def times(folder):
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


def test_the_store_holds_what_the_source_makes(workspace):
    folder = prepare(workspace)
    source = build_source(workspace.experiment.data.source, workspace.folder)
    made = source.make(0, source.num_fields)
    store = workspace.store
    np.testing.assert_array_equal(store.fields[:], made.fields)
    np.testing.assert_array_equal(store.parameters, made.parameters)
    np.testing.assert_array_equal(store.split, source.assign_split(workspace.experiment.data.split))
    np.testing.assert_array_equal(store.group, source.groups())
    assert folder == workspace.data_folder.path
    assert find_faults(inspect(folder)) == []


def test_the_store_says_where_it_comes_from(workspace):
    prepare(workspace)
    attributes = workspace.store.attributes
    assert attributes["identity"] == workspace.data_id
    assert attributes["data"]["source"]["kind"] == "harmonics"
    assert attributes["provenance"]["axes"] == "x, y, z"
    assert "torch" in attributes["environment"]["packages"]
    done = json.loads(workspace.data_folder.done.read_text())
    assert (done["train"], done["validation"], done["test"], done["failed"]) == (11, 3, 2, 0)


@pytest.mark.parametrize("count", [2, 3, 7])
def test_parts_in_any_order_give_the_files_of_the_whole(make, count):
    whole = contents(prepare(make(folder="whole")))
    for index in reversed(range(count)):
        divided = make(folder="divided")
        folder = prepare(divided, Part(index, count))
        assert divided.data_folder.done.exists() == (index == 0)
    assert contents(folder) == whole


def test_a_part_that_finishes_nothing_says_what_is_missing(workspace, observer):
    prepare(workspace, Part(0, 2))
    assert missing_shards(workspace) == [1, 3]
    assert "2 shards are still to be made" in observer.notes[-1]
    with pytest.raises(DataError, match=r"is not prepared .completely.*rhodiff-hpc run prepare"):
        _ = workspace.store


def test_a_finished_data_set_is_left_as_it_is(make, observer):
    folder = prepare(make())
    before = times(folder)
    prepare(make())
    assert times(folder) == before
    assert "done before" in observer.notes[-1]


def test_what_a_killed_preparation_left_is_completed_and_the_rest_untouched(make, monkeypatch):
    first = make()
    build = type(first.source).make

    def killed(source, start, stop):
        if start == 10:
            raise KeyboardInterrupt
        return build(source, start, stop)

    monkeypatch.setattr(type(first.source), "make", killed)
    with pytest.raises(KeyboardInterrupt):
        prepare(first)
    monkeypatch.undo()
    before = times(first.data_folder.path)
    folder = prepare(make())
    assert {path: time for path, time in times(folder).items() if path in before} == before
    assert contents(folder) == contents(prepare(make(folder="whole")))


def test_a_full_disk_is_an_error_and_the_rerun_goes_on(small_disk, make, harmonics, observer):
    disk = small_disk("size=700k")
    overrides = ["data.source.size=16", f"paths.data={disk}"]
    ballast = disk / "ballast"
    ballast.write_bytes(b"x" * 500_000)
    with pytest.raises(StorageError, match="the disk is full"):
        prepare(make(*overrides))
    assert not make(*overrides).data_folder.done.exists()
    ballast.unlink()
    folder = prepare(make(*overrides))
    assert find_faults(inspect(folder)) == []
    assert contents(folder) == contents(prepare(make("data.source.size=16")))


def test_a_share_that_gets_no_group_is_refused_before_anything_is_written(make):
    workspace = make("data.source.max_degree=0", "data.source.repeats=3")
    with pytest.raises(ConfigError, match=r"data\.split\.(validation|test) is 0.15.*independent groups"):
        prepare(workspace)
    assert not workspace.data_folder.path.exists()


def test_another_data_set_copied_into_the_folder_is_noticed(make):
    folder = prepare(make())
    other = make("data.split.seed=1")
    other.data_folder.path.parent.mkdir(exist_ok=True)
    folder.rename(other.data_folder.path)
    with pytest.raises(DataError, match=rf"holds the data set {make().data_id}, this experiment asks for"):
        _ = other.store


@pytest.mark.parametrize("name", ["valid/c.1", "parameters/c.0.0", "fields/c.3.0.0.0.0"])
def test_a_file_that_was_lost_later_is_noticed_before_it_is_read_as_nothing(make, name):
    folder = prepare(make())
    (folder / "fields.zarr" / name).unlink()
    with pytest.raises(DataError, match=rf"1 files .* are gone, the first is .*rhodiff-hpc data repair {folder}"):
        _ = make().store


def test_changed_input_makes_another_data_set_and_says_so(tmp_path, observer):
    path = tmp_path / "fields.npy"
    settings = {"name": "a", "data": {"source": {"kind": "arrays", "fields": "fields.npy"}, "shard_length": 8}}

    def prepared(seed):
        np.save(path, np.random.default_rng(seed).normal(size=(20, 4, 4)).astype(np.float32))
        os.utime(path, (0, 0))
        return prepare(Workspace(parse_experiment(settings, "test"), tmp_path, observer))

    first, second = prepared(0), prepared(1)
    assert first != second
    assert any("have changed since" in note for note in observer.notes)
    assert prepared(0) == first


def test_compression_changes_the_files_and_not_the_numbers(make):
    plain, packed = prepare(make()), prepare(make("data.compression=zstd"))
    assert plain != packed
    one, two = (zarr.open_group(folder / "fields.zarr", mode="r")["fields"][:] for folder in (plain, packed))
    np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize("count", [1, 2, 5, 9])
def test_parts_divide_tasks(count):
    tasks = list(range(7))
    parts = [Part(index, count).of(tasks) for index in range(count)]
    assert sorted(task for part in parts for task in part) == tasks
    assert parse_part(f"{count - 1}/{count}") == Part(count - 1, count)


@pytest.mark.parametrize("text", ["", "1", "1/1", "2/2", "-1/2", "a/b", "0/0", "0/2/3", "²/3", "0.5/2"])
def test_parts_that_make_no_sense_are_refused(text):
    with pytest.raises(ConfigError, match="0 <= K < N"):
        parse_part(text)


def test_a_stop_signal_lets_the_shard_at_hand_finish_and_the_rest_is_made_later(workspace, observer, monkeypatch):
    monkeypatch.setattr(observer, "progress", lambda done, total, text: os.kill(os.getpid(), signal.SIGUSR1))
    with pytest.raises(StoppedEarly, match="after 1 of 4 tasks"):
        prepare(workspace)
    assert missing_shards(workspace) == [1, 2, 3]
    monkeypatch.undo()
    prepare(workspace)
    assert missing_shards(workspace) == []
