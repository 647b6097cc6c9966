"""Bonsai's units and its fixed time step.

G = 1; length 1 kpc, velocity 100 km/s, mass 2.324876e9 solar masses, time 9.778145 Myr (= kpc / (100 km/s)).

Bonsai keeps time as float32 and adds one fixed step dt, so that only dt = 2^-k keeps time exact and only multiples of
dt are times at which a snapshot can be: 5 Myr is 0.5113 units, the nearest multiple of 1/16 is 0.5 (4.889 Myr).
"""

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rhodiff.errors import ConfigError

__all__ = [
    "MASS_MSUN",
    "SMALLEST_STEP",
    "TIME_MYR",
    "VELOCITY_KM_S",
    "check_time_step",
    "nearest_times",
    "to_myr",
    "to_units",
]

MASS_MSUN = 2.324876e9
VELOCITY_KM_S = 100.0
TIME_MYR = 9.778145
SMALLEST_STEP = 2.0**-13
"""The shortest step whose times differ in the four decimals of a snapshot's name."""


def to_myr(time: ArrayLike) -> NDArray[np.float64]:
    """Times in Myr of times in units, any shape."""
    return np.asarray(time, np.float64) * TIME_MYR


def to_units(time_myr: ArrayLike) -> NDArray[np.float64]:
    """Times in units of times in Myr, any shape."""
    return np.asarray(time_myr, np.float64) / TIME_MYR


def check_time_step(time_step: float) -> float:
    """The time step, if Bonsai can keep its multiples exactly.

    Args:
        time_step: in units of 9.778145 Myr.

    Returns:
        The same number.

    Raises:
        ConfigError: if it is not 2^-k with 0 <= k <= 13.
    """
    is_power = SMALLEST_STEP <= time_step <= 1 and math.frexp(time_step)[0] == 0.5  # false for nan
    if not is_power:
        nearest = 2.0 ** round(math.log2(time_step)) if 0 < time_step < math.inf else 1 / 16
        raise ConfigError(
            f"time_step {time_step} is not 2^-k with k = 0..13 (in units of {TIME_MYR} Myr), which a time kept in "
            f"float32 needs to stay exact: take {min(max(nearest, SMALLEST_STEP), 1.0):g}"
        )
    return time_step


def nearest_times(times_myr: ArrayLike, time_step: float) -> NDArray[np.float64]:
    """Multiples of the time step that are nearest to the times asked for.

    Args:
        times_myr: in Myr, >= 0, any shape.
        time_step: 2^-k, in units of 9.778145 Myr; the interval of snapshots where they are written at one.

    Returns:
        float64 of the same shape: the true times, in units; :func:`to_myr` makes them Myr.

    Raises:
        ConfigError: if the step is not 2^-k, or a time is negative or not finite.
    """
    wanted = to_units(times_myr)
    if not np.all((wanted >= 0) & np.isfinite(wanted)):
        raise ConfigError(f"times {np.asarray(times_myr)} Myr: finite times >= 0 are needed, counted from the start")
    return np.round(wanted / check_time_step(time_step)) * time_step
