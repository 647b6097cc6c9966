"""Images of galaxy mergers in DeepGalaxy's file (Cai et al. 2020), the first test of rho-Diffusion.

Values are kept as they are in the file, for all simulations alike; the published loader divides each group by its own
maximum, after which brightness cannot be compared between simulations. Scale by ``fields.transform``, whose constants
are those of the whole training part.

What the files are: pictures rendered from Bonsai's particles, stored as JPEG with 8 bits, so values are display
brightness and no surface density. The published converter makes its grey value as 0.299 R + 0.587 G x 0.113 B, a
product where a sum was meant: a grey file made by it is no luminance. It leaves an image black whose picture it did
not find; an image without a single pixel other than 0 counts as failed here and is masked. Rows and columns are in
the order of the file, row 0 the top of the picture. No published file was at hand to check any of this on.

Fields are ordered by size ratio, mass ratio, camera, and then as in the file. One simulation is one group: its times
and cameras never straddle a split, unless a value of them is held out (:mod:`rhodiff.sources.held_out`).
"""

from collections.abc import Mapping
from math import isclose
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rhodiff.config.fields import Split
from rhodiff.config.mergers import DeepGalaxySource
from rhodiff.errors import ConfigError
from rhodiff.sources.array_file import find_input, open_hdf5
from rhodiff.sources.camels import bin_down
from rhodiff.sources.deepgalaxy_file import SequenceKey, describe_sequences, list_sequences, read_images
from rhodiff.sources.held_out import find_held_out, held_out_split
from rhodiff.sources.source import FieldBatch, Source
from rhodiff.store.spec import FieldSpec, Parameter

__all__ = ["DeepGalaxy"]

_TOLERANCE = 1e-6
_NAMES = ("size_ratio", "mass_ratio", "t_myr", "camera")
_CHANNELS = {1: ("value",), 3: ("r", "g", "b")}


class DeepGalaxy(Source):
    """The images of one file.

    Args:
        settings: ``data.source``.
        folder: folder of the experiment file.

    Raises:
        ConfigError: for a missing file, ratios or cameras that it does not have, times without images, a size that
            does not divide, and values held out that no image has.
        DataError: for a file that is damaged or not of the layout.
    """

    def __init__(self, settings: DeepGalaxySource, folder: Path) -> None:
        self._settings = settings
        self._path = find_input(folder, settings.file, "data.source.file")
        self._sequences = describe_sequences(self._path, _select(list_sequences(self._path), settings, self._path))
        self._rows = [_rows_within(sequence.times_myr, settings) for sequence in self._sequences]
        self._starts = np.concatenate([[0], np.cumsum([len(rows) for rows in self._rows])])
        self._check_times()
        self._size = self._choose_size()
        self._values = self._tabulate()
        find_held_out(self._values, _NAMES, settings.held_out)

    @property
    def spec(self) -> FieldSpec:
        """Not periodic; lengths in kpc if the settings say how wide an image is, else in pixels."""
        width, size = self._settings.width_kpc, self._size
        return FieldSpec(
            name="brightness",
            channels=_CHANNELS[self._sequences[0].shape[2]],
            shape=(size, size),
            spacing=(1.0 if width is None else width / size,) * 2,
            length_unit="pixel" if width is None else "kpc",
            periodic=(False, False),
        )

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """Ratios of the second galaxy to the first, time since the start, number of the camera."""
        units = {"t_myr": "Myr"}
        return tuple(Parameter(name=name, unit=units.get(name, "")) for name in _NAMES)

    @property
    def num_fields(self) -> int:
        """Images that were chosen."""
        return int(self._starts[-1])

    @property
    def input_files(self) -> tuple[Path, ...]:
        """The file."""
        return (self._path,)

    @property
    def provenance(self) -> Mapping[str, str | int | float]:
        """How the fields were made from the file."""
        return {
            "file": self._path.name,
            "file_size": self._sequences[0].shape[0],
            "file_type": str(self._sequences[0].dtype),
            "binning": "mean of the pixels",
            "normalisation": "none, values as in the file",
            "axes": "rows and columns as in the file, row 0 the top of the picture",
            "reference": "Cai et al. 2020, DeepGalaxy; arXiv 2312.08153",
        }

    def groups(self) -> NDArray[np.int64]:
        """Number of the simulation of each field, by size ratio and mass ratio."""
        _, numbers = np.unique(self._values[:, :2], axis=0, return_inverse=True)
        return numbers.reshape(-1).astype(np.int64)

    def assign_split(self, split: Split) -> NDArray[np.int8]:
        """Images with a value held out are the test part; whole simulations of the others are shared out."""
        return held_out_split(split, self.groups(), self._values, _NAMES, self._settings.held_out)

    def make(self, start: int, stop: int) -> FieldBatch:
        """Read and bin down a range of images; one that is black throughout is masked.

        Raises:
            DataError: for values that are NaN or infinite; names the image.
        """
        assert 0 <= start <= stop <= self.num_fields, f"fields {start}:{stop} are not within {self.num_fields}"
        fields = np.empty((stop - start, *self.spec.field_shape), dtype=np.float32)
        valid = np.empty(stop - start, dtype=np.bool_)
        with open_hdf5(self._path) as file:
            for sequence, rows, first in zip(self._sequences, self._rows, self._starts[:-1], strict=True):
                wanted = rows[max(start - first, 0) : max(stop - first, 0)]
                if len(wanted):
                    images = read_images(self._path, file, sequence, wanted)
                    at = max(first - start, 0)
                    fields[at : at + len(wanted)] = self._bin_down(images)
                    valid[at : at + len(wanted)] = images.any(axis=(1, 2, 3))
        fields[~valid] = np.nan
        return FieldBatch(fields, self._values[start:stop], valid)

    def _bin_down(self, images: NDArray[Any]) -> NDArray[np.float64]:
        """float64 ``[n, channel, size, size]`` of images ``[n, H, W, channel]``."""
        channels = np.moveaxis(images, 3, 1).reshape(-1, *images.shape[1:3])
        return bin_down(channels, self._size).reshape(len(images), -1, self._size, self._size)

    def _tabulate(self) -> NDArray[np.float64]:
        """Parameters of all fields, float64 ``[sample, parameter]``."""
        blocks = []
        for sequence, rows in zip(self._sequences, self._rows, strict=True):
            key, times = sequence.key, sequence.times_myr[rows]
            fixed = [np.full(len(rows), value) for value in (key.size_ratio, key.mass_ratio, key.camera)]
            blocks.append(np.stack([*fixed[:2], times, fixed[2]], axis=1))
        return np.concatenate(blocks).astype(np.float64)

    def _check_times(self) -> None:
        if self.num_fields == 0:
            times = np.concatenate([sequence.times_myr for sequence in self._sequences])
            raise ConfigError(
                f"data.source.t_min_myr, t_max_myr: no image of {self._path} is between {self._settings.t_min_myr} "
                f"and {self._settings.t_max_myr} Myr; they are from {times.min():g} to {times.max():g} Myr"
            )

    def _choose_size(self) -> int:
        stored = self._sequences[0].shape[0]
        size = self._settings.size or stored
        if stored % size:
            allowed = [divisor for divisor in range(4, stored + 1, 2) if stored % divisor == 0]
            raise ConfigError(f"data.source.size: {size} does not divide {stored} pixels; allowed are {allowed}")
        return size


