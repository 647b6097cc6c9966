"""Stores of fields: made whole, written by whole shards, opened by anybody, and never wrong without a word."""

import shutil
import signal
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
import xarray
import zarr

from rhodiff.errors import DataError
from rhodiff.store import field_writing
from rhodiff.store.field_store import (
    absent_files,
    num_shards,
    open_fields,
    read_trajectory,
    shard_files,
    shard_range,
    shared_files,
)
from rhodiff.store.field_writing import create_fields, write_shard
from rhodiff.store.files import StorageError
from rhodiff.store.spec import FieldSpec, Parameter

PARAMETERS = (Parameter(name="Omega_m"), Parameter(name="t", unit="Gyr"))
NUM_FIELDS, SHARD = 7, 3


def spec_of(ndim, size=4):
    return FieldSpec(
        name="density",
        channels=("gas", "stars"),
        shape=(size,) * ndim,
        spacing=(0.5,) * ndim,
        periodic=(True,) * ndim,
    )


def content(ndim=2, num_fields=NUM_FIELDS, size=4):
    generator = np.random.default_rng(0)
    fields = generator.normal(size=(num_fields, *spec_of(ndim, size).field_shape)).astype(np.float32)
    return fields, generator.normal(size=(num_fields, 2)), np.ones(num_fields, dtype=np.bool_)


def fill(path, fields, parameters, valid, shards=None, **options):
    for shard in shards if shards is not None else range(num_shards(len(fields), SHARD)):
        start, stop = shard_range(shard, len(fields), SHARD)
        write_shard(path, start, fields[start:stop], parameters[start:stop], valid[start:stop], **options)


@pytest.fixture
def store(tmp_path):
    """A full store of seven fields in three shards."""
    path = tmp_path / "fields.zarr"
    create_fields(path, spec_of(2), PARAMETERS, num_fields=NUM_FIELDS, shard_length=SHARD)
    fill(path, *content())
    return path


@pytest.mark.parametrize("ndim", [1, 2, 3])
@pytest.mark.parametrize("compression", ["none", "zstd"])
def test_what_is_written_is_read_again(tmp_path, ndim, compression):
    path = tmp_path / "fields.zarr"
    split, group = np.array([0, 0, 0, 0, 1, 2, -1], np.int8), np.arange(NUM_FIELDS) // 2
    create_fields(
        path,
        spec_of(ndim),
        PARAMETERS,
        num_fields=NUM_FIELDS,
        shard_length=SHARD,
        compression=compression,
        split=split,
        group=group,
        attributes={"identity": "abc"},
    )
    fields, parameters, valid = content(ndim)
    fill(path, fields, parameters, valid)
    opened = open_fields(tmp_path)
    assert opened.path == path
    assert (opened.num_fields, opened.shard_length) == (NUM_FIELDS, SHARD)
    assert (opened.spec, opened.parameter_info) == (spec_of(ndim), PARAMETERS)
    np.testing.assert_array_equal(opened.fields[:], fields)
    np.testing.assert_array_equal(opened.parameters, parameters)
    np.testing.assert_array_equal(opened.split, split)
    np.testing.assert_array_equal(opened.group, group)
    assert opened.valid.all()
    assert opened.attributes["identity"] == "abc"
    assert absent_files(opened) == []


@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_xarray_opens_a_store_without_a_warning(tmp_path, ndim):
    path = tmp_path / "fields.zarr"
    create_fields(path, spec_of(ndim), PARAMETERS, num_fields=NUM_FIELDS, shard_length=SHARD, extra_axis=("step", 2))
    fields, parameters, valid = content(ndim)
    for shard in range(3):
        start, stop = shard_range(shard, NUM_FIELDS, SHARD)
        states = np.stack([fields[start:stop]] * 2, axis=1)
        write_shard(path, start, fields[start:stop], parameters[start:stop], valid[start:stop], states)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        data = xarray.open_zarr(path)
        values = data["fields"].values
    space = ("x", "y", "z")[:ndim]
    assert data["fields"].dims == ("sample", "channel", *space)
    assert data["trajectory"].dims == ("sample", "step", "channel", *space)
    assert data["parameters"].dims == ("sample", "parameter")
    assert data["parameters"].attrs == {"names": ["Omega_m", "t"], "units": ["", "Gyr"]}
    assert {data[name].dims for name in ("valid", "split", "group")} == {("sample",)}
    assert data.attrs["spec"]["shape"] == [4] * ndim
    np.testing.assert_array_equal(values, fields)


def test_a_shard_is_one_file_and_there_are_no_folders_below_an_array(store):
    names = sorted(str(path.relative_to(store)) for path in store.rglob("*") if path.is_file())
    shards = [f"fields/c.{s}.0.0.0" for s in range(3)]
    shards += [f"parameters/c.{s}.0" for s in range(3)] + [f"valid/c.{s}" for s in range(3)]
    metadata = [f"{name}/zarr.json" for name in ("fields", "group", "parameters", "split", "valid")]
    assert names == sorted([*shards, *metadata, "zarr.json", "split/c.0", "group/c.0"])
    opened = open_fields(store)
    vouched = [file for shard in range(3) for file in shard_files(opened, shard)] + shared_files(opened)
    assert sorted(str(path.relative_to(store)) for path in vouched) == names


