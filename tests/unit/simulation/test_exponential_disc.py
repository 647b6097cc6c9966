"""Exponential discs against the integrals that define them."""

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import j1
from scipy.stats import kstest

from rhodiff.errors import ConfigError
from rhodiff.simulation import ExponentialDisc

DISC = ExponentialDisc(mass=17.2, length_kpc=3.0, height_kpc=0.3)


@pytest.mark.parametrize("radius", [1e-4, 0.3, 3, 20])
def test_enclosed_mass_is_the_integral_of_the_surface_density(radius):
    mass = quad(lambda R: 2 * np.pi * R * DISC.surface_density(R), 0, radius, epsabs=0)[0]
    assert DISC.enclosed_mass(radius) == pytest.approx(mass, rel=1e-7)


def test_all_mass_is_there_in_the_end():
    assert DISC.enclosed_mass(1e3) == pytest.approx(17.2)


@pytest.mark.parametrize("radius", [0.3, 1.0, 3.0, 6.6, 15.0])
def test_rotation_is_the_pull_of_its_own_plane(radius):
    """v^2 = 2 pi R times the Hankel integral of J_1(k R) k S(k), S that of exp(-R / R_d) (Toomre 1963)."""
    k = np.linspace(0, 400, 2_000_001)
    transform = 9.0 / (1 + (k * 3.0) ** 2) ** 1.5
    integral = np.trapezoid(j1(k * radius) * k * transform, k)
    expected = 2 * np.pi * radius * 17.2 / (2 * np.pi * 9.0) * integral
    assert DISC.circular_velocity_squared(radius) == pytest.approx(expected, rel=2e-4)


def test_far_away_the_disc_is_a_point():
    assert DISC.circular_velocity_squared(300.0) * 300 == pytest.approx(17.2, rel=1e-3)


def test_positions_follow_the_density():
    positions = DISC.sample_positions(20000, np.random.default_rng(1))
    x, y, z = positions.T
    assert kstest(np.hypot(x, y), lambda R: DISC.enclosed_mass(R) / 17.2).pvalue > 0.01
    assert kstest(z, lambda h: (1 + np.tanh(h / 0.3)) / 2).pvalue > 0.01
    assert kstest(np.arctan2(y, x), "uniform", (-np.pi, 2 * np.pi)).pvalue > 0.01


def test_mean_square_height_is_that_of_an_isothermal_sheet():
    z = DISC.sample_positions(200000, np.random.default_rng(2))[:, 2]
    assert np.mean(z**2) == pytest.approx(0.3**2 * np.pi**2 / 12, rel=0.02)


@pytest.mark.parametrize(
    "change", [{"mass": 0}, {"length_kpc": -1}, {"height_kpc": np.nan}, {"toomre_q": 0}, {"height_kpc": 1.6}]
)
def test_discs_that_cannot_be_are_refused(change):
    with pytest.raises(ConfigError, match=r"must be > 0 and finite|over half of length_kpc"):
        ExponentialDisc(**{"mass": 1, "length_kpc": 3, "height_kpc": 0.3} | change)
