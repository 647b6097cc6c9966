"""Particles of one galaxy: the virial theorem, masses, rest, and independence of the random streams."""

from dataclasses import replace

import numpy as np
import pytest

from rhodiff.errors import ConfigError
from rhodiff.simulation import GalaxyModel, ParticleCounts, galaxy_of, sample_galaxy
from rhodiff.simulation.galaxy_particles import equal_mass_counts

COUNTS = ParticleCounts(dark=1500, disc=1200, bulge=300)


@pytest.fixture(scope="module")
def galaxy():
    return sample_galaxy(GalaxyModel(), COUNTS, seed=1)


def accelerations(positions, masses):
    """Newton's pull by direct summation, float64 [n, 3]."""
    pull = np.zeros_like(positions)
    for i, place in enumerate(positions):
        offset = positions - place
        square = (offset**2).sum(axis=1)
        square[i] = np.inf
        pull[i] = (masses[:, None] * offset / square[:, None] ** 1.5).sum(axis=0)
    return pull


def test_each_component_has_its_mass_in_equal_particles(galaxy):
    model = GalaxyModel()
    parts = {"is_dark": model.halo, "is_disc": model.disc, "is_bulge": model.bulge}
    for name, component in parts.items():
        masses = galaxy.masses[getattr(galaxy, name)]
        assert len(np.unique(masses)) == 1
        assert masses.sum(dtype=np.float64) == pytest.approx(component.mass, rel=1e-6)
    assert [galaxy.is_dark.sum(), galaxy.is_disc.sum(), galaxy.is_bulge.sum()] == [1500, 1200, 300]


def test_it_rests_at_the_origin(galaxy):
    masses = galaxy.masses.astype(np.float64)
    assert np.abs(np.average(galaxy.positions, axis=0, weights=masses)).max() < 1e-5
    assert np.abs(np.average(galaxy.velocities, axis=0, weights=masses)).max() < 1e-6


def test_the_virial_theorem_holds():
    """2 T / |W| = 1 in equilibrium, W = sum of m x . a.

    T of 750 pairs of halo particles scatters by sqrt(2 / 3 / 750) = 3 %, the mean of three galaxies by 1.7 %.
    """
    ratios = []
    for seed in range(3):
        galaxy = sample_galaxy(GalaxyModel(), COUNTS, seed=seed)
        x, v, m = (getattr(galaxy, n).astype(np.float64) for n in ("positions", "velocities", "masses"))
        virial = (m[:, None] * x * accelerations(x, m)).sum()
        ratios.append((m[:, None] * v**2).sum() / -virial)
    assert np.mean(ratios) == pytest.approx(1, abs=0.04)


def test_each_component_is_in_virial_equilibrium_in_the_smooth_field():
    """Mean v^2 = mean r . g of the model; a disc feels its own pull along R and z and not the spherical force."""
    model = GalaxyModel()
    galaxy = sample_galaxy(model, ParticleCounts(30000, 30000, 30000), seed=2)
    x, square = galaxy.positions.astype(np.float64), (galaxy.velocities.astype(np.float64) ** 2).sum(axis=1)
    r, R = np.linalg.norm(x, axis=1), np.hypot(x[:, 0], x[:, 1])
    work = r * model.force(r)
    for part in (galaxy.is_dark, galaxy.is_bulge):
        assert square[part].mean() / work[part].mean() == pytest.approx(1, abs=0.02)
    part = galaxy.is_disc
    nodes = np.geomspace(1e-3, 90, 500)
    own = np.interp(R, nodes, model.disc.circular_velocity_squared(nodes)) + model.disc.vertical_variance(R)
    assert square[part].mean() / (r * model.spheres_force(r) + own)[part].mean() == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize("count", [1500, 1501])
