"""Tables of physical parameters: one row a field or a parameter vector, one named column a parameter.

Formats: ``.csv`` with a header row; ``.txt`` with columns split by blanks and comments from ``#`` on; ``.npy``
``[row, parameter]``. Values are real and finite; rows and columns in errors count from 0, lines from 1.
"""

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rhodiff.errors import ConfigError, DataError
from rhodiff.sources.array_file import open_array

__all__ = ["ParameterTable", "read_table"]


@dataclass(frozen=True)
class ParameterTable:
    """Parameters by row.

    Attributes:
        names: name of each column.
        values: float64 ``[row, parameter]``.
    """

    names: tuple[str, ...]
    values: NDArray[np.float64]


def read_table(path: Path, names: Sequence[str] = ()) -> ParameterTable:
    """Read a table by the suffix of its file.

    Args:
        path: ``.csv``, ``.npy``, or any other suffix for blank-separated text.
        names: names of the columns, where the file has no header.

    Raises:
        ConfigError: if the names do not fit the columns.
        DataError: for values that are no finite numbers, rows of unequal length, and damaged files.
    """
    if path.suffix == ".csv":
        table = _read_csv(path)
    elif path.suffix == ".npy":
        table = ParameterTable(tuple(names), _read_npy(path))
    else:
        lines = (line.split("#")[0].split() for line in _read_lines(path))
        table = ParameterTable(tuple(names), _to_floats(path, enumerate(lines, 1)))
    _check(path, table)
    return table


def _read_csv(path: Path) -> ParameterTable:
    rows = [(line, row) for line, row in enumerate(csv.reader(_read_lines(path)), 1) if any(map(str.strip, row))]
    if not rows:
        raise DataError(f"{path} is empty; it needs a header row and one row a field")
    names = tuple(name.strip() for name in rows[0][1])
    if any(_is_number(name) for name in names):
        raise DataError(f"{path}: the first row {', '.join(names)} holds numbers; it must name the columns")
    return ParameterTable(names, _to_floats(path, rows[1:]))


def _read_npy(path: Path) -> NDArray[np.float64]:
    array = open_array(path)
    if len(array.shape) != 2:
        raise DataError(f"{path} has the shape {array.shape}; a parameter table is [row, parameter]")
    return np.asarray(np.load(path), dtype=np.float64)


def _read_lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read as text: {error}") from error


def _to_floats(path: Path, lines: Iterable[tuple[int, list[str]]]) -> NDArray[np.float64]:
    """Numbers of all lines that are not blank."""
    rows: list[list[float]] = []
    for line, cells in lines:
        if not cells:
            continue
        try:
            rows.append([float(cell) for cell in cells])
        except ValueError as error:
            raise DataError(f"{path}, line {line}: {error}; parameters are numbers") from None
        if len(rows[-1]) != len(rows[0]):
            raise DataError(f"{path}, line {line}: {len(rows[-1])} values where the rows before have {len(rows[0])}")
    return np.array(rows, dtype=np.float64).reshape(len(rows), -1 if rows else 0)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _check(path: Path, table: ParameterTable) -> None:
    if not len(table.values):
        raise DataError(f"{path} holds no row of parameters")
    if table.values.shape[1] != len(table.names):
        raise ConfigError(
            f"{path} has {table.values.shape[1]} columns for {len(table.names)} parameter names "
            f"({', '.join(table.names) or 'none'}); see 'data.source.parameter_names'"
        )
    if len(set(table.names)) < len(table.names) or "" in table.names:
        raise ConfigError(f"{path}: the columns {', '.join(table.names)} need names that are distinct and not empty")
    broken = np.argwhere(~np.isfinite(table.values))
    if len(broken):
        row, column = broken[0]
        raise DataError(
            f"{path}: row {row}, '{table.names[column]}' is {table.values[row, column]}; it must be finite"
        )
