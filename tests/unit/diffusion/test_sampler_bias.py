"""Each sampler's own error on Gaussian fields with the exact denoiser, against measured figures and against theory.

Figures: worst |dP/P| over k = 1..Nyquist for 64^2, S ~ k^-2 and 128^2, S ~ k^-3, both of standard deviation 1. The
range of noise levels is that of ``noise_range``, 0.05 sqrt(S) of the last shell to 10 sqrt(S) of the first, unless a
test states another.
"""

from itertools import pairwise

import numpy as np
import pytest
import torch
from shell_spectra import shell_spectrum, worst_percent

from rhodiff.config.diffusion import DdpmSettings, EdmSettings
from rhodiff.config.sampling import Sampling
from rhodiff.diffusion import SAMPLERS, noise_range, power_bias, sample
from rhodiff.diffusion.modes import to_modes
from rhodiff.diffusion.sampling import is_stochastic
from rhodiff.diffusion.schedules import ddpm_levels
from rhodiff.diffusion.wiener import WienerFilter
from rhodiff.errors import ConfigError, DataError

FLAT = shell_spectrum(64, 2)
STEEP = shell_spectrum(128, 3)
(DEFAULT,) = Sampling().samplers

BOUNDS = {
    "ddpm": [(25, 30, 40), (101, 10, 12)],
    "ddim": [(25, 20, 25), (101, 5, 6)],
    "heun": [(35, 8, 15), (63, 2.5, 4)],
    "dpmpp_2m": [(15, 4.5, 6.5), (25, 1.7, 2.8), (35, 0.9, 1.5), (51, 0.5, 0.8)],
    "gaussian_reference": [(10, 0.3, 0.3), (25, 0.3, 0.3)],
    "heun_churn": [(35, 11, 19), (63, 3.5, 5.5)],
    "dpmpp_2m_sde": [(25, 4.5, 6.5), (51, 1.2, 2)],
    "gaussian_ancestral": [(2, 0.3, 0.3), (25, 0.3, 0.3)],
}
"""For each sampler: evaluations, and the largest bias in percent for FLAT and STEEP that it may have."""


def power_range(spectrum, low=0.05, high=10.0):
    return {"sigma_min": low * float(spectrum[-1]) ** 0.5, "sigma_max": high * float(spectrum[1]) ** 0.5}


def default_bias(spectrum, sampler, evaluations, factor=1.0):
    """With the default range and grid, and a reference spectrum that is off by a factor."""
    found = noise_range(spectrum, EdmSettings())
    return power_bias(
        spectrum,
        sampler=sampler,
        evaluations=evaluations,
        sigma_min=found.sigma_min,
        sigma_max=found.sigma_max,
        reference_spectrum=factor * spectrum,
    )


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_every_sampler_keeps_its_bound_on_the_default_grid(sampler):
    for evaluations, *percents in BOUNDS[sampler]:
        for spectrum, percent in zip((FLAT, STEEP), percents, strict=True):
            assert worst_percent(default_bias(spectrum, sampler, evaluations)) <= percent


@pytest.mark.parametrize("spectrum", [FLAT, STEEP], ids=["64^2 k^-2", "128^2 k^-3"])
@pytest.mark.parametrize(("evaluations", "percent"), [(25, 1.5), (35, 1.0)])
@pytest.mark.parametrize("factor", [0.7, 1.0, 1.3])
def test_the_default_sampler_is_good_to_a_percent_even_where_the_reference_is_30_percent_off(
    spectrum, evaluations, percent, factor
):
    assert worst_percent(default_bias(spectrum, DEFAULT, evaluations, factor)) <= percent


@pytest.mark.parametrize("spectrum", [FLAT, STEEP], ids=["64^2 k^-2", "128^2 k^-3"])
@pytest.mark.parametrize(("evaluations", "percent"), [(15, 1.5), (20, 1.0)])
def test_gaussian_reference_needs_few_evaluations_with_a_reference_30_percent_too_high(
    spectrum, evaluations, percent
):
    assert worst_percent(default_bias(spectrum, "gaussian_reference", evaluations, 1.3)) <= percent


