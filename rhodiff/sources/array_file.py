"""An array in a .npy, HDF5 or Zarr (v2, v3) file whose leading axis is read in ranges.

Nothing stays open between reads, so that a source can be handed to another process. What is on disk is compared with
what the header promises before anything is read: a short file, and a chunk that was never written (a job that was
killed on the way; readers would fill it with zeros) are errors.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import product
from math import ceil, prod
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import zarr
from numpy.typing import NDArray

from rhodiff.errors import ConfigError, DataError

__all__ = ["ArrayFile", "count_hdf5_chunks", "find_input", "open_array", "open_hdf5"]


class ArrayFile(ABC):
    """A real-valued array on disk.

    Attributes:
        path: The file, or the folder of a Zarr store.
        shape: Shape, the leading axis first.
        dtype: Type of the stored values.
    """

    path: Path
    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    @abstractmethod
    def _read(self, start: int, stop: int) -> NDArray[Any]:
        """Rows of the leading axis, as stored."""

    @property
    def files(self) -> tuple[Path, ...]:
        """All files that hold the array."""
        return (self.path,)

    def read(self, start: int, stop: int) -> NDArray[Any]:
        """Rows ``start <= i < stop`` of the leading axis, in the stored type.

        Raises:
            DataError: for a NaN or infinite value, which names the row, and for a damaged file.
        """
        assert 0 <= start <= stop <= self.shape[0], f"rows {start}:{stop} are not within {self.shape[0]}"
        with _damage_is_data_error(self.path):
            values = self._read(start, stop)
        finite = np.isfinite(values)
        if not finite.all():
            row = np.argwhere(~finite)[0, 0]
            raise DataError(
                f"{self.path}: field {start + row} holds {np.count_nonzero(~finite[row])} NaN or infinite values; "
                "correct the file or leave the field out"
            )
        return values

    def _check_dtype(self) -> None:
        if self.dtype.kind not in "fiub":
            raise DataError(
                f"{self.path}: values of type {self.dtype} are no real numbers; save real and imaginary parts as two "
                "channels, or convert to float32"
            )


class NpyFile(ArrayFile):
    """A .npy file, memory-mapped."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with _damage_is_data_error(path), path.open("rb") as file:
            version = np.lib.format.read_magic(file)
            read_header = {1: np.lib.format.read_array_header_1_0, 2: np.lib.format.read_array_header_2_0}
            self.shape, _, self.dtype = read_header[min(version[0], 2)](file)
            promised = file.tell() + prod(self.shape) * self.dtype.itemsize
        self._check_dtype()
        if path.stat().st_size != promised:
            raise DataError(
                f"{path} has {path.stat().st_size} bytes, its header promises {promised} (shape {self.shape}, "
                f"{self.dtype}): truncated or still being copied; fetch it again"
            )

    def _read(self, start: int, stop: int) -> NDArray[Any]:
        return np.asarray(np.load(self.path, mmap_mode="r")[start:stop])


class Hdf5File(ArrayFile):
    """A dataset of an HDF5 file."""

    def __init__(self, path: Path, dataset: str | None, allow_missing_chunks: bool) -> None:
        self.path = path
        with open_hdf5(path) as file:
            found: dict[str, h5py.Dataset] = {}
            file.visititems(lambda name, item: found.update({name: item}) if isinstance(item, h5py.Dataset) else None)
            self._name = _choose(path, dataset, list(found))
            array = found[self._name]
            self.shape, self.dtype = tuple(array.shape or ()), array.dtype
            self._check_dtype()
            if not allow_missing_chunks:
                _refuse_missing(path, *count_hdf5_chunks(array))

    def _read(self, start: int, stop: int) -> NDArray[Any]:
        with open_hdf5(self.path) as file:
            return np.asarray(file[self._name][start:stop])