def test_a_store_without_parameters_works(tmp_path):
    path = tmp_path / "fields.zarr"
    create_fields(path, spec_of(1), (), num_fields=4, shard_length=2)
    fields, _, valid = content(1, 4)
    for start in (0, 2):
        files = write_shard(path, start, fields[start : start + 2], np.empty((2, 0)), valid[:2])
        assert all(file.exists() for file in files)
    opened = open_fields(path)
    assert opened.parameters.shape == (4, 0)
    assert absent_files(opened) == []
    np.testing.assert_array_equal(opened.fields[:], fields)


def test_shard_ranges_cover_all_fields_once():
    for num_fields in range(1, 30):
        for length in range(1, 12):
            ranges = [shard_range(s, num_fields, length) for s in range(num_shards(num_fields, length))]
            assert [i for start, stop in ranges for i in range(start, stop)] == list(range(num_fields))


def test_making_a_store_again_leaves_it_as_it_is(store):
    before = {path: path.stat().st_mtime_ns for path in store.rglob("*")}
    create_fields(store, spec_of(3), (), num_fields=99, shard_length=1)
    assert {path: path.stat().st_mtime_ns for path in store.rglob("*")} == before


def test_an_error_while_a_store_is_made_leaves_nothing(tmp_path, monkeypatch):
    def fail(_):
        raise ValueError("in between")

    monkeypatch.setattr(field_writing, "consolidate", fail)
    with pytest.raises(ValueError, match="in between"):
        create_fields(tmp_path / "fields.zarr", spec_of(2), (), num_fields=4, shard_length=2)
    assert list(tmp_path.iterdir()) == []


def test_a_kill_while_a_store_is_made_leaves_none_that_can_be_opened(tmp_path):
    path = tmp_path / "fields.zarr"
    script = (
        "import os, pathlib, sys\nfrom rhodiff.store import field_writing, spec\n"
        "field_writing.consolidate = lambda _: os.kill(os.getpid(), 9)\n"
        "field = spec.FieldSpec(name='a', shape=(4,), spacing=(1.0,), periodic=(True,))\n"
        "field_writing.create_fields(pathlib.Path(sys.argv[1]), field, (), num_fields=4, shard_length=2)\n"
    )
    killed = subprocess.run([sys.executable, "-c", script, str(path)], check=False)
    assert killed.returncode == -signal.SIGKILL
    with pytest.raises(DataError, match="no store of fields"):
        open_fields(path)
    create_fields(path, spec_of(2), (), num_fields=4, shard_length=2)
    assert open_fields(path).num_fields == 4


def test_who_comes_second_takes_the_store_of_the_first(tmp_path, monkeypatch):
    path = tmp_path / "fields.zarr"
    consolidate = field_writing.consolidate

    def overtaken(temporary):
        consolidate(temporary)
        monkeypatch.setattr(field_writing, "consolidate", consolidate)
        create_fields(path, spec_of(2), (), num_fields=4, shard_length=2, attributes={"maker": "first"})

    monkeypatch.setattr(field_writing, "consolidate", overtaken)
    create_fields(path, spec_of(2), (), num_fields=4, shard_length=2, attributes={"maker": "second"})
    assert open_fields(path).attributes["maker"] == "first"
    assert [p.name for p in tmp_path.iterdir()] == ["fields.zarr"]


@pytest.mark.parametrize(("start", "length"), [(1, 3), (0, 2), (0, 4), (3, 1), (6, 2), (5, 2), (9, 0)])
def test_only_whole_shards_can_be_written(store, start, length):
    fields, parameters, valid = content(num_fields=length)
    with pytest.raises(AssertionError, match="shard"):
        write_shard(store, start, fields, parameters, valid)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_values_that_are_no_numbers_are_refused_unless_masked(tmp_path, bad):
    path = tmp_path / "fields.zarr"
    create_fields(path, spec_of(2), PARAMETERS, num_fields=NUM_FIELDS, shard_length=SHARD)
    fields, parameters, valid = content()
    fields[1, 0, 2, 2] = bad
    with pytest.raises(DataError, match=r"fields 0\.\.3 .* NaN or infinite"):
        fill(path, fields, parameters, valid, shards=[0])
    assert len(absent_files(open_fields(path))) == 9
    fields[1], valid[1] = np.nan, False
    fill(path, fields, parameters, valid)
    opened = open_fields(path)
    assert np.isnan(opened.fields[1]).all()
    np.testing.assert_array_equal(opened.valid, valid)
    np.testing.assert_array_equal(opened.fields[2], fields[2])


def test_indices_leave_out_failed_fields_and_other_parts(tmp_path):
    path = tmp_path / "fields.zarr"
    split = np.array([0, 1, 0, 0, 2, 1, -1], np.int8)
    create_fields(path, spec_of(2), PARAMETERS, num_fields=NUM_FIELDS, shard_length=SHARD, split=split)
    fields, parameters, valid = content()
    fields[2], valid[2] = np.nan, False
    fill(path, fields, parameters, valid)
    opened = open_fields(path)
    assert [opened.indices(part).tolist() for part in (0, 1, 2)] == [[0, 3], [1, 5], [4]]


