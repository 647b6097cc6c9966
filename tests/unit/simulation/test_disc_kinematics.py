"""Velocities of a disc: the definitions that they must meet, and the moment equations."""

import numpy as np
import pytest

from rhodiff.errors import ConfigError
from rhodiff.simulation import ExponentialDisc, GalaxyModel, HernquistSphere
from rhodiff.simulation.disc_kinematics import disc_kinematics

GALAXY = GalaxyModel()
DISC = GALAXY.disc
POINT = HernquistSphere(1e4, 1e-5, 1e-3)
"""A mass at the centre that rules everything."""


@pytest.fixture(scope="module")
def milky():
    return disc_kinematics(DISC, GALAXY)


def inner(table, *names, above=0.2, below=15.0):
    """Columns between two radii, the radius first."""
    chosen = (table.radius_kpc > above) & (table.radius_kpc < below)
    return [getattr(table, name)[chosen] for name in ("radius_kpc", *names)]


def test_the_circular_speed_balances_the_pull_of_all_components(milky):
    R, v = inner(milky, "circular")
    pull = GALAXY.spheres_force(R) + DISC.circular_velocity_squared(R) / R
    np.testing.assert_allclose(v**2 / R, pull, rtol=2e-3)
    assert v[np.searchsorted(R, 8.0)] * 100 == pytest.approx(220, abs=10)


def test_toomres_q_is_the_same_everywhere(milky):
    R, v, sigma = inner(milky, "circular", "sigma_radial")
    kappa = np.sqrt(2 * v / R * (v / R + np.gradient(v, R)))
    q = sigma * kappa / (3.36 * DISC.surface_density(R))
    np.testing.assert_allclose(q[1:-1], 1.3, rtol=1e-3)


def test_around_a_point_mass_orbits_close_after_one_turn():
    table = disc_kinematics(ExponentialDisc(1e-3, 3.0, 0.3), GalaxyModel(POINT, None, None))
    R, v, kappa, radial, azimuthal = inner(table, "circular", "kappa", "sigma_radial", "sigma_azimuthal")
    np.testing.assert_allclose(v, np.sqrt(1e4 / R), rtol=1e-4)
    np.testing.assert_allclose(kappa, v / R, rtol=2e-3)
    np.testing.assert_allclose(azimuthal, radial / 2, rtol=2e-3)


def test_the_radial_jeans_equation_holds(milky):
    """B&T (2008) eq. 4.222: d(Sigma s_R^2)/dR + Sigma [(s_R^2 - s_phi^2 - v^2) / R + v_c^2 / R] = 0."""
    R, vc, v, s_R, s_phi = inner(milky, "circular", "mean", "sigma_radial", "sigma_azimuthal")
    surface = DISC.surface_density(R)
    residual = np.gradient(surface * s_R**2, R) + surface * (s_R**2 - s_phi**2 - v**2 + vc**2) / R
    assert np.abs(residual / (surface * vc**2 / R))[1:-1].max() < 1e-3


def test_the_disc_lags_behind_circular_orbits(milky):
    _, vc, v = inner(milky, "circular", "mean", above=3.0)
    assert np.all(v < vc)
    assert np.all(v > 0.9 * vc)


def test_a_disc_by_itself_is_an_isothermal_sheet():
    galaxy = GalaxyModel(HernquistSphere(1e-9, 20, 100), None, ExponentialDisc(10.0, 3.0, 0.3, toomre_q=1.0))
    R, vertical = inner(disc_kinematics(galaxy.disc, galaxy), "sigma_vertical")
    np.testing.assert_allclose(vertical**2, np.pi * galaxy.disc.surface_density(R) * 0.3, rtol=3e-3)


def test_in_a_field_without_own_weight_heights_oscillate_at_the_vertical_frequency():
    """Thin and light around a far smaller mass: sigma_z^2 = (M / R^3) mean z^2, with pi^2 z_0^2 / 12 for sech^2."""
    disc = ExponentialDisc(1e-6, 30.0, 0.03)
    table = disc_kinematics(disc, GalaxyModel(POINT, None, None))
    R, vertical = inner(table, "sigma_vertical", above=5.0, below=50.0)
    np.testing.assert_allclose(vertical**2, 1e4 / R**3 * 0.03**2 * np.pi**2 / 12, rtol=1e-3)


def test_sampled_velocities_have_these_moments(milky):
    random = np.random.default_rng(4)
    angle = random.uniform(0, 2 * np.pi, 40000)
    positions = np.column_stack([6 * np.cos(angle), 6 * np.sin(angle), np.zeros(40000)])
    velocities = milky.sample_velocities(positions, random)
    outward = (velocities * positions).sum(axis=1) / 6
    along = (positions[:, 0] * velocities[:, 1] - positions[:, 1] * velocities[:, 0]) / 6
    expected = {n: np.interp(6.0, milky.radius_kpc, getattr(milky, n)) for n in vars(milky)}
    assert outward.mean() == pytest.approx(0, abs=4 * expected["sigma_radial"] / 200)
    assert along.mean() == pytest.approx(expected["mean"], abs=4 * expected["sigma_azimuthal"] / 200)
    assert outward.std() == pytest.approx(expected["sigma_radial"], rel=0.015)
    assert along.std() == pytest.approx(expected["sigma_azimuthal"], rel=0.015)
    assert velocities[:, 2].std() == pytest.approx(expected["sigma_vertical"], rel=0.015)
    assert np.corrcoef(outward, along)[0, 1] == pytest.approx(0, abs=0.02)


def test_a_disc_too_hot_to_rotate_is_refused():
    hot = ExponentialDisc(mass=DISC.mass, length_kpc=3.0, height_kpc=0.3, toomre_q=6.0)
    with pytest.raises(ConfigError, match=r"toomre_q 6\.0.*nothing rotates at R = "):
        disc_kinematics(hot, GalaxyModel(disc=hot))
