"""Each sampler's own error on Gaussian fields with the exact denoiser, against measured figures and against theory.

Figures: worst |dP/P| over k = 1..Nyquist for 64^2, S ~ k^-2 and 128^2, S ~ k^-3, both of standard deviation 1. The
range of noise levels is stated with each, in units of sqrt(S) of the last and of the first shell.
"""

import numpy as np
import pytest
import torch
from wiener_field import ancestral_power_bias, power_bias, shell_spectrum, worst_percent

from rhodiff.config.diffusion import DdpmSettings
from rhodiff.diffusion.schedules import ddpm_levels

FLAT = shell_spectrum(64, 2)
STEEP = shell_spectrum(128, 3)


def data_range(spectrum, low=0.05, high=10.0):
    return {"sigma_min": low * float(spectrum[-1]) ** 0.5, "sigma_max": high * float(spectrum[0]) ** 0.5}


@pytest.mark.parametrize(
    ("spectrum", "evaluations", "percent"),
    [(FLAT, 50, 12.9), (FLAT, 250, 2.7), (STEEP, 50, 43.9), (STEEP, 250, 11.9)],
)
def test_ddim_on_a_stride_of_the_ddpm_schedule(spectrum, evaluations, percent):
    levels = ddpm_levels(DdpmSettings(timesteps=1000))
    bias = power_bias(spectrum, "ddim", evaluations, levels[0], levels[-1], schedule=levels)
    assert worst_percent(bias) == pytest.approx(percent, abs=0.1)


@pytest.mark.parametrize(("spectrum", "percent"), [(FLAT, 1.4), (STEEP, 7.2)])
def test_ddpm_with_all_its_2000_steps(spectrum, percent):
    few = spectrum[[0, 1, 3, 7, 15, len(spectrum) - 1]]
    assert worst_percent(ancestral_power_bias(few, ddpm_levels(DdpmSettings()))) == pytest.approx(percent, rel=0.1)


@pytest.mark.parametrize(("sampler", "evaluations", "percent"), [("heun", 35, 20.7), ("dpmpp_2m", 20, 21.2)])
def test_the_rho_grid_fails_on_steep_spectra(sampler, evaluations, percent):
    sigma_min = data_range(STEEP)["sigma_min"]
    bias = power_bias(STEEP, sampler, evaluations, sigma_min, 80.0, grid="rho")
    assert worst_percent(bias) == pytest.approx(percent, rel=0.02)


@pytest.mark.parametrize(("evaluations", "percent"), [(15, 2.95), (25, 1.3), (35, 0.63), (50, 0.44)])
def test_dpm_solver_on_the_log_grid(evaluations, percent):
    bias = power_bias(FLAT, "dpmpp_2m", evaluations, **data_range(FLAT, 0.1, 3.0), reference=FLAT)
    assert worst_percent(bias) <= max(percent, 1.05)  # 1 % is what the end at 0.1 sqrt(S) costs
    wide = power_bias(FLAT, "dpmpp_2m", evaluations, **data_range(FLAT), reference=FLAT)
    assert worst_percent(wide) <= 1.45 * percent


@pytest.mark.parametrize(
    ("spectrum", "evaluations", "percent"),
    [(FLAT, 15, 0.75), (FLAT, 20, 0.45), (STEEP, 15, 1.3), (STEEP, 20, 0.77), (STEEP, 10, 7.6)],
)
def test_gaussian_reference_with_a_reference_30_percent_off(spectrum, evaluations, percent):
    bias = power_bias(spectrum, "gaussian_reference", evaluations, **data_range(spectrum), reference=1.3 * spectrum)
    assert worst_percent(bias) <= percent


def test_gaussian_reference_reaches_the_published_figure_on_its_best_grid():
    levels = data_range(FLAT, 0.05, 10.0)
    bias = power_bias(FLAT, "gaussian_reference", 15, **levels, reference=1.3 * FLAT, grid="rho", rho=14.0)
    assert worst_percent(bias) <= 0.59


def test_gaussian_reference_is_exact_for_its_own_spectrum_up_to_the_end_of_the_range():
    bias = power_bias(STEEP, "gaussian_reference", 4, **data_range(STEEP), reference=STEEP)
    sigma_min_squared = data_range(STEEP)["sigma_min"] ** 2
    expected = STEEP / (STEEP + sigma_min_squared) - 1
    torch.testing.assert_close(bias, expected, rtol=0, atol=1e-12)


def test_a_white_start_loses_power_where_the_reference_start_does_not():
    levels = data_range(FLAT, 0.05, 5.0)
    white = power_bias(FLAT, "dpmpp_2m", 400, **levels)
    coloured = power_bias(FLAT, "dpmpp_2m", 400, **levels, reference=FLAT)
    assert float(white[0]) == pytest.approx(1 / (1 + 1 / 25) - 1, abs=1e-3)
    assert abs(float(coloured[0])) < 1e-3


@pytest.mark.parametrize(
    ("sampler", "order", "counts"),
    [
        ("ddim", 1, (200, 400)),
        ("heun", 2, (199, 399)),
        ("dpmpp_2m", 2, (200, 400)),
        ("gaussian_reference", 2, (200, 400)),
    ],
)
def test_order_of_convergence(sampler, order, counts):
    one_mode = torch.ones(1, dtype=torch.float64)
    reference = 2 * one_mode if sampler == "gaussian_reference" else None
    exact = _exact_bias(1.0, 0.05, 10.0, reference)
    errors = [
        abs(float(power_bias(one_mode, sampler, n, 0.05, 10.0, reference=reference)[0]) - exact) for n in counts
    ]
    assert np.log2(errors[0] / errors[1]) == pytest.approx(order, abs=0.15)


def _exact_bias(power, sigma_min, sigma_max, reference):
    """The flow keeps x^2 / (S + sigma^2); the last step is the Wiener filter."""
    start = sigma_max**2 + (float(reference[0]) if reference is not None else 0.0)
    end = start * (power + sigma_min**2) / (power + sigma_max**2)
    return end * (power / (power + sigma_min**2)) ** 2 / power - 1
