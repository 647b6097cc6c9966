"""Minkowski functionals as a statistic: one curve over thresholds for each functional, as a density.

Every functional of :func:`~rhodiff.statistics.minkowski.minkowski_functionals` is divided by the number of windows
and expressed in the fields' unit of length: the k-th functional has the unit length^-k. Its conventional factors
(1 / 2 pi, ...) stay. Since they change sign or vanish, the curves are compared relative to their peak.

Thresholds spread over the reference lie at x = -w ... w, evenly spaced: at mean + x std (``std``), or where the
distribution function of the reference is that of a normal variable at x (``quantiles``), which makes the first
functional the same for every distribution of the values.
"""

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from rhodiff.config.evaluation import Minkowski, ThresholdSpread
from rhodiff.errors import DataError
from rhodiff.statistics.measurement import Measurement
from rhodiff.statistics.minkowski import Boundary, minkowski_functionals
from rhodiff.statistics.quantimpy_backend import quantimpy_functionals
from rhodiff.statistics.statistic import Statistic, check_shape, inverse_unit, unit_power
from rhodiff.store.spec import FieldSpec

__all__ = ["MinkowskiStatistic"]

Fields = NDArray[Any]

FUNCTIONALS = {
    1: {"length": "length fraction", "euler": "components / 2 per length"},
    2: {
        "area": "area fraction",
        "perimeter": "perimeter / 2π per area",
        "euler": "Euler number / π per area",
    },
    3: {
        "volume": "volume fraction",
        "surface": "surface / 8 per volume",
        "curvature": "mean curvature / 2π² per volume",
        "euler": "3 Euler number / 4π per volume",
    },
}
"""Names of the functionals, and of their densities, by number of axes."""

UNPROMISED = {("quantimpy", 3): {"curvature", "euler"}}
"""Functionals that a backend gets wrong, which are left out."""


@dataclass(frozen=True)
class MinkowskiStatistic(Statistic):
    """Densities of the Minkowski functionals of the sets ``field >= threshold``.

    Attributes:
        settings: thresholds, boundary and backend.
        thresholds: rising, in units of the field; empty before :meth:`fit`.
    """

    settings: Minkowski = field(default_factory=Minkowski)
    thresholds: tuple[float, ...] = ()

    def fit(self, reference: Fields, spec: FieldSpec) -> "MinkowskiStatistic":
        """Lay the thresholds over the reference.

        Raises:
            DataError: if the reference is not finite or too few values differ, or none of the thresholds given lies
                within its range.
        """
        if not np.isfinite(reference).all():
            raise DataError("the reference fields hold NaN or infinities; mask them before the thresholds are laid")
        wanted = self.settings.thresholds
        laid = spread(wanted, reference) if isinstance(wanted, ThresholdSpread) else np.array(wanted)
        low, high = float(reference.min()), float(reference.max())
        if not np.any((laid > low) & (laid <= high)):
            raise DataError(
                f"all thresholds, {laid[0]:g} ... {laid[-1]:g}, lie outside the reference's values {low:g} ... "
                f"{high:g}: every set is empty or full; give thresholds in {spec.unit or 'the unit'} of {spec.name}"
            )
        return replace(self, thresholds=tuple(laid.tolist()))

    def measure(self, fields: Fields, spec: FieldSpec) -> tuple[Measurement, ...]:
        """Measure every functional of each field.

        Raises:
            DataError: if the fields do not fit the spec or are not finite, or the spec does not fit the statistic.
        """
        check_shape(fields, spec)
        if not self.thresholds:
            raise DataError("the thresholds of minkowski are not fixed yet; fit it to the reference fields first")
        cell, boundary = cell_size(spec), choose_boundary(self.settings, spec)
        levels = np.array(self.thresholds)
        found = self._functionals(fields, levels, boundary)
        windows = int(np.prod([n - (boundary == "open") for n in spec.shape]))
        named = enumerate(FUNCTIONALS[spec.ndim].items())
        left_out = UNPROMISED.get((self.settings.backend, spec.ndim), set())
        return tuple(
            Measurement(
                statistic=f"{self.settings.kind}_{name}",
                axis_name=f"threshold in {spec.name}",
                axis_unit=spec.unit,
                value_name=title,
                value_unit=unit_power(inverse_unit(spec.length_unit), k) if k else "",
                axis=levels,
                edges=_edges(levels),
                values=found[..., k] / windows / cell**k,
                counts=np.full(len(levels), windows, dtype=np.int64),
                relative_to="peak",
            )
            for k, (name, title) in named
            if name not in left_out
        )

    def _functionals(self, fields: Fields, levels: NDArray[np.float64], boundary: Boundary) -> NDArray[np.float64]:
        if self.settings.backend == "quantimpy":
            return quantimpy_functionals(fields, levels, python=self.settings.quantimpy_python)
        return minkowski_functionals(fields, levels, boundary=boundary)


def spread(wanted: ThresholdSpread, reference: Fields) -> NDArray[np.float64]:
    """Thresholds over the values of the reference (see the module).

    Raises:
        DataError: if too few values differ for so many thresholds.
    """
    places = np.linspace(-wanted.half_width_std, wanted.half_width_std, wanted.number)
    values = np.asarray(reference, dtype=np.float64)
    laid = np.quantile(values, ndtr(places)) if wanted.over == "quantiles" else values.mean() + places * values.std()
    if np.any(np.diff(laid) <= 0):
        raise DataError(
            f"{wanted.number} thresholds over the {wanted.over} of the reference coincide: too few of its values "
            f"differ ({float(values.min()):g} ... {float(values.max()):g}); give fewer, or the thresholds themselves"
        )
    return np.asarray(laid)


def cell_size(spec: FieldSpec) -> float:
    """Side of a cell, which must be a square or a cube.

    Raises:
        DataError: if its sides differ.
    """
    if not np.allclose(spec.spacing, spec.spacing[0], rtol=1e-6, atol=0):
        sides = " x ".join(f"{side:g}" for side in spec.spacing)
        raise DataError(
            f"cells of {sides} {spec.length_unit}: Minkowski functionals need cells of one size along every axis; "
            "resample the fields"
        )
    return spec.spacing[0]


def choose_boundary(settings: Minkowski, spec: FieldSpec) -> Boundary:
    """``periodic`` where the fields wrap around along every axis and the backend can, unless settings say ``open``.

    Raises:
        DataError: if ``periodic`` is asked of fields that do not wrap around.
    """
    wraps = all(spec.periodic)
    if settings.boundary == "periodic" and not wraps:
        raise DataError(
            f"boundary 'periodic': the fields of {spec.name} do not wrap around along every axis; say 'open'"
        )
    if settings.boundary == "auto":
        return "periodic" if wraps and settings.backend == "rhodiff" else "open"
    return settings.boundary


def _edges(levels: NDArray[np.float64]) -> NDArray[np.float64]:
    """Half-way between thresholds, the outer ones as far outside."""
    middle = (levels[1:] + levels[:-1]) / 2
    return np.concatenate([[2 * levels[0] - middle[0]], middle, [2 * levels[-1] - middle[-1]]])
