"""Rotational spectra of rigid asymmetric rotors, the one-dimensional test of rho-Diffusion (arXiv 2312.08153).

Rotational constants, and the temperature if it is a range, are drawn from a Latin hypercube; each point is a spectrum
of its own: all lines of the rotor (:mod:`rhodiff.sources.asymmetric_rotor`) as Gaussians on a grid of frequencies.
Values are linear, nm^2 (integrated intensity of the JPL catalogue a MHz): they span many decades, so that a transform
such as asinh or log10 belongs to the experiment.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.stats import qmc

from rhodiff.config.spectra import SpectraSource, SpectrumGrid
from rhodiff.runtime.streams import address
from rhodiff.sources.asymmetric_rotor import AsymmetricRotor, LineList
from rhodiff.sources.line_profiles import FrequencyGrid, render_lines
from rhodiff.sources.source import FieldBatch, Source
from rhodiff.store.spec import FieldSpec, Parameter

__all__ = ["Spectra", "build_grid", "spectrum_spec"]

NAMES = ("A_GHz", "B_GHz", "C_GHz", "T_K")


class Spectra(Source):
    """Computed spectra; field i is that of point i.

    Args:
        settings: ``data.source``.
        folder: not used, there are no input files.

    Raises:
        ConfigError: if the temperature asks for levels of too high J.
    """

    def __init__(self, settings: SpectraSource, folder: Path) -> None:
        self._settings, self._grid = settings, build_grid(settings.grid)
        self.points = _draw_points(settings)
        lightest, heaviest = self.points[np.argmax(self.points[:, 2])], self.points[np.argmin(self.points[:, 2])]
        for point in (lightest, heaviest):  # the most levels are those of the heaviest at the highest temperature
            self._rotor(point).largest_j(settings.temperature_k.high)

    @property
    def spec(self) -> FieldSpec:
        """Bins of frequency, not periodic."""
        return spectrum_spec(self._settings.grid, "nm^2")

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """Constants and temperature."""
        return (*(Parameter(name=name, unit="GHz") for name in NAMES[:3]), Parameter(name=NAMES[3], unit="K"))

    @property
    def num_fields(self) -> int:
        """Points."""
        return len(self.points)

    @property
    def provenance(self) -> Mapping[str, str | int | float]:
        """The physics."""
        a, b, c = self._settings.dipole_debye
        return {
            "molecule": "rigid asymmetric rotor, no centrifugal distortion, no nuclear spin weights",
            "intensity": "integrated, as in the JPL catalogue (Pickett et al. 1998), a MHz",
            "dipole": f"a {a:g}, b {b:g}, c {c:g} debye",
            "line": f"Gaussian, {self._grid.width_mhz:.4g} MHz standard deviation",
        }

    def make(self, start: int, stop: int) -> FieldBatch:
        """Compute a range of spectra."""
        assert 0 <= start <= stop <= self.num_fields, f"fields {start}:{stop} are not within {self.num_fields}"
        fields = np.empty((stop - start, *self.spec.field_shape), dtype=np.float32)
        for row, number in enumerate(range(start, stop)):
            lines = self.lines(number)
            fields[row, 0] = render_lines(lines.frequency_mhz, lines.intensity, self._grid)
        return FieldBatch(fields, self.points[start:stop].copy(), np.ones(stop - start, dtype=np.bool_))

    def lines(self, number: int) -> LineList:
        """The lines of a spectrum that reach into its range.

        Args:
            number: of the field.
        """
        point = self.points[number]
        return self._rotor(point).lines(float(point[3]), self._grid.low_mhz, self._grid.high_mhz)

    def _rotor(self, point: NDArray[np.float64]) -> AsymmetricRotor:
        a, b, c = (1e3 * point[:3]).tolist()
        return AsymmetricRotor(a, b, c, self._settings.dipole_debye)


def build_grid(grid: SpectrumGrid) -> FrequencyGrid:
    """Frequencies as configured."""
    return FrequencyGrid(1e3 * grid.low_ghz, 1e3 * grid.high_ghz, grid.size, grid.width_bins)


def spectrum_spec(grid: SpectrumGrid, unit: str) -> FieldSpec:
    """Geometry and unit of spectra."""
    return FieldSpec(
        name="rotational spectrum",
        unit=unit,
        channels=("intensity",),
        shape=(grid.size,),
        spacing=(1e3 * (grid.high_ghz - grid.low_ghz) / grid.size,),
        length_unit="MHz",
        periodic=(False,),
    )


def _draw_points(settings: SpectraSource) -> NDArray[np.float64]:
    """Latin hypercube over the ranges that are no points, ``[point, parameter]``."""
    ranges = (settings.a_ghz, settings.b_ghz, settings.c_ghz, settings.temperature_k)
    points = np.tile([one.low for one in ranges], (settings.num_spectra, 1)).astype(np.float64)
    varying = [column for column, one in enumerate(ranges) if one.high > one.low]
    if varying:
        generator = qmc.LatinHypercube(len(varying), rng=address(settings.seed, "spectra/constants"))
        shares = generator.random(settings.num_spectra)
        for place, column in enumerate(varying):
            points[:, column] += shares[:, place] * (ranges[column].high - ranges[column].low)
    return points
