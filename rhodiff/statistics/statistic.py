"""What every statistic of fields does, and the built-in ones: power spectrum and distribution of the values.

A statistic first fixes its axis on the reference (:meth:`Statistic.fit`), then measures any set of fields on it, one
channel at a time: ``fields [field, *space]`` to a :class:`~rhodiff.statistics.measurement.Measurement`. A field's
vector depends on that field alone, so parts of a set may be measured anywhere and joined.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from rhodiff.config.evaluation import Peaks, PixelDistribution, PowerSpectrum
from rhodiff.errors import DataError
from rhodiff.statistics.measurement import Measurement
from rhodiff.statistics.pixel_distribution import histogram_edges, value_density
from rhodiff.statistics.spectrum import power_spectrum
from rhodiff.store.spec import FieldSpec

__all__ = [
    "OverReference",
    "SpectrumStatistic",
    "Statistic",
    "ValueDensity",
    "boundary_of",
    "check_shape",
    "fit_channels",
    "inverse_unit",
    "measure_channels",
    "require_power",
    "unit_power",
]

Fields = NDArray[Any]


class Statistic(ABC):
    """One configured statistic."""

    def fit(self, reference: Fields, spec: FieldSpec) -> "Statistic":
        """The same statistic with whatever it takes from the reference fixed; nothing unless overridden.

        Args:
            reference: ``[field, *space]``.
            spec: geometry and units of the fields.
        """
        return self

    @abstractmethod
    def measure(self, fields: Fields, spec: FieldSpec) -> Measurement | tuple[Measurement, ...]:
        """Measure each field, in one or several respects.

        Args:
            fields: ``[field, *space]``.
            spec: geometry and units of the fields.

        Raises:
            DataError: if the fields do not fit the spec or are not finite.
        """


@dataclass(frozen=True)
class SpectrumStatistic(Statistic):
    """:func:`~rhodiff.statistics.spectrum.power_spectrum` of each field in the box of its spec."""

    settings: PowerSpectrum = field(default_factory=PowerSpectrum)

    def fit(self, reference: Fields, spec: FieldSpec) -> Self:
        """Refuse a reference without any power, relative to which every difference would be rounding.

        Raises:
            DataError: if every field is constant.
        """
        require_power(reference)
        return self

    def measure(self, fields: Fields, spec: FieldSpec) -> Measurement:
        """Measure P(k) of each field, in squared field units times length**ndim."""
        check_shape(fields, spec)
        found = power_spectrum(fields, box_size=spec.box_size, bin_edges=self.settings.bin_edges)
        return Measurement(
            statistic=self.settings.kind,
            axis_name="k",
            axis_unit=inverse_unit(spec.length_unit),
            value_name="P(k)",
            value_unit=" ".join(
                part for part in (unit_power(spec.unit, 2), unit_power(spec.length_unit, spec.ndim)) if part
            ),
            axis=found.k,
            edges=found.bin_edges,
            values=found.power,
            counts=found.num_modes,
        )


@dataclass(frozen=True)
class OverReference(Statistic):
    """A statistic in bins of the field's values, which are laid over the reference.

    Attributes:
        settings: number of bins and their range.
        edges: rising bin edges in units of the field; empty before :meth:`fit`.
    """

    settings: PixelDistribution | Peaks
    edges: tuple[float, ...] = ()

    def fit(self, reference: Fields, spec: FieldSpec) -> Self:
        """Lay the bins over the reference."""
        settings = self.settings
        edges = histogram_edges(reference, num_bins=settings.num_bins, half_width_std=settings.half_width_std)
        return replace(self, edges=tuple(edges.tolist()))

    def fitted_edges(self) -> NDArray[np.float64]:
        """The edges, ``[bin + 1]``.

        Raises:
            DataError: before :meth:`fit`.
        """
        if not self.edges:
            kind = self.settings.kind
            raise DataError(f"the bins of {kind} are not fixed yet; fit it to the reference fields first")
        return np.array(self.edges)


@dataclass(frozen=True)
class ValueDensity(OverReference):
    """Density of the values of each field, in bins laid over the reference."""

    settings: PixelDistribution = field(default_factory=PixelDistribution)

    def measure(self, fields: Fields, spec: FieldSpec) -> Measurement:
        """Measure the density of each field's values, in inverse field units."""
        check_shape(fields, spec)
        edges = self.fitted_edges()
        return Measurement(
            statistic=self.settings.kind,
            axis_name=spec.name,
            axis_unit=spec.unit,
            value_name="density",
            value_unit=inverse_unit(spec.unit),
            axis=(edges[1:] + edges[:-1]) / 2,
            edges=edges,
            values=value_density(fields, edges),
            counts=np.full(len(edges) - 1, int(np.prod(spec.shape)), dtype=np.int64),
        )


