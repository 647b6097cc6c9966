"""Spectra in the published layout of rho-Diffusion: HDF5 groups "0", "1", ... with ``transitions`` [2, line].

The first row holds the centres of the lines, the second log10 of their intensities. The lines become Gaussians on
the grid of frequencies, as those of :mod:`rhodiff.sources.spectra`. The file does not hold the constants that spectra
were computed from: these come from a table.
"""

from collections.abc import Mapping
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from rhodiff.config.spectra import SpectraFileSource
from rhodiff.errors import DataError
from rhodiff.sources.array_file import find_input, open_hdf5
from rhodiff.sources.line_profiles import render_lines
from rhodiff.sources.parameter_table import ParameterTable, read_table
from rhodiff.sources.source import FieldBatch, Source
from rhodiff.sources.spectra import build_grid, spectrum_spec
from rhodiff.store.spec import FieldSpec, Parameter

__all__ = ["SpectraFile"]

DATASET = "transitions"
MHZ = {"MHz": 1.0, "GHz": 1e3}


class SpectraFile(Source):
    """Spectra of a file, in the numerical order of its groups.

    Args:
        settings: ``data.source``.
        folder: where relative paths start.

    Raises:
        DataError: if the file has another layout, or the table another number of rows.
    """

    def __init__(self, settings: SpectraFileSource, folder: Path) -> None:
        self._settings, self._grid = settings, build_grid(settings.grid)
        self._path = find_input(folder, settings.file, "data.source.file")
        with open_hdf5(self._path) as file:
            self._names = _group_names(self._path, file)
        self._table = None if settings.parameters is None else self._read_table(folder, settings.parameters)

    @property
    def spec(self) -> FieldSpec:
        """Bins of frequency, not periodic."""
        return spectrum_spec(self._settings.grid, "1/MHz")

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """Columns of the table."""
        return () if self._table is None else tuple(Parameter(name=name) for name in self._table.names)

    @property
    def num_fields(self) -> int:
        """Groups."""
        return len(self._names)

    @property
    def input_files(self) -> tuple[Path, ...]:
        """File and table."""
        return (self._path,) if self._table is None else (self._path, self._table_path)

    @property
    def provenance(self) -> Mapping[str, str | int | float]:
        """Conventions."""
        return {
            "intensity": "10^(second row of transitions), in the unit of the file, a MHz",
            "line": f"Gaussian, {self._grid.width_mhz:.4g} MHz standard deviation",
        }

    def make(self, start: int, stop: int) -> FieldBatch:
        """Read a range of spectra."""
        assert 0 <= start <= stop <= self.num_fields, f"fields {start}:{stop} are not within {self.num_fields}"
        fields = np.empty((stop - start, *self.spec.field_shape), dtype=np.float32)
        with open_hdf5(self._path) as file:
            for row, name in enumerate(self._names[start:stop]):
                frequency_mhz, intensity = self._lines(file, name)
                fields[row, 0] = render_lines(frequency_mhz, intensity, self._grid)
        values = np.empty((stop - start, 0)) if self._table is None else self._table.values[start:stop].copy()
        return FieldBatch(fields, values, np.ones(stop - start, dtype=np.bool_))

    def _lines(self, file: h5py.File, name: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Centres in MHz and intensities of the lines that reach into the range."""
        stored = np.asarray(file[name][DATASET], dtype=np.float64)
        if stored.ndim != 2 or stored.shape[0] != 2:
            raise DataError(
                f"{self._path}: {name}/{DATASET} has the shape {list(stored.shape)}; two rows are needed, centres "
                "and log10 intensities of the lines"
            )
        frequency_mhz, intensity = stored[0] * MHZ[self._settings.frequency_unit], 10.0 ** stored[1]
        if not (np.isfinite(frequency_mhz).all() and np.isfinite(intensity).all()):
            raise DataError(f"{self._path}: {name}/{DATASET} holds NaN, infinities or numbers too large for log10")
        is_near = (frequency_mhz > self._grid.low_mhz) & (frequency_mhz < self._grid.high_mhz)
        return frequency_mhz[is_near], intensity[is_near]

    def _read_table(self, folder: Path, path: Path) -> ParameterTable:
        self._table_path = find_input(folder, path, "data.source.parameters")
        table = read_table(self._table_path)
        if len(table.values) != len(self._names):
            raise DataError(
                f"{self._table_path} has {len(table.values)} rows, {self._path} {len(self._names)} spectra: one row "
                "a group is needed, in the numerical order of the groups"
            )
        return table


def _group_names(path: Path, file: h5py.File) -> list[str]:
    """Names of the groups in numerical order."""
    foreign = [name for name, item in file.items() if not (name.isdecimal() and isinstance(item, h5py.Group))]
    if foreign or not len(file):
        found = f"'{foreign[0]}'" if foreign else "nothing"
        raise DataError(f"{path} holds {found}; the layout has groups '0', '1', ... alone, each with '{DATASET}'")
    bare = [name for name, item in file.items() if DATASET not in item]
    if bare:
        raise DataError(
            f"{path}: the group '{bare[0]}' has no '{DATASET}' [2, line]; remove it or fetch the file again"
        )
    return sorted(file, key=int)
