"""Densities, moments, quantiles and Wasserstein distances against SciPy and analytic truth."""

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from rhodiff.errors import ConfigError, DataError
from rhodiff.statistics import histogram, histogram_edges, moments, quantiles, value_density, wasserstein_1

VALUES = st.floats(-1e3, 1e3, width=32)
SETS = arrays(np.float64, st.integers(1, 40), elements=VALUES)


@settings(deadline=None)
@given(SETS, SETS)
def test_wasserstein_equals_scipy_for_any_two_sets(a, b):
    truth = scipy.stats.wasserstein_distance(a, b)
    assert wasserstein_1(a, b) == pytest.approx(truth, rel=1e-9, abs=1e-9)


@settings(deadline=None)
@given(SETS, SETS, SETS)
def test_wasserstein_is_a_distance(a, b, c):
    assert wasserstein_1(a, a) == 0
    assert wasserstein_1(a, b) == pytest.approx(wasserstein_1(b, a), rel=1e-12)
    assert wasserstein_1(a, c) <= wasserstein_1(a, b) + wasserstein_1(b, c) + 1e-9


@settings(deadline=None)
@given(SETS, st.floats(-100, 100))
def test_wasserstein_of_a_shift_is_the_shift(a, shift):
    assert wasserstein_1(a, a + shift) == pytest.approx(abs(shift), abs=1e-9)


def test_wasserstein_of_shifted_gaussians_is_the_shift():
    random = np.random.default_rng(0)
    a, b = random.normal(size=200_000), random.normal(0.3, size=150_000)
    assert wasserstein_1(a, b) == pytest.approx(0.3, abs=0.015)


def test_wasserstein_does_not_depend_on_how_the_integral_is_cut(monkeypatch):
    random = np.random.default_rng(1)
    a, b = random.normal(size=1000), random.exponential(size=333)
    truth = wasserstein_1(a, b)
    monkeypatch.setattr("rhodiff.statistics.pixel_distribution.VALUES_AT_ONCE", 7)
    assert wasserstein_1(a, b) == pytest.approx(truth, rel=1e-12)


def test_moments_equal_scipy():
    values = np.random.default_rng(2).gamma(2.0, size=(10, 50)).astype(np.float32)
    found = moments(values)
    flat = values.astype(np.float64).ravel()
    assert found.mean == pytest.approx(flat.mean())
    assert found.std == pytest.approx(flat.std())
    assert found.skewness == pytest.approx(scipy.stats.skew(flat))
    assert found.kurtosis == pytest.approx(scipy.stats.kurtosis(flat))


@settings(deadline=None)
@given(scale=st.floats(1e-3, 1e3), offset=st.floats(-1e3, 1e3))
def test_shape_of_a_distribution_does_not_depend_on_units(scale, offset):
    values = np.random.default_rng(3).gamma(3.0, size=500)
    one, other = moments(values), moments(scale * values + offset)
    assert other.skewness == pytest.approx(one.skewness, rel=1e-5)
    assert other.kurtosis == pytest.approx(one.kurtosis, rel=1e-5)
    assert other.std == pytest.approx(scale * one.std, rel=1e-8)


def test_moments_of_a_constant_have_no_shape():
    found = moments(np.full(10, 0.1))
    assert found.std == 0
    assert np.isnan(found.skewness)
    assert np.isnan(found.kurtosis)


def test_quantiles_of_a_uniform_set():
    np.testing.assert_allclose(quantiles(np.arange(101), [0, 0.25, 0.5, 1]), [0, 25, 50, 100])
    with pytest.raises(ConfigError, match=r"\[0, 1\]"):
        quantiles(np.arange(3), [1.5])


@settings(deadline=None)
@given(arrays(np.float32, (3, 5, 5), elements=VALUES))
def test_every_cell_is_counted_once(fields):
    counts = histogram(fields, [-10.0, 0.0, 1.0, 30.0])
    np.testing.assert_array_equal(counts.sum(axis=1), 25)
    np.testing.assert_array_equal(counts[:, 0], (fields < -10).sum(axis=(1, 2)))
    np.testing.assert_array_equal(counts[:, -1], (fields >= 30).sum(axis=(1, 2)))


def test_the_density_of_a_gaussian_field_is_gaussian():
    fields = np.random.default_rng(4).normal(2.0, 3.0, size=(50, 64, 64))
    edges = histogram_edges(fields, num_bins=20, half_width_std=3.0)
    assert edges[[0, -1]] == pytest.approx([-7, 11], abs=0.1)
    density = value_density(fields, edges)
    truth = np.diff(scipy.stats.norm(2.0, 3.0).cdf(edges)) / np.diff(edges)
    error = density.std(axis=0, ddof=1) / np.sqrt(50)
    assert np.max(np.abs(density.mean(axis=0) - truth) / error) < 4.5
    assert (density * np.diff(edges)).sum(axis=1) == pytest.approx(0.9973, abs=0.003)


@pytest.mark.parametrize("function", [moments, lambda v: wasserstein_1(v, [1.0]), lambda v: quantiles(v, [0.5])])
@pytest.mark.parametrize("values", [[], [1.0, np.nan], [np.inf], [1j]])
def test_sets_without_finite_values_are_refused(function, values):
    with pytest.raises(DataError):
        function(np.array(values))


def test_a_bad_field_is_named_and_bad_edges_are_refused():
    fields = np.zeros((3, 4))
    fields[2, 1] = np.nan
    with pytest.raises(DataError, match="field 2"):
        histogram(fields, [0.0, 1.0])
    with pytest.raises(ConfigError, match="rising"):
        histogram(np.zeros((3, 4)), [1.0, 0.0])
    with pytest.raises(DataError, match="constant"):
        histogram_edges(np.zeros((3, 4)), num_bins=4, half_width_std=3)
