"""One comparison of the evaluation: what was measured of two sets of fields, stored and read as one thing.

``statistics/<hash8>.zarr`` holds for each statistic and channel a group with ``axis``, ``edges``, ``counts``,
``reference [field, bin]`` and ``generated [field, bin]``, and in its attributes the comparisons of the two; beside
them ``reference_groups`` and ``generated_groups``, the independent group of each field.
"""

import secrets
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal, TypeVar, cast

import numpy as np
import zarr
from numpy.typing import NDArray

from rhodiff.config.evaluation import Evaluation, PixelDistribution, PowerSpectrum
from rhodiff.errors import DataError
from rhodiff.stages.measured_block import MeasuredBlock
from rhodiff.statistics import (
    BinnedComparison,
    Groups,
    Measurement,
    Memorisation,
    NearestFields,
    ValueComparison,
    ValueGrid,
    VectorComparison,
    compare_bins,
    compare_distances,
    compare_independent_bins,
    compare_values,
    groups_needed,
)
from rhodiff.store.files import storage_errors
from rhodiff.store.records import from_plain, to_plain

__all__ = [
    "ComparisonSet",
    "Key",
    "MeasuredSet",
    "StoredMeasurements",
    "compare_sets",
    "read_comparisons",
    "read_measurements",
    "write_comparisons",
]

Key = tuple[str, str]
"""Name of a statistic, and of a channel."""

Found = TypeVar("Found")


@dataclass(frozen=True)
class MeasuredSet:
    """What was measured of one set of fields.

    Attributes:
        rows: one a field.
        groups: independent group of each, ``[field]``.
    """

    rows: MeasuredBlock
    groups: NDArray[np.int64]


@dataclass(frozen=True)
class ComparisonSet:
    """Everything that was found of one pair of sets; a text instead of a result says why it is not given.

    Attributes:
        bins: each bin, by statistic and channel.
        values: by channel, where the value distribution was asked for.
        vectors: all bins together with their covariance, by statistic and channel.
        needed: independent groups of generated fields that it takes to tell a difference of :data:`TOLD_APART` in
            every bin from none, by statistic and channel; of power spectra alone.
        memorisation: how near generated fields come to the training fields.
    """

    bins: Mapping[Key, BinnedComparison]
    values: Mapping[str, ValueComparison]
    vectors: Mapping[Key, VectorComparison | str]
    needed: Mapping[Key, int | str]
    memorisation: Memorisation | str


@dataclass(frozen=True)
class StoredMeasurements:
    """Measurements of the single fields of one set, by statistic and channel.

    Attributes:
        measurements: by statistic and channel.
        groups: independent group of each field, ``[field]``.
    """

    measurements: Mapping[Key, Measurement]
    groups: NDArray[np.int64]


POWER_SPECTRUM = PowerSpectrum().kind
TOLD_APART = 0.03
"""The difference for which the number of fields that it takes is stated."""


def compare_sets(
    settings: Evaluation,
    reference: MeasuredSet,
    other: MeasuredSet,
    grids: Mapping[str, ValueGrid],
    *,
    matched: bool,
    not_searched: str | None = None,
) -> ComparisonSet:
    """Compare two sets.

    Args:
        settings: the ``evaluation`` section.
        reference: of fields of the reference split.
        other: of generated fields, or of those of the training split.
        grids: where the distributions of the values were measured, by channel.
        matched: both hold the same groups in the same shares.
        not_searched: why there are no distances to the training fields; None: there are.
    """
    groups: dict[str, Any] = {"reference_groups": reference.groups, "generated_groups": other.groups}
    drawn: dict[str, Any] = {"matched": matched, "resamples": settings.bootstrap, "seed": settings.seed}
    tested: dict[str, Any] = {
        "matched": matched,
        "num_rearrangements": max(settings.bootstrap, 1000) - 1,
        "seed": settings.seed,
    }
    bins: dict[Key, BinnedComparison] = {}
    vectors: dict[Key, VectorComparison | str] = {}
    needed: dict[Key, int | str] = {}
    for one, two in zip(reference.rows.measurements, other.rows.measurements, strict=True):
        key = (one.statistic, one.channel)
        bins[key] = compare_bins(one, two, **groups, **drawn)
        vectors[key] = _or_reason(partial(compare_independent_bins, one, two, **groups, **tested))
        if one.statistic == POWER_SPECTRUM:
            needed[key] = _or_reason(partial(groups_needed, one, reference.groups, TOLD_APART))
    quantiles = next((one.quantiles for one in settings.statistics if isinstance(one, PixelDistribution)), ())
    values = {
        name: compare_values(
            reference.rows.values[name], other.rows.values[name], grid, probabilities=quantiles, **groups, **drawn
        )
        for name, grid in grids.items()
    }
    copies: Memorisation | str = not_searched or ""
    if not copies:
        copies = _or_reason(partial(_memorisation, reference, other, settings))
    return ComparisonSet(bins, values, vectors, needed, copies)


def _or_reason(find: Callable[[], Found]) -> Found | str:
    """A result, or why the fields at hand do not allow it."""
    try:
        return find()
    except DataError as error:
        return str(error)


