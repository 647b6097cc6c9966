"""Orbits of two point masses against Kepler's laws and numerical integration."""

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from rhodiff.errors import ConfigError
from rhodiff.simulation import KeplerOrbit

MASS = 350.0
ORBITS = [
    KeplerOrbit(5.0, 60.0),
    KeplerOrbit(5.0, 5.0),
    KeplerOrbit(8.0, 40.0, eccentricity=0.7),
    KeplerOrbit(10.0, 10.0, eccentricity=0.0),
    KeplerOrbit(3.0, 100.0, eccentricity=1.8),
]


@pytest.mark.parametrize("orbit", ORBITS)
def test_energy_momentum_and_direction_are_those_of_the_elements(orbit):
    position, velocity = orbit.relative(MASS)
    q, e = orbit.pericentre_kpc, orbit.eccentricity
    distance = np.linalg.norm(position)
    momentum = np.cross(position, velocity)
    assert distance == pytest.approx(orbit.separation_kpc)
    assert velocity @ velocity / 2 - MASS / distance == pytest.approx(-MASS * (1 - e) / (2 * q), abs=1e-10)
    np.testing.assert_allclose(momentum, [0, 0, np.sqrt(MASS * q * (1 + e))], atol=1e-10)
    eccentricity = np.cross(velocity, momentum) / MASS - position / distance
    np.testing.assert_allclose(eccentricity, [e, 0, 0], atol=1e-10)
    assert position @ velocity <= 1e-9


def test_a_parabola_has_no_energy():
    position, velocity = KeplerOrbit(5.0, 60.0).relative(MASS)
    assert np.linalg.norm(velocity) == pytest.approx(np.sqrt(2 * MASS / 60.0), rel=1e-14)
    assert np.linalg.norm(position) == pytest.approx(60.0, rel=1e-14)


@pytest.mark.parametrize("orbit", [ORBITS[0], ORBITS[2], ORBITS[4]])
def test_the_two_come_as_close_as_the_pericentre_and_pass_at_plus_x(orbit):
    def motion(_, state):
        return [*state[3:], *(-MASS * state[:3] / np.linalg.norm(state[:3]) ** 3)]

    def approach(_, state):
        return state[:3] @ state[3:]

    approach.terminal, approach.direction = True, 1
    start = np.concatenate(orbit.relative(MASS))
    end = solve_ivp(motion, (0, 100), start, events=approach, rtol=1e-11, atol=1e-11).y[:3, -1]
    np.testing.assert_allclose(end, [orbit.pericentre_kpc, 0, 0], atol=1e-6)


def test_the_centre_of_mass_is_at_rest_at_the_origin():
    (x1, v1), (x2, v2) = ORBITS[0].centre_of_mass_frame(300.0, 50.0)
    np.testing.assert_allclose(300 * x1 + 50 * x2, 0, atol=1e-11)
    np.testing.assert_allclose(300 * v1 + 50 * v2, 0, atol=1e-11)
    position, velocity = ORBITS[0].relative(350.0)
    np.testing.assert_allclose(x2 - x1, position, rtol=1e-14)
    np.testing.assert_allclose(v2 - v1, velocity, rtol=1e-14)


def test_an_ellipse_may_start_at_its_far_end():
    orbit = KeplerOrbit(8.0, 8.0 * 1.7 / 0.3, eccentricity=0.7)
    position, velocity = orbit.relative(MASS)
    np.testing.assert_allclose(position, [-orbit.separation_kpc, 0, 0], atol=1e-5)
    assert position @ velocity == pytest.approx(0, abs=1e-3)


@pytest.mark.parametrize(
    ("elements", "message"),
    [
        ((0.0, 60.0), "0 < pericentre"),
        ((-5.0, 60.0), "0 < pericentre"),
        ((5.0, 4.0), "pericentre <= separation"),
        ((5.0, np.inf), "all finite"),
        ((np.nan, 60.0), "all finite"),
        ((5.0, 60.0, -0.1), "eccentricity >= 0"),
        ((5.0, 60.0, np.nan), "eccentricity >= 0"),
        ((5.0, 16.0, 0.5), "reaches out to 15 kpc only"),
        ((5.0, 6.0, 0.0), "reaches out to 5 kpc only"),
    ],
)
def test_orbits_that_cannot_be_are_refused(elements, message):
    with pytest.raises(ConfigError, match=message):
        KeplerOrbit(*elements)
