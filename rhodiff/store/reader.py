"""The fast reader: random fields straight from memory-mapped shards.

Going through zarr for a random batch costs about twenty times a memory map. Uncompressed shards hold each field as
plain little-endian float32; where in the file is said by the shard's index (Zarr v3 sharding codec: one pair of
uint64 offset and length for each chunk, then CRC-32C, at the end of the file). The index is parsed once; all
processes of a node share the pages. Compressed stores are read through zarr instead.
"""

import mmap
from abc import ABC, abstractmethod
from pathlib import Path

import google_crc32c
import numpy as np
from numpy.typing import NDArray

from rhodiff.errors import DataError
from rhodiff.store.field_store import FieldStore, num_shards, shard_files, shard_range

__all__ = ["FieldReader", "MappedReader", "ZarrReader", "open_reader", "read_fields"]


class FieldReader(ABC):
    """Reads fields by index.

    Raises:
        DataError: on making it, if a shard is missing, truncated, or its index damaged.
    """

    def __init__(self, store: FieldStore) -> None:
        self.store = store

    @abstractmethod
    def read(self, indices: NDArray[np.int64]) -> NDArray[np.float32]:
        """Fields ``[len(indices), channel, *space]``, in the order of ``indices``, as a new array."""


class ZarrReader(FieldReader):
    """Reads through zarr: any compression, slower.

    Args:
        store: an opened store.
    """

    def __init__(self, store: FieldStore) -> None:
        super().__init__(store)
        for shard in range(num_shards(store.num_fields, store.shard_length)):
            _map_shard(store, shard)  # zarr reads an empty shard as fill values, without a word

    def read(self, indices: NDArray[np.int64]) -> NDArray[np.float32]:
        """Fields by index, through zarr."""
        return _read_through_zarr(self.store, _checked(indices))


class MappedReader(FieldReader):
    """Reads uncompressed shards by memory map.

    One view a field is kept (about 0.2 kB), so that a batch is a single gathering copy without arithmetic on the way.

    Args:
        store: an opened store without compression.
    """

    def __init__(self, store: FieldStore) -> None:
        super().__init__(store)
        self._shape = (-1, *store.spec.field_shape)
        self._fields: list[memoryview] = []
        for shard in range(num_shards(store.num_fields, store.shard_length)):
            self._fields += _map_shard(store, shard)

    def read(self, indices: NDArray[np.int64]) -> NDArray[np.float32]:
        """Fields by index, copied from the mapped files."""
        gathered = bytearray().join([self._fields[i] for i in _checked(indices)])
        return np.frombuffer(gathered, dtype="<f4").reshape(self._shape)


def read_fields(store: FieldStore, indices: NDArray[np.int64]) -> NDArray[np.float32]:
    """A few fields of a store that need not be finished.

    Args:
        store: an opened store.
        indices: which fields, ``[n]``.

    Returns:
        ``[n, channel, *space]``.

    Raises:
        DataError: if a shard that holds one of them is missing or damaged.
    """
    wanted = _checked(indices)
    for shard in sorted({index // store.shard_length for index in wanted}):
        _map_shard(store, shard)
    return _read_through_zarr(store, wanted)


def _read_through_zarr(store: FieldStore, wanted: list[int]) -> NDArray[np.float32]:
    if not wanted:  # zarr cannot select nothing
        return np.empty((0, *store.spec.field_shape), dtype=np.float32)
    try:
        return np.asarray(store.fields.oindex[np.array(wanted)], dtype=np.float32)
    except (ValueError, RuntimeError) as error:
        raise DataError(_damaged(store.path, str(error))) from error


def _checked(indices: NDArray[np.int64]) -> list[int]:
    """The indices as a list: for a batch, Python's own minimum is faster than NumPy's."""
    wanted: list[int] = indices.tolist()
    assert min(wanted, default=0) >= 0, f"field indices are counted from 0, got {min(wanted)}"
    return wanted


def _map_shard(store: FieldStore, shard: int) -> list[memoryview]:
    """The stored bytes of each field of a shard, as views of the mapped file."""
    start, stop = shard_range(shard, store.num_fields, store.shard_length)
    path = shard_files(store, shard)[0]
    index_bytes = 16 * store.shard_length
    try:
        with path.open("rb") as handle:
            raw = memoryview(mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_READ))
    except (OSError, ValueError) as error:
        raise DataError(_damaged(path, str(error))) from error
    if len(raw) < index_bytes + 4:
        raise DataError(_damaged(path, "it is shorter than its own index"))
    index = bytes(raw[-index_bytes - 4 : -4])
    if google_crc32c.value(index) != int.from_bytes(bytes(raw[-4:]), "little"):
        raise DataError(_damaged(path, "the checksum of its index is wrong"))
    entries: list[list[int]] = np.frombuffer(index, dtype="<u8").reshape(-1, 2)[: stop - start].tolist()
    field_bytes = None if store.fields.compressors else 4 * int(np.prod(store.spec.field_shape))
    for offset, length in entries:
        if offset + length > len(raw) - index_bytes - 4 or length != (field_bytes or length):
            raise DataError(_damaged(path, "its index points outside of the file"))
    return [raw[offset : offset + length] for offset, length in entries]


def _damaged(path: Path, reason: str) -> str:
    return f"the shard {path} is damaged or missing: {reason}. Run 'rhodiff-hpc data repair' on its folder"


def open_reader(store: FieldStore, *, memory_map: bool = True) -> FieldReader:
    """The fastest reader that fits the store.

    Args:
        store: an opened store.
        memory_map: allow memory maps.
    """
    return MappedReader(store) if memory_map and not store.fields.compressors else ZarrReader(store)
