"""Two galaxies before they meet: orbit, scaling and orientation."""

from dataclasses import replace

import numpy as np
import pytest

from rhodiff.errors import ConfigError
from rhodiff.simulation import GalaxyModel, MergerPoint, ParticleCounts, build_merger, galaxy_of, sample_galaxy
from rhodiff.simulation.initial_conditions import disc_rotation, scale_galaxy

MODEL = GalaxyModel(softening_kpc=0.1)
COUNTS = ParticleCounts(dark=400, disc=300, bulge=100)


def centre(snapshot, name):
    return np.average(getattr(snapshot, name), axis=0, weights=snapshot.masses.astype(np.float64))


def spin(snapshot):
    """Direction of the disc's angular momentum about its own centre."""
    x, v = (getattr(snapshot, n) - centre(snapshot, n) for n in ("positions", "velocities"))
    total = np.cross(x, v)[snapshot.is_disc].mean(axis=0)
    return total / np.linalg.norm(total)


def galaxies(point, model=MODEL):
    merger = build_merger(point, model, COUNTS)
    return [merger.select(galaxy_of(merger.ids) == number) for number in (0, 1)]


@pytest.mark.parametrize("mass_ratio", [0.25, 1.0, 1.5])
def test_the_galaxies_are_on_the_orbit_and_their_centre_of_mass_at_rest(mass_ratio):
    point = MergerPoint(mass_ratio=mass_ratio, size_ratio=0.7, pericentre_kpc=4, separation_kpc=50, inc1_deg=30)
    merger = build_merger(point, MODEL, COUNTS)
    assert merger.time == 0
    assert merger.num_particles == 1600
    assert np.abs(centre(merger, "positions")).max() < 1e-5
    assert np.abs(centre(merger, "velocities")).max() < 1e-6
    first, second = galaxies(point)
    total = MODEL.mass * (1 + mass_ratio)
    assert merger.masses.sum(dtype=np.float64) == pytest.approx(total, rel=1e-6)
    position, velocity = (centre(second, n) - centre(first, n) for n in ("positions", "velocities"))
    assert np.linalg.norm(position) == pytest.approx(50, rel=1e-6)
    assert velocity @ velocity / 2 == pytest.approx(total / 50, rel=1e-5)
    np.testing.assert_allclose(np.cross(position, velocity), [0, 0, np.sqrt(2 * total * 4)], rtol=1e-5, atol=2e-4)


def test_scaling_is_exact():
    one = sample_galaxy(MODEL, COUNTS, seed=3)
    other = scale_galaxy(one, mass_ratio=0.25, size_ratio=4.0)
    np.testing.assert_array_equal(other.masses, one.masses / 4)
    np.testing.assert_array_equal(other.positions, one.positions * 4)
    np.testing.assert_array_equal(other.velocities, one.velocities / 4)


def test_scaling_keeps_the_virial_ratio():
    """Kinetic and potential energy both go as m^2 / s."""
    one = sample_galaxy(MODEL, ParticleCounts(50, 50, 50), seed=3)
    other = scale_galaxy(one, mass_ratio=0.5, size_ratio=0.8)

    def energies(galaxy):
        m, x = galaxy.masses.astype(float), galaxy.positions.astype(float)
        distance = np.linalg.norm(x[:, None] - x, axis=2) + np.diag(np.full(len(x), np.inf))
        return np.array([(m[:, None] * galaxy.velocities**2).sum() / 2, -(m[:, None] * m / distance).sum() / 2])

    np.testing.assert_allclose(energies(other), energies(one) * 0.5**2 / 0.8, rtol=1e-5)


def test_the_second_galaxy_is_the_first_model_scaled_in_its_own_softened_field():
    point = MergerPoint(mass_ratio=0.5, size_ratio=0.5, seed=9)
    second = galaxies(point)[1]
    alone = sample_galaxy(replace(MODEL, softening_kpc=0.2), COUNTS, seed=9, galaxy=1)
    turned = scale_galaxy(alone, 0.5, 0.5).positions * np.array([-1, -1, 1])
    np.testing.assert_allclose(second.positions - centre(second, "positions"), turned, atol=2e-5)


@pytest.mark.parametrize(("inclination", "argument"), [(0, 0), (90, 0), (60, -30), (180, 45), (71, 30)])
def test_discs_lie_as_they_are_told(inclination, argument):
    """The spin is at i to the orbit's; the ascending node, z x spin, is w before the other galaxy at pericentre."""
    angles = {"inc1_deg": inclination, "omega1_deg": argument, "inc2_deg": inclination, "omega2_deg": argument}
    for galaxy, pericentre in zip(galaxies(MergerPoint(**angles)), (0.0, 180.0), strict=True):
        direction = spin(galaxy)
        assert np.degrees(np.arccos(direction[2])) == pytest.approx(inclination, abs=1.5)
        if inclination not in (0, 180):
            node = np.degrees(np.arctan2(direction[0], -direction[1]))
            apart = (pericentre - argument - node + 180) % 360 - 180
            assert apart == pytest.approx(0, abs=2)


def test_a_turn_is_a_rotation_that_lifts_what_is_ahead_of_the_node():
    for turn in (disc_rotation(37, 110), disc_rotation(180, -20)):
        np.testing.assert_allclose(turn @ turn.T, np.eye(3), atol=1e-15)
        assert np.linalg.det(turn) == pytest.approx(1)
    np.testing.assert_allclose(disc_rotation(90, 0) @ [0, 1, 0], [0, 0, 1], atol=1e-15)
    np.testing.assert_allclose(disc_rotation(90, 90) @ [1, 0, 0], [0, -1, 0], atol=1e-15)


def test_turning_a_disc_changes_nothing_else():
    flat, turned = (galaxies(MergerPoint(inc1_deg=i, omega1_deg=i)) for i in (0, 50))
    for name in ("positions", "velocities"):
        radii = [np.linalg.norm(getattr(g[0], name) - centre(g[0], name), axis=1) for g in (flat, turned)]
        np.testing.assert_allclose(*radii, rtol=1e-4, atol=2e-5)
        np.testing.assert_array_equal(getattr(flat[1], name), getattr(turned[1], name))


def test_the_two_galaxies_have_their_own_random_numbers():
    first, second = galaxies(MergerPoint(seed=5))
    one, two = (g.positions[g.is_disc] - centre(g, "positions") for g in (first, second))
    assert abs(np.corrcoef(one.ravel(), -two.ravel())[0, 1]) < 4 / np.sqrt(one.size)
    other = galaxies(MergerPoint(seed=6))[0]
    assert abs(np.corrcoef(first.positions[:300, 0], other.positions[:300, 0])[0, 1]) < 4 / np.sqrt(300)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"mass_ratio": 0}, "mass_ratio is 0; it must be > 0"),
        ({"mass_ratio": -1}, "mass_ratio is -1"),
        ({"size_ratio": np.nan}, "size_ratio is nan"),
        ({"size_ratio": np.inf}, "size_ratio is inf"),
        ({"inc1_deg": np.nan}, "inc1_deg is nan"),
        ({"omega2_deg": np.inf}, "omega2_deg is inf"),
        ({"pericentre_kpc": 0}, "0 < pericentre"),
        ({"separation_kpc": 1.0}, "pericentre <= separation"),
    ],
)
def test_points_that_cannot_be_are_refused(change, message):
    with pytest.raises(ConfigError, match=message):
        MergerPoint(**change)
