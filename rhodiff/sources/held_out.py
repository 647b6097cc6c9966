"""Parts of a data set of which some parameter values are held out.

Fields that have one of the values held out of any named parameter are the test part. The others are shared out by
whole groups as :func:`rhodiff.sources.source.split_groups` does it; a share of ``data.split.test`` adds whole groups
to the test part.

What the test part then shows depends on the parameter. A mass ratio that is held out removes whole simulations:
networks are asked for one between those that they saw. A time that is held out stands in the same group as the times
around it, which a network is trained on, and neighbours in time are not independent: that is a test of
interpolation, not of generalisation to another simulation.
"""

import difflib
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from rhodiff.config.fields import Split
from rhodiff.errors import ConfigError
from rhodiff.sources.source import TEST, split_groups

__all__ = ["find_held_out", "held_out_split"]

TOLERANCE = 1e-6
"""Largest relative difference of equal values: a file may hold them in float32."""
_SHOWN = 12


def held_out_split(
    split: Split,
    groups: NDArray[np.int64],
    values: NDArray[np.float64],
    names: Sequence[str],
    held_out: Mapping[str, tuple[float, ...]],
) -> NDArray[np.int8]:
    """Part of each field.

    Fields of one group are in one part, but for those held out: see the top of this module for what that means.

    Args:
        split: shares of the groups of fields that are not held out.
        groups: group of each field, ``[sample]``.
        values: parameters of each field, ``[sample, parameter]``.
        names: name of each parameter.
        held_out: values by name of a parameter; empty holds out nothing.

    Returns:
        int8 ``[sample]`` of part codes.

    Raises:
        ConfigError: for an unknown parameter, a value that no field has, or if nothing is left.
    """
    is_held_out = find_held_out(values, names, held_out)
    parts = np.full(len(groups), TEST, dtype=np.int8)
    parts[~is_held_out] = split_groups(groups[~is_held_out], split)
    return parts


def find_held_out(
    values: NDArray[np.float64], names: Sequence[str], held_out: Mapping[str, tuple[float, ...]]
) -> NDArray[np.bool_]:
    """Which fields are held out, bool ``[sample]``; arguments and errors like :func:`held_out_split`."""
    found = np.zeros(len(values), dtype=np.bool_)
    for name, wanted in held_out.items():
        found |= _has_any(_column(name, values, names), name, wanted)
    if held_out and found.all():
        raise ConfigError(
            f"data.source.held_out: all {len(values)} fields have one of these values, none is left for training: "
            "hold out fewer"
        )
    return found


def _column(name: str, values: NDArray[np.float64], names: Sequence[str]) -> NDArray[np.float64]:
    if name not in names:
        nearest = difflib.get_close_matches(name, names, n=1)
        hint = f"did you mean '{nearest[0]}'? " if nearest else ""
        raise ConfigError(f"data.source.held_out: no parameter '{name}'; {hint}There are: {', '.join(names)}")
    return np.asarray(values[:, list(names).index(name)])


def _has_any(column: NDArray[np.float64], name: str, wanted: Sequence[float]) -> NDArray[np.bool_]:
    """Whether each field has one of the wanted values, ``[sample]``."""
    if not wanted:
        raise ConfigError(f"data.source.held_out.{name} is empty, which has no effect: name values, or remove it")
    has = np.zeros(len(column), dtype=np.bool_)
    for value in wanted:
        equal = np.isclose(column, value, rtol=TOLERANCE, atol=0)
        if not equal.any():
            raise ConfigError(
                f"data.source.held_out.{name}: no field has the value {value:.9g}; {_present(column, value)}"
            )
        has |= equal
    return has


def _present(column: NDArray[np.float64], wanted: float) -> str:
    """The values that there are, the nearest first."""
    distinct = np.unique(column[np.isfinite(column)])
    if not len(distinct):
        return "there are none"
    nearest = distinct[np.argmin(np.abs(distinct - wanted))]
    shown = ", ".join(f"{value:.9g}" for value in distinct[:_SHOWN])
    rest = f", ... {distinct[-1]:.9g}" if len(distinct) > _SHOWN else ""
    return f"the nearest is {nearest:.9g} (there are {shown}{rest})"
