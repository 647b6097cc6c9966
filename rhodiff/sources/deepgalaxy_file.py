"""DeepGalaxy's HDF5 layout: a group a simulation, in it images and times of each camera.

    s_<size ratio>_m_<mass ratio>/images_camera_<two digits>    [n, H, W, C], C = 1 (grey) or 3 (red, green, blue)
    s_<size ratio>_m_<mass ratio>/t_myr_camera_<two digits>     [n], Myr; not always in rising order

Only what is asked for is checked: names of all groups, but shapes, times and completeness of those images alone.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from rhodiff.errors import DataError
from rhodiff.sources.array_file import count_hdf5_chunks, open_hdf5

__all__ = ["ImageSequence", "SequenceKey", "describe_sequences", "list_sequences", "read_images"]

_NUMBER = r"(\d+\.?\d*(?:e[-+]?\d+)?|\.\d+)"
_SIMULATION = re.compile(f"s_{_NUMBER}_m_{_NUMBER}")
_DATASET = re.compile(r"(images|t_myr)_camera_(\d\d)")


@dataclass(frozen=True, order=True)
class SequenceKey:
    """What tells one sequence of images from another, in the order of fields.

    Attributes:
        size_ratio: from the name of the group.
        mass_ratio: from the name of the group.
        camera: its number.
        group: name of the group.
    """

    size_ratio: float
    mass_ratio: float
    camera: int
    group: str

    @property
    def images(self) -> str:
        """Name of the dataset of images."""
        return f"{self.group}/images_camera_{self.camera:02d}"

    @property
    def times(self) -> str:
        """Name of the dataset of times."""
        return f"{self.group}/t_myr_camera_{self.camera:02d}"


@dataclass(frozen=True)
class ImageSequence:
    """Images of one simulation by one camera.

    Attributes:
        key: which.
        shape: [H, W, C] of an image.
        dtype: of the stored values.
        times_myr: float64 ``[n]``, in the order of the images.
    """

    key: SequenceKey
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    times_myr: NDArray[np.float64]


def list_sequences(path: Path) -> tuple[SequenceKey, ...]:
    """What the file holds, by size ratio, mass ratio and camera.

    Args:
        path: HDF5 file.

    Raises:
        DataError: if it is damaged or no HDF5, for a group or dataset that is not of the layout, images without
            times, and two groups of one simulation.
    """
    with open_hdf5(path) as file:
        keys = sorted(key for name in file for key in _sequences_of(path, name, file[name]))
    if not keys:
        raise DataError(f"{path} holds no images: DeepGalaxy's layout is s_<size>_m_<mass>/images_camera_00, ...")
    names = {(key.size_ratio, key.mass_ratio): key.group for key in keys}
    doubled = [key for key in keys if names[key.size_ratio, key.mass_ratio] != key.group]
    if doubled:
        other = names[doubled[0].size_ratio, doubled[0].mass_ratio]
        raise DataError(f"{path}: the groups {doubled[0].group} and {other} are the same simulation; remove one")
    return tuple(keys)


def describe_sequences(path: Path, keys: Iterable[SequenceKey]) -> tuple[ImageSequence, ...]:
    """Shape, type and times of sequences.

    Args:
        path: HDF5 file.
        keys: which, of :func:`list_sequences`.

    Raises:
        DataError: for images that are not [n, H, H, 1 or 3] or no numbers, were never written, differ in shape or
            type from the others, or have other than one finite time each.
    """
    with open_hdf5(path) as file:
        found = tuple(_describe(path, file, key) for key in keys)
    first = found[0]
    for other in found[1:]:
        if (other.shape, other.dtype) != (first.shape, first.dtype):
            raise DataError(
                f"{path}: {other.key.images} has images {list(other.shape)} of {other.dtype}, {first.key.images} has "
                f"{list(first.shape)} of {first.dtype}; fields of one data set are alike: leave some out by "
                "size_ratios, mass_ratios or cameras in data.source"
            )
    return found


def read_images(path: Path, file: h5py.File, sequence: ImageSequence, rows: NDArray[np.int64]) -> NDArray[Any]:
    """Some images of a sequence, in the stored type.

    Args:
        path: named in errors.
        file: the same file, open.
        sequence: whose images.
        rows: which, rising, at least one.

    Returns:
        Array ``[row, H, W, C]``.

    Raises:
        DataError: for a value that is NaN, infinite or too large for float32.
    """
    is_run = rows[-1] - rows[0] + 1 == len(rows)
    images: NDArray[Any] = file[sequence.key.images][slice(rows[0], rows[-1] + 1) if is_run else rows]
    for row, image in zip(rows, images, strict=True):
        broken = np.count_nonzero(~(np.abs(image) <= np.finfo(np.float32).max))
        if broken:
            raise DataError(
                f"{path}: {sequence.key.images}, image {row} (t = {sequence.times_myr[row]:g} Myr) holds {broken} "
                "values that are NaN, infinite or beyond float32; correct the file, or leave the image out by "
                "t_min_myr, t_max_myr or cameras in data.source"
            )
    return images


def _sequences_of(path: Path, name: str, item: h5py.Group | h5py.Dataset) -> Iterator[SequenceKey]:
    """The sequences of one item at the top of the file."""
    match = _SIMULATION.fullmatch(name)
    size_ratio, mass_ratio = map(float, match.groups()) if match is not None else (0.0, 0.0)
    if min(size_ratio, mass_ratio) <= 0 or not isinstance(item, h5py.Group):
        raise DataError(
            f"{path}: '{name}' is no simulation of DeepGalaxy's layout, which has groups s_<size ratio>_m_<mass "
            "ratio> alone (s_0.25_m_1.5), with ratios above 0; remove it, or take the source kind 'arrays'"
        )
    cameras: dict[str, set[int]] = {"images": set(), "t_myr": set()}
    for inner in item:
        if inner.startswith(("images", "t_myr")):
            kind, camera = _camera_of(path, f"{name}/{inner}")
            cameras[kind].add(camera)
    for camera in cameras["images"] ^ cameras["t_myr"]:
        here, missing = ("images", "t_myr") if camera in cameras["images"] else ("t_myr", "images")
        raise DataError(
            f"{path}: {name}/{here}_camera_{camera:02d} is there, {name}/{missing}_camera_{camera:02d} is not: each "
            "image needs its time; write the file again with both"
        )
    if not cameras["images"]:
        raise DataError(f"{path}: the group {name} holds no images_camera_00, ...; fill or remove it")
    yield from (SequenceKey(size_ratio, mass_ratio, camera, name) for camera in cameras["images"])


def _camera_of(path: Path, name: str) -> tuple[str, int]:
    match = _DATASET.fullmatch(name.partition("/")[2])
    if match is None:
        raise DataError(
            f"{path}: the name of '{name}' is neither images_camera_00 nor t_myr_camera_00 with some two digits; "
            "rename or remove it"
        )
    return match[1], int(match[2])


def _describe(path: Path, file: h5py.File, key: SequenceKey) -> ImageSequence:
    images, shape = file[key.images], tuple(file[key.images].shape)
    if (
        len(shape) != 4
        or shape[1] != shape[2]
        or shape[3] not in (1, 3)
        or 0 in shape
        or images.dtype.kind not in "fiu"
    ):
        raise DataError(
            f"{path}: {key.images} has the shape {list(shape)} of {images.dtype}; real numbers [n, H, W, C] are "
            "needed, n and H = W at least 1, C = 1 (grey) or 3 (red, green, blue)"
        )
    written, promised = count_hdf5_chunks(images)
    if written < promised:
        raise DataError(
            f"{path}: {promised - written} of {promised} chunks of {key.images} were never written, an interrupted "
            "job? They would read as black: fetch or write the file again"
        )
    return ImageSequence(key, shape[1:], images.dtype, _read_times(path, file[key.times], key, shape[0]))


def _read_times(path: Path, times: h5py.Dataset, key: SequenceKey, num_images: int) -> NDArray[np.float64]:
    if times.shape != (num_images,) or times.dtype.kind not in "fiu":
        raise DataError(
            f"{path}: {key.times} has the shape {list(times.shape)} of {times.dtype}, but {key.images} holds "
            f"{num_images} images; one number each is needed: write the file again"
        )
    values = np.asarray(times[:], dtype=np.float64)
    if not np.isfinite(values).all():
        raise DataError(f"{path}: {key.times} holds NaN or infinite times; correct the file")
    return values
