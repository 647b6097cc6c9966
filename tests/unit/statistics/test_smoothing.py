"""Gaussian and Wiener filters of noisy fields: plane waves and Gaussian fields give every error in closed form."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from rhodiff.statistics import best_gaussian, low_signal_region, matched_gaussian, wiener_filter

SIZE = 32
PERIODIC = (True, True)


def noisy_waves(number, sigma, seed=0):
    """Large-scale fields, whose lowest quadrant is their first one, and what is seen of them."""
    random = np.random.default_rng(seed)
    x, y = np.meshgrid(*[2 * np.pi * (np.arange(SIZE) + 0.5) / SIZE] * 2, indexing="ij")
    truth = -np.sin(x) - np.sin(y) + 0.1 * random.normal(size=(number, 1, 1)) * np.cos(x)
    return truth, truth + sigma * random.normal(size=truth.shape)


def error(estimate, truth, region=...):
    return np.sqrt(np.mean((estimate[region] - truth[region]) ** 2))


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        (np.arange(6.0), (slice(0, 3),)),
        (-np.add.outer(np.arange(4.0), 10 * np.arange(5.0)), (slice(2, 4), slice(2, 5))),
        (np.add.outer(np.arange(4.0), np.zeros((1, 2))) - np.arange(2), (slice(0, 2), slice(0, 1), slice(1, 2))),
    ],
)
def test_low_signal_region_is_the_corner_of_lowest_mean(field, expected):
    assert low_signal_region(field) == expected


def test_matched_filter_has_the_error_asked_for_at_its_smallest_width():
    truth, noisy = noisy_waves(4, 0.5)
    target = np.array([0.45, 0.3, 0.2, 0.15])
    found = matched_gaussian(noisy, truth, target, PERIODIC)
    assert found.reached.all()
    for i in range(4):
        region = low_signal_region(truth[i])
        assert region == (slice(0, 16), slice(0, 16))
        filtered = gaussian_filter(noisy[i], found.width[i], mode="wrap", truncate=6)
        np.testing.assert_allclose(found.fields[i], filtered)
        assert error(filtered, truth[i], region) == pytest.approx(target[i], rel=1e-4)
        for smaller in np.linspace(0, 0.99 * found.width[i], 12):
            narrow = gaussian_filter(noisy[i], smaller, mode="wrap", truncate=6)
            assert error(narrow, truth[i], region) > target[i]


def test_error_that_no_width_has_is_said_and_the_nearest_is_taken():
    truth, noisy = noisy_waves(2, 0.5, seed=1)
    found = matched_gaussian(noisy, truth, np.array([1e-3, 0.9]), PERIODIC)
    assert found.reached.tolist() == [False, False]
    region = low_signal_region(truth[0])
    errors = [
        error(gaussian_filter(noisy[0], w, mode="wrap", truncate=6), truth[0], region) for w in np.arange(0.5, 8, 0.1)
    ]
    assert error(found.fields[0], truth[0], region) <= min(errors) * (1 + 1e-6)
    assert found.width[1] == 0  # already the noise has less error than asked for
    np.testing.assert_array_equal(found.fields[1], noisy[1])


def test_best_filter_has_the_least_error_over_the_whole_field():
    truth, noisy = noisy_waves(2, 0.7, seed=2)
    found = best_gaussian(noisy, truth, PERIODIC)
    for i in range(2):
        errors = [
            error(gaussian_filter(noisy[i], w, mode="wrap", truncate=6), truth[i]) for w in np.arange(0, 12, 0.05)
        ]
        assert error(found.fields[i], truth[i]) <= min(errors) * (1 + 1e-6)


def test_a_wave_is_damped_by_the_kernels_transform_where_fields_wrap_around():
    """A kernel of width w leaves exp(-k^2 w^2 / 2) of a wave; w = 2 is wide enough for sums over cells."""
    wave = np.cos(2 * np.pi * 3 * np.arange(SIZE) / SIZE)[None]
    damped = wave * np.exp(-((2 * np.pi * 3 / SIZE * 2) ** 2) / 2)
    found = matched_gaussian(wave, 0 * wave, np.array([np.sqrt(np.mean(damped[0, :16] ** 2))]), (True,))
    assert found.width[0] == pytest.approx(2, abs=1e-3)
    np.testing.assert_allclose(found.fields, damped, atol=1e-3)


def test_fields_that_do_not_wrap_around_are_mirrored():
    ramp = np.arange(16.0)[None]
    noisy = ramp + 3 * np.random.default_rng(3).normal(size=ramp.shape)
    found = best_gaussian(noisy, ramp, (False,))
    reach = int(6 * found.width[0] + 0.5)
    assert reach > 3
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / found.width[0]) ** 2)
    mirrored = np.pad(noisy[0], reach, mode="symmetric")
    np.testing.assert_allclose(found.fields[0], np.convolve(mirrored, kernel / kernel.sum(), mode="valid"))


def test_wiener_filter_leaves_the_closed_forms_error_in_a_gaussian_field():
    """Mean squared error a cell: mean over the modes of S sigma^2 / (S + sigma^2)."""
    number, sigma = 400, np.linspace(0.5, 2, 400)
    random = np.random.default_rng(4)
    k = np.hypot(*np.meshgrid(np.fft.fftfreq(16, 1 / 16), np.fft.rfftfreq(16, 1 / 16), indexing="ij"))
    power = 8.0 / (1 + k**2)
    white = random.normal(size=(2, number, 16, 16))
    modes = np.fft.rfftn(white[0], axes=(1, 2)) * np.sqrt(power)
    truth = np.fft.irfftn(modes, s=(16, 16), axes=(1, 2))
    found = wiener_filter(truth + sigma[:, None, None] * white[1], power, sigma)
    full = np.concatenate([power, power[np.r_[0, 15:0:-1], 7:0:-1]], axis=1)
    expected = np.mean([np.mean(full * s**2 / (full + s**2)) for s in sigma])
    assert np.mean((found - truth) ** 2) == pytest.approx(expected, rel=5 * np.sqrt(2 / (number * 256)))