def test_halo_and_bulge_are_centred_on_the_disc(count):
    """Each particle has its opposite; one without is at most 270 kpc off, which is the edge of the halo."""
    galaxy = sample_galaxy(GalaxyModel(), ParticleCounts(count, 1200, 300), seed=1)
    offsets = [galaxy.positions[part].mean(axis=0, dtype=np.float64) for part in (galaxy.is_dark, galaxy.is_bulge)]
    disc = galaxy.positions[galaxy.is_disc].mean(axis=0, dtype=np.float64)
    assert np.abs(offsets[0] - offsets[1]).max() < (1e-5 if count % 2 == 0 else 270 / count)
    assert np.linalg.norm(offsets[1] - disc) < 4 * 3 * np.sqrt(6 / 1200)


def test_only_the_disc_turns(galaxy):
    spin = np.cross(galaxy.positions, galaxy.velocities)
    disc = spin[galaxy.is_disc].mean(axis=0)
    assert disc[2] / np.linalg.norm(disc) > 0.999
    assert np.mean(spin[galaxy.is_disc][:, 2] > 0) > 0.95
    for part in (galaxy.is_dark, galaxy.is_bulge):
        error = spin[part].std(axis=0) / np.sqrt(part.sum() / 2)  # opposites have the same spin
        assert np.all(np.abs(spin[part].mean(axis=0)) < 4 * error)


def test_the_same_seed_gives_the_same_particles_and_another_one_others(galaxy):
    again = sample_galaxy(GalaxyModel(), COUNTS, seed=1)
    assert again.positions.tobytes() == galaxy.positions.tobytes()
    assert again.velocities.tobytes() == galaxy.velocities.tobytes()
    for other in (
        sample_galaxy(GalaxyModel(), COUNTS, seed=2),
        sample_galaxy(GalaxyModel(), COUNTS, seed=1, galaxy=1),
    ):
        for name in ("positions", "velocities"):
            one, two = (getattr(g, name)[:1200].ravel() for g in (galaxy, other))
            assert np.corrcoef(one, two)[0, 1] == pytest.approx(0, abs=4 / np.sqrt(3600))
            assert not np.any(one == two)


def test_more_dark_particles_leave_the_disc_as_it_is(galaxy):
    other = sample_galaxy(GalaxyModel(), replace(COUNTS, dark=1600), seed=1)
    for name in ("positions", "velocities"):
        one, two = (getattr(g, name)[g.is_disc] for g in (galaxy, other))
        np.testing.assert_allclose(one - one[0], two - two[0], atol=2e-5)


def test_ids_tell_the_galaxy():
    assert set(galaxy_of(sample_galaxy(GalaxyModel(), COUNTS, seed=1, galaxy=3).ids)) == {3}


@pytest.mark.parametrize("total", [25, 1000, 12345])
def test_particles_are_shared_out_by_mass(total):
    """The default galaxy is 20 parts of halo, 4 of disc and 1 of bulge."""
    counts = equal_mass_counts(GalaxyModel(), total)
    assert counts.dark + counts.disc + counts.bulge == total
    for count, share in [(counts.dark, 0.8), (counts.disc, 0.16), (counts.bulge, 0.04)]:
        assert count == pytest.approx(share * total, abs=1)
    assert equal_mass_counts(GalaxyModel(bulge=None, disc=None), total) == ParticleCounts(total, 0, 0)


def test_a_component_that_would_be_left_empty_is_named():
    with pytest.raises(ConfigError, match="5 particles of one mass leave none for the bulge"):
        equal_mass_counts(GalaxyModel(), 5)


def test_components_may_be_left_out():
    halo = sample_galaxy(GalaxyModel(bulge=None, disc=None), ParticleCounts(10, 0, 0), seed=0)
    assert halo.is_dark.all()
    assert halo.num_particles == 10


@pytest.mark.parametrize(
    ("model", "counts"),
    [
        (GalaxyModel(), ParticleCounts(10, 10, 0)),
        (GalaxyModel(), ParticleCounts(0, 10, 10)),
        (GalaxyModel(bulge=None), ParticleCounts(10, 10, 10)),
        (GalaxyModel(), ParticleCounts(10, -1, 10)),
    ],
)
def test_counts_that_do_not_fit_the_model_are_refused(model, counts):
    with pytest.raises(ConfigError, match="a component needs particles"):
        sample_galaxy(model, counts, seed=0)