@pytest.mark.parametrize("shard", [0, 2])
@pytest.mark.parametrize("keep", [0, 10, -1])
def test_a_damaged_shard_can_be_written_again(store, shard, keep):
    expected = {path: path.read_bytes() for path in store.rglob("*") if path.is_file()}
    for file in shard_files(open_fields(store), shard):
        file.write_bytes(file.read_bytes()[:keep])
    fill(store, *content(), shards=[shard])
    assert {path: path.read_bytes() for path in store.rglob("*") if path.is_file()} == expected


def test_a_full_disk_leaves_the_other_shards_and_the_rerun_goes_on(small_disk):
    path = small_disk("size=600k") / "fields.zarr"
    ballast = path.parent / "ballast"
    fields, parameters, valid = content(num_fields=NUM_FIELDS, size=64)
    create_fields(path, spec_of(2, 64), PARAMETERS, num_fields=NUM_FIELDS, shard_length=SHARD)
    fill(path, fields, parameters, valid, shards=[0])
    ballast.write_bytes(b"x" * 450_000)
    with pytest.raises(StorageError, match="the disk is full"):
        fill(path, fields, parameters, valid, shards=[1])
    np.testing.assert_array_equal(open_fields(path).fields[:3], fields[:3])
    assert not any(shard_files(open_fields(path), 1)[0].parent.glob("*.partial"))
    ballast.unlink()
    fill(path, fields, parameters, valid, shards=[1, 2])
    np.testing.assert_array_equal(open_fields(path).fields[:], fields)


def test_a_full_disk_leaves_no_half_made_store(small_disk):
    disk = small_disk("size=1m,nr_inodes=9")
    with pytest.raises(StorageError, match="the disk is full"):
        create_fields(disk / "fields.zarr", spec_of(2), PARAMETERS, num_fields=4, shard_length=2)
    assert list(disk.iterdir()) == []


def damage(store, name, data):
    (store / name).write_bytes(data)


@pytest.mark.parametrize(
    ("break_it", "reason"),
    [
        (lambda store: shutil.rmtree(store), "no store of fields"),
        (lambda store: damage(store, "zarr.json", b"{"), "damaged"),
        (lambda store: damage(store, "zarr.json", b"{}"), "no store of fields of schema 1"),
        (lambda store: (store / "zarr.json").unlink(), "no store of fields"),
        (lambda store: edit(store, schema_version=99), "schema 1 .found schema 99"),
        (lambda store: edit(store, schema_version=None), "schema 1"),
        (lambda store: edit(store, spec={"name": "a"}), "attributes .* are damaged"),
        (lambda store: edit(store, parameters=3), "attributes .* are damaged"),
    ],
)
def test_what_is_no_store_of_fields_is_refused(store, break_it, reason):
    break_it(store)
    with pytest.raises(DataError, match=reason):
        open_fields(store)


def edit(store, **attributes):
    zarr.open_group(store, mode="r+").attrs.update(attributes)


def test_other_files_and_groups_are_refused(tmp_path):
    zarr.create_group(tmp_path / "group.zarr")
    zarr.create_array(tmp_path / "array.zarr", data=np.arange(3.0))
    (tmp_path / "file.npy").write_bytes(b"\x93NUMPY")
    (tmp_path / "folder").mkdir()
    for path in [*tmp_path.iterdir(), Path("/dev/null"), tmp_path / "none"]:
        with pytest.raises(DataError):
            open_fields(path)


@pytest.mark.parametrize(
    ("name", "file"), [("valid", "c.0"), ("parameters", "c.1.0"), ("split", "c.0"), ("group", "c.0")]
)
@pytest.mark.parametrize("data", [b"", b"abc"])
def test_a_damaged_table_is_an_error_that_names_it(store, name, file, data):
    damage(store, f"{name}/{file}", data)
    with pytest.raises(DataError, match=f"array '{name}' of .* is damaged"):
        getattr(open_fields(store), name)


def test_a_store_that_lacks_an_array_is_refused(store):
    shutil.rmtree(store / "fields")
    shutil.rmtree(store / "valid")
    opened = open_fields(store)
    assert len(absent_files(opened)) == 6


def test_absent_files_are_found(store):
    gone = [store / "fields/c.1.0.0.0", store / "valid/c.2"]
    for file in gone:
        file.unlink()
    assert absent_files(open_fields(store)) == gone


def test_trajectories_are_read_of_valid_fields(tmp_path):
    path = tmp_path / "fields.zarr"
    create_fields(path, spec_of(2), PARAMETERS, num_fields=3, shard_length=3, extra_axis=("step", 2))
    fields, parameters, valid = content(num_fields=3)
    states = np.stack([fields, 2 * fields], axis=1)
    valid[0], fields[0] = False, np.nan
    files = write_shard(path, 0, fields, parameters, valid, states)
    assert len(files) == 4
    np.testing.assert_array_equal(read_trajectory(open_fields(path), 2), states[1:])
