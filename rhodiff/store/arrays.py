"""Fields in Zarr v3: made once, written a whole shard at a time by its one owner, opened by anybody (xarray too).

    fields     [sample, channel, *space]  float32, one chunk a field, ``shard_length`` fields in one file
    parameters [sample, parameter]        float64, names and units in attributes
    valid      [sample]                   bool; False: the field could not be made and is NaN, never zeros
    split      [sample]                   int8; 0 train, 1 validation, 2 test, -1 excluded
    group      [sample]                   int64; fields of one group are not independent

Two writers in one shard lose chunks without a word, so ownership is asserted: a write starts at a multiple of
``shard_length`` and covers the shard.
"""

import secrets
import shutil
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import numpy as np
import zarr
from numpy.typing import NDArray

from rhodiff.errors import DataError
from rhodiff.store.files import storage_errors
from rhodiff.store.spec import FieldSpec, Parameter

__all__ = [
    "FieldStore",
    "absent_files",
    "create_fields",
    "num_shards",
    "open_fields",
    "read_trajectory",
    "shard_files",
    "shard_range",
    "shared_files",
    "write_shard",
]

SCHEMA_VERSION = 1
SPACE_AXES = ("x", "y", "z")
FLAT_KEYS: dict[str, Any] = {"chunk_key_encoding": {"name": "default", "separator": "."}}
"""One file a shard and no folders below the array: inodes are counted."""


@dataclass(frozen=True)
class FieldStore:
    """An opened store of fields; arrays are read when they are first asked for.

    Attributes:
        path: the Zarr group.
        spec: geometry and units.
        parameter_info: names and units of the parameters.
        fields: zarr array float32 ``[sample, channel, *space]``, physical units unless ``attributes["space"]`` says
            ``transformed``.
        attributes: everything else that was recorded.
    """

    path: Path
    spec: FieldSpec
    parameter_info: tuple[Parameter, ...]
    fields: zarr.Array[Any]
    attributes: Mapping[str, Any]

    @cached_property
    def parameters(self) -> NDArray[np.float64]:
        """Parameters, ``[sample, parameter]``."""
        return self._read("parameters")

    @cached_property
    def valid(self) -> NDArray[np.bool_]:
        """False where a field could not be made, ``[sample]``."""
        return self._read("valid")

    @cached_property
    def split(self) -> NDArray[np.int8]:
        """Part of each field, ``[sample]``."""
        return self._read("split")

    @cached_property
    def group(self) -> NDArray[np.int64]:
        """Independent unit of each field, ``[sample]``."""
        return self._read("group")

    def _read(self, name: str) -> NDArray[Any]:
        try:
            return np.asarray(_array(zarr.open_group(self.path, mode="r"), name)[:])
        except (OSError, ValueError, RuntimeError) as error:  # a codec raises what it likes for damaged bytes
            raise DataError(
                f"the array '{name}' of {self.path} is damaged: {error}. See 'rhodiff-hpc data verify'"
            ) from error

    @property
    def num_fields(self) -> int:
        """Number of fields, failed ones included."""
        return int(self.fields.shape[0])

    @property
    def shard_length(self) -> int:
        """Fields in one file."""
        shards = self.fields.shards
        return int(shards[0]) if shards is not None else 1

    def indices(self, part: int) -> NDArray[np.int64]:
        """Indices of the valid fields of one part of the split."""
        return np.flatnonzero((self.split == part) & self.valid)


def num_shards(num_fields: int, shard_length: int) -> int:
    """Number of shards; the last may be shorter."""
    return -(-num_fields // shard_length)


def shard_range(shard: int, num_fields: int, shard_length: int) -> tuple[int, int]:
    """Fields ``start <= i < stop`` of one shard."""
    return shard * shard_length, min((shard + 1) * shard_length, num_fields)


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
            _consolidate(temporary)
            _rename_folder(temporary, path)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


def _consolidate(path: Path) -> None:
    """Put all metadata into the group's own file: one read opens the store, on Lustre too."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Consolidated metadata is currently not part")
        zarr.consolidate_metadata(path)


def _rename_folder(source: Path, target: Path) -> None:
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


def shared_files(store: FieldStore) -> list[Path]:
    """Files that belong to no shard: all metadata, the split and the groups."""
    return [*sorted(store.path.rglob("zarr.json")), store.path / "split/c.0", store.path / "group/c.0"]


def absent_files(store: FieldStore) -> list[Path]:
    """Shard files that are not there, found with one listing a folder; zarr would read them as fill values."""
    wanted = [f for s in range(num_shards(store.num_fields, store.shard_length)) for f in shard_files(store, s)]
    folders = {file.parent for file in wanted}
    present = {file for folder in folders if folder.is_dir() for file in folder.iterdir()}
    return [file for file in wanted if file not in present]


def shard_files(store: FieldStore, shard: int) -> list[Path]:
    """Files that hold one shard: of the fields, the parameters, the valid mask and the trajectory if any."""
    path = store.path
    zeros = ".0" * (1 + store.spec.ndim)
    files = [path / f"fields/c.{shard}{zeros}", path / f"valid/c.{shard}"]
    if store.parameter_info:
        files.append(path / f"parameters/c.{shard}.0")
    if (path / "trajectory").exists():
        files.append(path / f"trajectory/c.{shard}.0{zeros}")
    return files


def open_fields(path: str | Path) -> FieldStore:
    """Open a store of fields.

    Args:
        path: the Zarr group, or a data folder that holds ``fields.zarr``.

    Raises:
        DataError: if there is none, or it is damaged or of another schema.
    """
    group = Path(path)
    if (group / "fields.zarr").is_dir():
        group = group / "fields.zarr"
    try:
        root = zarr.open_group(group, mode="r")
    except (FileNotFoundError, zarr.errors.GroupNotFoundError):
        raise DataError(f"there is no store of fields at {path}") from None
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"the store {group} is damaged: {error}") from error
    attributes = dict(root.attrs)
    if attributes.get("schema_version") != SCHEMA_VERSION or "spec" not in attributes:
        raise DataError(
            f"{group} is no store of fields of schema {SCHEMA_VERSION} "
            f"(found schema {attributes.get('schema_version')}): prepare it again with this version of rhodiff"
        )
    try:
        spec = FieldSpec.model_validate(attributes["spec"])
        parameters = tuple(Parameter.model_validate(p) for p in cast(list[Any], attributes["parameters"]))
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"the attributes of the store {group} are damaged: {error}") from error
    return FieldStore(group, spec, parameters, _array(root, "fields"), attributes)


def read_trajectory(store: FieldStore, number: int) -> NDArray[np.float32]:
    """Denoised estimates of the first valid fields, ``[number, step, channel, *space]``."""
    trajectory = _array(zarr.open_group(store.path, mode="r"), "trajectory")
    return np.asarray(trajectory.oindex[np.flatnonzero(store.valid)[:number]])


def _array(root: zarr.Group, name: str) -> zarr.Array[Any]:
    try:
        array = root[name]
    except (KeyError, ValueError) as error:
        raise DataError(f"the store {root.store_path} lacks its array '{name}' or its metadata is damaged") from error
    assert isinstance(array, zarr.Array), f"'{name}' is no array"
    return array


def _writable(root: zarr.Group, name: str) -> zarr.Array[Any]:
    """An array that writes chunks of nothing but fill values too: zarr forgets this setting when it opens a store."""
    return _array(root, name).with_config({"write_empty_chunks": True})