class ZarrFile(ArrayFile):
    """An array of a Zarr store, version 2 or 3."""

    def __init__(self, path: Path, dataset: str | None, allow_missing_chunks: bool) -> None:
        self.path = path
        self._dataset = dataset
        with _damage_is_data_error(path):
            self._array = self._find()
            self.shape, self.dtype = self._array.shape, np.dtype(self._array.dtype)
        self._check_dtype()
        if not allow_missing_chunks:
            _refuse_missing(path, self._array.nchunks_initialized, self._array.nchunks)

    @property
    def files(self) -> tuple[Path, ...]:
        """All files of the store, metadata and chunks."""
        return tuple(sorted(entry for entry in self.path.rglob("*") if entry.is_file()))

    def _read(self, start: int, stop: int) -> NDArray[Any]:
        for chunk in self._chunk_files(start, stop):
            if chunk.exists():
                _refuse_short_chunk(chunk, is_blosc=self._is_blosc)
        return np.asarray(self._array[start:stop])

    @property
    def _is_blosc(self) -> bool:
        """Whether each file is one Blosc frame."""
        return self._array.shards is None and any("Blosc" in type(c).__name__ for c in self._array.compressors)

    def _chunk_files(self, start: int, stop: int) -> Iterator[Path]:
        """Files that hold rows of the leading axis: chunks, or shards where there are."""
        chunk = self._array.shards or self._array.chunks
        ends = (stop, *self.shape[1:])
        begins = (start, *[0] * (len(ends) - 1))
        grid = (range(b // c, ceil(e / c)) for b, e, c in zip(begins, ends, chunk, strict=True))
        for coordinates in product(*grid):
            yield self.path / self._array.path / self._array.metadata.encode_chunk_key(coordinates)

    def _find(self) -> zarr.Array[Any]:
        node = zarr.open(self.path, mode="r")
        if isinstance(node, zarr.Array):
            if self._dataset is not None:
                raise ConfigError(f"data.source.dataset: {self.path} is itself an array; remove '{self._dataset}'")
            return node
        arrays = {name: item for name, item in node.members(max_depth=None) if isinstance(item, zarr.Array)}
        return arrays[_choose(self.path, self._dataset, list(arrays))]


def open_array(path: Path, dataset: str | None = None, *, allow_missing_chunks: bool = False) -> ArrayFile:
    """Open an array by the suffix of its file.

    Args:
        path: ``.npy``, ``.h5``, ``.hdf5`` or ``.zarr``.
        dataset: HDF5 and Zarr: name of the array; None takes the only one.
        allow_missing_chunks: HDF5 and Zarr: take chunks that were not written for the fill value.

    Returns:
        The array, with its header checked against the file.

    Raises:
        ConfigError: if the file or the array is not there; lists the arrays that are.
        DataError: if the file is truncated, damaged, or holds no real numbers.
    """
    if path.suffix == ".npy":
        return NpyFile(path)
    if path.suffix == ".zarr":
        return ZarrFile(path, dataset, allow_missing_chunks)
    return Hdf5File(path, dataset, allow_missing_chunks)


def find_input(folder: Path, path: Path, key: str) -> Path:
    """The input file that a setting names.

    Args:
        folder: folder of the experiment file, where relative paths start.
        path: as given.
        key: key path of the setting, for the error.

    Raises:
        ConfigError: if there is no such file.
    """
    found = folder / path
    if not found.exists():
        raise ConfigError(f"{key}: no file {found}; relative paths start at the folder of the experiment file")
    return found


@contextmanager
def open_hdf5(path: Path) -> Iterator[h5py.File]:
    """An HDF5 file to read.

    Raises:
        DataError: if it is damaged, on opening or while it is read.
    """
    # Locks on Lustre and NFS may fail or hang, and reading needs none.
    with _damage_is_data_error(path), h5py.File(path, "r", locking=False) as file:
        yield file


def count_hdf5_chunks(array: h5py.Dataset) -> tuple[int, int]:
    """Written chunks and all chunks; a contiguous dataset counts as one."""
    if array.chunks is None:
        return int(array.size == 0 or array.id.get_storage_size() > 0 or array.external is not None), 1
    grid = (ceil(length / chunk) for length, chunk in zip(array.shape, array.chunks, strict=True))
    return array.id.get_num_chunks(), prod(grid)


@contextmanager
def _damage_is_data_error(path: Path) -> Iterator[None]:
    """What the libraries raise for damaged files, as one error that names the file."""
    try:
        yield
    except (OSError, ValueError, RuntimeError, KeyError, EOFError) as error:
        raise DataError(f"{path} cannot be read as {path.suffix}: {error}; truncated or damaged?") from error


def _choose(path: Path, dataset: str | None, present: list[str]) -> str:
    """The name of the wanted array among those present."""
    names = ", ".join(sorted(present)) or "none"
    if dataset is None and len(present) != 1:
        raise ConfigError(f"data.source.dataset: {path} holds {len(present)} arrays ({names}); name one")
    wanted = present[0] if dataset is None else dataset.strip("/")
    if wanted not in present:
        raise ConfigError(f"data.source.dataset: no array '{dataset}' in {path} (there are: {names})")
    return wanted


def _refuse_short_chunk(chunk: Path, *, is_blosc: bool) -> None:
    """Refuse files that zarr reads silently: an empty shard as fill values, a cut Blosc frame as stray memory."""
    with chunk.open("rb") as file:
        header = file.read(16)
    size = chunk.stat().st_size
    # Bytes 12..16 of a Blosc 1 frame are its own length, little-endian.
    promised = int.from_bytes(header[12:16], "little") if is_blosc and len(header) == 16 else 16 * is_blosc or 1
    if size < promised:
        raise DataError(f"{chunk} has {size} bytes, it needs {promised}: truncated; fetch or write it again")


def _refuse_missing(path: Path, written: int, promised: int) -> None:
    if written < promised:
        raise DataError(
            f"{path}: {promised - written} of {promised} chunks were never written: an interrupted job? "
            "Complete the file, or say 'data.source.allow_missing_chunks: true' if they stand for the fill value"
        )
