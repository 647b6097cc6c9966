r"""Volumes of real spherical harmonics, the three-dimensional test of rho-Diffusion (Cai & Lee, arXiv 2312.08153).

Tesseral harmonics, orthonormal on the sphere, every (l, m) different:

    m > 0:  sqrt(2) (-1)^m Re Y_l^m        m = 0:  Y_l^0        m < 0:  sqrt(2) (-1)^m Im Y_l^|m|

with Y_l^m(theta, phi) of scipy's ``sph_harm_y`` (Condon-Shortley phase, theta polar, phi azimuthal), so that
Y_1^1 is along +x, Y_1^-1 along +y, Y_1^0 along +z, and Y(-r) = (-1)^l Y(r).

The published form (``paper_b``) is Re Y_l^|m| with the two angles exchanged and arctan for arctan2:

    Re Y_l^|m|(polar = arctan(y / x), azimuth = arccos(z / r))

which is not orthonormal and the same for +m and -m; a negative polar angle counts as its modulus (only its cosine
entered there).

The harmonic fills the cube: it depends on the direction of a cell centre from the centre of the cube alone. Cell
centres are (2 i + 1) / n - 1 along each axis of [-1, 1]^3, in the order (x, y, z); for an even size no cell lies at
the origin; for an odd one the central cell holds the mean over directions.
"""

from collections.abc import Mapping
from itertools import chain
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.special import sph_harm_y

from rhodiff.config.sources import HarmonicsSource
from rhodiff.errors import ConfigError
from rhodiff.runtime.streams import stream
from rhodiff.sources.source import FieldBatch, Source
from rhodiff.store.spec import FieldSpec, Parameter

__all__ = ["Harmonics", "evaluate_harmonic", "evaluate_paper_harmonic", "paper_harmonic", "real_harmonic"]

Array = NDArray[np.float64]


def evaluate_harmonic(l: int, m: int, x: Array, y: Array, z: Array) -> Array:  # noqa: E741 - the field's symbol
    """Tesseral harmonic in the direction (x, y, z), which need not have unit length.

    Args:
        l: degree, l >= 0.
        m: order, -l <= m <= l.
        x: first Cartesian component, any shape.
        y: second component, the same shape.
        z: third component, the same shape.

    Returns:
        float64 of the same shape; at the origin the mean over directions (0 for l > 0).

    Raises:
        ConfigError: if there is no such harmonic.
    """
    _check_order(l, m)
    transverse = np.hypot(x, y)
    harmonic = sph_harm_y(l, abs(m), np.arctan2(transverse, z), np.arctan2(y, x))
    part = harmonic.imag if m < 0 else harmonic.real
    values: Array = part * (np.sqrt(2) * (-1) ** m if m else 1.0)
    return values if l == 0 else np.where((transverse == 0) & (z == 0), 0.0, values)


def evaluate_paper_harmonic(l: int, m: int, x: Array, y: Array, z: Array) -> Array:  # noqa: E741
    """The published form in the direction (x, y, z); arguments like :func:`evaluate_harmonic`."""
    _check_order(l, m)
    exchanged_polar = np.arctan2(np.abs(y), np.abs(x))
    exchanged_azimuth = np.arctan2(np.hypot(x, y), z)
    values: Array = sph_harm_y(l, abs(m), exchanged_polar, exchanged_azimuth).real
    return values


def real_harmonic(l: int, m: int, size: int) -> Array:  # noqa: E741
    """Volume of a tesseral harmonic.

    Args:
        l: degree, l >= 0.
        m: order, -l <= m <= l.
        size: voxels on a side.

    Returns:
        float64 ``[size, size, size]``, axes (x, y, z).

    Raises:
        ConfigError: if there is no such harmonic.
    """
    return evaluate_harmonic(l, m, *_cell_centres(size))


def paper_harmonic(l: int, m: int, size: int) -> Array:  # noqa: E741
    """Volume of the published form; arguments and result like :func:`real_harmonic`."""
    return evaluate_paper_harmonic(l, m, *_cell_centres(size))


