"""Forces of the tree against Newton's law summed pair by pair, and the spline's softening by quadrature."""

import numpy as np
import pytest
from scipy.integrate import quad

from rhodiff.errors import ConfigError, DataError, EnvironmentLacksError
from rhodiff.simulation.compiled import cache_folder, load_tree_walk
from rhodiff.simulation.tree_forces import SPLINE_PER_PLUMMER, TreeForces


def hernquist_sphere(num, seed=5):
    """Positions of a Hernquist sphere of scale 1: M(<r) = r^2 / (1 + r)^2."""
    random = np.random.default_rng(seed)
    root = np.sqrt(random.uniform(0, 0.98, num))
    directions = random.normal(size=(num, 3))
    return directions / np.linalg.norm(directions, axis=1, keepdims=True) * (root / (1 - root))[:, None]


def newton(positions, masses):
    """Direct sum without softening."""
    apart = positions[None] - positions[:, None]
    distances = np.linalg.norm(apart, axis=2)
    np.fill_diagonal(distances, np.inf)
    return np.einsum("ijk,ij,j->ik", apart, distances**-3, masses), -(masses / distances).sum(axis=1)


def spline_density(r, support):
    """Cubic M4 spline, normalised over its ball."""
    q = r / support
    shape = 1 - 6 * q**2 + 6 * q**3 if q <= 0.5 else 2 * (1 - q) ** 3
    return 8 / (np.pi * support**3) * shape


def relative_rms(found, truth):
    errors = np.linalg.norm(found - truth, axis=1) / np.linalg.norm(truth, axis=1)
    return np.sqrt(np.mean(errors**2))


def test_rms_force_error_at_theta_07_is_at_most_half_a_per_cent_of_the_direct_sum():
    positions, masses = hernquist_sphere(2000), np.full(2000, 1 / 2000)
    accelerations, potentials = TreeForces(masses, softening=1e-6, theta=0.7).fields(positions)
    truth, truth_potential = newton(positions, masses)
    assert relative_rms(accelerations, truth) <= 0.005
    assert np.sqrt(np.mean((potentials / truth_potential - 1) ** 2)) <= 0.005


def test_a_smaller_opening_angle_has_a_smaller_error_and_zero_none():
    positions, masses = hernquist_sphere(1200), np.random.default_rng(1).uniform(0.5, 1, 1200)
    truth = newton(positions, masses)
    errors = [
        relative_rms(TreeForces(masses, softening=1e-6, theta=t).fields(positions)[0], truth[0]) for t in (1, 0.5)
    ]
    assert errors[1] < errors[0] / 2
    accelerations, potentials = TreeForces(masses, softening=1e-6, theta=0).fields(positions)
    np.testing.assert_allclose(accelerations, truth[0], rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(potentials, truth[1], rtol=1e-10)


@pytest.mark.parametrize("fraction", [0.05, 0.3, 0.49, 0.51, 0.8, 0.99, 1.5])
def test_force_and_potential_within_the_softening_are_those_of_the_spline(fraction):
    softening = 0.2
    support = SPLINE_PER_PLUMMER * softening
    r = fraction * support
    enclosed = quad(
        lambda x: 4 * np.pi * x**2 * spline_density(x, support), 0, min(r, support), points=[support / 2]
    )[0]
    outside = quad(lambda x: 4 * np.pi * x * spline_density(x, support), min(r, support), support)[0]
    positions = np.array([[0.0, 0, 0], [0, r, 0]])
    accelerations, potentials = TreeForces(np.array([3.0, 1e-3]), softening=softening).fields(positions)
    np.testing.assert_allclose(accelerations[1], [0, -3 * enclosed / r**2, 0], rtol=1e-6, atol=1e-12)
    assert potentials[1] == pytest.approx(-3 * (enclosed / r + outside), rel=1e-6)


def test_the_well_of_a_particle_is_as_deep_as_plummers():
    potentials = TreeForces(np.array([2.0, 1.0]), softening=0.25).fields(np.array([[0.0, 0, 0], [1e-9, 0, 0]]))[1]
    assert potentials[1] == pytest.approx(-2 / 0.25, rel=1e-6)


def test_forces_do_not_depend_on_the_number_of_threads():
    positions, masses = hernquist_sphere(700), np.ones(700)
    if load_tree_walk().config.NUMBA_NUM_THREADS < 2:
        pytest.skip("needs two CPUs")
    one, two = (TreeForces(masses, softening=0.05, threads=n).fields(positions) for n in (1, 2))
    np.testing.assert_allclose(two[0], one[0], rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(two[1], one[1], rtol=1e-12)


def test_fields_come_in_the_order_of_the_particles():
    positions, masses = hernquist_sphere(400), np.random.default_rng(2).uniform(0.5, 1, 400)
    shuffled = np.random.default_rng(7).permutation(400)
    forces, others = (TreeForces(m, softening=0.1) for m in (masses, masses[shuffled]))
    np.testing.assert_allclose(
        others.fields(positions[shuffled])[0], forces.fields(positions)[0][shuffled], atol=1e-10
    )


def test_one_particle_and_particles_at_one_place_feel_no_force():
    alone = TreeForces(np.ones(1), softening=0.1).fields(np.ones((1, 3)))
    together = TreeForces(np.ones(30), softening=0.1).fields(np.ones((30, 3)))
    for accelerations, potentials in (alone, together):
        assert not accelerations.any()
        assert not potentials.any()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"softening": 0}, "softening"),
        ({"theta": 1.5}, "theta"),
        ({"theta": np.nan}, "theta"),
        ({"threads": 0}, "threads"),
        ({"threads": 10**6}, "NUMBA_NUM_THREADS"),
        ({"softening": np.nan}, "softening"),
    ],
)
def test_settings_that_make_no_sense_are_refused(change, message):
    with pytest.raises(ConfigError, match=message):
        TreeForces(np.ones(3), **{"softening": 0.1, **change})


@pytest.mark.parametrize("masses", [[], [1.0, 0.0], [1.0, -1.0], [1.0, np.nan]])
def test_masses_that_are_not_positive_are_refused(masses):
    with pytest.raises(DataError, match="masses must be"):
        TreeForces(np.array(masses), softening=0.1)


def test_a_position_that_is_not_finite_is_refused_by_number():
    positions = np.ones((4, 3))
    positions[2, 1] = np.nan
    with pytest.raises(DataError, match="1 of 4 particles"):
        TreeForces(np.ones(4), softening=0.1).fields(positions)


def test_compiled_code_goes_to_the_first_folder_that_can_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    for variables, expected in (
        ({"NUMBA_CACHE_DIR": "a", "HOME": "b"}, "a"),
        ({"XDG_CACHE_HOME": "c", "HOME": "b"}, "c/rhodiff/numba"),
        ({"XDG_CACHE_HOME": "file/x", "HOME": "b"}, "b/.cache/rhodiff/numba"),
    ):
        folder = cache_folder({name: str(tmp_path / value) for name, value in variables.items()})
        assert folder.parent == tmp_path / expected
        assert "pytreegrav" in folder.name


def test_a_missing_package_is_named_with_what_installs_it(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "numba", None)
    with pytest.raises(EnvironmentLacksError, match=r"rhodiff\[simulation\]"):
        load_tree_walk()