def _memorisation(reference: MeasuredSet, other: MeasuredSet, settings: Evaluation) -> Memorisation:
    near, groups = _searched(other, "generated")
    near_test, test_groups = _searched(reference, "test")
    return compare_distances(near, near_test, groups, test_groups, resamples=settings.bootstrap, seed=settings.seed)


def _searched(given: MeasuredSet, name: str) -> tuple[NearestFields, Groups]:
    """The fields of a set whose distance to the training fields is known, and their groups."""
    found = given.rows.nearest
    known = np.flatnonzero(np.isfinite(found.distance)) if found is not None else np.empty(0, dtype=np.int64)
    taken = given.rows.take(known).nearest
    if taken is None or not len(known):
        raise DataError(f"no {name} field was held against the training fields")
    return taken, Groups.of(given.groups[known], len(known), name)


def write_comparisons(
    path: Path, found: ComparisonSet, reference: MeasuredSet, other: MeasuredSet, attributes: Mapping[str, Any]
) -> None:
    """Store a comparison, whole or not at all, replacing an unfinished one.

    Args:
        path: the Zarr group.
        found: what was found.
        reference: what was measured of the reference.
        other: what was measured of the other set.
        attributes: JSON values recorded with it.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            copies = {"memorisation": _result_or_reason(found.memorisation)}
            root = zarr.create_group(temporary, attributes={**attributes, **copies})
            for name, given in (("reference", reference), ("generated", other)):
                _write_array(root, f"{name}_groups", given.groups, [f"{name}_field"])
            for channel, compared in found.values.items():
                root.create_group(f"values.{channel}", attributes={"comparison": to_plain(compared)})
            for one, two in zip(reference.rows.measurements, other.rows.measurements, strict=True):
                _write_statistic(root, found, one, two)
            shutil.rmtree(path, ignore_errors=True)
            temporary.rename(path)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


def _write_statistic(root: zarr.Group, found: ComparisonSet, reference: Measurement, other: Measurement) -> None:
    key = (reference.statistic, reference.channel)
    needed = {"needed": _result_or_reason(found.needed[key])} if key in found.needed else {}
    group = root.create_group(
        ".".join(key),
        attributes={
            **reference.attributes(),
            "comparison": to_plain(found.bins[key]),
            "vector_comparison": _result_or_reason(found.vectors[key]),
            **needed,
        },
    )
    _write_array(group, "axis", reference.axis, ["bin"])
    _write_array(group, "edges", reference.edges, ["edge"])
    _write_array(group, "counts", reference.counts, ["bin"])
    _write_array(group, "reference", reference.values, ["reference_field", "bin"])
    _write_array(group, "generated", other.values, ["generated_field", "bin"])


def _write_array(group: zarr.Group, name: str, values: NDArray[Any], dimensions: Sequence[str]) -> None:
    group.create_array(name, data=values, chunks=values.shape, dimension_names=dimensions)


def _result_or_reason(found: Any) -> dict[str, Any]:
    return {"reason": found} if isinstance(found, str) else {"result": to_plain(found)}


def read_comparisons(path: Path) -> ComparisonSet:
    """Read what :func:`write_comparisons` stored, without the single fields' measurements."""
    root = zarr.open_group(path, mode="r")
    bins: dict[Key, BinnedComparison] = {}
    values: dict[str, ValueComparison] = {}
    vectors: dict[Key, VectorComparison | str] = {}
    needed: dict[Key, int | str] = {}
    for name, group in root.groups():
        stored = cast(dict[str, Any], group.attrs.asdict())
        statistic, _, channel = name.partition(".")
        if statistic == "values":
            values[channel] = from_plain(ValueComparison, stored["comparison"])
            continue
        key = (statistic, channel)
        bins[key] = from_plain(BinnedComparison, stored["comparison"])
        vectors[key] = _decoded(stored["vector_comparison"], partial(from_plain, VectorComparison))
        if "needed" in stored:
            needed[key] = _decoded(stored["needed"], int)
    copies = _decoded(cast(dict[str, Any], root.attrs["memorisation"]), partial(from_plain, Memorisation))
    return ComparisonSet(bins, values, vectors, needed, copies)


def _decoded(stored: Mapping[str, Any], decode: Callable[[Any], Found]) -> Found | str:
    return str(stored["reason"]) if "reason" in stored else decode(stored["result"])


def read_measurements(path: Path, which: Literal["reference", "generated"]) -> StoredMeasurements:
    """The single fields' measurements of one set of a comparison.

    Args:
        path: the Zarr group.
        which: of its two sets.
    """
    root = zarr.open_group(path, mode="r")
    found = {}
    for name, group in root.groups():
        statistic, _, channel = name.partition(".")
        if statistic != "values":
            arrays = {of: np.asarray(group[of]) for of in ("axis", "edges", "counts")}
            arrays["values"] = np.asarray(group[which])
            found[statistic, channel] = Measurement.from_arrays(arrays, group.attrs.asdict())
    return StoredMeasurements(found, np.asarray(root[f"{which}_groups"], dtype=np.int64))