class Harmonics(Source):
    """One volume for each (l, m) and copy; field i is copy i // N of pair i mod N, for N pairs.

    Pairs are in the order (l, -l) ... (l, l), by degree. Each copy of a pair is a group of its own, so with
    ``repeats`` the same (l, m) is in the training and in the test part: a test of reproduction, not of unseen orders.
    Without ``amplitude_scatter`` the copies are identical. Unshuffled, whole sets of all pairs go to one part after
    another.

    Args:
        settings: ``data.source``.
        folder: not used, there are no input files.
    """

    def __init__(self, settings: HarmonicsSource, folder: Path) -> None:
        self._settings = settings
        degrees = range(settings.min_degree, settings.max_degree + 1)
        self._pairs = list(
            chain.from_iterable([(degree, m) for m in range(-degree, degree + 1)] for degree in degrees)
        )

    @property
    def spec(self) -> FieldSpec:
        """A cube with sides of two, not periodic."""
        size = self._settings.size
        return FieldSpec(
            name="Y_lm",
            shape=(size,) * 3,
            spacing=(2 / size,) * 3,
            length_unit="half side",
            periodic=(False,) * 3,
        )

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """Degree and order."""
        return (Parameter(name="l"), Parameter(name="m"))

    @property
    def num_fields(self) -> int:
        """Pairs times copies."""
        return len(self._pairs) * self._settings.repeats

    @property
    def provenance(self) -> Mapping[str, str | int | float]:
        """The convention of the harmonics."""
        form = {
            "tesseral": "tesseral harmonics, orthonormal on the sphere, Y_1^1 along +x",
            "paper_b": "Re Y_l^|m| with exchanged angles, as published in arXiv 2312.08153",
        }
        return {"form": form[self._settings.form], "axes": "x, y, z"}

    def make(self, start: int, stop: int) -> FieldBatch:
        """Evaluate a range of fields."""
        assert 0 <= start <= stop <= self.num_fields, f"fields {start}:{stop} are not within {self.num_fields}"
        pairs = [self._pairs[index % len(self._pairs)] for index in range(start, stop)]
        volumes = {pair: self.volume(*pair) for pair in dict.fromkeys(pairs)}
        fields = np.empty((stop - start, *self.spec.field_shape), dtype=np.float32)
        for row, pair in enumerate(pairs):
            fields[row, 0] = self._amplitude(start + row) * volumes[pair]
        parameters = np.array(pairs, dtype=np.float64).reshape(-1, 2)
        return FieldBatch(fields, parameters, np.ones(stop - start, dtype=np.bool_))

    @property
    def pairs(self) -> tuple[tuple[int, int], ...]:
        """All (l, m) of the set, by degree and order."""
        return tuple(self._pairs)

    def evaluate(self, l: int, m: int, x: Array, y: Array, z: Array) -> Array:  # noqa: E741
        """The harmonic of the set's form in some directions; arguments like :func:`evaluate_harmonic`."""
        evaluate = evaluate_harmonic if self._settings.form == "tesseral" else evaluate_paper_harmonic
        return evaluate(l, m, x, y, z)

    def volume(self, l: int, m: int) -> Array:  # noqa: E741
        """The volume of amplitude one that (l, m) stands for, float64 ``[size, size, size]``."""
        settings = self._settings
        volume = self.evaluate(l, m, *_cell_centres(settings.size))
        if settings.radial_width is None:
            return volume
        squared_radius = sum(np.square(axis) for axis in _cell_centres(settings.size))
        profile: Array = np.exp(-squared_radius / (2 * settings.radial_width**2))
        return volume * profile

    def _amplitude(self, index: int) -> float:
        scatter = self._settings.amplitude_scatter
        if scatter == 0:
            return 1.0
        return float(stream(self._settings.seed, "harmonics/amplitude", index).uniform(1 - scatter, 1 + scatter))


def _check_order(l: int, m: int) -> None:  # noqa: E741
    if l < 0 or abs(m) > l:
        raise ConfigError(
            f"there is no spherical harmonic of degree l = {l} and order m = {m}; take l >= 0, |m| <= l"
        )


def _cell_centres(size: int) -> tuple[Array, Array, Array]:
    """Coordinates of the cell centres in [-1, 1]^3, each ``[size, size, size]``."""
    axis = (2 * np.arange(size) + 1 - size) / size
    x, y, z = np.meshgrid(axis, axis, axis, indexing="ij")
    return x, y, z
