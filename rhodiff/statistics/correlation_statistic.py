"""The correlation function as a statistic: xi(r) of each field, and the length over which it is correlated.

xi(r) and the length ``curvature`` are those of :mod:`rhodiff.statistics.correlation_length`, of each field alone. The
other two lengths of that module need not exist for a single field; they are had from mean curves. A constant field
(a collapsed model makes them) has xi = 0 and the length NaN, and so has the mean length of a set that holds one.

xi(r) carries what P(k) carries, averaged in the other space: differences of P(k) in single bins spread over all r, a
difference in amplitude shows at r = 0, one of the smallest scales in the length. Fields that do not wrap around are
treated as if they did, as in :mod:`rhodiff.statistics.spectrum`: compare them only with fields cut out in the same
way.
"""

from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from rhodiff.config.evaluation import CorrelationFunction
from rhodiff.errors import DataError
from rhodiff.statistics.correlation_length import correlation_function
from rhodiff.statistics.measurement import Measurement
from rhodiff.statistics.statistic import Statistic, check_shape, require_power, unit_power
from rhodiff.store.spec import FieldSpec

__all__ = ["CorrelationStatistic"]

Float = NDArray[np.float64]


@dataclass(frozen=True)
class CorrelationStatistic(Statistic):
    """:func:`~rhodiff.statistics.correlation_length.correlation_function` of each field in the box of its spec."""

    settings: CorrelationFunction = field(default_factory=CorrelationFunction)

    def fit(self, reference: NDArray[Any], spec: FieldSpec) -> Self:
        """Refuse a reference without any power.

        Raises:
            DataError: if every field is constant.
        """
        require_power(reference)
        return self

    def measure(self, fields: NDArray[Any], spec: FieldSpec) -> tuple[Measurement, ...]:
        """Measure xi(r), in squared field units, and the correlation length, in length units."""
        check_shape(fields, spec)
        found = correlation_function(fields, box_size=spec.box_size)
        edges = _shell_edges(spec.spacing, len(found.r))
        kept = self._shells(found.r, spec)
        variance, slope = found.moments[:, :1], found.moments[:, 1:]
        square = np.divide(found.ndim * variance, slope, out=np.full_like(slope, np.nan), where=slope > 0)
        curve = Measurement(
            statistic=self.settings.kind,
            axis_name="r",
            axis_unit=spec.length_unit,
            value_name="ξ(r)",
            value_unit=unit_power(spec.unit, 2),
            axis=found.r[:kept],
            edges=edges[: kept + 1],
            values=found.xi[:, :kept],
            counts=found.num_lags[:kept],
            relative_to="peak",
        )
        length = Measurement(
            statistic="correlation_length",
            axis_name="field",
            axis_unit="",
            value_name="correlation length",
            value_unit=spec.length_unit,
            axis=np.array([0.5]),
            edges=np.array([0.0, 1.0]),
            values=np.sqrt(square),
            counts=np.array([np.prod(spec.shape)], dtype=np.int64),
        )
        return curve, length

    def _shells(self, r: Float, spec: FieldSpec) -> int:
        """Number of shells up to the largest lag."""
        largest = self.settings.largest_lag
        if largest is None:
            return len(r)
        kept = int(np.searchsorted(r, largest, side="right"))
        if kept < 2:
            raise DataError(
                f"correlation_function: no shell of lags up to largest_lag = {largest:g} {spec.length_unit}; the "
                f"first beyond zero lies at {r[1]:.4g}"
            )
        return kept


def _shell_edges(spacing: tuple[float, ...], num_shells: int) -> Float:
    """Edges of the shells: zero alone, all up to 3/2 of the widest cell, then one such cell each."""
    widest = max(spacing)
    return np.concatenate([[0.0, min(spacing) / 2], widest * (np.arange(1, num_shells) + 0.5)])
