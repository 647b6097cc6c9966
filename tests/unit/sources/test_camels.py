"""CAMELS files: labels, binning, splits by parameter vector, and every broken file named."""

import os

import numpy as np
import pytest
from pydantic import ValidationError

from rhodiff.config.fields import Split
from rhodiff.config.sources import CamelsSource
from rhodiff.errors import ConfigError, DataError
from rhodiff.sources.camels import Camels, bin_down

NUM_VECTORS, MAPS = 4, 3


@pytest.fixture
def folder(tmp_path):
    """Maps of 16 pixels, 3 for each of 4 parameter vectors; the value tells the index."""
    rng = np.random.default_rng(0)
    maps = np.exp(rng.normal(25, 1, (NUM_VECTORS * MAPS, 16, 16))).astype(np.float32)
    np.save(tmp_path / "maps.npy", maps)
    np.save(tmp_path / "grids.npy", np.exp(rng.normal(25, 1, (NUM_VECTORS, 8, 8, 8))).astype(np.float32))
    rows = np.arange(NUM_VECTORS * 6).reshape(NUM_VECTORS, 6) / 10
    np.savetxt(tmp_path / "params.txt", rows, header="Omega_m sigma_8 A_SN1 A_AGN1 A_SN2 A_AGN2")
    return tmp_path


def build(folder, **settings):
    return Camels(CamelsSource(**{"fields": "maps.npy", "parameters": "params.txt"} | settings), folder)


def rewrite(folder, change):
    maps = np.load(folder / "maps.npy")
    np.save(folder / "maps.npy", change(maps))


class TestFields:
    def test_maps_are_read_unchanged_with_the_row_of_their_vector(self, folder):
        source, maps = build(folder), np.load(folder / "maps.npy")
        batch = source.make(2, 8)
        np.testing.assert_array_equal(batch.fields[:, 0], maps[2:8])
        np.testing.assert_array_equal(batch.parameters[:, 0], np.array([0, 1, 1, 1, 2, 2]) * 0.6)
        assert batch.valid.all() and batch.fields.dtype == np.float32

    def test_block_averages_keep_the_mean(self, folder):
        maps = np.load(folder / "maps.npy").astype(np.float64)
        batch = build(folder, size=4).make(0, 12)
        assert batch.fields.shape == (12, 1, 4, 4)
        np.testing.assert_allclose(batch.fields[:, 0], maps.reshape(12, 4, 4, 4, 4).mean((2, 4)), rtol=1e-6)
        np.testing.assert_allclose(batch.fields.mean((1, 2, 3)), maps.mean((1, 2)), rtol=1e-6)

    def test_paper_a_averages_the_logarithm(self, folder):
        maps = np.load(folder / "maps.npy").astype(np.float64)
        source = build(folder, size=8, log_before_binning=True)
        np.testing.assert_allclose(source.make(0, 12).fields[:, 0], bin_down(np.log10(maps), 8), rtol=1e-6)
        assert source.spec.name == "log10(Mcdm / [(Msun/h)/(Mpc/h)^2])" and source.spec.unit == ""

    def test_any_split_of_the_work_gives_the_same_fields(self, folder):
        source = build(folder, size=8)
        parts = [source.make(i, i + 1).fields for i in range(12)]
        np.testing.assert_array_equal(np.concatenate(parts), source.make(0, 12).fields)

    def test_grids_are_three_dimensional(self, folder):
        source, grids = build(folder, fields="grids.npy", size=4), np.load(folder / "grids.npy")
        np.testing.assert_allclose(source.make(1, 2).fields[0, 0, 0, 0, 0], grids[1, :2, :2, :2].mean(), rtol=1e-6)
        assert source.spec.shape == (4, 4, 4) and source.spec.unit == "(Msun/h)/(Mpc/h)^3"
        assert source.num_fields == source.num_vectors == 4

    def test_spec_is_periodic_in_mpc_h(self, folder):
        spec = build(folder, size=8).spec
        assert spec.periodic == (True, True) and spec.length_unit == "Mpc/h"
        assert spec.box_size == (25.0, 25.0) and spec.spacing == (3.125, 3.125)

    def test_maps_of_one_vector_never_straddle_a_split(self, folder):
        source = build(folder)
        part = source.assign_split(Split(train=0.5, validation=0.25, test=0.25))
        assert all(len(set(part[i : i + MAPS])) == 1 for i in range(0, 12, MAPS))
        np.testing.assert_array_equal(source.groups(), np.repeat(np.arange(4), MAPS))

    def test_only_the_first_vectors_may_be_used(self, folder):
        source = build(folder, num_vectors=2)
        assert source.num_fields == 6 and source.num_vectors == 2

    def test_input_files_are_both_files(self, folder):
        assert build(folder).input_files == (folder / "maps.npy", folder / "params.txt")

    def test_units_follow_the_field(self, folder):
        assert build(folder, field_name="T").spec.unit == "K"
        assert build(folder, field_name="mine", field_unit="erg").spec.unit == "erg"
        with pytest.raises(ConfigError, match=r"field_unit.*'mine'.*known: .*Mcdm"):
            build(folder, field_name="mine")


