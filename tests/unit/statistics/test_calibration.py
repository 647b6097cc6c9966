"""Calibration over parameter vectors: amplitudes known by construction, and floors that sets without error reach."""

import numpy as np
import pytest

from rhodiff.errors import DataError
from rhodiff.statistics import Estimate, Measurement, ValueGrid, measure_values, power_spectrum
from rhodiff.statistics.calibration import (
    MeasuredFields,
    calibrate_vector,
    over_vectors,
    power_bands,
    summarise_calibration,
)

DRAWN = {"resamples": 100, "seed": 1}


def spectra_of(fields):
    found = power_spectrum(fields, box_size=10.0)
    edges = 2 * np.pi / 10 * (np.arange(len(found.k) + 1) + 0.5)
    return Measurement("power_spectrum", "k", "", "P", "", found.k, edges, found.power, found.num_modes)


def measured(fields, grid):
    return MeasuredFields(spectra_of(fields), measure_values(fields, grid))


def gaussian(seed, count=24):
    return np.random.default_rng(seed).normal(size=(count, 16, 16))


@pytest.fixture(scope="module")
def grid():
    return ValueGrid.of(gaussian(99))


def test_amplitudes_are_found_exactly(grid):
    """The same fields times 1.1 and moved by 0.2: power is 21 % too high in every bin of every vector."""
    fields = gaussian(0)
    one = calibrate_vector(measured(fields, grid), measured(1.1 * fields + 0.2, grid), grid, **DRAWN)
    np.testing.assert_allclose(one.spectrum.relative_difference, 0.21)
    np.testing.assert_allclose(one.bands.relative_difference, 0.21)
    summary = summarise_calibration([one, one], **DRAWN)
    assert summary.spectrum.value == pytest.approx(0.21)
    assert summary.std.value == summary.std_scatter.value == pytest.approx(0.1)
    shift = (0.1 * fields.mean() + 0.2) / fields.std()
    assert summary.mean.value == pytest.approx(shift)
    assert summary.mean_scatter.value == pytest.approx(shift)
    assert summary.skewness.value == pytest.approx(0, abs=1e-9)


def test_opposite_errors_show_in_the_scatter_and_not_in_the_mean(grid):
    """Standard deviations 10 % too high at one vector and too low at the other."""
    fields = gaussian(0)
    true = measured(fields, grid)
    vectors = [calibrate_vector(true, measured(a * fields, grid), grid, **DRAWN) for a in (0.9, 1.1)]
    summary = summarise_calibration(vectors, **DRAWN)
    assert summary.std.value == pytest.approx(0, abs=1e-9)
    assert summary.std_scatter.value == pytest.approx(0.1)
    assert summary.worst_spectrum.value == pytest.approx(0.21)
    assert summary.spectrum.value == pytest.approx((0.21 + 0.19) / 2)


def test_sets_of_one_distribution_reach_the_floor_and_no_more(grid):
    vectors = [
        calibrate_vector(measured(gaussian(2 * v), grid), measured(gaussian(2 * v + 1), grid), grid, **DRAWN)
        for v in range(30)
    ]
    summary = summarise_calibration(vectors, **DRAWN)
    for name in ("spectrum", "std_scatter", "mean_scatter", "skewness_scatter"):
        one = getattr(summary, name)
        assert abs(one.value - one.floor) < 4 * one.error, name
        assert one.error < 0.3 * one.value, name
    for name in ("mean", "std", "skewness"):
        one = getattr(summary, name)
        assert abs(one.value) < 4 * one.error, name


def test_error_over_vectors_is_that_of_a_mean():
    """s / sqrt(V) of V independent numbers, to the accuracy of 4000 resamples (1.1 %)."""
    values = np.random.default_rng(3).normal(size=50)
    found = over_vectors([Estimate(x, 9.0, 0.5) for x in values], resamples=4000, seed=0)
    assert found.value == pytest.approx(values.mean())
    assert found.error == pytest.approx(values.std(ddof=1) / np.sqrt(50), rel=0.05)
    assert found.floor == 0.5
    assert np.isnan(over_vectors([Estimate(1.0, 0.1)], resamples=10, seed=0).error)


def test_bands_are_means_over_their_modes():
    spectra = spectra_of(gaussian(7))
    bands = power_bands(spectra)
    assert bands.counts.sum() == spectra.counts.sum()
    total = (bands.values * bands.counts).sum(axis=1)
    np.testing.assert_allclose(total, (spectra.values * spectra.counts).sum(axis=1))
    k = spectra.axis
    limits = k[0] * (k[-1] / k[0]) ** (np.arange(4) / 3)
    first = (k < limits[1]) & (k >= limits[0])
    expected = np.average(spectra.values[:, first], weights=spectra.counts[first], axis=1)
    np.testing.assert_allclose(bands.values[:, 0], expected)
    assert np.all(np.diff(bands.edges) > 0)


def test_a_spectrum_of_two_bins_has_no_bands():
    with pytest.raises(DataError, match="2 bins has no 3 bands"):
        power_bands(spectra_of(gaussian(7)[:, :4, :4]))