def fit_channels(statistic: Statistic, reference: Fields, spec: FieldSpec) -> tuple[Statistic, ...]:
    """Fit a statistic to each channel of the reference.

    Args:
        statistic: as configured.
        reference: ``[field, channel, *space]``.
        spec: geometry and units of the fields.

    Returns:
        One statistic a channel, in the order of ``spec.channels``.
    """
    _check_channels(reference, spec)
    return tuple(statistic.fit(reference[:, c], spec) for c in range(len(spec.channels)))


def measure_channels(statistics: Sequence[Statistic], fields: Fields, spec: FieldSpec) -> tuple[Measurement, ...]:
    """Measure each channel with its own fitted statistic.

    Args:
        statistics: one a channel, from :func:`fit_channels`.
        fields: ``[field, channel, *space]``.
        spec: geometry and units of the fields.

    Returns:
        Measurements named after their channel, channel by channel.
    """
    _check_channels(fields, spec)
    found: list[Measurement] = []
    for c, (statistic, name) in enumerate(zip(statistics, spec.channels, strict=True)):
        measured = statistic.measure(fields[:, c], spec)
        parts = measured if isinstance(measured, tuple) else (measured,)
        found += [replace(one, channel=name) for one in parts]
    return tuple(found)


def inverse_unit(unit: str) -> str:
    """The unit to the power -1, e.g. ``h/Mpc`` of ``Mpc/h``, ``1/deg`` of ``deg``; empty for dimensionless."""
    if not unit:
        return ""
    above, slash, below = unit.partition("/")
    if slash and above.isalpha() and below.isalpha():
        return f"{below}/{above}"
    return f"1/({unit})" if any(sign in unit for sign in "/ *^") else f"1/{unit}"


def unit_power(unit: str, exponent: int) -> str:
    """The unit to an integer power, e.g. ``(Mpc/h)^2``."""
    if not unit or exponent == 1:
        return unit
    compound = any(sign in unit for sign in "/ *^")
    return f"({unit})^{exponent}" if compound else f"{unit}^{exponent}"


def check_shape(fields: Fields, spec: FieldSpec) -> None:
    """Refuse fields that are not ``[field, *space]`` of the spec.

    Raises:
        DataError: naming both shapes.
    """
    if fields.shape[1:] != spec.shape:
        raise DataError(f"fields of shape {fields.shape} are not [field, *space] of the spec's {spec.shape}")


def require_power(reference: Fields) -> None:
    """Refuse a reference whose power is rounding.

    Raises:
        DataError: if every field is constant.
    """
    flat = reference.reshape(len(reference), -1)
    if np.all(flat == flat[:, :1]):
        raise DataError("every field of the reference is constant: it has no power to compare with")


def boundary_of(spec: FieldSpec, wanted: str) -> Literal["open", "periodic"]:
    """``auto`` becomes ``periodic`` where the fields wrap around along every axis, else ``open``.

    Raises:
        DataError: if ``periodic`` is asked of fields that do not wrap around.
    """
    wraps = all(spec.periodic)
    if wanted == "periodic" and not wraps:
        raise DataError(f"boundary 'periodic': {spec.name} does not wrap around along every axis; say 'open'")
    return "periodic" if wraps and wanted != "open" else "open"


def _check_channels(fields: Fields, spec: FieldSpec) -> None:
    if fields.shape[1:] != spec.field_shape:
        raise DataError(f"fields of shape {fields.shape} are not [field, channel, *space] of {spec.field_shape}")
