"""The user's own fields: a .npy, HDF5 or Zarr file with an optional table of parameters.

Axes ``[sample, *space]``, or ``[sample, channel, *space]`` when ``channels`` are named; one to three spatial axes.
Integers and wider floats are converted to float32: integers above 2^24 lose digits. Ranges are read lazily.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from rhodiff.config.sources import ArraysSource
from rhodiff.errors import ConfigError, DataError
from rhodiff.sources.array_file import ArrayFile, find_input, open_array
from rhodiff.sources.parameter_table import ParameterTable, read_table
from rhodiff.sources.source import FieldBatch, Source
from rhodiff.store.spec import FieldSpec, Parameter

__all__ = ["Arrays"]

Setting = TypeVar("Setting", float, bool)


class Arrays(Source):
    """Fields from a file of the user's.

    Args:
        settings: ``data.source``.
        folder: folder of the experiment file.

    Raises:
        ConfigError: for a file, dataset, axis setting or parameter name that does not fit.
        DataError: for a damaged file, wrong dimensions, or a table with another number of rows.
    """

    def __init__(self, settings: ArraysSource, folder: Path) -> None:
        self._settings = settings
        path = find_input(folder, settings.fields, "data.source.fields")
        self._file = open_array(path, settings.dataset, allow_missing_chunks=settings.allow_missing_chunks)
        self._spec = _describe(settings, self._file)
        self._table_path: Path | None = None
        self._table = ParameterTable((), np.zeros((self.num_fields, 0)))
        if settings.parameters is not None:
            self._table_path = find_input(folder, settings.parameters, "data.source.parameters")
            self._table = read_table(self._table_path, settings.parameter_names)
        self._check_table()

    @property
    def spec(self) -> FieldSpec:
        """Geometry and units, as the settings say."""
        return self._spec

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """Columns of the parameter table."""
        units = self._settings.parameter_units
        return tuple(Parameter(name=name, unit=units.get(name, "")) for name in self._table.names)

    @property
    def num_fields(self) -> int:
        """Length of the leading axis."""
        return self._file.shape[0]

    @property
    def input_files(self) -> tuple[Path, ...]:
        """The file (all files of a Zarr store) and the table."""
        return (*self._file.files, *([self._table_path] if self._table_path else []))

    @property
    def provenance(self) -> Mapping[str, str | int | float]:
        """Where the values came from and their type there."""
        return {"file": self._file.path.name, "stored_type": str(self._file.dtype)}

    def groups(self) -> NDArray[np.int64]:
        """Rank of the distinct values of ``group_by``, by first appearance; without it every field is its own."""
        if not self._settings.group_by:
            return super().groups()
        columns = [self._table.names.index(name) for name in self._settings.group_by]
        _, first, inverse = np.unique(self._table.values[:, columns], axis=0, return_index=True, return_inverse=True)
        rank = np.argsort(np.argsort(first))
        return np.asarray(rank[inverse.reshape(-1)], dtype=np.int64)

    def make(self, start: int, stop: int) -> FieldBatch:
        """Read a range of fields.

        Raises:
            DataError: for a value that is NaN, infinite, or too large for float32; names the field.
        """
        stored = self._file.read(start, stop)
        with np.errstate(over="ignore"):
            fields = stored.astype(np.float32)
        overflowed = np.argwhere(~np.isfinite(fields))
        if len(overflowed):
            raise DataError(
                f"{self._file.path}: field {start + overflowed[0, 0]} holds a value beyond the range of float32 "
                "(3.4e38); choose a larger unit"
            )
        return FieldBatch(
            fields=fields.reshape(stop - start, *self.spec.field_shape),
            parameters=self._table.values[start:stop],
            valid=np.ones(stop - start, dtype=np.bool_),
        )

    def _check_table(self) -> None:
        if len(self._table.values) != self.num_fields:
            raise DataError(
                f"{self._table_path} has {len(self._table.values)} rows for {self.num_fields} fields in "
                f"{self._file.path}; it needs one row a field, in the same order"
            )
        for key, names in {
            "parameter_units": self._settings.parameter_units,
            "group_by": self._settings.group_by,
        }.items():
            unknown = [name for name in names if name not in self._table.names]
            if unknown:
                raise ConfigError(
                    f"data.source.{key}: no parameter '{unknown[0]}' in the table (there are: "
                    f"{', '.join(self._table.names) or 'none'})"
                )


def _describe(settings: ArraysSource, file: ArrayFile) -> FieldSpec:
    """The spec of the fields in the file."""
    num_leading = 1 if settings.channels is None else 2
    shape = file.shape[num_leading:]
    axes = "[sample, *space]" if settings.channels is None else "[sample, channel, *space]"
    if not 1 <= len(shape) <= 3 or 0 in file.shape:
        raise DataError(
            f"{file.path} has the shape {file.shape}; with 'data.source.channels' {settings.channels} it must be "
            f"{axes} with 1 to 3 spatial axes, none of them empty"
        )
    channels = ("value",) if settings.channels is None else settings.channels
    if settings.channels is not None and file.shape[1] != len(channels):
        raise DataError(
            f"{file.path} has {file.shape[1]} channels (shape {file.shape}, axes {axes}), 'data.source.channels' "
            f"names {len(channels)}: {', '.join(channels)}"
        )
    return FieldSpec(
        name=settings.field_name,
        unit=settings.field_unit,
        channels=channels,
        shape=shape,
        spacing=_by_axis(settings.spacing, len(shape), "spacing"),
        length_unit=settings.length_unit,
        periodic=_by_axis(settings.periodic, len(shape), "periodic"),
    )


def _by_axis(value: tuple[Setting, ...] | Setting, ndim: int, key: str) -> tuple[Setting, ...]:
    """One entry for each spatial axis."""
    if not isinstance(value, tuple):
        return (value,) * ndim
    if len(value) != ndim:
        raise ConfigError(
            f"data.source.{key}: {len(value)} entries for {ndim} spatial axes; give {ndim} or one for all"
        )
    return value
