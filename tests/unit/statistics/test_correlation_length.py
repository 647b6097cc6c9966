"""Correlation functions against the definition and closed forms of correlated Gaussian fields."""

import itertools

import numpy as np
import pytest

from rhodiff.errors import ConfigError, DataError
from rhodiff.statistics import MeanCovariance, correlation_function, merge_all


def noise(shape, number=3, seed=0):
    return np.random.default_rng(seed).normal(size=(number, *shape))


def correlated(shape, length, number, seed=0):
    """Fields with xi = exp(-r^2 / 2 length^2), length in cells: white noise under a Gaussian of length / sqrt(2)."""
    axes = tuple(range(1, len(shape) + 1))
    k2 = sum(f**2 for f in np.meshgrid(*[2 * np.pi * np.fft.fftfreq(n) for n in shape], indexing="ij"))
    amplitude = np.exp(-k2 * length**2 / 4)
    white = np.fft.fftn(noise(shape, number, seed), axes=axes)
    return np.fft.ifftn(white * amplitude, axes=axes).real / np.sqrt(np.mean(amplitude**2))


@pytest.mark.parametrize("shape", [(9,), (8,), (6, 6), (5, 8), (4, 5, 6)])
def test_it_equals_the_definition_lag_by_lag(shape):
    box, field = tuple(2.0 * n for n in shape), 3 + noise(shape, 1)[0]
    found = correlation_function(field[None], box_size=box)
    delta, sums = field - field.mean(), {}
    for lag in itertools.product(*[range(n) for n in shape]):
        length = 2 * np.sqrt(sum(min(step, n - step) ** 2 for step, n in zip(lag, shape, strict=True)))
        product = np.mean(delta * np.roll(delta, lag, range(field.ndim)))
        sums.setdefault(int(length / 2 + 0.5), []).append((length, product))
    shells = [np.mean(sums[i], axis=0) for i in range(min(shape) // 2 + 1)]
    np.testing.assert_allclose(np.stack([found.r, found.xi[0]], axis=1), shells, rtol=1e-9, atol=1e-12)
    np.testing.assert_array_equal(found.num_lags, [len(sums[i]) for i in range(len(shells))])


@pytest.mark.parametrize("shape", [(16,), (15,), (8, 9), (6, 6, 6)])
def test_at_zero_it_is_the_variance(shape):
    fields = noise(shape)
    found = correlation_function(fields, box_size=3.0)
    variance = fields.reshape(3, -1).var(axis=1)
    np.testing.assert_allclose(found.xi[:, 0], variance, rtol=1e-12)
    np.testing.assert_allclose(found.moments[:, 0], variance, rtol=1e-12)
    assert found.r[0] == 0
    assert found.num_lags[0] == 1


def test_a_wave_has_its_wavenumber_as_slope():
    x = np.arange(32) / 32
    found = correlation_function(np.cos(2 * np.pi * 3 * x)[None], box_size=5.0)
    k = 2 * np.pi * 3 / 5
    assert found.moments[0, 1] == pytest.approx(k**2 / 2, rel=1e-12)
    np.testing.assert_allclose(found.xi[0], np.cos(k * found.r) / 2, atol=1e-12)
    assert found.lengths().curvature == pytest.approx(1 / k, rel=1e-12)


@pytest.mark.parametrize(
    ("shape", "length", "number"), [((1024,), 8.0, 200), ((128, 128), 4.0, 100), ((48, 48, 48), 3.0, 30)]
)
def test_a_gaussian_correlation_has_the_closed_form(shape, length, number):
    found = correlation_function(correlated(shape, length, number), box_size=shape[0] / 2)
    lengths, truth = found.lengths(), length / 2
    assert lengths.curvature == pytest.approx(truth, rel=0.02)
    assert lengths.e_fold == pytest.approx(np.sqrt(2) * truth, rel=0.03)
    assert lengths.integral == pytest.approx(np.sqrt(np.pi / 2) * truth, rel=0.08)


def test_white_noise_is_correlated_over_less_than_a_cell_and_a_long_wave_never_falls():
    lengths = correlation_function(noise((64, 64), 20), box_size=64.0).lengths()
    first_shell = (1 + np.sqrt(2)) / 2  # four lags of one cell, four along a diagonal
    assert lengths.e_fold == pytest.approx((1 - 1 / np.e) * first_shell, rel=0.05)
    assert lengths.curvature < 1
    wave = np.cos(2 * np.pi * np.arange(64) / 64)
    assert correlation_function(wave[None], box_size=64.0).lengths().integral == pytest.approx(
        64 / 2 / np.pi, rel=0.01
    )


def test_shifts_change_nothing_and_units_scale():
    fields = noise((12, 12))
    truth = correlation_function(fields, box_size=1.0)
    moved = correlation_function(np.roll(fields, (2, 5), (1, 2)) + 4, box_size=1.0)
    np.testing.assert_allclose(moved.vectors(), truth.vectors(), rtol=1e-8, atol=1e-12)
    doubled = correlation_function(3 * fields, box_size=2.0)
    np.testing.assert_allclose(doubled.xi, 9 * truth.xi, rtol=1e-10)
    assert doubled.lengths().e_fold == pytest.approx(2 * truth.lengths().e_fold)


def test_parts_merge_in_any_order():
    fields = noise((8, 8), 12)
    whole = MeanCovariance.of(correlation_function(fields, box_size=1.0).vectors())
    parts = [MeanCovariance.of(correlation_function(p, box_size=1.0).vectors()) for p in np.split(fields, 3)]
    for order in itertools.permutations(parts):
        merged = merge_all(order)
        np.testing.assert_allclose(merged.mean, whole.mean, rtol=1e-12, atol=1e-14)


def test_constant_fields_have_neither_correlation_nor_length():
    fields = np.concatenate([noise((7, 7), 1), np.full((2, 7, 7), 14.022648267725224)])
    found = correlation_function(fields, box_size=1.0)
    np.testing.assert_array_equal(found.vectors()[1:], 0)
    alone = correlation_function(fields[:1], box_size=1.0).lengths()
    assert found.lengths().curvature == pytest.approx(alone.curvature, rel=1e-12)
    with pytest.raises(DataError, match="every field of the set is constant"):
        correlation_function(fields[1:], box_size=1.0).lengths()


def test_fields_too_small_for_a_length_are_refused():
    with pytest.raises(ConfigError, match="four or more"):
        correlation_function(noise((3, 8)), box_size=1.0)
