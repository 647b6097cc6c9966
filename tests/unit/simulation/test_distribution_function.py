"""Eddington's inversion against Hernquist's closed forms, the Jeans equation, and the density that it came from."""

from dataclasses import dataclass

import numpy as np
import pytest

from rhodiff.errors import ConfigError
from rhodiff.simulation import GalaxyModel, HernquistSphere
from rhodiff.simulation.distribution_function import IsotropicDistribution

PURE = HernquistSphere(1.0, 1.0, 1e5)
ALONE = GalaxyModel(PURE, None, None)


@pytest.fixture(scope="module")
def pure():
    return IsotropicDistribution(PURE, ALONE)


def hernquist_f(energy):
    """Hernquist (1990), eq. 17, G = M = a = 1."""
    q = np.sqrt(energy)
    polynomial = q * np.sqrt(1 - energy) * (1 - 2 * energy) * (8 * energy**2 - 8 * energy - 3)
    return (3 * np.arcsin(q) + polynomial) / (8 * np.sqrt(2) * np.pi**3 * (1 - energy) ** 2.5)


def hernquist_dispersion(r):
    """Hernquist (1990), eq. 10: sigma_r^2, G = M = a = 1."""
    return (12 * r * (r + 1) ** 3 * np.log((r + 1) / r) - r / (r + 1) * (25 + 52 * r + 42 * r**2 + 12 * r**3)) / 12


def moment(distribution, potential, power):
    """The integral of 4 pi v^power f over all bound speeds."""
    v = np.linspace(0, np.sqrt(2 * potential), 4001)
    return 4 * np.pi * np.trapezoid(v**power * distribution.evaluate(potential - v**2 / 2), v)


def test_f_is_hernquists(pure):
    energy = np.array([0.01, 0.05, 0.2, 0.5, 0.8, 0.9, 0.95])
    np.testing.assert_allclose(pure.evaluate(energy), hernquist_f(energy), rtol=2e-3)


@pytest.mark.parametrize("r", [0.03, 0.3, 1.0, 3.0, 30.0])
def test_dispersion_is_hernquists(pure, r):
    psi = 1 / (1 + r)
    assert moment(pure, psi, 4) / 3 / moment(pure, psi, 2) == pytest.approx(hernquist_dispersion(r), rel=3e-3)


@pytest.mark.parametrize("softening", [0.0, 0.2])
@pytest.mark.parametrize("part", [0, 1])
def test_in_a_galaxy_f_gives_back_the_density_and_the_pressure_of_jeans(part, softening):
    galaxy = GalaxyModel(softening_kpc=softening)
    sphere = galaxy.spheres[part]
    distribution = IsotropicDistribution(sphere, galaxy)
    for r in np.array([0.1, 1.0, 4.0]) * sphere.scale_kpc:
        psi = galaxy.potential(np.append(np.geomspace(r, 400, 3000), 500))[0]
        x = np.geomspace(r, 8 * sphere.taper_kpc, 4001)
        pressure = np.trapezoid(sphere.density(x) * galaxy.force(x), x)
        assert moment(distribution, psi, 2) == pytest.approx(float(sphere.density(r)), rel=0.01)
        assert moment(distribution, psi, 4) / 3 == pytest.approx(pressure, rel=0.01)


@pytest.mark.parametrize("r", [0.05, 1.0, 10.0])
def test_sampled_speeds_have_the_dispersion_and_stay_bound(pure, r):
    speeds = pure.sample_speeds(np.full(20000, r), np.random.default_rng(7))
    assert np.mean(speeds**2) / 3 == pytest.approx(hernquist_dispersion(r), rel=0.025)
    assert speeds.max() < np.sqrt(2 / (1 + r))
    assert speeds.min() >= 0


def test_the_split_into_pieces_does_not_show(pure):
    radii = PURE.sample_radii(5000, np.random.default_rng(0))
    whole = pure.sample_speeds(radii, np.random.default_rng(1))
    first = pure.sample_speeds(radii[:100], np.random.default_rng(1))
    np.testing.assert_array_equal(whole[:100], first)
    assert len(pure.sample_speeds(radii[:0], np.random.default_rng(1))) == 0


@dataclass(frozen=True)
class HollowSphere(HernquistSphere):
    """A shell: no isotropic velocities can keep the hole empty."""

    def density(self, radius_kpc):
        return radius_kpc**2 * np.exp(-(radius_kpc**2))


def test_a_density_that_no_isotropic_velocities_keep_up_is_refused():
    with pytest.raises(ConfigError, match="no steady isotropic velocities"):
        IsotropicDistribution(HollowSphere(1.0, 1.0, 5.0), ALONE)
