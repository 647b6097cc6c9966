"""An opened store of fields: what it holds, and which files hold it.

    fields     [sample, channel, *space]  float32, one chunk a field, ``shard_length`` fields in one file
    parameters [sample, parameter]        float64, names and units in attributes
    valid      [sample]                   bool; False: the field could not be made and is NaN, never zeros
    split      [sample]                   int8; 0 train, 1 validation, 2 test, -1 excluded
    group      [sample]                   int64; fields of one group are not independent

Stores are Zarr v3 with dimension names; xarray opens them. :mod:`rhodiff.store.field_writing` makes them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import numpy as np
import zarr
from numpy.typing import NDArray

from rhodiff.errors import DataError
from rhodiff.store.spec import FieldSpec, Parameter

__all__ = [
    "SCHEMA_VERSION",
    "FieldStore",
    "absent_files",
    "array_of",
    "num_shards",
    "open_fields",
    "read_trajectory",
    "shard_files",
    "shard_range",
    "shared_files",
]

SCHEMA_VERSION = 1
"""Of the layout above."""


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
            return np.asarray(array_of(zarr.open_group(self.path, mode="r"), name)[:])
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
    return FieldStore(group, spec, parameters, array_of(root, "fields"), attributes)


def read_trajectory(store: FieldStore, number: int) -> NDArray[np.float32]:
    """Denoised estimates of the first valid fields, ``[number, step, channel, *space]``."""
    trajectory = array_of(zarr.open_group(store.path, mode="r"), "trajectory")
    return np.asarray(trajectory.oindex[np.flatnonzero(store.valid)[:number]])


def array_of(root: zarr.Group, name: str) -> zarr.Array[Any]:
    """An array of a group.

    Raises:
        DataError: if it is not there or its metadata is damaged.
    """
    try:
        array = root[name]
    except (KeyError, ValueError) as error:
        raise DataError(f"the store {root.store_path} lacks its array '{name}' or its metadata is damaged") from error
    assert isinstance(array, zarr.Array), f"'{name}' is no array"
    return array
