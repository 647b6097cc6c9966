"""Peak counts against brute force, symmetries, and closed forms of Gaussian fields."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import erfc

from rhodiff.errors import ConfigError, DataError
from rhodiff.statistics import peak_counts, peaks_above
from rhodiff.statistics.peaks import peak_mask

EVERYTHING = [-np.inf, np.inf]


def brute_force(field, boundary):
    """Heights of the peaks, cell by cell and neighbour by neighbour."""
    heights = []
    steps = [s for s in itertools.product((-1, 0, 1), repeat=field.ndim) if any(s)]
    for cell in np.ndindex(field.shape):
        if boundary == "open" and any(c in (0, n - 1) for c, n in zip(cell, field.shape, strict=True)):
            continue
        around = [tuple((c + s) % n for c, s, n in zip(cell, step, field.shape, strict=True)) for step in steps]
        if all(field[cell] > field[other] for other in around):
            heights.append(field[cell])
    return heights


def smooth_field(shape, scale, number, seed=0):
    """White noise under a Gaussian filter of this many cells, and its moments s_0, s_1, s_2 from its spectrum."""
    axes = tuple(range(1, len(shape) + 1))
    frequencies = [2 * np.pi * np.fft.fftfreq(n) for n in shape]
    k2 = sum(f**2 for f in np.meshgrid(*frequencies, indexing="ij"))
    amplitude = np.exp(-k2 * scale**2 / 2) * (k2 > 0)
    white = np.random.default_rng(seed).normal(size=(number, *shape))
    fields = np.fft.ifftn(np.fft.fftn(white, axes=axes) * amplitude, axes=axes).real
    moments = [np.sqrt(np.mean(amplitude**2 * k2**j)) for j in range(3)]
    return fields, moments


@pytest.mark.parametrize("boundary", ["periodic", "open"])
@pytest.mark.parametrize("shape", [(3,), (12,), (3, 3), (7, 9), (3, 3, 3), (5, 4, 6)])
@pytest.mark.parametrize("levels", [3, 10**6])
def test_it_counts_what_brute_force_counts(shape, boundary, levels):
    fields = np.random.default_rng(1).integers(levels, size=(4, *shape)).astype(float)
    edges = levels * np.array([-0.5, 0.2, 0.5, 0.8, 1.5])
    expected = [np.histogram(brute_force(field, boundary), edges)[0] for field in fields]
    np.testing.assert_array_equal(peak_counts(fields, edges, boundary=boundary), expected)
    above = [[np.sum(np.array(brute_force(field, boundary)) >= t) for t in edges[::-1]] for field in fields]
    np.testing.assert_array_equal(peaks_above(fields, edges[::-1], boundary=boundary), above)


@settings(max_examples=25, deadline=None)
@given(ndim=st.integers(1, 3), size=st.integers(3, 7), shift=st.integers(0, 9), seed=st.integers(0, 99))
def test_shifts_symmetries_and_rising_maps_change_nothing(ndim, size, shift, seed):
    fields = np.random.default_rng(seed).normal(size=(2, *(size,) * ndim))
    edges = [-9.0, 0.0, 0.7, 9.0]
    truth = peak_counts(fields, edges)
    for other in (np.roll(fields, shift, 1), np.flip(fields, -1), np.swapaxes(fields, 1, ndim)):
        np.testing.assert_array_equal(peak_counts(other, edges), truth)
    np.testing.assert_array_equal(peak_counts(np.exp(fields), np.exp(edges)), truth)


def test_a_height_on_an_edge_belongs_to_the_upper_bin_and_a_plateau_has_no_peak():
    field = np.array([[0, 2.0, 0, 1, 1, 0, 3, 0]])
    np.testing.assert_array_equal(peak_counts(field, [0, 2, 3, 4]), [[0, 1, 1]])
    np.testing.assert_array_equal(peaks_above(field, [2.0, 2.5, 3.0, 3.5]), [[2, 1, 1, 0]])
    assert not peak_mask(np.ones((1, 5, 5))).any()


def test_a_peak_on_the_border_counts_for_periodic_fields_alone():
    field = np.array([[3.0, 0, 1, 0, 2]])
    np.testing.assert_array_equal(peak_counts(field, EVERYTHING), [[2]])
    np.testing.assert_array_equal(peak_counts(field, EVERYTHING, boundary="open"), [[1]])


def test_float32_fields_count_like_themselves_in_float64():
    fields = np.random.default_rng(3).normal(size=(3, 16, 16)).astype(np.float32)
    np.testing.assert_array_equal(peak_counts(fields, [-1, 0, 2]), peak_counts(fields.astype(float), [-1, 0, 2]))


def rice(nu, gamma):
    """Share of the peaks of a 1D Gaussian field per unit of nu, times s_2 / (2 pi s_1) (Rice 1944)."""
    x = np.linspace(0, 12, 4001)
    curvature = np.exp(-((x[:, None] - gamma * nu) ** 2) / (2 * (1 - gamma**2))) / np.sqrt(2 * np.pi * (1 - gamma**2))
    return np.exp(-(nu**2) / 2) * np.trapezoid(x[:, None] * curvature, x, axis=0)


def bond_efstathiou(nu, gamma):
    """G(gamma, gamma nu) exp(-nu^2 / 2) of Bond & Efstathiou 1987, appendix 1; density over (2 pi)^1.5 theta_*^2."""
    x, g2 = gamma * nu, gamma**2
    first = (x**2 - g2) * (1 - erfc(x / np.sqrt(2 * (1 - g2))) / 2)
    second = x * (1 - g2) * np.exp(-(x**2) / (2 * (1 - g2))) / np.sqrt(2 * np.pi * (1 - g2))
    third = np.exp(-(x**2) / (3 - 2 * g2)) / np.sqrt(3 - 2 * g2)
    third *= 1 - erfc(x / np.sqrt(2 * (1 - g2) * (3 - 2 * g2))) / 2
    return np.exp(-(nu**2) / 2) * (first + second + third)


@pytest.mark.parametrize(("shape", "density"), [((4096,), "rice"), ((128, 128), "bond_efstathiou")])
def test_gaussian_fields_have_the_peaks_of_the_closed_form(shape, density):
    fields, (s0, s1, s2) = smooth_field(shape, 5.0, 200)
    gamma, ndim = s1**2 / (s0 * s2), len(shape)
    nu = np.linspace(-6, 8, 7001)
    form = rice(nu, gamma) if density == "rice" else bond_efstathiou(nu, gamma)
    per_cell = s2 / (2 * np.pi * s1) if ndim == 1 else s2**2 / (2 * s1**2) / (2 * np.pi) ** 1.5
    cumulative = np.concatenate([[0], np.cumsum((form[1:] + form[:-1]) / 2) * (nu[1] - nu[0])])
    total = per_cell * cumulative[-1]
    closed_total = s2 / (2 * np.pi * s1) if ndim == 1 else s2**2 / (8 * np.pi * np.sqrt(3) * s1**2)
    edges = np.array([-6, -1, 0, 0.5, 1, 1.5, 2, 2.5, 6])
    expected = np.prod(shape) * per_cell * np.diff(np.interp(edges, nu, cumulative))
    assert total == pytest.approx(closed_total, rel=1e-5)
    counts = peak_counts(fields, edges * s0)
    error = counts.std(axis=0, ddof=1) / np.sqrt(len(counts))
    assert np.all(np.abs(counts.mean(axis=0) - expected) < 4 * error + 0.015 * expected)


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        (np.zeros((1, 2, 5)), "three or more cells"),
        (np.full((1, 5), np.nan), "NaN"),
        (np.zeros((0, 5)), "no fields"),
        (np.zeros(5), "one to three"),
    ],
)
def test_fields_without_peaks_to_count_are_refused(fields, told):
    with pytest.raises(DataError, match=told):
        peak_counts(fields, [0, 1])


def test_edges_thresholds_and_boundaries_without_sense_are_refused():
    field = np.zeros((1, 5))
    for edges in ([1.0], [1, 0], [0, np.nan]):
        with pytest.raises(ConfigError, match="rising"):
            peak_counts(field, edges)
    with pytest.raises(ConfigError, match="finite"):
        peaks_above(field, [np.inf])
    with pytest.raises(ConfigError, match="'open' and 'periodic'"):
        peak_counts(field, [0, 1], boundary="reflect")
