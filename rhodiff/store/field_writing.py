"""Make stores of fields, and write them a whole shard at a time.

Two writers in one shard lose chunks without a word, so ownership is asserted: a write starts at a multiple of
``shard_length`` and covers the shard. Arrays and metadata are made once, before any shard is written.
"""

import secrets
import shutil
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

from rhodiff.errors import DataError
from rhodiff.store.field_store import SCHEMA_VERSION, array_of, open_fields, shard_files
from rhodiff.store.files import storage_errors
from rhodiff.store.spec import FieldSpec, Parameter

__all__ = ["FLAT_KEYS", "SPACE_AXES", "consolidate", "create_fields", "rename_folder", "write_shard"]

SPACE_AXES = ("x", "y", "z")
FLAT_KEYS: dict[str, Any] = {"chunk_key_encoding": {"name": "default", "separator": "."}}
"""One file a shard and no folders below the array: inodes are counted."""


def create_fields(
    path: Path,
    spec: FieldSpec,
    parameter_info: Sequence[Parameter],
    *,
    num_fields: int,
    shard_length: int,
    compression: str = "none",
    split: NDArray[np.int8] | None = None,
    group: NDArray[np.int64] | None = None,
    attributes: Mapping[str, Any] | None = None,
    extra_axis: tuple[str, int] | None = None,
) -> None:
    """Make an empty store, whole or not at all; a store that exists already is left as it is.

    Args:
        path: the Zarr group to make.
        spec: geometry and units.
        parameter_info: columns of the parameter table.
        num_fields: number of fields.
        shard_length: fields in one file.
        compression: ``none`` or ``zstd``.
        split: part of each field; None: no split (generated fields).
        group: independent unit of each field; None: each its own.
        attributes: JSON values recorded with the store.
        extra_axis: name and length of a further array ``trajectory [sample, step, channel, *space]``.

    Raises:
        StorageError: if the disk refuses.
    """
    if path.exists():
        return
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            root = zarr.create_group(temporary, attributes=_attributes(spec, parameter_info, attributes))
            _create_arrays(root, spec, parameter_info, num_fields, shard_length, compression)
            if extra_axis is not None:
                _create_field_array(
                    root, "trajectory", spec, num_fields, shard_length, compression, extra_axis=extra_axis
                )
            split = np.full(num_fields, -1, np.int8) if split is None else split
            group = np.arange(num_fields, dtype=np.int64) if group is None else group
            for name, values in (("split", split), ("group", group)):
                root.create_array(name, data=values, chunks=(num_fields,), dimension_names=["sample"], **FLAT_KEYS)
            consolidate(temporary)
            rename_folder(temporary, path)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


def consolidate(path: Path) -> None:
    """Put all metadata into the group's own file: one read opens the store, on Lustre too."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Consolidated metadata is currently not part")
        zarr.consolidate_metadata(path)


def rename_folder(source: Path, target: Path) -> None:
    """Give a finished folder its name, unless another process was faster."""
    try:
        source.rename(target)
    except OSError:
        if not target.exists():  # else another process made the same store a moment ago: take that one
            raise


def _attributes(
    spec: FieldSpec, parameter_info: Sequence[Parameter], attributes: Mapping[str, Any] | None
) -> dict[str, Any]:
    return {
        "schema_version": SCHEMA_VERSION,
        "spec": spec.model_dump(mode="json"),
        "parameters": [p.model_dump(mode="json") for p in parameter_info],
        **(attributes or {}),
    }


def _create_arrays(
    root: zarr.Group,
    spec: FieldSpec,
    parameter_info: Sequence[Parameter],
    num_fields: int,
    shard_length: int,
    compression: str,
) -> None:
    _create_field_array(root, "fields", spec, num_fields, shard_length, compression)
    root.create_array(
        "parameters",
        shape=(num_fields, len(parameter_info)),
        chunks=(shard_length, max(len(parameter_info), 1)),
        dtype="float64",
        fill_value=np.nan,
        dimension_names=["sample", "parameter"],
        attributes={"names": [p.name for p in parameter_info], "units": [p.unit for p in parameter_info]},
        config={"write_empty_chunks": True},
        **FLAT_KEYS,
    )
    root.create_array(
        "valid",
        shape=(num_fields,),
        chunks=(shard_length,),
        dtype="bool",
        fill_value=False,
        dimension_names=["sample"],
        config={"write_empty_chunks": True},
        **FLAT_KEYS,
    )


def _create_field_array(
    root: zarr.Group,
    name: str,
    spec: FieldSpec,
    num_fields: int,
    shard_length: int,
    compression: str,
    extra_axis: tuple[str, int] | None = None,
) -> None:
    extra_shape = () if extra_axis is None else (extra_axis[1],)
    extra_name = () if extra_axis is None else (extra_axis[0],)
    root.create_array(
        name,
        shape=(num_fields, *extra_shape, *spec.field_shape),
        chunks=(1, *extra_shape, *spec.field_shape),
        shards=(shard_length, *extra_shape, *spec.field_shape),
        dtype="float32",
        fill_value=np.nan,
        compressors="auto" if compression == "zstd" else None,
        dimension_names=["sample", *extra_name, "channel", *SPACE_AXES[: spec.ndim]],
        config={"write_empty_chunks": True},
        **FLAT_KEYS,
    )


def write_shard(
    path: Path,
    start: int,
    fields: NDArray[np.float32],
    parameters: NDArray[np.float64],
    valid: NDArray[np.bool_],
    trajectory: NDArray[np.float32] | None = None,
) -> list[Path]:
    """Write one whole shard.

    Args:
        path: the Zarr group.
        start: first field; a multiple of the shard length.
        fields: float32 ``[n, channel, *space]``.
        parameters: float64 ``[n, parameter]``.
        valid: bool ``[n]``.
        trajectory: float32 ``[n, step, channel, *space]``, where the store has one.

    Returns:
        The files that now hold the shard, for its marker.

    Raises:
        StorageError: if the disk refuses; the shard then counts as not written.
    """
    store = open_fields(path)
    stop = start + len(fields)
    assert start % store.shard_length == 0, f"a shard starts at {start}, no multiple of {store.shard_length}"
    assert stop == min(start + store.shard_length, store.num_fields), f"fields {start}..{stop} are no whole shard"
    if not np.isfinite(fields[valid]).all():
        raise DataError(f"fields {start}..{stop} of {path} hold NaN or infinite values that are marked valid")
    root = zarr.open_group(path, mode="r+")
    files = shard_files(store, start // store.shard_length)
    with storage_errors(path):
        for file in files:
            file.unlink(missing_ok=True)  # zarr would merge with what stands there, and fail on a damaged shard
        _writable(root, "fields")[start:stop] = fields
        _writable(root, "parameters")[start:stop] = parameters
        _writable(root, "valid")[start:stop] = valid
        if trajectory is not None:
            _writable(root, "trajectory")[start:stop] = trajectory
    return files


def _writable(root: zarr.Group, name: str) -> zarr.Array[Any]:
    """An array that writes chunks of nothing but fill values too: zarr forgets this setting when it opens a store."""
    return array_of(root, name).with_config({"write_empty_chunks": True})
