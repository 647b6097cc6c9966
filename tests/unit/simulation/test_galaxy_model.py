"""The field of a galaxy: closed forms of single components, and the law that joins force and potential."""

import numpy as np
import pytest

from rhodiff.errors import ConfigError
from rhodiff.simulation import ExponentialDisc, GalaxyModel, HernquistSphere
from rhodiff.simulation.units import MASS_MSUN


def test_an_untapered_sphere_has_hernquists_potential():
    galaxy = GalaxyModel(HernquistSphere(2.0, 3.0, 3e5), None, None)
    r = np.geomspace(1e-3, 1e5, 3000)
    np.testing.assert_allclose(galaxy.potential(r), 2 / (r + 3), rtol=1e-4)


def test_a_point_mass_that_is_softened_has_plummers_potential():
    galaxy = GalaxyModel(HernquistSphere(2.0, 1e-7, 1e-5), None, None, softening_kpc=1.5)
    r = np.geomspace(1e-3, 1e3, 3000)
    np.testing.assert_allclose(galaxy.potential(r), 2 / np.sqrt(r**2 + 1.5**2), rtol=1e-5)


@pytest.mark.parametrize("softening", [0.0, 0.3])
def test_the_force_is_the_slope_of_the_potential(softening):
    galaxy = GalaxyModel(softening_kpc=softening)
    r = np.geomspace(0.03, 300, 5000)
    slope = -np.gradient(galaxy.potential(r), r)
    np.testing.assert_allclose(slope[1:-1], galaxy.force(r)[1:-1], rtol=1e-4)


def test_the_potential_does_not_depend_on_where_its_table_ends():
    galaxy = GalaxyModel()
    short, long = (galaxy.potential(np.geomspace(0.01, end, 4000))[0] for end in (30.0, 3000.0))
    assert short == pytest.approx(long, rel=1e-5)


def test_forces_of_components_add_up():
    halo, bulge, disc = GalaxyModel().halo, GalaxyModel().bulge, GalaxyModel().disc
    r = np.geomspace(0.1, 200, 30)
    enclosed = halo.enclosed_mass(r) + bulge.enclosed_mass(r)
    np.testing.assert_allclose(GalaxyModel().spheres_force(r) * r**2, enclosed, rtol=1e-12)
    np.testing.assert_allclose(GalaxyModel().force(r) * r**2, enclosed + disc.enclosed_mass(r), rtol=1e-12)
    alone = GalaxyModel(halo, None, None)
    np.testing.assert_allclose(alone.force(r), alone.spheres_force(r), rtol=0)


def test_mass_is_that_of_the_components():
    assert GalaxyModel().mass * MASS_MSUN == pytest.approx(2.5e11)
    assert GalaxyModel(HernquistSphere(2.0, 1, 9), None, ExponentialDisc(1.0, 3, 0.3)).mass == 3.0


@pytest.mark.parametrize("softening", [-0.1, np.nan, np.inf])
def test_a_softening_that_cannot_be_is_refused(softening):
    with pytest.raises(ConfigError, match="softening_kpc"):
        GalaxyModel(softening_kpc=softening)
