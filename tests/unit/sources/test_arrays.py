"""The user's arrays: one contract for .npy, HDF5 and Zarr, and every broken file named."""

import os
import pickle

import h5py
import numpy as np
import pytest
import zarr
from pydantic import ValidationError

from rhodiff.config.fields import Split
from rhodiff.config.sources import ArraysSource
from rhodiff.errors import ConfigError, DataError
from rhodiff.sources.arrays import Arrays

FIELDS = np.random.default_rng(0).normal(size=(6, 2, 4, 5)).astype(np.float32)


def save_npy(path, array):
    np.save(path, array)


def save_h5(path, array):
    with h5py.File(path, "w") as file:
        file.create_dataset("group/density", data=array, chunks=(1, *array.shape[1:]))


def save_zarr(path, array, zarr_format=3, **options):
    group = zarr.open_group(path, mode="w", zarr_format=zarr_format)
    stored = group.create_array(
        "density", shape=array.shape, chunks=(2, *array.shape[1:]), dtype=array.dtype, **options
    )
    stored[:] = array


FORMATS = {
    "f.npy": save_npy,
    "f.h5": save_h5,
    "v2.zarr": lambda path, array: save_zarr(path, array, 2),
    "v3.zarr": save_zarr,
    "sharded.zarr": lambda path, array: save_zarr(path, array, shards=(6, *array.shape[1:])),
}
every_format = pytest.mark.parametrize("name", FORMATS)


def build(folder, name="f.npy", array=FIELDS, channels=("a", "b"), save=True, **settings):
    if save:
        FORMATS[name](folder / name, array)
    return Arrays(ArraysSource(fields=name, channels=channels, **settings), folder)


def chunk_files(folder, name):
    """The files that hold values."""
    if not (folder / name).is_dir():
        return [folder / name]
    return sorted(f for f in (folder / name).rglob("*") if f.is_file() and not f.name.startswith((".", "zarr")))


@pytest.fixture
def table(tmp_path):
    (tmp_path / "table.csv").write_text("mass, camera\n" + "".join(f"{i // 2}.5, {i % 3}\n" for i in range(6)))
    return {"parameters": "table.csv"}


class TestReading:
    @every_format
    def test_every_format_gives_the_same_fields(self, tmp_path, name):
        source = build(tmp_path, name)
        batch = source.make(1, 4)
        np.testing.assert_array_equal(batch.fields, FIELDS[1:4])
        assert batch.parameters.shape == (3, 0) and batch.valid.all()
        assert source.num_fields == 6 and source.spec.shape == (4, 5) and source.spec.channels == ("a", "b")

    @every_format
    def test_a_source_can_go_to_another_process(self, tmp_path, name):
        source = pickle.loads(pickle.dumps(build(tmp_path, name)))
        np.testing.assert_array_equal(source.make(5, 6).fields, FIELDS[5:])

    @pytest.mark.parametrize("dtype", ["i4", "u1", "f8", "f2", ">f4", "?"])
    def test_real_types_become_float32(self, tmp_path, dtype):
        values = (10 * FIELDS).astype(dtype)
        fields = build(tmp_path, array=values).make(0, 6).fields
        assert fields.dtype == np.float32
        np.testing.assert_array_equal(fields, values.astype(np.float32))

    @pytest.mark.parametrize("shape", [(3, 7), (3, 4, 4), (3, 4, 4, 4)])
    def test_without_channels_the_second_axis_is_space(self, tmp_path, shape):
        source = build(tmp_path, array=np.ones(shape), channels=None)
        assert source.spec.shape == shape[1:]
        assert source.make(0, 3).fields.shape == (3, 1, *shape[1:])

    def test_geometry_and_units_come_from_the_settings(self, tmp_path):
        spec = build(
            tmp_path, spacing=(0.5, 2), length_unit="pc", periodic=(True, False), field_name="n", field_unit="cm^-3"
        ).spec
        assert spec.box_size == (2.0, 10.0) and spec.periodic == (True, False)
        assert (spec.name, spec.unit, spec.length_unit) == ("n", "cm^-3", "pc")

    def test_fortran_order_is_read_rightly(self, tmp_path):
        source = build(tmp_path, array=np.asfortranarray(FIELDS))
        np.testing.assert_array_equal(source.make(2, 3).fields, FIELDS[2:3])

    def test_input_files_are_all_files_of_a_store(self, tmp_path, table):
        assert build(tmp_path, **table).input_files == (tmp_path / "f.npy", tmp_path / "table.csv")
        files = build(tmp_path, "v3.zarr").input_files
        assert len(files) == 5 and all(file.is_file() for file in files)


