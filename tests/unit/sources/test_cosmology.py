"""Linear cosmology against closed forms, differential equations and colossus."""

import warnings

import numpy as np
import pytest
from scipy.integrate import quad, solve_ivp
from scipy.special import hyp2f1

from rhodiff.sources.cosmology import (
    CMB_TEMPERATURE_K,
    Cosmology,
    growth_factor,
    growth_rate,
    linear_power,
    matter_density,
    sigma_top_hat,
    transfer_function,
)

PLANCK = Cosmology(omega_m=0.31, omega_b=0.049, h=0.6711, n_s=0.9624, sigma_8=0.83)
BARYON_RICH = Cosmology(omega_m=0.1, omega_b=0.049, h=0.6711, n_s=0.9624, sigma_8=0.6)
DENSE = Cosmology(omega_m=0.5, omega_b=0.03, h=0.8, n_s=1.0, sigma_8=1.0)
EINSTEIN_DE_SITTER = Cosmology(omega_m=1.0, omega_b=0.05, h=0.5, n_s=1.0, sigma_8=0.8)
MODELS = [PLANCK, BARYON_RICH, DENSE]
WAVENUMBERS = np.logspace(-4, 1.5, 400)


@pytest.mark.parametrize("redshift", [0.0, 0.5, 1.0, 3.0, 50.0])
def test_growth_in_an_einstein_de_sitter_universe_is_the_scale_factor(redshift):
    assert growth_factor(EINSTEIN_DE_SITTER, redshift) == pytest.approx(1 / (1 + redshift), rel=1e-14)
    assert growth_rate(EINSTEIN_DE_SITTER, redshift) == pytest.approx(1.0, rel=1e-13)


@pytest.mark.parametrize("cosmology", MODELS)
@pytest.mark.parametrize("redshift", [0.5, 2.0, 9.0])
def test_growth_equals_the_heath_integral_and_the_hypergeometric_form(cosmology, redshift):
    def heath(z):
        def integrand(a):
            return (cosmology.omega_m / a + (1 - cosmology.omega_m) * a**2) ** -1.5

        a = 1 / (1 + z)
        return (
            np.sqrt(cosmology.omega_m * a**-3 + 1 - cosmology.omega_m)
            * quad(integrand, 0, a, epsabs=0, epsrel=1e-11)[0]
        )

    def closed(z):
        lam = (1 - cosmology.omega_m) / cosmology.omega_m / (1 + z) ** 3
        return hyp2f1(1, 1 / 3, 11 / 6, -lam) / (1 + z)

    assert growth_factor(cosmology, redshift) == pytest.approx(heath(redshift) / heath(0.0), rel=1e-9)
    assert growth_factor(cosmology, redshift) == pytest.approx(closed(redshift) / closed(0.0), rel=1e-12)


@pytest.mark.parametrize("cosmology", MODELS)
def test_growth_factor_and_rate_solve_the_growth_equation(cosmology):
    """D'' + (2 + dlnH/dlna) D' = 3/2 Omega_m(a) D in ln a, started deep in matter domination."""

    def derivative(ln_a, state):
        om = matter_density(cosmology, np.exp(-ln_a) - 1)
        return [state[1], 1.5 * om * state[0] - (2 - 1.5 * om) * state[1]]

    start = np.log(1e-4)
    solution = solve_ivp(derivative, (start, 0.0), [1e-4, 1e-4], rtol=1e-10, atol=1e-14, dense_output=True)
    today = solution.y[0, -1]
    for redshift in (0.0, 0.7, 4.0):
        d, slope = solution.sol(-np.log(1 + redshift))
        assert growth_factor(cosmology, redshift) == pytest.approx(d / today, rel=1e-6)
        assert growth_rate(cosmology, redshift) == pytest.approx(slope / d, rel=1e-6)


def test_transfer_function_goes_to_one_on_large_scales():
    assert transfer_function(np.array([0.0, 1e-6]), PLANCK) == pytest.approx([1.0, 1.0], abs=1e-4)


@pytest.mark.parametrize("cosmology", MODELS)
def test_transfer_function_equals_colossus(cosmology):
    power_spectrum = pytest.importorskip("colossus.cosmology.power_spectrum")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # colossus announces a new name for this function
        expected = power_spectrum.transferFunction(
            WAVENUMBERS, cosmology.h, cosmology.omega_m, cosmology.omega_b, CMB_TEMPERATURE_K, model="eisenstein98"
        )
    assert transfer_function(WAVENUMBERS, cosmology) == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize("cosmology", MODELS)
def test_normalised_power_and_fluctuations_equal_colossus(cosmology):
    oracle = _colossus(cosmology)
    options = {"model": "eisenstein98"}
    expected = oracle.matterPowerSpectrum(WAVENUMBERS, **options)
    assert linear_power(WAVENUMBERS, cosmology) == pytest.approx(expected, rel=1e-3)
    for radius in (2.0, 8.0, 30.0):
        expected_sigma = oracle.sigma(radius, ps_args=options)
        assert sigma_top_hat(cosmology, radius) == pytest.approx(expected_sigma, rel=1e-3)
    assert growth_factor(cosmology, 2.0) == pytest.approx(oracle.growthFactor(2.0), rel=1e-4)


@pytest.mark.parametrize("cosmology", MODELS)
def test_power_integrates_to_sigma_8(cosmology):
    def integrand(ln_k):
        k = np.exp(ln_k)
        x = 8 * k
        window = 3 * (np.sin(x) - x * np.cos(x)) / x**3
        return k**3 * linear_power(np.array([k]), cosmology)[0] / (2 * np.pi**2) * window**2

    variance = sum(quad(integrand, a, a + 1, epsrel=1e-6)[0] for a in range(-9, 5))
    assert np.sqrt(variance) == pytest.approx(cosmology.sigma_8, rel=1e-4)


def test_power_falls_with_redshift_as_the_growth_factor_squared():
    ratio = linear_power(WAVENUMBERS, PLANCK, 1.0) / linear_power(WAVENUMBERS, PLANCK)
    assert ratio == pytest.approx(np.full(len(WAVENUMBERS), growth_factor(PLANCK, 1.0) ** 2), rel=1e-12)
    assert sigma_top_hat(PLANCK, 8.0, 1.0) == pytest.approx(PLANCK.sigma_8 * growth_factor(PLANCK, 1.0), rel=1e-12)


def test_power_at_zero_wavenumber_is_zero():
    assert linear_power(np.zeros(2), PLANCK) == pytest.approx([0.0, 0.0])


def _colossus(cosmology):
    module = pytest.importorskip("colossus.cosmology.cosmology")
    return module.setCosmology(
        "oracle",
        params={
            "flat": True,
            "H0": 100 * cosmology.h,
            "Om0": cosmology.omega_m,
            "Ob0": cosmology.omega_b,
            "sigma8": cosmology.sigma_8,
            "ns": cosmology.n_s,
            "Tcmb0": CMB_TEMPERATURE_K,
            "relspecies": False,
            "persistence": "",
            "interpolation": False,
        },
    )
