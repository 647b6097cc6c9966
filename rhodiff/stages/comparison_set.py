"""One comparison of the evaluation: what was measured of two sets of fields, stored and read as one thing.

``statistics/<hash8>.zarr`` holds for each statistic and channel a group with ``axis``, ``edges``, ``counts``,
``reference [field, bin]`` and ``generated [field, bin]``, and in its attributes the comparison of the two.
"""

import secrets
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import numpy as np
import zarr
from numpy.typing import NDArray

from rhodiff.config.evaluation import Evaluation, PixelDistribution
from rhodiff.statistics import (
    BinnedComparison,
    Measurement,
    Statistic,
    ValueComparison,
    ValueGrid,
    build_statistic,
    compare_bins,
    compare_values,
    fit_channels,
    measure_channels,
    measure_values,
)
from rhodiff.store.files import storage_errors
from rhodiff.store.records import from_plain, to_plain
from rhodiff.store.spec import FieldSpec

__all__ = ["ComparisonSet", "FieldSet", "compare_sets", "read_comparisons", "write_comparisons"]

Key = tuple[str, str]
"""Name of a statistic, and of a channel."""


@dataclass(frozen=True)
class FieldSet:
    """Fields of one kind.

    Attributes:
        fields: ``[field, channel, *space]``.
        groups: independent unit of each, ``[field]``.
    """

    fields: NDArray[np.float32]
    groups: NDArray[np.int64]


@dataclass(frozen=True)
class ComparisonSet:
    """Everything that was found of one pair of sets.

    Attributes:
        bins: by statistic and channel.
        values: by channel, where the value distribution was asked for.
        measurements: of the reference and of the other set, by statistic and channel; empty when read back.
    """

    bins: Mapping[Key, BinnedComparison]
    values: Mapping[str, ValueComparison]
    measurements: Mapping[Key, tuple[Measurement, Measurement]] = field(default_factory=dict)


def compare_sets(
    settings: Evaluation, spec: FieldSpec, reference: FieldSet, other: FieldSet, *, matched: bool
) -> ComparisonSet:
    """Measure and compare two sets.

    Args:
        settings: the ``evaluation`` section.
        spec: geometry and units of the compared fields.
        reference: fields of the reference split.
        other: generated fields, or those of the training split.
        matched: both hold the same groups in the same shares.
    """
    bins, values, measurements = {}, {}, {}
    drawn: dict[str, Any] = {"matched": matched, "resamples": settings.bootstrap, "seed": settings.seed}
    grouped = {"reference_groups": reference.groups, "generated_groups": other.groups, **drawn}
    for statistic_settings in settings.statistics:
        fitted = fit_channels(build_statistic(statistic_settings), reference.fields, spec)
        for one, two in _measured(fitted, reference, other, spec):
            key = (one.statistic, one.channel)
            measurements[key] = (one, two)
            bins[key] = compare_bins(one, two, **grouped)
        if isinstance(statistic_settings, PixelDistribution):
            for c, channel in enumerate(spec.channels):
                grid = ValueGrid.of(reference.fields[:, c])
                rows, other_rows = (measure_values(one.fields[:, c], grid) for one in (reference, other))
                quantiles = statistic_settings.quantiles
                values[channel] = compare_values(rows, other_rows, grid, probabilities=quantiles, **grouped)
    return ComparisonSet(bins, values, measurements)


def _measured(
    fitted: tuple[Statistic, ...], reference: FieldSet, other: FieldSet, spec: FieldSpec
) -> list[tuple[Measurement, Measurement]]:
    ours = measure_channels(fitted, reference.fields, spec)
    theirs = measure_channels(fitted, other.fields, spec)
    return list(zip(ours, theirs, strict=True))


def write_comparisons(path: Path, found: ComparisonSet, attributes: Mapping[str, Any]) -> None:
    """Store a comparison, whole or not at all, replacing an unfinished one.

    Args:
        path: the Zarr group.
        found: what was found.
        attributes: JSON values recorded with it.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            root = zarr.create_group(temporary, attributes=dict(attributes))
            for channel, compared in found.values.items():
                root.create_group(f"values.{channel}", attributes={"comparison": to_plain(compared)})
            for (statistic, channel), binned in found.bins.items():
                group = root.create_group(f"{statistic}.{channel}", attributes={"comparison": to_plain(binned)})
                _write_measurements(group, *found.measurements[statistic, channel])
            shutil.rmtree(path, ignore_errors=True)
            temporary.rename(path)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


def _write_measurements(group: zarr.Group, reference: Measurement, other: Measurement) -> None:
    group.attrs.update(reference.attributes())
    arrays = {
        "axis": (reference.axis, ["bin"]),
        "edges": (reference.edges, ["edge"]),
        "counts": (reference.counts, ["bin"]),
        "reference": (reference.values, ["reference_field", "bin"]),
        "generated": (other.values, ["generated_field", "bin"]),
    }
    for name, (values, dimensions) in arrays.items():
        group.create_array(name, data=values, chunks=values.shape, dimension_names=dimensions)


def read_comparisons(path: Path) -> ComparisonSet:
    """Read what :func:`write_comparisons` stored, without the single fields' measurements."""
    root = zarr.open_group(path, mode="r")
    bins, values = {}, {}
    for name, group in root.groups():
        plain = cast(dict[str, Any], group.attrs["comparison"])
        statistic, _, channel = name.partition(".")
        if statistic == "values":
            values[channel] = from_plain(ValueComparison, plain)
        else:
            bins[statistic, channel] = from_plain(BinnedComparison, plain)
    return ComparisonSet(bins, values)
