import numpy as np
import pytest

from rhodiff.config.diffusion import DdpmSettings, EdmSettings
from rhodiff.diffusion import noise_range
from rhodiff.diffusion.schedules import ddpm_levels, shell_power
from rhodiff.errors import ConfigError, DataError


def isotropic(power, *cells):
    """power(k) on the grid of an rfftn, k in units of the fundamental mode of the longest axis."""
    axes = [np.fft.fftfreq(n, 1 / max(cells)) for n in cells[:-1]] + [np.fft.rfftfreq(cells[-1], 1 / max(cells))]
    k = np.sqrt(sum(grid**2 for grid in np.meshgrid(*axes, indexing="ij")))
    k.flat[0] = np.inf
    return power(k)


@pytest.mark.parametrize("cells", [(64,), (64, 64), (64, 32), (32, 32, 32)])
def test_the_range_follows_the_power_at_its_ends(cells):
    spectrum = isotropic(lambda k: 7.0 * k**-1.0, *cells)
    low, high = noise_range(spectrum, EdmSettings())
    nyquist = max(cells) / 2
    assert low == pytest.approx(0.05 * (7.0 / nyquist) ** 0.5, rel=0.02)
    assert high == pytest.approx(10 * 7.0**0.5, rel=0.1)


def test_over_channels_the_range_covers_each():
    spectrum = np.stack([isotropic(lambda k: k**-1.0, 32, 32), isotropic(lambda k: 100 * k**-1.0, 32, 32)])
    both = noise_range(spectrum, EdmSettings(), ndim=2)
    first, second = (noise_range(channel, EdmSettings()) for channel in spectrum)
    assert both == (first.sigma_min, second.sigma_max)


def test_given_ends_win():
    assert noise_range(np.full(5, np.nan), EdmSettings(sigma_min=0.1, sigma_max=3.0)) == (0.1, 3.0)
    assert noise_range(np.ones(5), EdmSettings(sigma_max=3.0)) == pytest.approx((0.05, 3.0))


def test_impossible_ranges_are_refused():
    with pytest.raises(ConfigError, match="not below"):
        noise_range(np.ones(5), EdmSettings(sigma_max=0.01))
    with pytest.raises(DataError, match="no power at the Nyquist frequency"):
        noise_range(np.array([1.0, 1.0, 0.0]), EdmSettings())
    with pytest.raises(DataError, match="NaN"):
        noise_range(np.array([1.0, np.nan, 1.0]), EdmSettings())


def test_shells_of_white_power_are_white():
    wave_numbers, power = shell_power(np.full((16, 9), 3.0))
    np.testing.assert_allclose(wave_numbers, np.arange(9) / 16)
    np.testing.assert_allclose(power, 3.0)


def test_linear_levels_are_those_of_ho_et_al():
    levels = ddpm_levels(DdpmSettings(timesteps=1000))
    alpha_bar = np.cumprod(1 - np.linspace(1e-4, 0.02, 1000))
    np.testing.assert_allclose(levels, np.sqrt((1 - alpha_bar) / alpha_bar), rtol=1e-9)
    assert noise_range(np.ones(3), DdpmSettings(timesteps=1000)) == pytest.approx((0.01, 157.4), rel=1e-3)


def test_cosine_levels_are_those_of_nichol_and_dhariwal():
    levels = ddpm_levels(DdpmSettings(timesteps=1000, schedule="cosine"))
    t = np.arange(1001) / 1000
    alpha_bar = np.cos((t + 0.008) / 1.008 * np.pi / 2) ** 2
    alpha_bar /= alpha_bar[0]
    np.testing.assert_allclose(levels[:990], np.sqrt(1 / alpha_bar[1:991] - 1), rtol=1e-6)
    assert np.isfinite(levels).all()
    assert (np.diff(levels) > 0).all()
