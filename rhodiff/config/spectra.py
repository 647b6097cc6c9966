"""Rotational spectra: computed from rotational constants, or read from lists of lines."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from rhodiff.config.ranges import ParameterRange
from rhodiff.config.section import Section

__all__ = ["SpectraFileSource", "SpectraSource", "SpectrumGrid"]

PositiveFloat = Annotated[float, Field(gt=0)]


class SpectrumGrid(Section):
    """The frequencies of a spectrum, and the width of its lines."""

    low_ghz: Annotated[float, Field(ge=0)] = 8.0
    """Lower edge of the first bin."""
    high_ghz: PositiveFloat = 20.0
    """Upper edge of the last bin."""
    size: Annotated[int, Field(ge=8, multiple_of=2)] = 1024
    """Bins."""
    width_bins: PositiveFloat = 1.5
    """Standard deviation of a line (Gaussian), in bins: below 1 neighbouring positions look alike."""

    @model_validator(mode="after")
    def _ordered(self) -> "SpectrumGrid":
        if self.low_ghz >= self.high_ghz:
            raise ValueError(f"low_ghz {self.low_ghz:g} is not below high_ghz {self.high_ghz:g}")
        return self


class SpectraSource(Section):
    """Spectra of rigid asymmetric rotors whose constants fill a box (rho-Diffusion's one-dimensional test)."""

    kind: Literal["spectra"] = "spectra"
    grid: SpectrumGrid = SpectrumGrid()
    """Frequencies and line width."""
    a_ghz: ParameterRange = ParameterRange(low=7.0, high=9.0)
    """Rotational constant A."""
    b_ghz: ParameterRange = ParameterRange(low=2.5, high=3.5)
    """Rotational constant B."""
    c_ghz: ParameterRange = ParameterRange(low=1.9, high=2.4)
    """Rotational constant C."""
    temperature_k: ParameterRange = ParameterRange(low=5.0, high=5.0)
    """Rotational temperature of the gas."""
    dipole_debye: tuple[float, float, float] = (1.0, 0.0, 0.0)
    """Components of the dipole along the axes a, b and c: which kinds of line there are."""
    num_spectra: Annotated[int, Field(ge=1)] = 2000
    """Points of a Latin hypercube over the ranges, one spectrum each."""
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    """Seed of the points."""

    @model_validator(mode="after")
    def _constants_ordered(self) -> "SpectraSource":
        if self.a_ghz.low < self.b_ghz.high or self.b_ghz.low < self.c_ghz.high or self.c_ghz.low <= 0:
            raise ValueError(
                "constants must be A >= B >= C > 0 wherever they are drawn: let a_ghz begin above b_ghz, b_ghz above "
                "c_ghz, and c_ghz above 0"
            )
        if self.temperature_k.low <= 0:
            raise ValueError(f"temperature_k reaches {self.temperature_k.low:g}, it must stay above 0")
        if not any(self.dipole_debye):
            raise ValueError("dipole_debye is zero along all axes: such a molecule has no rotational lines")
        return self


class SpectraFileSource(Section):
    """Spectra in the published layout of rho-Diffusion: an HDF5 group for each, with its list of lines."""

    kind: Literal["spectra_file"] = "spectra_file"
    file: Path
    """HDF5 file with groups "0", "1", ..., each with ``transitions`` [2, line]: centres and log10 intensities."""
    parameters: Path | None = None
    """``.csv`` with a header row, one row a group: the constants, which the file does not hold."""
    frequency_unit: Literal["MHz", "GHz"] = "MHz"
    """Of the centres in the file."""
    grid: SpectrumGrid = SpectrumGrid()
    """Frequencies and line width."""