@pytest.mark.parametrize(
    ("spectrum", "evaluations", "percent"),
    [
        (FLAT, 50, 12.9),
        (FLAT, 250, 2.7),
        (STEEP, 50, 43.9),
        (STEEP, 250, 11.9),
        (STEEP / 16, 50, 66),
        (STEEP / 16, 250, 38),
    ],
)
def test_ddim_on_a_stride_of_the_ddpm_schedule(spectrum, evaluations, percent):
    levels = ddpm_levels(DdpmSettings(timesteps=1000))
    bias = _scheduled(spectrum, "ddim", evaluations, levels)
    assert worst_percent(bias) == pytest.approx(percent, rel=0.02)


@pytest.mark.parametrize(("spectrum", "percent"), [(FLAT, 1.4), (STEEP, 7.2), (STEEP / 16, 31)])
def test_ddpm_with_all_its_2000_steps(spectrum, percent):
    few = spectrum[[0, 1, 2, 4, 8, 16, -1]]
    assert worst_percent(_scheduled(few, "ddpm", 2000, ddpm_levels(DdpmSettings()))) == pytest.approx(
        percent, rel=0.1
    )


def _scheduled(spectrum, sampler, evaluations, levels):
    ends = {"sigma_min": levels[0], "sigma_max": levels[-1]}
    return power_bias(spectrum, sampler=sampler, evaluations=evaluations, **ends, schedule=levels)


@pytest.mark.parametrize(("sampler", "evaluations", "percent"), [("heun", 35, 20.7), ("dpmpp_2m", 20, 21.2)])
def test_the_rho_grid_fails_on_steep_spectra(sampler, evaluations, percent):
    ends = {"sigma_min": power_range(STEEP)["sigma_min"], "sigma_max": 80.0}
    bias = power_bias(STEEP, sampler=sampler, evaluations=evaluations, **ends, grid="rho")
    assert worst_percent(bias) == pytest.approx(percent, rel=0.02)


@pytest.mark.parametrize(("evaluations", "percent"), [(15, 2.95), (25, 1.3), (35, 0.63), (50, 0.44)])
def test_dpm_solver_on_the_log_grid_over_a_narrow_range(evaluations, percent):
    bias = power_bias(
        FLAT, sampler="dpmpp_2m", evaluations=evaluations, **power_range(FLAT, 0.1, 3.0), reference_spectrum=FLAT
    )
    assert worst_percent(bias) <= max(percent, 1.05)  # 1 % is what the end at 0.1 sqrt(S) costs


def test_gaussian_reference_reaches_the_published_figure_on_its_best_grid():
    bias = power_bias(
        FLAT,
        sampler="gaussian_reference",
        evaluations=15,
        **power_range(FLAT),
        reference_spectrum=1.3 * FLAT,
        grid="rho",
        rho=14.0,
    )
    assert worst_percent(bias) <= 0.59


@pytest.mark.parametrize("sampler", ["gaussian_reference", "gaussian_ancestral"])
@pytest.mark.parametrize("evaluations", [1, 2, 4, 25])
def test_samplers_with_a_reference_are_exact_for_it_up_to_the_end_of_the_range(sampler, evaluations):
    bias = default_bias(STEEP, sampler, evaluations)[1:]
    level = (power_range(STEEP)["sigma_min"] if evaluations > 1 else power_range(STEEP)["sigma_max"]) ** 2
    np.testing.assert_allclose(bias, STEEP[1:] / (STEEP[1:] + level) - 1, rtol=0, atol=1e-12)


def test_a_white_start_loses_power_where_the_reference_start_does_not():
    common = {"sampler": "dpmpp_2m", "evaluations": 400, **power_range(FLAT, 0.05, 5.0)}
    white = power_bias(FLAT, **common)
    coloured = power_bias(FLAT, **common, reference_spectrum=FLAT)
    assert white[1] == pytest.approx(1 / (1 + 1 / 25) - 1, abs=1e-3)
    assert abs(coloured[1]) < 1e-3


@pytest.mark.parametrize(
    ("sampler", "order", "counts"),
    [
        ("ddim", 1, (200, 400)),
        ("heun", 2, (199, 399)),
        ("dpmpp_2m", 2, (200, 400)),
        ("gaussian_reference", 2, (200, 400)),
        ("ddpm", 1, (200, 400)),
        ("gaussian_ancestral", 1, (200, 400)),
        ("dpmpp_2m_sde", 2, (200, 400)),
    ],
)
def test_order_of_convergence(sampler, order, counts):
    reference = 2.0 if SAMPLERS[sampler].needs_reference else 0.0
    start = 10.0**2 + reference
    end = _sde_end(start) if is_stochastic(sampler) else _flow_end(start)
    exact = end / (1 + 0.05**2) ** 2 - 1  # the last step is the Wiener filter
    common = {"sampler": sampler, "sigma_min": 0.05, "sigma_max": 10.0}
    if reference:
        common["reference_spectrum"] = np.array([0.0, reference])
    errors = [abs(power_bias(np.array([0.0, 1.0]), evaluations=n, **common)[1] - exact) for n in counts]
    assert np.log2(errors[0] / errors[1]) == pytest.approx(order, abs=0.15)