class TestTable:
    def test_a_csv_names_and_gives_the_parameters(self, tmp_path, table):
        source = build(tmp_path, **table, parameter_units={"mass": "Msun"})
        assert [(p.name, p.unit) for p in source.parameters] == [("mass", "Msun"), ("camera", "")]
        np.testing.assert_array_equal(source.make(2, 4).parameters, [[1.5, 2], [1.5, 0]])

    def test_a_npy_table_needs_its_names(self, tmp_path):
        np.save(tmp_path / "table.npy", np.arange(12.0).reshape(6, 2))
        source = build(tmp_path, parameters="table.npy", parameter_names=("x", "y"))
        np.testing.assert_array_equal(source.make(0, 1).parameters, [[0, 1]])
        with pytest.raises(ConfigError, match=r"2 columns for 1 parameter names \(x\)"):
            build(tmp_path, parameters="table.npy", parameter_names=("x",))

    def test_equal_parameters_make_a_group_that_no_split_divides(self, tmp_path, table):
        source = build(tmp_path, **table, group_by=("mass",))
        np.testing.assert_array_equal(source.groups(), [0, 0, 1, 1, 2, 2])
        part = source.assign_split(Split(train=1 / 3, validation=1 / 3, test=1 / 3))
        assert all(part[i] == part[i + 1] for i in (0, 2, 4))

    def test_groups_are_numbered_by_first_appearance(self, tmp_path):
        (tmp_path / "t.csv").write_text("a,b\n9,1\n2,1\n9,1\n2,0\n5,1\n2,1\n")
        source = build(tmp_path, parameters="t.csv", group_by=("a", "b"))
        np.testing.assert_array_equal(source.groups(), [0, 1, 0, 2, 3, 1])

    def test_without_group_by_every_field_is_its_own(self, tmp_path, table):
        np.testing.assert_array_equal(build(tmp_path, **table).groups(), np.arange(6))

    def test_rows_that_do_not_match_name_both_counts(self, tmp_path, table):
        with pytest.raises(DataError, match=r"table\.csv has 6 rows for 5 fields"):
            build(tmp_path, array=FIELDS[:5], **table)

    @pytest.mark.parametrize("key", [{"group_by": ("mas",)}, {"parameter_units": {"mas": "Msun"}}])
    def test_unknown_parameters_list_those_present(self, tmp_path, table, key):
        with pytest.raises(ConfigError, match=r"no parameter 'mas'.*there are: mass, camera"):
            build(tmp_path, **table, **key)

    @pytest.mark.parametrize(
        ("text", "error", "message"),
        [
            ("", DataError, "empty"),
            ("a,b\n", DataError, "no row"),
            ("1,2\n3,4\n", DataError, "must name the columns"),
            ("a,a\n1,2\n", ConfigError, "distinct"),
            ("a,b\n1,2\n3\n", DataError, "line 3: 1 values"),
            ("a,b\n1,x\n", DataError, "line 2: could not convert string to float: 'x'"),
            ("a,b\n1,nan\n", DataError, "row 0, 'b' is nan"),
        ],
    )
    def test_a_broken_csv_is_refused(self, tmp_path, text, error, message):
        (tmp_path / "t.csv").write_text(text)
        with pytest.raises(error, match=message):
            build(tmp_path, parameters="t.csv")

    def test_a_binary_table_is_refused(self, tmp_path):
        (tmp_path / "t.csv").write_bytes(b"\xff\xfe\x00\x01")
        with pytest.raises(DataError, match=r"t\.csv cannot be read as text"):
            build(tmp_path, parameters="t.csv")


