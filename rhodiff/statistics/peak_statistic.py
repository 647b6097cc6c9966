"""Peak counts as a statistic: number density of local maxima in bins of height laid over the reference."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rhodiff.config.evaluation import Peaks
from rhodiff.statistics.measurement import Measurement
from rhodiff.statistics.peaks import peak_counts
from rhodiff.statistics.statistic import OverReference, boundary_of, check_shape, inverse_unit, unit_power
from rhodiff.store.spec import FieldSpec

__all__ = ["PeakStatistic"]

EXTENT = {1: "length", 2: "area", 3: "volume"}
Fields = NDArray[Any]


@dataclass(frozen=True)
class PeakStatistic(OverReference):
    """:func:`~rhodiff.statistics.peaks.peak_counts` of each field, per length, area or volume."""

    settings: Peaks = field(default_factory=Peaks)

    def measure(self, fields: Fields, spec: FieldSpec) -> Measurement:
        """Measure the peaks of each field in each bin, per length**ndim; the outermost bins take what is beyond."""
        check_shape(fields, spec)
        edges, boundary = self.fitted_edges(), boundary_of(spec, self.settings.boundary)
        limits = np.concatenate([[-np.inf], edges[1:-1], [np.inf]])
        cells = int(np.prod([n - 2 * (boundary == "open") for n in spec.shape]))
        volume = cells * float(np.prod(spec.spacing))
        return Measurement(
            statistic=self.settings.kind,
            axis_name=f"height in {spec.name}",
            axis_unit=spec.unit,
            value_name=f"peaks per bin and {EXTENT[spec.ndim]}",
            value_unit=unit_power(inverse_unit(spec.length_unit), spec.ndim),
            axis=(edges[1:] + edges[:-1]) / 2,
            edges=edges,
            values=peak_counts(fields, limits, boundary=boundary) / volume,
            counts=np.full(len(edges) - 1, cells, dtype=np.int64),
            relative_to="peak",
        )
