"""Tapered Hernquist spheres against quadrature and the closed form without taper."""

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import kstest

from rhodiff.errors import ConfigError
from rhodiff.simulation import HernquistSphere

SPHERES = [HernquistSphere(215.0, 20.0, 100.0), HernquistSphere(4.3, 0.6, 10.0), HernquistSphere(1.0, 1.0, 2.0)]


def shell(r, a, taper):
    return 4 * np.pi * r**2 * np.exp(-((r / taper) ** 2)) / ((r / a) * (1 + r / a) ** 3)


def mass_within(sphere, radius):
    """M(<r) by adaptive quadrature of the published density times the taper."""
    a, taper = sphere.scale_kpc, sphere.taper_kpc
    breaks = [x for x in (a / 10, a, taper) if x < radius]
    return quad(shell, 0, radius, (a, taper), points=breaks, epsrel=1e-10, limit=200)[0]


@pytest.mark.parametrize("sphere", SPHERES)
def test_enclosed_mass_is_the_integral_of_the_density(sphere):
    whole = mass_within(sphere, 8 * sphere.taper_kpc)
    for r in np.array([1e-3, 0.1, 1, 2, 5]) * sphere.scale_kpc:
        assert sphere.enclosed_mass(r) == pytest.approx(sphere.mass * mass_within(sphere, r) / whole, rel=1e-5)


@pytest.mark.parametrize("sphere", SPHERES)
def test_density_has_the_mass_that_was_asked_for(sphere):
    total = quad(lambda x: np.exp(3 * x) * 4 * np.pi * sphere.density(np.exp(x)), -15, np.log(8 * sphere.taper_kpc))[
        0
    ]
    assert total == pytest.approx(sphere.mass, rel=1e-6)


def test_without_taper_it_is_hernquists():
    """Of the mass, about 2 a / r_t = 2e-5 is beyond the taper."""
    sphere = HernquistSphere(2.0, 3.0, 3e5)
    r = np.array([0.0, 1e-6, 1e-3, 0.3, 3, 30, 300])
    np.testing.assert_allclose(sphere.enclosed_mass(r), 2 * r**2 / (r + 3) ** 2, rtol=1e-4)
    r = r[1:]
    np.testing.assert_allclose(sphere.density(r), 2 / (2 * np.pi) * 3 / (r * (r + 3) ** 3), rtol=1e-4)


def test_all_of_the_mass_is_within_the_edge():
    assert SPHERES[0].enclosed_mass(1e6) == pytest.approx(215.0, rel=1e-12)


@pytest.mark.parametrize("sphere", SPHERES)
def test_radii_follow_the_enclosed_mass(sphere):
    radii = sphere.sample_radii(20000, np.random.default_rng(3))
    assert kstest(radii, lambda r: sphere.enclosed_mass(r) / sphere.mass).pvalue > 0.01


def test_a_heavier_sphere_differs_by_the_mass_alone_and_lengths_scale():
    one, other = HernquistSphere(1.0, 1.0, 5.0), HernquistSphere(3.0, 2.0, 10.0)
    r = np.geomspace(0.01, 10, 20)
    np.testing.assert_allclose(other.enclosed_mass(2 * r), 3 * one.enclosed_mass(r), rtol=1e-12)
    np.testing.assert_allclose(other.density(2 * r), 3 / 8 * one.density(r), rtol=1e-12)


@pytest.mark.parametrize("numbers", [(0, 1, 9), (-1, 1, 9), (1, 0, 9), (1, 1, np.inf), (np.nan, 1, 9), (1, 1, 1.9)])
def test_spheres_that_cannot_be_are_refused(numbers):
    with pytest.raises(ConfigError, match=r"must be > 0 and finite|twice scale_kpc"):
        HernquistSphere(*numbers)