def _flow_end(start):
    """The flow of a mode with S = 1 keeps x^2 / (S + sigma^2)."""
    return start * (1 + 0.05**2) / (1 + 10.0**2)


def _sde_end(start):
    """The reverse process takes E[x'] = (S + sigma'^2) / (S + sigma^2) x: a wrong variance decays by its square."""
    right, at_start = 1 + 0.05**2, 1 + 10.0**2
    return right + (start - at_start) * (right / at_start) ** 2


LEVELS = np.geomspace(20.0, 0.02, 12)
POWER = np.array([0.0, 30.0, 1.0, 0.01])
REFERENCE = 1.4 * POWER


def wiener(sigma):
    return POWER / (POWER + sigma**2)


def ddpm_variance():
    """v' = (W + r^2 (1 - W))^2 v + sigma'^2 (1 - r^2)."""
    variance = POWER * 1.4 + LEVELS[0] ** 2
    for sigma, following in pairwise(LEVELS):
        r2 = (following / sigma) ** 2
        variance = (wiener(sigma) * (1 - r2) + r2) ** 2 * variance + following**2 * (1 - r2)
    return wiener(LEVELS[-1]) ** 2 * variance


def gaussian_ancestral_variance():
    """The same, and (1 - r^2)^2 S_ref sigma^2 / (S_ref + sigma^2)."""
    variance = REFERENCE + LEVELS[0] ** 2
    for sigma, following in pairwise(LEVELS):
        r2 = (following / sigma) ** 2
        added = following**2 * (1 - r2) + (1 - r2) ** 2 * REFERENCE * sigma**2 / (REFERENCE + sigma**2)
        variance = (wiener(sigma) * (1 - r2) + r2) ** 2 * variance + added
    return wiener(LEVELS[-1]) ** 2 * variance


def sde_variance():
    """Covariance of (x, D before) from step to step."""
    found = []
    for power in POWER:
        covariance = np.diag([1.4 * power + LEVELS[0] ** 2, 0.0])
        filters = power / (power + LEVELS**2)
        for i in range(len(LEVELS) - 1):
            r = LEVELS[i + 1] / LEVELS[i]
            weight = 0.5 if i else 0.0
            clean = np.array([(1 + weight) * filters[i], -weight])
            step = np.array([(1 - r**2) * clean + [r**2, 0.0], [filters[i], 0.0]])
            covariance = step @ covariance @ step.T
            covariance[0, 0] += LEVELS[i + 1] ** 2 * (1 - r**2)
        found.append(filters[-1] ** 2 * covariance[0, 0])
    return np.array(found)


def churn_variance(s_churn, s_tmin, s_tmax, s_noise):
    """Karras et al. 2022, algorithm 2, second moments: the noise of a raised level, then a = 1 + step slope."""
    variance = REFERENCE + LEVELS[0] ** 2
    for i, level in enumerate(LEVELS):
        gamma = min(s_churn / len(LEVELS), 2**0.5 - 1) if s_tmin <= level <= s_tmax else 0.0
        raised = min((1 + gamma) * level, LEVELS[0])
        variance = variance + s_noise**2 * (raised**2 - level**2)
        if i + 1 == len(LEVELS):
            return wiener(raised) ** 2 * variance
        slope, step = (1 - wiener(raised)) / raised, LEVELS[i + 1] - raised
        slope_after = (1 - wiener(LEVELS[i + 1])) / LEVELS[i + 1] * (1 + step * slope)
        variance = (1 + step * (slope + slope_after) / 2) ** 2 * variance
    raise AssertionError


CHURNS = [
    {"s_churn": 2.0, "s_tmin": 0.0, "s_tmax": np.inf, "s_noise": 1.0},
    {"s_churn": 40.0, "s_tmin": 0.05, "s_tmax": 5.0, "s_noise": 1.007},
]