class TestBadInput:
    def test_a_truncated_file_is_found_at_once(self, folder):
        os.truncate(folder / "maps.npy", 5000)
        with pytest.raises(DataError, match=r"maps\.npy has 5000 bytes, its header promises 12416.*truncated"):
            build(folder)

    @pytest.mark.parametrize("content", [b"", b"hello, this is no array at all", b"\x93NUMPY\x01\x00v\x00{'descr'"])
    def test_a_file_that_is_no_npy_is_refused(self, folder, content):
        (folder / "maps.npy").write_bytes(content)
        with pytest.raises(DataError, match=r"maps\.npy cannot be read as \.npy"):
            build(folder)

    @pytest.mark.parametrize("key", ["fields", "parameters"])
    def test_a_missing_file_is_named_with_its_key(self, folder, key):
        with pytest.raises(ConfigError, match=rf"data\.source\.{key}: no file .*absent\.npy"):
            build(folder, **{key: "absent.npy"})

    def test_rows_that_do_not_divide_the_maps_name_both_counts(self, folder):
        rewrite(folder, lambda maps: maps[:11])
        with pytest.raises(DataError, match=r"11 fields.*params\.txt 4 rows"):
            build(folder)

    def test_a_wrong_number_of_columns_is_refused(self, folder):
        with pytest.raises(ConfigError, match=r"6 columns for 2 parameter names \(a, b\)"):
            build(folder, parameter_names=("a", "b"))

    @pytest.mark.parametrize("value", [np.nan, -np.inf])
    def test_values_that_are_not_finite_name_the_field(self, folder, value):
        def spoil(maps):
            maps[7, 3, 3] = value
            return maps

        rewrite(folder, spoil)
        source = build(folder)
        source.make(0, 7)
        with pytest.raises(DataError, match=r"maps\.npy: field 7 holds 1 NaN or infinite"):
            source.make(6, 9)

    def test_values_without_a_logarithm_name_the_field_and_the_way_out(self, folder):
        def spoil(maps):
            maps[5, 0, :2] = 0, -3
            return maps

        rewrite(folder, spoil)
        build(folder).make(0, 12)
        with pytest.raises(DataError, match=r"field 5 holds 2 values.*minimum -3.*log_before_binning: false.*floor"):
            build(folder, log_before_binning=True).make(0, 12)

    def test_a_size_that_does_not_divide_lists_what_does(self, folder):
        with pytest.raises(
            ConfigError, match=r"data\.source\.size: 6 does not divide 16 cells; allowed are \[4, 8, 16\]"
        ):
            build(folder, size=6)

    def test_more_vectors_than_there_are_is_refused(self, folder):
        with pytest.raises(ConfigError, match=r"num_vectors: 5 of only 4"):
            build(folder, num_vectors=5)

    @pytest.mark.parametrize("shape", [(12, 16), (12, 16, 8), (12, 4, 4, 4, 4), (0, 16, 16)])
    def test_other_shapes_are_refused(self, folder, shape):
        np.save(folder / "maps.npy", np.ones(shape, np.float32))
        with pytest.raises(DataError, match=r"has the shape.*\[n, s, s\]"):
            build(folder)

    @pytest.mark.parametrize("dtype", [np.complex64, "U3"])
    def test_values_that_are_no_real_numbers_are_refused(self, folder, dtype):
        np.save(folder / "maps.npy", np.zeros((12, 16, 16), dtype))
        with pytest.raises(DataError, match="no real numbers"):
            build(folder)

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("", "no row"),
            ("1 2 3 4 5 6\n1 2 3 4 5\n", "line 2: 5 values where the rows before have 6"),
            ("1 2 3 4 five 6\n", "line 1: could not convert"),
            ("1 2 3 4 5 nan\n" * 4, "row 0, 'A_AGN2' is nan"),
        ],
    )
    def test_a_broken_parameter_file_is_refused(self, folder, text, message):
        (folder / "params.txt").write_text(text)
        with pytest.raises(DataError, match=message):
            build(folder)

    def test_other_formats_are_sent_elsewhere(self):
        with pytest.raises(ValidationError, match="kind 'arrays'"):
            CamelsSource(fields="maps.h5", parameters="params.txt")
