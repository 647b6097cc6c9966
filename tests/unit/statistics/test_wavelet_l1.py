"""Starlet transform by reconstruction and its filter; l1-norms against the definition and for Gaussian fields."""

import itertools

import numpy as np
import pytest
from scipy.ndimage import convolve1d
from scipy.stats import norm

from rhodiff.errors import ConfigError, DataError
from rhodiff.statistics import MeanCovariance, merge_all, starlet, wavelet_l1, wavelet_std

SHAPES = [(32,), (17,), (16, 16), (9, 20), (8, 8, 8), (8, 9, 10)]


def noise(shape, number=3, seed=0):
    return np.random.default_rng(seed).normal(size=(number, *shape))


@pytest.mark.parametrize("boundary", ["periodic", "open"])
@pytest.mark.parametrize("shape", SHAPES)
def test_the_scales_sum_to_the_field(shape, boundary):
    fields = 5 + noise(shape)
    np.testing.assert_allclose(starlet(fields, 2, boundary=boundary).sum(axis=0), fields, rtol=1e-13)


@pytest.mark.parametrize(("boundary", "mode"), [("periodic", "wrap"), ("open", "mirror")])
@pytest.mark.parametrize("shape", SHAPES)
def test_it_is_repeated_smoothing_with_a_spline_with_holes(shape, boundary, mode):
    fields, found = noise(shape), starlet(noise(shape), 2, boundary=boundary)
    smooth = fields
    for j in range(2):
        kernel = np.zeros(4 * 2**j + 1)
        kernel[:: 2**j] = np.array([1, 4, 6, 4, 1]) / 16
        before = smooth
        for axis in range(1, fields.ndim):
            smooth = convolve1d(smooth, kernel, axis=axis, mode=mode)
        np.testing.assert_allclose(found[j], before - smooth, atol=1e-13)
    np.testing.assert_allclose(found[2], smooth, atol=1e-13)


@pytest.mark.parametrize("boundary", ["periodic", "open"])
def test_a_constant_has_no_coefficients(boundary):
    found = starlet(np.full((1, 16, 16), 3.0), 3, boundary=boundary)
    np.testing.assert_allclose(found[:-1], 0, atol=1e-14)
    np.testing.assert_allclose(found[-1], 3, rtol=1e-14)


@pytest.mark.parametrize("shape", [(64,), (16, 16), (8, 8, 8)])
def test_norms_equal_the_definition_cell_by_cell(shape):
    fields, edges, scales = noise(shape), np.array([-2.0, -0.5, 0.3, 1.0, 4.0]), np.array([0.7, 0.2])
    found = wavelet_l1(fields, edges, scale_std=scales)
    coefficients = starlet(fields, 2)
    for i in range(len(fields)):
        for j, scale in enumerate(scales):
            values = coefficients[j, i].ravel() / scale
            expected = [sum(abs(v) for v in values if a <= v < b) for a, b in itertools.pairwise(edges)]
            np.testing.assert_allclose(found[i, j], np.array(expected) / values.size, rtol=1e-12)


def test_all_bins_together_are_the_mean_absolute_coefficient():
    fields = noise((16, 16))
    found = wavelet_l1(fields, [-np.inf, -1, 0, 2, np.inf], scale_std=[0.5, 0.5, 0.5])
    expected = np.abs(starlet(fields, 3)[:-1]).mean(axis=(2, 3)).T / 0.5
    np.testing.assert_allclose(found.sum(axis=2), expected, rtol=1e-12)


@pytest.mark.parametrize("shape", [(512,), (48, 48), (16, 16, 16)])
def test_gaussian_fields_have_the_closed_form(shape):
    """s_j^2 from the spectrum and the filters in Fourier space; then the integral of |x| phi(x) over each bin."""
    axes = tuple(range(1, len(shape) + 1))
    angles = np.meshgrid(*[2 * np.pi * np.fft.fftfreq(n) for n in shape], indexing="ij")
    amplitude = 1 / (0.3 + np.sqrt(sum(a**2 for a in angles)))
    fields = np.fft.ifftn(np.fft.fftn(noise(shape, 300), axes=axes) * amplitude, axes=axes).real
    left, std = np.ones(shape), []
    for j in range(3):
        low = np.prod([3 / 8 + np.cos(2**j * a) / 2 + np.cos(2 ** (j + 1) * a) / 8 for a in angles], axis=0)
        std.append(np.sqrt(np.mean((amplitude * left * (1 - low)) ** 2)))
        left = left * low
    np.testing.assert_allclose(wavelet_std(fields, 3), std, rtol=0.03)
    edges = np.array([-np.inf, -2, -1, -0.3, 0, 0.6, 1.5, np.inf])
    values = wavelet_l1(fields, edges, scale_std=std)
    primitive = np.where(edges < 0, norm.pdf(edges), 2 * norm.pdf(0) - norm.pdf(edges))
    error = values.std(axis=0, ddof=1) / np.sqrt(len(values))
    assert np.max(np.abs(values.mean(axis=0) - np.diff(primitive)) / error) < 4.5


def test_shifts_and_symmetries_change_nothing():
    fields = noise((16, 16))
    truth = wavelet_l1(fields, [-1, 0, 1], scale_std=[0.5, 0.2])
    for other in (np.roll(fields, (3, 5), (1, 2)), np.flip(fields, 1), np.swapaxes(fields, 1, 2), fields + 7):
        np.testing.assert_allclose(wavelet_l1(other, [-1, 0, 1], scale_std=[0.5, 0.2]), truth, rtol=1e-10)


def test_parts_give_what_all_together_gives(monkeypatch):
    fields, options = noise((8, 8), 12), {"scale_std": [0.5, 0.2]}
    whole = wavelet_l1(fields, [-1, 0, 1], **options)
    std = wavelet_std(fields, 2)
    monkeypatch.setattr("rhodiff.statistics.wavelets.CELLS_AT_ONCE", 100)
    np.testing.assert_allclose(wavelet_l1(fields, [-1, 0, 1], **options), whole, rtol=1e-13)
    np.testing.assert_allclose(wavelet_std(fields, 2), std, rtol=1e-13)
    merged = merge_all([MeanCovariance.of(part.reshape(3, -1)) for part in np.split(whole, 4)[::-1]])
    np.testing.assert_allclose(merged.mean, whole.reshape(12, -1).mean(axis=0), rtol=1e-12)


def test_fields_without_structure_or_not_finite_are_refused():
    with pytest.raises(DataError, match="no structure"):
        wavelet_std(np.full((2, 16), 0.1), 2)
    with pytest.raises(DataError, match="1 of 16 cells"):
        starlet(np.r_[np.nan, np.zeros(15)][None], 2)


@pytest.mark.parametrize(
    ("edges", "options", "told"),
    [
        ([1, 0], {"scale_std": [1.0]}, "rising"),
        ([0, 1], {"scale_std": [0.0]}, "positive"),
        ([0, 1], {"scale_std": [1.0] * 4}, "4 scales asked for; fields of .* have 1 ... 3"),
        ([0, 1], {"scale_std": [1.0], "boundary": "zero"}, "'open' and 'periodic'"),
    ],
)
def test_options_without_sense_are_refused(edges, options, told):
    with pytest.raises(ConfigError, match=told):
        wavelet_l1(noise((16, 16)), edges, **options)
