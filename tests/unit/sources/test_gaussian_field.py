"""Gaussian fields: their power is the one asked for, on every mode."""

import numpy as np
import pytest

from rhodiff.sources.gaussian_field import linear_modes, modes_to_field, white_noise


def test_white_noise_depends_on_seed_and_index_alone():
    noise = white_noise(8, 3, 5)
    assert np.array_equal(noise, white_noise(8, 3, 5))
    assert not np.array_equal(noise, white_noise(8, 3, 6))
    assert not np.array_equal(noise, white_noise(8, 4, 5))


def test_unit_power_gives_back_the_white_noise_without_its_mean():
    noise = white_noise(16, 0, 0)
    field = modes_to_field(linear_modes(noise, lambda k: np.ones_like(k), box_size=16.0))
    assert field == pytest.approx(noise - noise.mean(), abs=1e-12)


def test_each_mode_has_the_power_of_its_wavenumber():
    box_size, size = 30.0, 8
    noise = white_noise(size, 1, 0)
    field = modes_to_field(linear_modes(noise, lambda k: 2.0 + k**2, box_size))
    k = 2 * np.pi * np.fft.fftfreq(size, box_size / size)
    k2 = k[:, None, None] ** 2 + k[None, :, None] ** 2 + k[None, None, :] ** 2
    expected = np.abs(np.fft.fftn(noise)) ** 2 * (2.0 + k2) * size**3 / box_size**3
    expected[0, 0, 0] = 0.0
    assert np.abs(np.fft.fftn(field)) ** 2 == pytest.approx(expected, rel=1e-9, abs=1e-9)
