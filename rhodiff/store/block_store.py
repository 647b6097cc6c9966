"""Stores of several arrays along one axis, written block by block: one task makes a whole block and writes it once.

Every array of a block is one chunk, a file of its own, so that no two writers share one. Arrays that are known
before the first block, such as labels, are written with the metadata. Zarr v3 with dimension names; xarray opens it.
"""

import secrets
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

from rhodiff.errors import DataError
from rhodiff.store.field_store import array_of
from rhodiff.store.field_writing import FLAT_KEYS, consolidate, rename_folder
from rhodiff.store.files import storage_errors

__all__ = ["BlockArray", "KnownArray", "create_blocks", "open_attributes", "read_blocks", "write_block"]


@dataclass(frozen=True)
class BlockArray:
    """An array that the blocks fill.

    Attributes:
        dimensions: names of all its axes, the one of the blocks first.
        shape: length of all axes but the first.
        dtype: NumPy's name of its type.
        unit: unit of its values; empty for dimensionless.
        meaning: what it is, one line.
    """

    dimensions: tuple[str, ...]
    shape: tuple[int, ...] = ()
    dtype: str = "float32"
    unit: str = ""
    meaning: str = ""


@dataclass(frozen=True, eq=False)
class KnownArray:
    """An array that is known from the start.

    Attributes:
        dimensions: names of its axes.
        values: its values.
        unit: unit of its values; empty for dimensionless.
    """

    dimensions: tuple[str, ...]
    values: NDArray[Any]
    unit: str = ""


def create_blocks(
    path: Path,
    arrays: Mapping[str, BlockArray],
    known: Mapping[str, KnownArray],
    *,
    length: int,
    block_length: int,
    attributes: Mapping[str, Any],
) -> None:
    """Make an empty store, whole or not at all; one that exists already is left as it is.

    Args:
        path: the Zarr group to make.
        arrays: what the blocks fill, by name.
        known: what is known from the start, by name.
        length: entries along the first axis.
        block_length: entries of a block.
        attributes: JSON values recorded with the store.

    Raises:
        StorageError: if the disk refuses.
    """
    if path.exists():
        return
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            root = zarr.create_group(temporary, attributes={**attributes, "block_length": block_length})
            for name, array in arrays.items():
                _create(root, name, array, length, block_length)
            for name, one in known.items():
                root.create_array(
                    name,
                    data=one.values,
                    chunks=one.values.shape,
                    dimension_names=one.dimensions,
                    attributes={"unit": one.unit},
                    **FLAT_KEYS,
                )
            consolidate(temporary)
            rename_folder(temporary, path)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


def _create(root: zarr.Group, name: str, array: BlockArray, length: int, block_length: int) -> None:
    root.create_array(
        name,
        shape=(length, *array.shape),
        chunks=(min(block_length, length), *array.shape),
        dtype=array.dtype,
        fill_value=np.nan if np.dtype(array.dtype).kind == "f" else 0,
        compressors=None,
        dimension_names=array.dimensions,
        attributes={"unit": array.unit, "meaning": array.meaning},
        config={"write_empty_chunks": True},
        **FLAT_KEYS,
    )


def write_block(path: Path, block: int, values: Mapping[str, NDArray[Any]]) -> list[Path]:
    """Write one whole block.

    Args:
        path: the Zarr group.
        block: number of the block.
        values: all arrays that blocks fill, ``[entry, ...]``.

    Returns:
        The files that now hold the block, for its marker.

    Raises:
        StorageError: if the disk refuses; the block then counts as not written.
    """
    root = zarr.open_group(path, mode="r+")
    files = []
    with storage_errors(path):
        for name, content in values.items():
            array = array_of(root, name).with_config({"write_empty_chunks": True})
            start = block * array.chunks[0]
            stop = min(start + array.chunks[0], array.shape[0])
            assert len(content) == stop - start, f"block {block} of '{name}' has {stop - start} entries"
            files.append(_chunk_file(path, name, block, array.ndim))
            files[-1].unlink(missing_ok=True)  # zarr would merge with what stands there, and fail on a damaged file
            array[start:stop] = content
    return files


def open_attributes(path: Path) -> dict[str, Any]:
    """What was recorded with a store.

    Raises:
        DataError: if its metadata is missing or damaged.
    """
    try:
        return dict(zarr.open_group(path, mode="r").attrs)
    except (OSError, ValueError, KeyError) as error:
        raise DataError(f"{path} is damaged ({error}): remove it and repeat the stage that made it") from error


def read_blocks(path: Path, names: Sequence[str], stop: int | None = None) -> dict[str, NDArray[Any]]:
    """Arrays of a store.

    Args:
        path: the Zarr group.
        names: which arrays.
        stop: read entries 0..stop of them; None: all.

    Raises:
        DataError: if one is missing or damaged.
    """
    try:
        root = zarr.open_group(path, mode="r")
        return {name: _read(path, name, array_of(root, name), stop) for name in names}
    except (OSError, ValueError, RuntimeError) as error:  # a codec raises what it likes for damaged bytes
        raise DataError(f"{path} is damaged ({error}): remove it and repeat the stage that made it") from error


def _read(path: Path, name: str, array: zarr.Array[Any], stop: int | None) -> NDArray[Any]:
    length = array.shape[0] if stop is None else min(stop, array.shape[0])
    for block in range(-(-length // array.chunks[0])):
        if not _chunk_file(path, name, block, array.ndim).exists():  # zarr reads it as fill values, without a word
            raise DataError(f"block {block} of '{name}' is missing in {path}: repeat the stage that made it")
    return np.asarray(array[:length])


def _chunk_file(path: Path, name: str, block: int, ndim: int) -> Path:
    return path / name / f"c.{'.'.join(map(str, (block, *[0] * (ndim - 1))))}"
