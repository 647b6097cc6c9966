"""The bispectrum as a statistic: one curve over k for each shape of triangles.

To compare small and large scales on one axis, B of a field is divided by P1 P2 + P2 P3 + P3 P1 with the mean powers P
of the *reference*: the reduced bispectrum Q of the reference in the mean, linear in B for every field, so that means
over fields have no bias from few modes. Generated fields of another power have another B, seen here; their P(k) tells
the two apart. The axis is the mean |k| of the short modes (the last shell of a triangle).
"""

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rhodiff.config.evaluation import Bispectrum
from rhodiff.errors import DataError
from rhodiff.statistics.bispectra import BinnedBispectrum, TriangleShape, bispectrum
from rhodiff.statistics.measurement import Measurement
from rhodiff.statistics.statistic import Statistic, check_shape, inverse_unit, require_power
from rhodiff.store.spec import FieldSpec

__all__ = ["BispectrumStatistic"]

Fields = NDArray[Any]


@dataclass(frozen=True)
class BispectrumStatistic(Statistic):
    """Bispectrum of each field over the powers of the reference.

    Attributes:
        settings: shapes of triangles and edges of shells.
        powers: P1 P2 + P2 P3 + P3 P1 of the reference for each triangle of each shape; empty before :meth:`fit`.
    """

    settings: Bispectrum = field(default_factory=Bispectrum)
    powers: tuple[tuple[float, ...], ...] = ()

    def fit(self, reference: Fields, spec: FieldSpec) -> "BispectrumStatistic":
        """Take the powers of the reference.

        Raises:
            DataError: if the reference has no power in a shell.
        """
        require_power(reference)
        found = []
        for shape in self._shapes(spec):
            first, second, third = np.moveaxis(self._measure(reference, spec, shape).mean().power[0], -1, 0)
            products = first * second + second * third + third * first
            if not np.all(products > 0):
                raise DataError(f"the reference has no power in a shell of the {shape} triangles; choose bin_edges")
            found.append(tuple(products.tolist()))
        return replace(self, powers=tuple(found))

    def measure(self, fields: Fields, spec: FieldSpec) -> tuple[Measurement, ...]:
        """Measure every shape of triangles, in inverse units of the field."""
        check_shape(fields, spec)
        if not self.powers:
            raise DataError("the powers of bispectrum are not fixed yet; fit it to the reference fields first")
        return tuple(
            self._measurement(self._measure(fields, spec, shape), np.array(powers), spec, shape)
            for shape, powers in zip(self._shapes(spec), self.powers, strict=True)
        )

    def _measurement(
        self, found: BinnedBispectrum, powers: NDArray[np.float64], spec: FieldSpec, shape: TriangleShape
    ) -> Measurement:
        short = found.shells[:, 2]
        if len(short) != len(powers):
            raise DataError(
                f"fields of {spec.shape} cells have {len(short)} {shape} triangles, the reference has {len(powers)}; "
                "compare fields of one box size, grid and binning"
            )
        return Measurement(
            statistic=f"{self.settings.kind}_{shape}",
            axis_name="k",
            axis_unit=inverse_unit(spec.length_unit),
            value_name=f"Q(k), {shape}",
            value_unit=inverse_unit(spec.unit),
            axis=found.k[:, 2],
            edges=np.append(found.bin_edges[short], found.bin_edges[short[-1] + 1]),
            values=found.bispectrum / powers,
            counts=found.num_triangles,
            relative_to="peak",
        )

    def _measure(self, fields: Fields, spec: FieldSpec, shape: TriangleShape) -> BinnedBispectrum:
        return bispectrum(fields, box_size=spec.box_size, triangles=shape, bin_edges=self.settings.bin_edges)

    def _shapes(self, spec: FieldSpec) -> tuple[TriangleShape, ...]:
        if self.settings.triangles is not None:
            return self.settings.triangles
        return ("squeezed",) if spec.ndim == 1 else ("equilateral", "squeezed")
