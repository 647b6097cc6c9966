"""Power spectra against the definition, against analytic truth, and under symmetries."""

import itertools
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rhodiff.errors import ConfigError, DataError
from rhodiff.statistics import default_bin_edges, nyquist, power_spectrum

SHAPES = [(16,), (15,), (8, 8), (7, 7), (6, 9), (6, 6, 6), (5, 5, 5), (4, 5, 6)]


def noise(shape, num_fields=3, seed=0):
    return np.random.default_rng(seed).normal(size=(num_fields, *shape))


def spectrum_mode_by_mode(field, box, edges):
    """The definition: an explicit Fourier sum for every mode of the full plane, binned one at a time."""
    shape, volume = field.shape, np.prod(box)
    cells = np.stack(np.meshgrid(*[np.arange(n) for n in shape], indexing="ij"), axis=-1).reshape(-1, len(shape))
    delta = (field - field.mean()).ravel()
    sums, k_sums, counts = np.zeros((3, len(edges) - 1))
    for mode in itertools.product(*[range(-(n // 2), n - n // 2) for n in shape]):
        k = 2 * np.pi * np.sqrt(sum((m / extent) ** 2 for m, extent in zip(mode, box, strict=True)))
        inside = np.flatnonzero((edges[:-1] <= k) & (k < edges[1:]))
        if any(mode) and len(inside):
            phase = 2 * np.pi * (cells @ (np.array(mode) / shape))
            power = abs(np.sum(delta * np.exp(-1j * phase))) ** 2 * volume / delta.size**2
            sums[inside] += power
            k_sums[inside] += k
            counts[inside] += 1
    return k_sums / counts, sums / counts, counts


@pytest.mark.parametrize("shape", SHAPES)
def test_it_equals_the_definition_summed_mode_by_mode(shape):
    box = tuple(3.0 + 0.1 * axis for axis in range(len(shape)))
    field = noise(shape, 1)
    found = power_spectrum(field, box_size=box)
    k, power, counts = spectrum_mode_by_mode(field[0], box, found.bin_edges)
    np.testing.assert_allclose(found.k, k, rtol=1e-12)
    np.testing.assert_allclose(found.power[0], power, rtol=1e-10)
    np.testing.assert_array_equal(found.num_modes, counts)


@pytest.mark.parametrize("shape", SHAPES)
def test_the_modes_sum_to_the_variance(shape):
    box = 7.5
    fields = 4.0 + noise(shape)
    found = power_spectrum(fields, box_size=box, bin_edges=[0.0, 1e3])
    variance = found.power[:, 0] * found.num_modes[0] / box ** len(shape)
    np.testing.assert_allclose(variance, fields.reshape(3, -1).var(axis=1), rtol=1e-10)
    assert found.num_modes.sum() == np.prod(shape) - 1


@pytest.mark.parametrize(
    ("shape", "mode"), [((16,), (3,)), ((16, 16), (2, 0)), ((12, 12), (0, 5)), ((8, 8, 8), (0, 2, 0))]
)
def test_a_plane_wave_has_its_power_in_its_bin(shape, mode):
    amplitude, box = 1.7, 5.0
    grid = np.meshgrid(*[np.arange(n) / n for n in shape], indexing="ij")
    wave = amplitude * np.cos(2 * np.pi * sum(m * x for m, x in zip(mode, grid, strict=True)))
    found = power_spectrum(wave[None], box_size=box)
    total = found.power[0] * found.num_modes
    bin_ = int(np.linalg.norm(mode)) - 1
    assert total[bin_] == pytest.approx(2 * amplitude**2 * box ** len(shape) / 4, rel=1e-12)
    assert np.delete(total, bin_) == pytest.approx(0, abs=1e-20 + 1e-12 * total[bin_])


@pytest.mark.parametrize("shape", [(256,), (32, 32), (16, 16, 16)])
def test_white_noise_is_flat_within_errors(shape):
    fields = 2 * noise(shape, 200)
    found = power_spectrum(fields, box_size=10.0)
    expected = 4 * 10.0 ** len(shape) / np.prod(shape)
    error = expected * np.sqrt(2 / (found.num_modes * len(fields)))
    assert np.max(np.abs(found.power.mean(axis=0) - expected) / error) < 4.5


@pytest.mark.parametrize("shape", [(128,), (32, 32), (16, 16, 16)])
def test_a_known_red_spectrum_is_unbiased(shape):
    box, ndim = 20.0, len(shape)
    frequencies = [2 * np.pi * np.fft.fftfreq(n, box / n) for n in shape]
    k = np.sqrt(sum(f**2 for f in np.meshgrid(*frequencies, indexing="ij")))
    power = np.divide(1.0, k**2, out=np.zeros_like(k), where=k > 0)
    cells = np.prod(shape)
    transform = np.fft.fftn(noise(shape, 300), axes=range(1, ndim + 1)) * np.sqrt(power * cells / box**ndim)
    found = power_spectrum(np.fft.ifftn(transform, axes=range(1, ndim + 1)).real, box_size=box)
    bins = [(found.bin_edges[i] <= k) & (k < found.bin_edges[i + 1]) for i in range(len(found.k))]
    expected = np.array([power[inside].mean() for inside in bins])
    error = found.power.std(axis=0, ddof=1) / np.sqrt(300)
    assert np.max(np.abs(found.power.mean(axis=0) - expected) / error) < 4.5


@settings(max_examples=25, deadline=None)
@given(ndim=st.integers(1, 3), shift=st.integers(0, 20), size=st.integers(4, 9), seed=st.integers(0, 99))
def test_shifts_and_symmetries_change_nothing(ndim, shift, size, seed):
    fields = noise((size,) * ndim, 2, seed)
    truth = power_spectrum(fields, box_size=2.0).power
    axes = tuple(range(1, ndim + 1))
    moved = np.roll(fields, [shift + axis for axis in axes], axis=axes)
    symmetries = [np.flip(fields, axis=axis) for axis in axes]
    symmetries += [np.swapaxes(fields, one, other) for one, other in itertools.combinations(axes, 2)]
    symmetries += [np.rot90(fields, axes=pair) for pair in itertools.permutations(axes, 2)]
    for other in (moved, *symmetries):
        np.testing.assert_allclose(power_spectrum(other, box_size=2.0).power, truth, rtol=1e-10)


@settings(max_examples=25, deadline=None)
@given(
    ndim=st.integers(1, 3),
    factor=st.floats(1e-3, 1e3),
    amplitude=st.floats(1e-3, 1e3),
    offset=st.floats(-1e3, 1e3),
)
def test_it_scales_with_the_units_of_box_and_field(ndim, factor, amplitude, offset):
    fields = noise((6,) * ndim)
    one = power_spectrum(fields, box_size=1.0)
    other = power_spectrum(amplitude * fields + offset, box_size=factor)
    np.testing.assert_allclose(other.k, one.k / factor, rtol=1e-12)
    np.testing.assert_allclose(other.power, one.power * amplitude**2 * factor**ndim, rtol=1e-6)
    np.testing.assert_array_equal(other.num_modes, one.num_modes)


def test_many_fields_give_what_one_at_a_time_gives(monkeypatch):
    fields = noise((8, 8), 7).astype(np.float32)
    together = power_spectrum(fields, box_size=1.0).power
    monkeypatch.setattr("rhodiff.statistics.transform.CELLS_AT_ONCE", 100)
    np.testing.assert_allclose(power_spectrum(fields, box_size=1.0).power, together, rtol=1e-13)
    assert together.dtype == np.float64


def test_default_bins_are_centred_on_multiples_of_the_fundamental():
    fundamental = 2 * np.pi / 50
    found = power_spectrum(noise((10, 10)), box_size=50.0)
    np.testing.assert_allclose(found.bin_edges, fundamental * (np.arange(6) + 0.5))
    np.testing.assert_array_equal(found.num_modes[0], 8)
    assert nyquist((10, 10), 50.0) == pytest.approx(5 * fundamental)
    assert len(default_bin_edges((9, 9), 50.0)) == 5


def test_a_mode_on_an_edge_belongs_to_the_upper_bin():
    fundamental = 2 * np.pi / 0.7
    found = power_spectrum(noise((8,)), box_size=0.7, bin_edges=fundamental * np.arange(1, 6))
    np.testing.assert_array_equal(found.num_modes, [2, 2, 2, 1])


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_fields_that_are_not_finite_are_named(bad):
    fields = noise((4, 4), 5)
    fields[3, 1, 2] = bad
    with pytest.raises(DataError, match="field 3"):
        power_spectrum(fields, box_size=1.0)


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        (np.zeros((0, 4, 4)), "no fields"),
        (np.zeros(4), "one to three spatial axes"),
        (np.zeros((1, 2, 2, 2, 2)), "one to three spatial axes"),
        (np.zeros((1, 4), dtype=complex), "real"),
    ],
)
def test_what_is_no_set_of_fields_is_refused(fields, told):
    with pytest.raises(DataError, match=told):
        power_spectrum(fields, box_size=1.0)


@pytest.mark.parametrize(
    ("box", "edges", "told"),
    [
        ((1.0, 1.0, 1.0), None, "entries"),
        (-1.0, None, "positive"),
        (np.nan, None, "positive"),
        (1.0, [1.0], "two or more"),
        (1.0, [2.0, 1.0], "rise"),
        (1.0, [0.0, np.inf], "finite"),
        (1.0, [0.0, 0.1, 10.0], "bin 0 .* holds no mode"),
        (1.0, [1.0, 50.0, 60.0], "bin 1 .* holds no mode"),
    ],
)
def test_boxes_and_edges_without_sense_are_refused(box, edges, told):
    with pytest.raises(ConfigError, match=told):
        power_spectrum(noise((8, 8)), box_size=box, bin_edges=edges)


def test_statistics_do_not_load_torch():
    code = "import sys, rhodiff.statistics; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
