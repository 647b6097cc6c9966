"""Exponential discs against the integrals that define them."""

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import iv, j1, kv
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


def distances(softening, count=3000):
    """Softened vertical distances of random pairs of particles of DISC's column, kpc."""
    z, other = 0.3 * np.arctanh(np.random.default_rng(0).uniform(-1, 1, (2, count)))
    return np.hypot(z - other, softening)


@pytest.mark.parametrize("softening", [0.0, 0.3])
def test_rotation_is_the_mean_pull_of_the_columns(softening):
    """v^2 = R times the Hankel integral of J_1(k R) k S(k) <exp(-k h)>, S that of exp(-R / R_d) (Toomre 1963)."""
    k, coarse = np.linspace(0, 60, 300_001), np.linspace(0, 60, 601)
    thickness = np.interp(k, coarse, np.exp(-np.outer(coarse, distances(softening))).mean(axis=1))
    nodes = np.geomspace(3e-3, 90, 500)
    speeds = DISC.circular_velocity_squared(nodes, softening)
    for radius in (1.0, 3.0, 6.6, 15.0):
        integral = np.trapezoid(j1(k * radius) * k * thickness / (1 + (k * 3.0) ** 2) ** 1.5, k)
        assert np.interp(radius, nodes, speeds) == pytest.approx(radius * 17.2 * integral, rel=5e-3)


def test_a_disc_of_no_height_is_freemans():
    """Freeman (1970), with y = R / 2 R_d: 4 pi Sigma(0) R_d y^2 (I_0 K_0 - I_1 K_1); one of R_d / 133 is 2 % off."""
    nodes = np.geomspace(1.0, 40, 400)
    y = nodes / 6
    expected = 2 * 17.2 / 3 * y**2 * (iv(0, y) * kv(0, y) - iv(1, y) * kv(1, y))
    thin = ExponentialDisc(17.2, 3.0, 1e-3).circular_velocity_squared(nodes)
    np.testing.assert_allclose(thin[1:-1], expected[1:-1], rtol=0.025)


def test_far_away_the_disc_is_a_point():
    nodes = np.geomspace(250, 350, 101)
    np.testing.assert_allclose(DISC.circular_velocity_squared(nodes) * nodes, 17.2, rtol=2e-3)


@pytest.mark.parametrize("softening", [0.0, 0.3])
def test_vertical_motion_carries_the_weight_of_the_column(softening):
    """Pull of a softened sheet: 2 pi Sigma dz / sqrt(dz^2 + eps^2); virial: half of the mean of dz times it."""
    distance = distances(softening, 200_000)
    expected = np.pi * DISC.surface_density(4.0) * np.mean((distance**2 - softening**2) / distance)
    assert DISC.vertical_variance(4.0, softening) == pytest.approx(expected, rel=0.01)
    if not softening:
        assert DISC.vertical_variance(4.0) == pytest.approx(np.pi * DISC.surface_density(4.0) * 0.3, rel=3e-3)


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
