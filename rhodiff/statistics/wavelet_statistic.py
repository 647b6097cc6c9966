"""The starlet l1-norm as a statistic: one curve over the value of the coefficients for each scale.

Coefficients are given in standard deviations of the reference's at the same scale, so that a generated field of the
right shape but another power at a scale shows a wider or narrower curve there.
"""

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rhodiff.config.evaluation import WaveletL1
from rhodiff.errors import DataError
from rhodiff.statistics.measurement import Measurement
from rhodiff.statistics.statistic import Statistic, boundary_of, check_shape
from rhodiff.statistics.wavelets import most_scales, wavelet_l1, wavelet_std
from rhodiff.store.spec import FieldSpec

__all__ = ["WaveletStatistic"]

MOST_SCALES = 5
Fields = NDArray[Any]


@dataclass(frozen=True)
class WaveletStatistic(Statistic):
    """:func:`~rhodiff.statistics.wavelets.wavelet_l1` of each field.

    Attributes:
        settings: scales, bins and boundary.
        scale_std: of the reference's coefficients, in units of the field; empty before :meth:`fit`.
    """

    settings: WaveletL1 = field(default_factory=WaveletL1)
    scale_std: tuple[float, ...] = ()

    def fit(self, reference: Fields, spec: FieldSpec) -> "WaveletStatistic":
        """Take the standard deviation of each scale of the reference."""
        number = self.settings.num_scales or max(1, min(MOST_SCALES, most_scales(spec.shape)))
        std = wavelet_std(reference, number, boundary=boundary_of(spec, self.settings.boundary))
        return replace(self, scale_std=tuple(std.tolist()))

    def measure(self, fields: Fields, spec: FieldSpec) -> tuple[Measurement, ...]:
        """Measure the l1-norm of every scale, dimensionless."""
        check_shape(fields, spec)
        if not self.scale_std:
            raise DataError("the scales of wavelet_l1 are not fixed yet; fit it to the reference fields first")
        half = self.settings.half_width_std
        edges = np.linspace(-half, half, self.settings.num_bins + 1)
        limits = np.concatenate([[-np.inf], edges[1:-1], [np.inf]])
        boundary = boundary_of(spec, self.settings.boundary)
        found = wavelet_l1(fields, limits, scale_std=self.scale_std, boundary=boundary)
        return tuple(
            Measurement(
                statistic=f"{self.settings.kind}_{2**j}",
                axis_name="coefficient / reference std",
                axis_unit="",
                value_name=f"ℓ1, scale {2**j} cells",
                value_unit="",
                axis=(edges[1:] + edges[:-1]) / 2,
                edges=edges,
                values=found[:, j - 1],
                counts=np.full(len(edges) - 1, int(np.prod(spec.shape)), dtype=np.int64),
                relative_to="peak",
            )
            for j in range(1, len(self.scale_std) + 1)
        )
