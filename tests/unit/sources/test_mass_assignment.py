"""Mass assignment: conservation, exact weights, exact windows."""

import numpy as np
import pytest

from rhodiff.sources.mass_assignment import assign_mass

SCHEMES = ["ngp", "cic", "tsc"]


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_mass_is_conserved(scheme, ndim):
    positions = np.random.default_rng(0).uniform(0, 7.0, (ndim, 10_000))
    mass = assign_mass(positions, 16, 7.0, scheme)
    assert mass.shape == (16,) * ndim
    assert mass.sum() == pytest.approx(10_000, rel=1e-12)
    assert mass.min() >= 0


@pytest.mark.parametrize("scheme", ["ngp", "cic"])
def test_particle_on_a_cell_centre_stays_in_its_cell(scheme):
    positions = np.array([[2.5], [0.5], [3.5]])
    mass = assign_mass(positions, 4, 4.0, scheme)
    assert mass[2, 0, 3] == 1.0
    assert np.count_nonzero(mass) == 1


def test_triangular_cloud_on_a_cell_centre_reaches_its_neighbours():
    mass = assign_mass(np.array([[0.5]]), 8, 8.0, "tsc")
    assert mass == pytest.approx([0.75, 0.125, 0, 0, 0, 0, 0, 0.125])


def test_cloud_in_cell_shares_by_overlap_and_wraps_around():
    assert assign_mass(np.array([[3.9]]), 4, 4.0, "cic") == pytest.approx([0.4, 0, 0, 0.6])
    corner = assign_mass(np.array([[1.75], [2.0]]), 4, 4.0, "cic")
    assert corner[1:3, 1:3] == pytest.approx(np.array([[0.375, 0.375], [0.125, 0.125]]))


@pytest.mark.parametrize("scheme", SCHEMES)
def test_particles_on_a_finer_lattice_fill_every_cell_alike(scheme):
    q = (np.arange(24) + 0.5) / 24
    positions = np.stack([axis.ravel() for axis in np.meshgrid(q, q, indexing="ij")])
    assert assign_mass(positions, 8, 1.0, scheme) == pytest.approx(np.full((8, 8), 9.0), rel=1e-12)


@pytest.mark.parametrize(("scheme", "order"), [("ngp", 1), ("cic", 2), ("tsc", 3)])
def test_density_is_multiplied_by_the_window_of_the_scheme(scheme, order):
    """Particle density 1 + 0.1 cos kx: the grid shows 0.1 sinc(k cell / 2)^order."""
    size, k = 16, 2 * np.pi * 3
    q = (np.arange(160_000) + 0.5) / 160_000
    x = q - 0.1 / k * np.sin(k * q)
    for _ in range(30):  # x + 0.1 sin(kx) / k = q
        x = q - 0.1 / k * np.sin(k * x)
    density = assign_mass((x % 1)[None], size, 1.0, scheme) * size / len(q)
    centres = (np.arange(size) + 0.5) / size
    amplitude = 2 * np.mean(density * np.cos(k * centres))
    assert amplitude == pytest.approx(0.1 * np.sinc(3 / size) ** order, rel=1e-3)
