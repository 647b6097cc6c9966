"""Cross spectra, transfer function and coherence against definition and closed forms; the papers' binning."""

import itertools

import numpy as np
import pytest

from rhodiff.errors import ConfigError, DataError
from rhodiff.statistics import MeanCovariance, cross_power_spectrum, merge_all, power_spectrum

SHAPES = [(16,), (15,), (8, 8), (6, 9), (6, 6, 6), (4, 5, 6)]


def noise(shape, num_fields=3, seed=0):
    return np.random.default_rng(seed).normal(size=(num_fields, *shape))


def full_plane(shape, box):
    """Transform axes and |k| of every mode of the full plane, in units of the box."""
    frequencies = [2 * np.pi * np.fft.fftfreq(n, box / n) for n in shape]
    return np.sqrt(sum(f**2 for f in np.meshgrid(*frequencies, indexing="ij")))


@pytest.mark.parametrize("shape", SHAPES)
def test_it_equals_the_definition_on_the_full_plane(shape):
    box, axes = 3.0, tuple(range(1, len(shape) + 1))
    a, b = noise(shape), noise(shape, seed=1) + 2.0
    found = cross_power_spectrum(a, b, box_size=box)
    k = full_plane(shape, box)
    product = np.fft.fftn(a, axes=axes) * np.fft.fftn(b, axes=axes).conj() * box ** len(shape) / np.prod(shape) ** 2
    for i, (low, high) in enumerate(itertools.pairwise(found.bin_edges)):
        inside = (k >= low) & (k < high)
        mean = product[:, inside].mean(axis=1)
        assert np.abs(mean.imag).max() < 1e-12 * np.abs(product).max()
        np.testing.assert_allclose(found.cross[:, i], mean.real, rtol=0, atol=1e-12 * np.abs(product).max())


@pytest.mark.parametrize("shape", SHAPES)
def test_a_field_with_itself_has_its_power_and_coherence_one(shape):
    fields = noise(shape)
    found, power = cross_power_spectrum(fields, fields, box_size=2.0), power_spectrum(fields, box_size=2.0)
    for values in (found.cross, found.power_a, found.power_b):
        np.testing.assert_allclose(values, power.power, rtol=1e-12)
    np.testing.assert_allclose(found.coherence, 1, rtol=1e-12)
    np.testing.assert_allclose(found.transfer, 1, rtol=1e-12)
    np.testing.assert_array_equal(found.num_modes, power.num_modes)
    np.testing.assert_array_equal(found.k, power.k)


def test_amplitude_and_sign_show_in_transfer_and_coherence():
    fields = noise((16, 16))
    found = cross_power_spectrum(-2.5 * fields + 7, fields, box_size=1.0)
    np.testing.assert_allclose(found.transfer, 2.5, rtol=1e-10)
    np.testing.assert_allclose(found.coherence, -1, rtol=1e-10)
    assert np.abs(found.coherence).max() <= 1


@pytest.mark.parametrize("shape", [(256,), (32, 32), (12, 12, 12)])
def test_added_noise_lowers_the_coherence_as_derived(shape):
    """a = b + n with white b and n of variances 1 and q^2: T^2 = 1 + q^2, r^2 = 1 / (1 + q^2)."""
    q, signal = 0.7, noise(shape, 200)
    found = cross_power_spectrum(signal + q * noise(shape, 200, seed=5), signal, box_size=4.0).mean()
    modes = found.num_modes * 200 / 2
    r = 1 / np.sqrt(1 + q**2)
    assert np.max(np.abs(found.coherence[0] - r) / ((1 - r**2) / np.sqrt(2 * modes))) < 5
    assert np.max(np.abs(found.transfer[0] ** 2 / (1 + q**2) - 1) * np.sqrt(modes)) < 6


def test_independent_fields_are_incoherent_within_errors():
    found = cross_power_spectrum(noise((32, 32), 100), noise((32, 32), 100, seed=9), box_size=1.0).mean()
    assert np.max(np.abs(found.coherence[0]) * np.sqrt(found.num_modes * 100)) < 4.5


def test_a_common_shift_changes_nothing_and_a_shift_of_one_lowers_the_cross_power():
    a, b = noise((16, 16)), noise((16, 16), seed=3)
    truth = cross_power_spectrum(a, b, box_size=1.0).cross
    moved = cross_power_spectrum(np.roll(a, (3, 5), (1, 2)), np.roll(b, (3, 5), (1, 2)), box_size=1.0).cross
    np.testing.assert_allclose(moved, truth, rtol=0, atol=1e-12 * np.abs(truth).max())
    alone = cross_power_spectrum(np.roll(a, 8, 1), a, box_size=1.0)
    assert np.all(np.abs(alone.cross) <= alone.power_a * (1 + 1e-12))
    assert alone.coherence.min() < -0.2


def test_parts_merge_in_any_order():
    a, b = noise((8, 8), 12), noise((8, 8), 12, seed=2)
    vectors = cross_power_spectrum(a, b, box_size=1.0).vectors()
    whole, parts = MeanCovariance.of(vectors), [MeanCovariance.of(part) for part in np.split(vectors, 4)]
    for order in itertools.permutations(parts):
        merged = merge_all(order)
        np.testing.assert_allclose(merged.mean, whole.mean, rtol=1e-12, atol=1e-14)
        np.testing.assert_allclose(merged.covariance(), whole.covariance(), rtol=1e-11, atol=1e-14)


@pytest.mark.parametrize(
    ("a", "b", "told"),
    [
        (noise((4, 4)), noise((4, 5)), "paired one to one"),
        (noise((4, 4)), noise((4, 4), 2), "paired one to one"),
        (np.full((2, 4, 4), 0.1), noise((4, 4), 2), "field 0 of a is constant"),
        (noise((4, 4), 2), np.full((2, 4, 4), np.nan), "NaN or infinite"),
    ],
)
def test_pairs_that_cannot_be_compared_are_refused(a, b, told):
    with pytest.raises(DataError, match=told):
        cross_power_spectrum(a, b, box_size=1.0)


@pytest.mark.parametrize("size", [8, 16, 32])
def test_the_binning_of_paper_a_is_that_of_its_code(size):
    """Rings of half-width 1/4 about the integers below N / 2, power |f_k|^2 / N^4."""
    field = noise((size, size), 1)[0]
    rows, columns = np.meshgrid(np.arange(size), np.arange(size))
    radius = np.hypot(rows - size / 2, columns - size / 2)
    squares = np.abs(np.fft.fftshift(np.fft.fft2(field))) ** 2 / size**4
    rings = [squares[(radius >= r - 0.25) & (radius < r + 0.25)].mean() for r in range(1, size // 2)]
    found = power_spectrum(field[None], box_size=1.0, bin_edges="paper_a")
    np.testing.assert_allclose(found.power[0], rings, rtol=1e-10)
    assert len(found.bin_edges) == size // 2
    assert found.k == pytest.approx(2 * np.pi * np.arange(1, size // 2), rel=0.1)


def test_an_unknown_preset_is_refused():
    with pytest.raises(ConfigError, match="'paper_a'; got 'paper_z'"):
        power_spectrum(noise((8, 8)), box_size=1.0, bin_edges="paper_z")