def _select(keys: tuple[SequenceKey, ...], settings: DeepGalaxySource, path: Path) -> list[SequenceKey]:
    """The sequences that the settings ask for, in the same order."""
    sizes = _choose("size_ratios", settings.size_ratios, {key.size_ratio for key in keys}, path)
    masses = _choose("mass_ratios", settings.mass_ratios, {key.mass_ratio for key in keys}, path)
    cameras = _choose("cameras", settings.cameras, {key.camera for key in keys}, path)
    simulated = [key for key in keys if key.size_ratio in sizes and key.mass_ratio in masses]
    if not simulated:
        there = ", ".join(dict.fromkeys(key.group for key in keys))
        raise ConfigError(
            f"data.source: {path} has no simulation with both one of these size_ratios and one of these mass_ratios; "
            f"there are {there}"
        )
    if settings.cameras is not None:
        _check_cameras(simulated, cameras, path)
    return [key for key in simulated if key.camera in cameras]


def _check_cameras(simulated: list[SequenceKey], cameras: set[int], path: Path) -> None:
    """Refuse a simulation without images of a camera that was asked for."""
    for group in dict.fromkeys(key.group for key in simulated):
        missing = sorted(cameras - {key.camera for key in simulated if key.group == group})
        if missing:
            raise ConfigError(
                f"data.source.cameras: {group} in {path} has no images of camera {', '.join(map(str, missing))}; "
                "leave the camera or the simulation out"
            )


def _choose(name: str, wanted: tuple[float, ...] | None, present: set[Any], path: Path) -> set[Any]:
    """The values of the file that are wanted; all if none are named."""
    if wanted is None:
        return present
    for value in wanted:
        if not any(isclose(value, other, rel_tol=_TOLERANCE) for other in present):
            there = ", ".join(f"{other:g}" for other in sorted(present))
            raise ConfigError(f"data.source.{name}: {path} has none with {value:g}; there are {there}")
    return {other for other in present if any(isclose(value, other, rel_tol=_TOLERANCE) for value in wanted)}


def _rows_within(times: NDArray[np.float64], settings: DeepGalaxySource) -> NDArray[np.int64]:
    """Rows of the images between the two times, both included, rising."""
    low = -np.inf if settings.t_min_myr is None else settings.t_min_myr
    high = np.inf if settings.t_max_myr is None else settings.t_max_myr
    return np.flatnonzero((times >= low) & (times <= high))
