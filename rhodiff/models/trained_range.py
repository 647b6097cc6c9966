"""Where a network was trained, and which conditions lie outside of it.

A continuous parameter was trained between its smallest and largest value in the training split, whatever the others
are: combinations at the rim of a design count as inside. A categorical one was trained at the values that occur there
and cannot be anything else; hashed ones at the combinations that occur there: any other gets an unrelated vector.

Axes: N sample, P parameter, in the order of the table's ``names``.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from rhodiff.errors import DataError
from rhodiff.models.conditioning_table import ConditioningTable

__all__ = ["departed_vectors", "departures", "require_known"]

ROUNDING = 1e-6
"""Of a range: by so much may a value lie beyond it, as files hold values in single precision."""

MOST_LISTED = 12

Float = NDArray[np.float64]


def departures(table: ConditioningTable, values: Float) -> list[str]:
    """What leads each condition out of the trained range; empty for one inside.

    Args:
        table: of the training split; one of an old checkpoint knows no range, and nothing lies outside of it.
        values: ``[N, P]``.
    """
    return ["; ".join([*_outside_ranges(table, row), *_unseen_combination(table, row)]) for row in values]


def departed_vectors(table: ConditioningTable, values: Float) -> list[list[float]]:
    """The distinct conditions outside of the trained range, for a record; arguments of :func:`departures`."""
    distinct = np.unique(values, axis=0)
    return [row.tolist() for row, text in zip(distinct, departures(table, distinct), strict=True) if text]


def require_known(table: ConditioningTable, values: Float) -> None:
    """Refuse conditions that the network has no embedding of.

    Args:
        table: of the training split.
        values: ``[N, P]``.

    Raises:
        DataError: for a value that is not finite, or a label that training did not see.
    """
    for name, column in zip(table.names, values.T, strict=True):
        if not np.isfinite(column).all():
            raise DataError(f"parameter '{name}' holds NaN or infinite values")
        allowed = table.categories.get(name)
        unknown = [] if allowed is None else np.setdiff1d(column, allowed).tolist()
        if allowed is not None and unknown:
            raise DataError(
                f"parameter '{name}' has values {_listed(unknown)} that training did not see; allowed are "
                f"{_listed(allowed)}"
            )


def _outside_ranges(table: ConditioningTable, row: Float) -> list[str]:
    found = []
    for name, (low, high) in table.ranges.items():
        value, slack = float(row[table.names.index(name)]), ROUNDING * (high - low)
        if not low - slack <= value <= high + slack:
            found.append(f"{name} = {value:g} is outside {low:g} to {high:g}")
    return found


def _unseen_combination(table: ConditioningTable, row: Float) -> list[str]:
    asked = tuple(float(row[table.names.index(name)]) for name in table.hashed)
    if not asked or asked in table.combinations:
        return []
    values = ", ".join(f"{name} = {value:g}" for name, value in zip(table.hashed, asked, strict=True))
    return [f"{values} was not trained, and its hash says nothing of values nearby"]


def _listed(values: Sequence[float]) -> str:
    shown = ", ".join(f"{value:g}" for value in values[:MOST_LISTED])
    return f"{shown}, ... ({len(values)} in all)" if len(values) > MOST_LISTED else shown
