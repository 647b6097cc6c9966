"""What a statistic yields: a vector of numbers for each field on one common axis, and how to store it.

Axes: ``axis [bin]``, ``values [field, bin]``, ``counts [bin]``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rhodiff.errors import DataError

__all__ = ["Measurement"]

ARRAYS = ("axis", "edges", "values", "counts")
LABELS = ("statistic", "axis_name", "axis_unit", "value_name", "value_unit", "channel", "relative_to")
Float = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Measurement:
    """One statistic of one channel of a set of fields.

    Attributes:
        statistic: its name in the registry.
        axis_name: symbol of the axis, e.g. ``k``.
        axis_unit: unit of the axis; empty for dimensionless.
        value_name: symbol of the values, e.g. ``P(k)``.
        value_unit: unit of the values; empty for dimensionless.
        axis: position of each bin, ``[bin]``.
        edges: limits of the bins, ``[bin + 1]``.
        values: float64 ``[field, bin]``.
        counts: what stands behind a bin of one field, ``[bin]``: modes of a spectrum, cells of a distribution.
        channel: name of the channel.
        relative_to: what differences are relative to: ``bin``, the reference in the same bin, or ``peak``, its
            largest absolute value over the bins, for values that change sign or vanish.
    """

    statistic: str
    axis_name: str
    axis_unit: str
    value_name: str
    value_unit: str
    axis: Float
    edges: Float
    values: Float
    counts: NDArray[np.int64]
    channel: str = "value"
    relative_to: str = "bin"

    def __post_init__(self) -> None:
        bins = len(self.axis)
        if self.values.ndim != 2 or self.values.shape[1] != bins or self.counts.shape != (bins,):
            raise DataError(
                f"{self.statistic}: {bins} bins on the axis, but values {self.values.shape} and counts "
                f"{self.counts.shape}; values must be [field, bin], counts [bin]"
            )
        if self.relative_to not in ("bin", "peak"):
            raise DataError(f"{self.statistic}: relative_to is {self.relative_to!r}; allowed are 'bin' and 'peak'")
        if self.edges.shape != (bins + 1,):
            raise DataError(f"{self.statistic}: {bins} bins need {bins + 1} edges, got {len(self.edges)}")

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Its arrays by name, to be stored; :meth:`attributes` completes them."""
        return {name: getattr(self, name) for name in ARRAYS}

    def attributes(self) -> dict[str, str]:
        """Its names and units, plain JSON."""
        return {name: getattr(self, name) for name in LABELS}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, ArrayLike], attributes: Mapping[str, Any]) -> "Measurement":
        """Undo :meth:`to_arrays` and :meth:`attributes`; further attributes are passed over.

        Raises:
            DataError: if an array or attribute is missing or has the wrong shape.
        """
        missing = [name for name in ARRAYS if name not in arrays]
        missing += [name for name in LABELS if name not in attributes]
        if missing:
            raise DataError(f"a stored measurement lacks {', '.join(missing)}; evaluate again")
        axis, edges, values = (np.asarray(arrays[name], dtype=np.float64) for name in ARRAYS[:3])
        counts = np.asarray(arrays["counts"], dtype=np.int64)
        labels = {name: str(attributes[name]) for name in LABELS}
        return cls(axis=axis, edges=edges, values=values, counts=counts, **labels)

    @classmethod
    def concatenate(cls, parts: Sequence["Measurement"]) -> "Measurement":
        """Join measurements of several parts of a set, in this order.

        Raises:
            DataError: if there are none, or they differ in anything but their values.
        """
        if not parts:
            raise DataError("there is nothing to join: no measurement was given")
        for part in parts[1:]:
            parts[0].require_comparable(part)
        values = np.concatenate([part.values for part in parts])
        return cls.from_arrays(parts[0].to_arrays() | {"values": values}, parts[0].attributes())

    def require_comparable(self, other: "Measurement") -> None:
        """Refuse a measurement on another axis, in other units, or of something else.

        Raises:
            DataError: naming what differs.
        """
        for name in LABELS:
            mine, theirs = getattr(self, name), getattr(other, name)
            if mine != theirs:
                raise DataError(f"{self.statistic}: cannot compare {name} {mine!r} with {theirs!r}")
        for name in ("edges", "axis", "counts"):
            mine, theirs = getattr(self, name), getattr(other, name)
            if mine.shape != theirs.shape or not np.allclose(mine, theirs, rtol=1e-9, atol=0):
                raise DataError(
                    f"{self.statistic}: the two sets have different {name}; compare fields of one box size, grid and "
                    "binning"
                )