@pytest.mark.parametrize(
    ("sampler", "evaluations", "variance", "options"),
    [
        ("ddpm", 12, ddpm_variance, {}),
        ("gaussian_ancestral", 12, gaussian_ancestral_variance, {}),
        ("dpmpp_2m_sde", 12, sde_variance, {}),
        *(("heun_churn", 23, lambda churn=churn: churn_variance(**churn), churn) for churn in CHURNS),
    ],
)
def test_stochastic_samplers_have_the_variance_of_their_own_recursion(sampler, evaluations, variance, options):
    bias = power_bias(
        POWER,
        sampler=sampler,
        evaluations=evaluations,
        sigma_min=LEVELS[-1],
        sigma_max=LEVELS[0],
        reference_spectrum=REFERENCE,
        **options,
    )
    np.testing.assert_allclose(bias[1:], variance()[1:] / POWER[1:] - 1, rtol=0, atol=1e-10)
    assert np.isnan(bias[0])


def test_without_churn_it_is_heuns_rule():
    common = {"evaluations": 15, **power_range(FLAT)}
    churned = power_bias(FLAT, sampler="heun_churn", s_churn=0.0, **common)
    np.testing.assert_allclose(churned[1:], power_bias(FLAT, sampler="heun", **common)[1:], rtol=0, atol=1e-12)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_samples_drawn_with_random_noise_have_the_power_that_is_foretold(sampler):
    """2D fields: each mode's mean power over N fields has a relative standard deviation of at most sqrt(2 / N)."""
    number = 4000
    spectrum = np.random.default_rng(1).uniform(0.1, 5.0, (6, 4))
    spectrum[4:, 0], spectrum[4:, -1] = spectrum[[2, 1], 0], spectrum[[2, 1], -1]  # a real field's own symmetry
    common = {"sampler": sampler, "evaluations": 7, "sigma_min": 0.05, "sigma_max": 20.0}
    options = {"generator": torch.Generator().manual_seed(2)} if is_stochastic(sampler) else {}
    fields = sample(
        WienerFilter(torch.from_numpy(spectrum)).estimate,
        torch.randn(number, 1, 6, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(3)),
        reference_spectrum=torch.from_numpy(1.2 * spectrum),
        **common,
        **options,
    )
    power = to_modes(fields).abs().square().mean(dim=(0, 1)).numpy()
    foretold = spectrum * (1 + power_bias(spectrum, reference_spectrum=1.2 * spectrum, **common))
    assert np.abs(power / foretold - 1).max() < 4.5 * np.sqrt(2 / number)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_modes_do_not_depend_on_each_other_nor_on_the_number_of_dimensions(sampler):
    line = np.array([3.0, 1.0, 0.2, 0.05])
    common = {"sampler": sampler, "evaluations": 9, "sigma_min": 0.02, "sigma_max": 30.0}
    in_one = power_bias(line, reference_spectrum=1.2 * line, **common)
    cube = np.broadcast_to(line, (2, 6, 4))
    in_three = power_bias(cube, reference_spectrum=1.2 * cube, **common)
    np.testing.assert_allclose(in_three, np.broadcast_to(in_one, cube.shape), rtol=0, atol=1e-12)


def test_rows_in_several_batches_give_the_same(monkeypatch):
    common = {"sampler": "dpmpp_2m_sde", "evaluations": 20, **power_range(FLAT)}
    whole = power_bias(FLAT, **common)
    monkeypatch.setattr("rhodiff.diffusion.gaussian_bias.CELLS_AT_ONCE", 200)
    np.testing.assert_allclose(power_bias(FLAT, **common), whole, rtol=0, atol=1e-12)


@pytest.mark.parametrize("spectrum", [np.array([1.0, -1.0]), np.array([1.0, np.nan]), np.ones((2, 2, 2, 2)), 1.0])
def test_what_is_no_spectrum_is_refused(spectrum):
    with pytest.raises(DataError, match="spectrum"):
        power_bias(spectrum, sampler="ddim", evaluations=3, sigma_min=0.1, sigma_max=1.0)


def test_unknown_samplers_are_refused():
    with pytest.raises(ConfigError, match="did you mean 'ddim'"):
        power_bias(FLAT, sampler="ddin", evaluations=3, sigma_min=0.1, sigma_max=1.0)
