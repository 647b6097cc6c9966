"""Rotational spectra as fields: intensity and positions are those of the lines; the published file's layout."""

from pathlib import Path

import h5py
import numpy as np
import pytest
from pydantic import ValidationError

from rhodiff.config.sources import SpectraFileSource, SpectraSource
from rhodiff.errors import ConfigError, DataError
from rhodiff.sources.line_profiles import FrequencyGrid, render_lines
from rhodiff.sources.registry import build_source

GRID = {"low_ghz": 8.0, "high_ghz": 20.0, "size": 256}


def spectra(**changes):
    settings = {"num_spectra": 6, "temperature_k": {"low": 1.0, "high": 3.0}, "grid": GRID, **changes}
    return build_source(SpectraSource(**settings), Path())


def test_a_line_is_a_gaussian_that_keeps_its_intensity_and_its_place():
    grid = FrequencyGrid(8e3, 20e3, 1024, 1.5)
    spectrum = render_lines(np.array([12345.6]), np.array([2.0]), grid)
    centres = (grid.edges_mhz[1:] + grid.edges_mhz[:-1]) / 2
    assert spectrum.sum() * grid.bin_mhz == pytest.approx(2, rel=1e-12)
    assert (spectrum * centres).sum() / spectrum.sum() == pytest.approx(12345.6, abs=1e-6)
    spread = np.sqrt((spectrum * (centres - 12345.6) ** 2).sum() / spectrum.sum())
    # a Gaussian integrated over bins has the variance of a bin more
    assert spread == pytest.approx(np.sqrt(grid.width_mhz**2 + grid.bin_mhz**2 / 12), rel=1e-9)


def test_lines_at_the_edges_lose_what_is_outside_and_those_far_outside_leave_nothing():
    grid = FrequencyGrid(8e3, 20e3, 1024, 1.5)
    assert render_lines(np.array([8e3]), np.array([1.0]), grid).sum() * grid.bin_mhz == pytest.approx(0.5, rel=1e-9)
    assert render_lines(np.array([20e3]), np.array([1.0]), grid).sum() * grid.bin_mhz == pytest.approx(0.5, rel=1e-9)
    assert render_lines(np.array([grid.low_mhz - 1.0, 3e4]), np.ones(2), grid).max() < 1e-15


def test_fields_hold_the_intensity_of_their_lines():
    source = spectra()
    batch = source.make(0, 6)
    bin_mhz = 12e3 / 256
    assert batch.fields.shape == (6, 1, 256)
    for number in range(6):
        lines = source.lines(number)
        margin = 8 * 1.5 * bin_mhz
        inside = (lines.frequency_mhz > 8e3 + margin) & (lines.frequency_mhz < 20e3 - margin)
        total = batch.fields[number].sum(dtype=np.float64) * bin_mhz
        assert lines.intensity[inside].sum() <= total * (1 + 1e-6)
        assert total <= lines.intensity.sum() * (1 + 1e-6)


def test_fields_do_not_depend_on_the_cut_and_points_fill_the_box():
    source = spectra()
    whole = source.make(0, 6)
    parts = [source.make(0, 2), source.make(2, 6)]
    assert np.array_equal(np.concatenate([part.fields for part in parts]), whole.fields)
    assert np.array_equal(np.concatenate([part.parameters for part in parts]), whole.parameters)
    assert [one.name for one in source.parameters] == ["A_GHz", "B_GHz", "C_GHz", "T_K"]
    for column, (low, high) in enumerate([(7, 9), (2.5, 3.5), (1.9, 2.4), (1, 3)]):
        shares = (whole.parameters[:, column] - low) / (high - low)
        assert sorted((6 * shares).astype(int)) == list(range(6))  # a Latin hypercube: one in each sixth


def test_a_fixed_temperature_is_no_axis_of_the_box():
    assert set(spectra(temperature_k={"low": 2.0, "high": 2.0}).points[:, 3]) == {2.0}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"b_ghz": {"low": 2.5, "high": 8.0}}, "A >= B >= C"),
        ({"temperature_k": {"low": 0.0, "high": 3.0}}, "above 0"),
        ({"dipole_debye": (0, 0, 0)}, "no rotational lines"),
        ({"grid": {**GRID, "low_ghz": 30.0}}, "not below"),
    ],
)
def test_impossible_settings_are_refused(settings, message):
    with pytest.raises(ValidationError, match=message):
        spectra(**settings)


def test_gas_too_hot_for_the_levels_is_refused_when_the_source_opens():
    with pytest.raises(ConfigError, match="take a lower temperature"):
        spectra(temperature_k={"low": 1.0, "high": 400.0})


@pytest.fixture
def lines_file(tmp_path):
    """Eleven groups, so that "10" comes after "9" and not after "1"."""
    with h5py.File(tmp_path / "lines.h5", "w") as file:
        for number in range(11):
            file[f"{number}/transitions"] = np.array([[9000.0 + 900 * number, 25e3], [-4.0 - number, 0.0]])
    return tmp_path / "lines.h5"


def from_file(path, **changes):
    return build_source(SpectraFileSource(file=path, grid=GRID, **changes), path.parent)


def test_groups_of_the_published_file_come_in_numerical_order_with_linear_intensities(lines_file):
    source = from_file(lines_file)
    batch = source.make(0, 11)
    sums = batch.fields[:, 0].sum(axis=1, dtype=np.float64) * 12e3 / 256
    assert sums == pytest.approx(10.0 ** (-4.0 - np.arange(11)), rel=1e-6)
    peaks = 8e3 + 12e3 / 256 * (batch.fields[:, 0].argmax(axis=1) + 0.5)
    assert np.abs(peaks - (9000.0 + 900 * np.arange(11))).max() <= 12e3 / 256
    assert np.array_equal(source.make(4, 7).fields, batch.fields[4:7])


def test_constants_come_from_a_table_of_as_many_rows(lines_file):
    table = lines_file.with_name("constants.csv")
    table.write_text("A,B\n" + "".join(f"{n},{2 * n}\n" for n in range(11)))
    source = from_file(lines_file, parameters=table)
    assert [one.name for one in source.parameters] == ["A", "B"]
    assert source.make(9, 11).parameters.tolist() == [[9, 18], [10, 20]]
    table.write_text("A,B\n1,2\n")
    with pytest.raises(DataError, match=r"has 1 rows.*11 spectra"):
        from_file(lines_file, parameters=table)


def test_centres_in_ghz(lines_file):
    with h5py.File(lines_file, "w") as file:
        file["0/transitions"] = np.array([[12.0], [0.0]])
    peak = from_file(lines_file, frequency_unit="GHz").make(0, 1).fields[0, 0].argmax()
    assert 8e3 + 12e3 / 256 * peak == pytest.approx(12e3, abs=12e3 / 256)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"0/other": np.zeros((2, 1))}, "has no 'transitions'"),
        ({"first/transitions": np.zeros((2, 1))}, "holds 'first'"),
        ({}, "holds nothing"),
        ({"0/transitions": np.zeros((3, 4))}, r"\[3, 4\]"),
        ({"0/transitions": np.array([[9e3], [np.nan]])}, "NaN"),
    ],
)
def test_files_of_another_layout_are_refused(tmp_path, content, message):
    with h5py.File(tmp_path / "lines.h5", "w") as file:
        for name, values in content.items():
            file[name] = values
    with pytest.raises(DataError, match=message):
        from_file(tmp_path / "lines.h5").make(0, 1)
