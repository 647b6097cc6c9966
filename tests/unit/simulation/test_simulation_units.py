"""Bonsai's units, and times as multiples of its step."""

import numpy as np
import pytest
from scipy.constants import Julian_year, parsec

from rhodiff.errors import ConfigError
from rhodiff.simulation.units import (
    MASS_MSUN,
    TIME_MYR,
    VELOCITY_KM_S,
    check_time_step,
    nearest_times,
    to_myr,
    to_units,
)

SOLAR_GM = 1.32712440018e20
"""m^3 / s^2, known far better than either factor."""


def test_the_units_make_gravity_one():
    kpc, speed = 1e3 * parsec, VELOCITY_KM_S * 1e3
    assert SOLAR_GM * MASS_MSUN / (kpc * speed**2) == pytest.approx(1, rel=3e-4)
    assert kpc / speed == pytest.approx(TIME_MYR * 1e6 * Julian_year, rel=3e-5)


def test_five_million_years_become_the_nearest_step():
    assert nearest_times(5, 1 / 16) == 0.5
    assert to_myr(nearest_times(5, 1 / 16)) == pytest.approx(4.889, abs=5e-4)
    assert to_units(5.0) == pytest.approx(0.5113, abs=5e-5)


@pytest.mark.parametrize("time_step", [1.0, 0.25, 2.0**-10])
def test_times_are_multiples_of_the_step_and_within_half_of_it(time_step):
    wanted = np.linspace(0, 650, 131)
    times = nearest_times(wanted, time_step)
    assert times.shape == wanted.shape
    assert np.all(times / time_step == np.round(times / time_step))
    assert np.abs(times - wanted / TIME_MYR).max() <= time_step / 2
    assert np.all(times.astype(np.float32) == times)


def test_units_and_myr_are_inverse():
    times = np.geomspace(1e-3, 1e3, 50)
    np.testing.assert_allclose(to_units(to_myr(times)), times, rtol=1e-15)


@pytest.mark.parametrize("time_step", [2.0**-k for k in range(14)])
def test_powers_of_two_are_steps(time_step):
    assert check_time_step(time_step) == time_step


@pytest.mark.parametrize(
    ("time_step", "instead"),
    [
        (0.3, "0.25"),
        (0.01, "0.0078125"),
        (2, "1"),
        (0, "0.0625"),
        (-0.25, "0.0625"),
        (2.0**-14, "0.00012207"),
        (np.nan, "0.0625"),
        (np.inf, "0.0625"),
    ],
)
def test_another_step_is_refused_with_one_that_will_do(time_step, instead):
    with pytest.raises(ConfigError, match=rf"2\^-k.*take {instead}"):
        check_time_step(time_step)


@pytest.mark.parametrize("time", [-1.0, np.nan, np.inf, [1.0, -2.0]])
def test_times_that_cannot_be_are_refused(time):
    with pytest.raises(ConfigError, match="finite times >= 0"):
        nearest_times(time, 0.25)
