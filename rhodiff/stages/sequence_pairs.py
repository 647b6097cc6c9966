"""Which fields a sequence is made of: pairs of sample and truth, their training neighbours, and the fields shown.

Everything here is chosen by parameters alone, before a field is looked at. Two values of a parameter are one if they
agree to a billionth of the parameter's largest.

Axes: parameters ``[field, parameter]``, indices ``[field]``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

import numpy as np
from numpy.typing import NDArray

from rhodiff.config.sequence import SequenceSettings
from rhodiff.errors import ConfigError
from rhodiff.stages.workspace import Workspace

__all__ = ["Neighbours", "check_sequence", "choose_sequence", "describe_combination", "find_neighbours"]

Float = NDArray[np.float64]
Indices = NDArray[np.int64]

NONE = -1
DIGITS = 9
TIE = 1e-6
"""Weights that differ from one half by less are those of two fields equally near."""
NEAR = 0.01
"""Of the range of a parameter: as far may the nearest value be from the one asked for."""
MOST_LISTED = 12


@dataclass(frozen=True, eq=False)
class Neighbours:
    """Training fields on both sides of some fields in one parameter, all other parameters equal.

    Attributes:
        below: row of the training field with the largest value not above the field's, -1 where there is none.
        above: row of that with the smallest value not below it, -1 where there is none.
        weight: of ``above`` in a linear interpolation; 0 where both are one field, NaN where one is missing.
    """

    below: Indices
    above: Indices
    weight: Float

    @property
    def nearest(self) -> Indices:
        """Row of the nearer one, of two as near that below; -1 where there is none."""
        is_above = (self.below == NONE) | (self.weight > 0.5 + TIE)
        return np.where(is_above, self.above, self.below)

    @property
    def is_repeated(self) -> NDArray[np.bool_]:
        """Fields of whose very parameters there is a training field, ``[field]``."""
        return np.asarray(self.weight == 0)


def check_sequence(workspace: Workspace) -> None:
    """Refuse a sequence that cannot be made, before anything is computed.

    Raises:
        ConfigError: if the network is told no parameters, the sweep has conditions of its own, a parameter is unknown
            or not told to the network, or centres are asked for of fields that are not images.
    """
    settings, experiment = workspace.experiment.report.sequence, workspace.experiment
    if settings is None:
        return
    require_paired_samples(workspace, "report.sequence")
    told = experiment.model.conditioning.parameters
    known = [parameter.name for parameter in workspace.source.parameters]
    _require_known("report.sequence.along", settings.along, list(told))
    for name in settings.at:
        _require_known("report.sequence.at", name, known)
    _require_known("report.sequence.between", settings.neighbour_parameter, known)
    if settings.along in settings.at:
        raise ConfigError(f"report.sequence.at: '{settings.along}' is what changes along the sequence: leave it out")
    ndim = workspace.source.spec.ndim
    if settings.separation is not None and ndim != 2:
        raise ConfigError(f"report.sequence.separation is one of images (2D), the fields have {ndim} dimensions")


def require_paired_samples(workspace: Workspace, key: str) -> None:
    """Refuse an experiment whose samples are not at the parameters of reference fields.

    Args:
        workspace: the experiment.
        key: key path of what needs them, for the error.

    Raises:
        ConfigError: if the network is told no parameters, or the sweep has conditions of its own.
    """
    experiment = workspace.experiment
    if not experiment.model.conditioning.parameters:
        raise ConfigError(
            f"{key} needs a network that is told parameters: set model.conditioning.parameters, or leave {key} out"
        )
    if experiment.sampling.conditions != "reference":
        raise ConfigError(
            f"{key} needs sampling.conditions 'reference', which makes each sample at the parameters of a reference "
            "field that it can be compared with; here it is a list of conditions"
        )


def _require_known(key: str, name: str, known: list[str]) -> None:
    if name in known:
        return
    near = get_close_matches(name, known, n=1)
    hint = f": did you mean '{near[0]}'?" if near else ""
    raise ConfigError(f"{key}: '{name}' is none of {known}{hint}")


def choose_sequence(parameters: Float, names: Sequence[str], settings: SequenceSettings) -> Indices:
    """Fields of one combination of all parameters but one, in order of that one.

    Args:
        parameters: of the fields to choose from, ``[field, parameter]``.
        names: of the parameters.
        settings: of the sequence.

    Returns:
        Rows of ``parameters``, those of equal value once.

    Raises:
        ConfigError: if no field has the values asked for, or no two fields differ in the one parameter alone.
    """
    table, fits = _rounded(parameters), np.ones(len(parameters), np.bool_)
    for name, wanted in settings.at.items():
        fits &= _is_nearest(table[:, list(names).index(name)], wanted, name)
    rows = np.flatnonzero(fits)
    along, others = _split_off(table, list(names).index(settings.along))
    if len(rows):
        code = _combinations(others[rows])
        counts = [len(np.unique(along[rows[code == one]])) for one in range(code.max() + 1)]
        if max(counts) > 1:
            chosen = rows[code == int(np.argmax(counts))]
            return np.asarray(chosen[np.unique(along[chosen], return_index=True)[1]])
    at = ", ".join(f"{name} = {value:g}" for name, value in settings.at.items())
    raise ConfigError(
        f"report.sequence: no two of the {len(parameters)} generated fields{' with ' + at if at else ''} differ in "
        f"'{settings.along}' alone: take another parameter or other values of report.sequence.at, or raise "
        "sampling.num_samples so that more reference fields have a sample"
    )


def _is_nearest(column: Float, wanted: float, name: str) -> NDArray[np.bool_]:
    """Fields with the value nearest to the one that is asked for."""
    values = np.unique(column)
    nearest = values[np.argmin(np.abs(values - wanted))]
    tolerance = NEAR * (values[-1] - values[0]) + 1e-6 * abs(nearest)
    if not abs(nearest - wanted) <= tolerance:
        listed = ", ".join(f"{value:.6g}" for value in values[:MOST_LISTED])
        more = f", ... ({len(values)} in all)" if len(values) > MOST_LISTED else ""
        raise ConfigError(f"report.sequence.at: no generated field has {name} = {wanted:g}; there are {listed}{more}")
    return np.asarray(column == nearest)


def find_neighbours(truth: Float, training: Float, column: int) -> Neighbours:
    """Training fields on both sides of each field in one parameter, all other parameters equal.

    Args:
        truth: parameters of the fields, ``[field, parameter]``.
        training: parameters of the training fields, ``[training field, parameter]``.
        column: of the one parameter.
    """
    along, others = _split_off(_rounded(np.concatenate([truth, training])), column)
    (x, known), (wanted, code) = (np.split(values, [len(truth)]) for values in (along, _combinations(others)))
    below, above = np.full((2, len(truth)), NONE)
    for one in np.unique(wanted):
        mine, rows = np.flatnonzero(wanted == one), np.flatnonzero(code == one)
        rows = rows[np.argsort(known[rows], kind="stable")]
        below[mine] = _at(rows, np.searchsorted(known[rows], x[mine], "right") - 1)
        above[mine] = _at(rows, np.searchsorted(known[rows], x[mine], "left"))
    is_between = (below != NONE) & (above != NONE)
    width = np.where(is_between, known[above] - known[below], np.nan)
    weight = np.divide(x - known[below], width, out=np.where(is_between, 0.0, np.nan), where=width > 0)
    return Neighbours(below, above, weight)


def _at(rows: Indices, positions: Indices) -> Indices:
    """Rows at some positions; -1 for positions outside."""
    inside = (positions >= 0) & (positions < len(rows))
    found = np.full_like(positions, NONE)
    found[inside] = rows[positions[inside]]
    return found


def _split_off(parameters: Float, column: int) -> tuple[Float, Float]:
    """One column, and all others."""
    return parameters[:, column], np.delete(parameters, column, axis=1)


def _combinations(others: Float) -> Indices:
    """Number of the combination of each field, in rising order of the parameters."""
    if others.shape[1] == 0:
        return np.zeros(len(others), np.int64)
    return np.unique(others, axis=0, return_inverse=True)[1].reshape(-1).astype(np.int64)


def _rounded(parameters: Float) -> Float:
    """Parameters in which values that differ by rounding are equal."""
    scale = np.abs(parameters).max(axis=0, initial=0)
    return np.asarray(np.round(parameters / np.where(scale > 0, scale, 1), DIGITS) * scale)


def describe_combination(
    parameters: Float, names: Sequence[str], along: str, varies: NDArray[np.bool_]
) -> Mapping[str, float]:
    """What tells the fields of a sequence from others: the parameters that they share, by name.

    Args:
        parameters: of one field, ``[parameter]``.
        names: of the parameters.
        along: the one that changes.
        varies: which are not the same for all fields, ``[parameter]``; the others are left out.
    """
    found = zip(names, parameters.tolist(), varies, strict=True)
    return {name: value for name, value, is_told in found if is_told and name != along}