class TestDamage:
    @every_format
    @pytest.mark.parametrize("kept", [0.0, 0.02, 0.5, 0.95, 0.999])
    def test_a_truncated_file_is_an_error_that_names_it(self, tmp_path, name, kept):
        build(tmp_path, name)
        file = chunk_files(tmp_path, name)[-1]
        os.truncate(file, int(kept * file.stat().st_size))
        with pytest.raises(DataError, match=name):
            build(tmp_path, name, save=False).make(0, 6)

    @pytest.mark.parametrize("name", ["v2.zarr", "v3.zarr", "sharded.zarr"])
    def test_a_chunk_that_was_never_written_is_not_zeros(self, tmp_path, name):
        build(tmp_path, name)
        chunk_files(tmp_path, name)[-1].unlink()
        with pytest.raises(DataError, match=r"chunks were never written.*allow_missing_chunks"):
            build(tmp_path, name, save=False)
        assert build(tmp_path, name, save=False, allow_missing_chunks=True).make(4, 6).fields.max() == 0

    @pytest.mark.parametrize("chunks", [(1, 2, 4, 5), None])
    def test_an_hdf5_dataset_that_was_not_filled_is_not_zeros(self, tmp_path, chunks):
        with h5py.File(tmp_path / "f.h5", "w") as file:
            dataset = file.create_dataset("d", FIELDS.shape, "f4", chunks=chunks)
            if chunks:
                dataset[:4] = FIELDS[:4]
        with pytest.raises(DataError, match="never written"):
            build(tmp_path, "f.h5", save=False)

    @every_format
    @pytest.mark.parametrize("value", [np.nan, np.inf])
    def test_values_that_are_not_finite_name_the_field(self, tmp_path, name, value):
        array = FIELDS.copy()
        array[4, 1, 0] = value
        source = build(tmp_path, name, array=array)
        source.make(0, 4)
        with pytest.raises(DataError, match=r"field 4 holds 5 NaN or infinite"):
            source.make(3, 6)

    def test_values_beyond_float32_name_the_field(self, tmp_path):
        array = FIELDS.astype(np.float64)
        array[2, 0, 0, 0] = 1e39
        with pytest.raises(DataError, match=r"field 2 .*float32"):
            build(tmp_path, array=array).make(0, 6)

    @every_format
    def test_complex_values_are_refused(self, tmp_path, name):
        with pytest.raises(DataError, match="complex64 are no real numbers"):
            build(tmp_path, name, array=FIELDS.astype(np.complex64))

    @every_format
    def test_a_missing_file_is_named(self, tmp_path, name):
        with pytest.raises(ConfigError, match=rf"data\.source\.fields: no file .*{name}"):
            build(tmp_path, name, save=False)

    def test_files_of_another_format_are_refused(self, tmp_path):
        (tmp_path / "f.h5").write_text("hello")
        (tmp_path / "v3.zarr").mkdir()
        for name in ("f.h5", "v3.zarr"):
            with pytest.raises(DataError, match=f"{name} cannot be read"):
                build(tmp_path, name, save=False)


class TestDatasetName:
    @pytest.mark.parametrize(("name", "dataset"), [("f.h5", "group/density"), ("v3.zarr", "density")])
    def test_a_named_dataset_is_taken(self, tmp_path, name, dataset):
        assert build(tmp_path, name, dataset=dataset).num_fields == 6

    @pytest.mark.parametrize(("name", "dataset"), [("f.h5", "group/density"), ("v3.zarr", "density")])
    def test_an_unknown_dataset_lists_those_present(self, tmp_path, name, dataset):
        with pytest.raises(ConfigError, match=rf"data\.source\.dataset: no array 'nope'.*there are: {dataset}"):
            build(tmp_path, name, dataset="nope")

    def test_several_datasets_need_a_name(self, tmp_path):
        with h5py.File(tmp_path / "f.h5", "w") as file:
            file["one"], file["two"] = FIELDS, FIELDS
        with pytest.raises(ConfigError, match=r"holds 2 arrays \(one, two\); name one"):
            build(tmp_path, "f.h5", save=False)

    def test_a_zarr_that_is_an_array_needs_no_name(self, tmp_path):
        zarr.save_array(tmp_path / "v3.zarr", FIELDS)
        assert build(tmp_path, "v3.zarr", save=False).num_fields == 6
        with pytest.raises(ConfigError, match="itself an array"):
            build(tmp_path, "v3.zarr", save=False, dataset="density")


class TestShape:
    @pytest.mark.parametrize(
        ("shape", "channels"),
        [((6,), None), ((6, 2, 2, 2, 2), None), ((6, 2), ("a", "b")), ((0, 4), None), ((6, 0), None)],
    )
    def test_wrong_dimensions_show_the_axes(self, tmp_path, shape, channels):
        with pytest.raises(DataError, match=r"has the shape.*\[sample,.*1 to 3 spatial axes"):
            build(tmp_path, array=np.ones(shape), channels=channels)

    def test_another_number_of_channels_is_refused(self, tmp_path):
        with pytest.raises(DataError, match=r"has 2 channels.*names 3: a, b, c"):
            build(tmp_path, channels=("a", "b", "c"))

    @pytest.mark.parametrize("key", [{"spacing": (1.0,)}, {"periodic": (True, True, True)}])
    def test_axis_settings_need_one_entry_an_axis(self, tmp_path, key):
        with pytest.raises(ConfigError, match=rf"data\.source\.{next(iter(key))}: . entries for 2 spatial axes"):
            build(tmp_path, **key)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"dataset": "d"}, "no effect with a .npy"),
        ({"allow_missing_chunks": True}, "no effect with a .npy"),
        ({"group_by": ("a",)}, "need the path 'parameters'"),
        ({"parameters": "t.csv", "parameter_names": ("a",)}, "header row"),
        ({"parameters": "t.npy"}, "parameter_names belong to a .npy"),
        ({"parameters": "t.txt"}, "is no .csv or .npy"),
        ({"channels": ("a", "a")}, "distinct"),
        ({"channels": ()}, "at least one"),
    ],
)
def test_settings_without_effect_are_refused(settings, message):
    with pytest.raises(ValidationError, match=message):
        ArraysSource(fields="f.npy", **settings)
