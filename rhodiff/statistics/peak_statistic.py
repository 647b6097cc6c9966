"""Peak counts as a statistic: number density of local maxima in bins of height laid over the reference."""

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rhodiff.config.evaluation import Peaks
from rhodiff.errors import DataError
from rhodiff.statistics.measurement import Measurement
from rhodiff.statistics.peaks import peak_counts
from rhodiff.statistics.pixel_distribution import histogram_edges
from rhodiff.statistics.statistic import Statistic, boundary_of, check_shape, inverse_unit, unit_power
from rhodiff.store.spec import FieldSpec

__all__ = ["PeakStatistic"]

EXTENT = {1: "length", 2: "area", 3: "volume"}
Fields = NDArray[Any]


@dataclass(frozen=True)
class PeakStatistic(Statistic):
    """:func:`~rhodiff.statistics.peaks.peak_counts` of each field, per length, area or volume.

    Attributes:
        settings: bins and boundary.
        edges: rising bin edges in units of the field; empty before :meth:`fit`.
    """

    settings: Peaks = field(default_factory=Peaks)
    edges: tuple[float, ...] = ()

    def fit(self, reference: Fields, spec: FieldSpec) -> "PeakStatistic":
        """Lay the bins over the reference."""
        settings = self.settings
        edges = histogram_edges(reference, num_bins=settings.num_bins, half_width_std=settings.half_width_std)
        return replace(self, edges=tuple(edges.tolist()))

    def measure(self, fields: Fields, spec: FieldSpec) -> Measurement:
        """Measure the peaks of each field in each bin, per length**ndim; the outermost bins take what is beyond."""
        check_shape(fields, spec)
        if not self.edges:
            raise DataError("the bins of peaks are not fixed yet; fit it to the reference fields first")
        edges, boundary = np.array(self.edges), boundary_of(spec, self.settings.boundary)
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
