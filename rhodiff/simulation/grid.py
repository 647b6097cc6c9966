"""The points of a grid of merger simulations, from its axes.

One point for each combination of the values of all axes, in the order in which :class:`MergerGrid` has them, the last
one fastest. Axes given as intervals are drawn together, one vector (u_1 ... u_d) in [0, 1)^d a draw:

    value_j = low_j + u_j (high_j - low_j)

from a scrambled Sobol sequence (Sobol 1967, Owen 1998) or a Latin hypercube (McKay et al. 1979). Draws are the
slowest, so that a Sobol grid with twice as many begins with the points it had before; a Latin hypercube is another
one for each number. Values of ranges and intervals are rounded to 12 digits of their largest, so that 3 x 0.1 is 0.3.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import fields
from itertools import product
from math import floor, isfinite, log10

import numpy as np
from numpy.typing import NDArray
from scipy.stats import qmc

from rhodiff.config.mergers import AxisInterval, AxisRange, AxisValues, MergerGrid
from rhodiff.errors import ConfigError
from rhodiff.runtime.streams import address
from rhodiff.simulation.initial_conditions import MergerPoint

__all__ = ["expand_grid", "range_values", "varied_axes"]

MAX_VALUES = 100_000
"""Values of one range: more are a slip of the pen."""
MAX_POINTS = 1_000_000
"""Points of one grid."""
_DIGITS = 12
_AXES = tuple(name for name in MergerGrid.model_fields if name in {field.name for field in fields(MergerPoint)})

_POSITIVE = ("> 0", lambda value: value > 0)
_REAL = ("a finite number", isfinite)
_ALLOWED: dict[str, tuple[str, Callable[[float], bool]]] = {
    "mass_ratio": _POSITIVE,
    "size_ratio": _POSITIVE,
    "pericentre_kpc": _POSITIVE,
    "separation_kpc": _POSITIVE,
    "eccentricity": (">= 0", lambda value: value >= 0),
    # Above 2^53 neighbouring whole numbers are one float.
    "seed": ("a whole number, 0 <= seed < 2^53", lambda value: value == floor(value) and 0 <= value < 2**53),
}


def expand_grid(grid: MergerGrid) -> tuple[MergerPoint, ...]:
    """All simulations of a grid, always in the same order.

    Args:
        grid: ``data.source.grid``.

    Returns:
        The points; those of one draw are neighbours, then the axes as the configuration has them, the last fastest.

    Raises:
        ConfigError: naming the axis, for a value that is out of range or there twice, an axis without values, and
            points that have no orbit.
    """
    listed = {name: _listed_values(name, axis) for name in _AXES if not _is_drawn(axis := getattr(grid, name))}
    drawn = _drawn_vectors(grid)
    num_points = len(drawn) * int(np.prod([len(values) for values in listed.values()], dtype=np.float64))
    if num_points > MAX_POINTS:
        raise ConfigError(
            f"data.source.grid: {num_points} points; at most {MAX_POINTS} simulations are one grid: give fewer "
            "values, or draw them (low, high and 'samples')"
        )
    return tuple(
        _point(vector | dict(zip(listed, values, strict=True)))
        for vector in drawn
        for values in product(*listed.values())
    )


def varied_axes(grid: MergerGrid) -> tuple[str, ...]:
    """Axes in which points of the grid differ, in its order.

    Raises:
        ConfigError: as :func:`expand_grid` does for an axis.
    """
    axes = {name: getattr(grid, name) for name in _AXES}
    num_drawn = grid.samples.number if grid.samples is not None else 0
    return tuple(
        name for name, axis in axes.items() if (num_drawn if _is_drawn(axis) else len(_listed_values(name, axis))) > 1
    )


def range_values(axis: AxisRange, name: str = "range") -> tuple[float, ...]:
    """start, start + step, ... up to stop, which is one of them if a step ends within 1e-9 of one there.

    Args:
        axis: the range.
        name: key path, for the error.

    Returns:
        Ascending values, at least one.

    Raises:
        ConfigError: if there are too many, or the step is lost in rounding.
    """
    steps = (axis.stop - axis.start) / axis.step + 1e-9
    if steps >= MAX_VALUES:
        raise ConfigError(
            f"{name}: steps of {axis.step:g} from {axis.start:g} to {axis.stop:g} are more than {MAX_VALUES} values: "
            "take a wider step"
        )
    largest = max(abs(axis.start), abs(axis.stop))
    values = (axis.start + step * axis.step for step in range(floor(steps) + 1))
    rounded = tuple(min(_rounded(value, largest), axis.stop) for value in values)
    if len(set(rounded)) < len(rounded):
        raise ConfigError(f"{name}: the step {axis.step:g} is lost beside {largest:g} ({_DIGITS} digits are kept)")
    return rounded


def _rounded(value: float, largest: float) -> float:
    """Rounded to 12 digits of the largest value, and no minus zero."""
    return round(value, _DIGITS - 1 - floor(log10(largest))) + 0.0 if largest > 0 else 0.0


def _is_drawn(axis: AxisValues) -> bool:
    return isinstance(axis, AxisInterval)


def _listed_values(name: str, axis: AxisValues) -> tuple[float, ...]:
    """Values of an axis that is not drawn, checked."""
    key = f"data.source.grid.{name}"
    assert not isinstance(axis, AxisInterval), f"{key} is drawn"
    if isinstance(axis, float):
        axis = (axis,)
    values = range_values(axis, key) if isinstance(axis, AxisRange) else axis
    if not values:
        raise ConfigError(f"{key} has no values: give at least one, or leave the axis out")
    for value in values:
        _check_value(name, value)
    repeated = [f"{value:g}" for value, times in Counter(values).items() if times > 1]
    if repeated:
        raise ConfigError(f"{key} has {', '.join(repeated)} more than once: every simulation is run once")
    return values


def _check_value(name: str, value: float) -> None:
    wanted, is_allowed = _ALLOWED.get(name, _REAL)
    if not is_allowed(value):
        raise ConfigError(f"data.source.grid.{name} has the value {value:g}; it must be {wanted}")


def _drawn_vectors(grid: MergerGrid) -> list[dict[str, float]]:
    """Values of the drawn axes for each draw; one empty draw if there is no such axis."""
    intervals = {name: axis for name in _AXES if isinstance(axis := getattr(grid, name), AxisInterval)}
    if not intervals or grid.samples is None:
        return [{}]
    for name, interval in intervals.items():
        _check_value(name, interval.low)
    return [
        dict(zip(intervals, map(_place_between, intervals.values(), unit), strict=True))
        for unit in _unit_vectors(grid, len(intervals))
    ]


def _unit_vectors(grid: MergerGrid, num_axes: int) -> NDArray[np.float64]:
    """Draws in [0, 1), float64 [draw, axis]."""
    assert grid.samples is not None
    number, method = grid.samples.number, grid.samples.method
    seed = address(grid.samples.seed, f"merger grid/{method}")
    if method == "sobol":
        vectors: NDArray[np.float64] = qmc.Sobol(num_axes, scramble=True, rng=seed).random(number)
        return vectors
    return np.asarray(qmc.LatinHypercube(num_axes, rng=seed).random(number))


def _place_between(interval: AxisInterval, share: float) -> float:
    largest = max(abs(interval.low), abs(interval.high))
    value = _rounded(interval.low + float(share) * (interval.high - interval.low), largest)
    return min(max(value, interval.low), interval.high)


def _point(values: dict[str, float]) -> MergerPoint:
    others = {name: value for name, value in values.items() if name != "seed"}
    try:
        return MergerPoint(**others, seed=int(values["seed"]))
    except ConfigError as error:
        raise ConfigError(f"data.source.grid: {error}") from error
