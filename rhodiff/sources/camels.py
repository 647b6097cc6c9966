r"""CAMELS Multifield Dataset (CMD): maps and grids from simulations with known parameters.

A CMD file holds n maps ``[n, s, s]`` or grids ``[n, s, s, s]`` for R parameter vectors, n / R consecutive ones each:
field i belongs to row i // (n / R) of the parameter file (15 maps, 1 grid a vector in the LH sets). Fields of one
vector share one simulation and never straddle a split. Both are periodic along every axis that is kept: a map is the
projection of a slab 5 Mpc/h thick of a periodic box.

Binning averages blocks of f^d cells. Paper A (Mudur & Finkbeiner, arXiv 2211.12444) takes log10 first and averages
the logarithm, which is not the logarithm of the average: ``log_before_binning``.

Units follow the CMD documentation's table of mass densities per (Mpc/h)^d (other editions of it print kpc/h). The
mass budget tells them apart: a map of all matter has the mean Omega_m 2.775e11 (Msun/h)/(Mpc/h)^3 x 5 Mpc/h, about
4e11 per (Mpc/h)^2 and 4e5 per (kpc/h)^2 at Omega_m = 0.3. No published file was at hand to check this on: compare the
mean of yours, and set ``field_unit`` if it differs.

References:
    Villaescusa-Navarro et al. 2022, The CAMELS Multifield Dataset, ApJS 259, 61 (arXiv 2109.10915).
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rhodiff.config.sources import CamelsSource
from rhodiff.errors import ConfigError, DataError
from rhodiff.sources.array_file import find_input, open_array
from rhodiff.sources.parameter_table import read_table
from rhodiff.sources.source import FieldBatch, Source
from rhodiff.store.spec import FieldSpec, Parameter

__all__ = ["Camels", "bin_down"]

_MASS_DENSITY = "(Msun/h)/(Mpc/h)^{ndim}"
_UNITS = {
    **dict.fromkeys(("Mgas", "Mcdm", "Mstar", "Mtot", "HI"), _MASS_DENSITY),
    **dict.fromkeys(("Vgas", "Vcdm"), "km/s"),
    **dict.fromkeys(("Z", "MgFe"), ""),
    "T": "K",
    "B": "Gauss",
}


class Camels(Source):
    """Fields of one CMD file.

    Args:
        settings: ``data.source``.
        folder: folder of the experiment file.

    Raises:
        ConfigError: for a missing file, a size that does not divide, or more vectors than there are.
        DataError: for a truncated file, wrong dimensions, or a table that does not divide the fields.
    """

    def __init__(self, settings: CamelsSource, folder: Path) -> None:
        self._settings = settings
        self._file = open_array(find_input(folder, settings.fields, "data.source.fields"))
        self._table_path = find_input(folder, settings.parameters, "data.source.parameters")
        self._table = read_table(self._table_path, settings.parameter_names)
        self._check_shape()
        self._fields_per_vector = self._count_fields_per_vector()
        self._size = self._choose_size()
        self._unit = settings.field_unit if settings.field_unit is not None else self._published_unit()

    @property
    def spec(self) -> FieldSpec:
        """Periodic along every axis; the logarithm, where taken, is part of the name."""
        settings, ndim = self._settings, len(self._file.shape) - 1
        name, unit = settings.field_name, self._unit
        if settings.log_before_binning:
            name, unit = f"log10({name} / [{unit}])" if unit else f"log10({name})", ""
        return FieldSpec(
            name=name,
            unit=unit,
            shape=(self._size,) * ndim,
            spacing=(settings.box_size_mpc_h / self._size,) * ndim,
            length_unit="Mpc/h",
            periodic=(True,) * ndim,
        )

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """Columns of the parameter file, all dimensionless."""
        return tuple(Parameter(name=name) for name in self._table.names)

    @property
    def num_vectors(self) -> int:
        """Parameter vectors in use."""
        return self._settings.num_vectors or len(self._table.values)

    @property
    def num_fields(self) -> int:
        """Maps or grids of the vectors in use."""
        return self.num_vectors * self._fields_per_vector

    @property
    def input_files(self) -> tuple[Path, ...]:
        """The fields and the parameter file."""
        return (self._file.path, self._table_path)

    @property
    def provenance(self) -> Mapping[str, str | int | float]:
        """How the fields were made from the file."""
        return {
            "file": self._file.path.name,
            "file_size": self._file.shape[1],
            "binning": "mean of log10 of the cells" if self._settings.log_before_binning else "mean of the cells",
            "fields_per_vector": self._fields_per_vector,
            "reference": "Villaescusa-Navarro et al. 2022, ApJS 259, 61",
        }

    def groups(self) -> NDArray[np.int64]:
        """Row of the parameter file of each field."""
        return np.arange(self.num_fields, dtype=np.int64) // self._fields_per_vector

    def make(self, start: int, stop: int) -> FieldBatch:
        """Read, take the logarithm if asked, and bin down a range of fields.

        Raises:
            DataError: for values that are NaN, infinite, or have no logarithm; names the field.
        """
        assert 0 <= start <= stop <= self.num_fields, f"fields {start}:{stop} are not within {self.num_fields}"
        fields = np.empty((stop - start, *self.spec.field_shape), dtype=np.float32)
        for row, index in enumerate(range(start, stop)):
            values = self._file.read(index, index + 1)
            if self._settings.log_before_binning:
                values = self._take_log(values, index)
            fields[row] = bin_down(values, self._size)
        vectors = np.arange(start, stop) // self._fields_per_vector
        return FieldBatch(fields, self._table.values[vectors], np.ones(stop - start, dtype=np.bool_))

    def _take_log(self, values: NDArray[Any], index: int) -> NDArray[np.float64]:
        outside = np.count_nonzero(values <= 0)
        if outside:
            raise DataError(
                f"{self._file.path}: field {index} holds {outside} values that are not positive (minimum "
                f"{values.min():g}), which have no logarithm; set 'data.source.log_before_binning: false' and take "
                "the logarithm with a floor in 'fields.transform'"
            )
        logarithm: NDArray[np.float64] = np.log10(values, dtype=np.float64)
        return logarithm

    def _check_shape(self) -> None:
        shape = self._file.shape
        if len(shape) not in (3, 4) or len(set(shape[1:])) != 1 or 0 in shape:
            raise DataError(
                f"{self._file.path} has the shape {shape}; CMD maps are [n, s, s] and grids [n, s, s, s] "
                "(other arrays: source kind 'arrays')"
            )

    def _count_fields_per_vector(self) -> int:
        num_fields, num_rows = self._file.shape[0], len(self._table.values)
        if num_fields % num_rows:
            raise DataError(
                f"{self._file.path} holds {num_fields} fields, {self._table_path} {num_rows} rows of parameters: "
                f"{num_fields} is no multiple of {num_rows}; take the files of the same CMD set"
            )
        if self.num_vectors > num_rows:
            raise ConfigError(
                f"data.source.num_vectors: {self.num_vectors} of only {num_rows} parameter vectors in "
                f"{self._table_path}; ask for {num_rows} or fewer"
            )
        return num_fields // num_rows

    def _choose_size(self) -> int:
        stored = self._file.shape[1]
        size = self._settings.size or stored
        if stored % size:
            allowed = [divisor for divisor in range(4, stored + 1, 2) if stored % divisor == 0]
            raise ConfigError(f"data.source.size: {size} does not divide {stored} cells; allowed are {allowed}")
        return size

    def _published_unit(self) -> str:
        name = self._settings.field_name
        if name not in _UNITS:
            raise ConfigError(
                f"data.source.field_unit: CMD's unit of the field '{name}' is not known here; give it "
                f"(known: {', '.join(_UNITS)})"
            )
        return _UNITS[name].format(ndim=len(self._file.shape) - 1)


def bin_down(fields: NDArray[Any], size: int) -> NDArray[np.float64]:
    """Average blocks of cells, in float64.

    Args:
        fields: ``[n, *space]``, ``size`` divides each spatial length.
        size: cells on a side that remain.

    Returns:
        float64 ``[n, size, ...]``.
    """
    blocks = [part for length in fields.shape[1:] for part in (size, length // size)]
    within = tuple(range(2, 2 * fields.ndim - 1, 2))
    averaged: NDArray[np.float64] = fields.reshape(len(fields), *blocks).mean(axis=within, dtype=np.float64)
    return averaged
