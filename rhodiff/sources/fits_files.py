"""FITS files: one image or one full-sky HEALPix column, checked before anything is computed from it.

The FITS standard (Pence et al. 2010, A&A 524, A42) and its HEALPix convention (Gorski et al. 2005, ApJ 622, 759) name
the cards that are read here. Everything a file can do wrong ends as one :class:`~rhodiff.errors.DataError`; partial
skies and masked pixels are refused, never filled.
"""

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rhodiff.errors import DataError, EnvironmentLacksError

__all__ = ["HealpixColumn", "read_healpix_column", "read_image"]

LOWEST_VALUE = -1e30
"""Below lies only what the HEALPix software writes where a map has no data, UNSEEN = -1.6375e30."""


@dataclass(frozen=True)
class HealpixColumn:
    """A full-sky HEALPix map in Galactic coordinates.

    Attributes:
        values: float64 ``[12 nside^2]``, unit of the file.
        nside: pixels along a side of a base pixel.
        nested: True for NESTED, False for RING.
    """

    values: NDArray[np.float64]
    nside: int
    nested: bool


def read_image(path: Path) -> tuple[NDArray[np.float32], Mapping[str, Any]]:
    """The image of the first extension that has data.

    Args:
        path: a FITS file.

    Returns:
        float32 ``[y, x]`` (FITS axes 2 and 1) and the header cards by keyword.

    Raises:
        DataError: if the file is missing, truncated, not two-dimensional, or holds NaN or infinity.
        EnvironmentLacksError: if astropy is not installed.
    """
    with _opened(path) as units:
        unit = next((u for u in units if u.is_image and u.shape), None)
        if unit is None:
            raise DataError(f"{path}: there is no image in this FITS file: give one with a two-dimensional image")
        if len(unit.shape) != 2:
            raise DataError(f"{path}: the image has {len(unit.shape)} axes {unit.shape}, a sky map has 2")
        image = np.ascontiguousarray(unit.data, dtype=np.float32)
        header = _cards(unit.header)
    _check_finite(image, path)
    return image, header


def read_healpix_column(path: Path) -> HealpixColumn:
    """The first column of the first table, as a full-sky map in Galactic coordinates.

    A file without COORDSYS is taken as Galactic.

    Args:
        path: a FITS file with a HEALPix binary table.

    Raises:
        DataError: if the file is missing, truncated, not a full-sky Galactic HEALPix table, or has masked pixels.
        EnvironmentLacksError: if astropy is not installed.
    """
    with _opened(path) as units:
        unit = next((u for u in units if not u.is_image), None)
        if unit is None:
            raise DataError(f"{path}: there is no table in this FITS file: a HEALPix map is a binary table")
        values = np.ravel(unit.data.field(0)).astype(np.float64)
        header = _cards(unit.header)
    nested = _check_healpix_header(header, path)
    nside = _check_nside(header, len(values), path)
    if nested and nside & (nside - 1):
        raise DataError(f"{path}: NSIDE {nside} is no power of two, which ORDERING NESTED needs")
    _check_finite(values, path)
    return HealpixColumn(values, nside, nested)


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    try:
        from astropy.io import fits
        from astropy.utils.exceptions import AstropyUserWarning
    except ImportError as error:
        raise EnvironmentLacksError("reading FITS files needs astropy: pip install 'rhodiff[dust]'") from error
    if not path.is_file():
        raise DataError(f"{path}: no such file; check the path, it is relative to the folder of the experiment file")
    try:
        with warnings.catch_warnings():
            # astropy only warns about a truncated file, and reads whatever follows the header
            warnings.filterwarnings("error", message=".*truncated.*", category=AstropyUserWarning)
            with fits.open(path, memmap=False) as units:
                yield units
    except (OSError, ValueError, TypeError, AstropyUserWarning) as error:
        raise DataError(f"{path}: not a readable FITS file ({error}); it may be truncated: fetch it again") from error


def _cards(header: Any) -> dict[str, Any]:
    return {key: header[key] for key in header if key not in {"COMMENT", "HISTORY", ""}}


def _check_finite(values: NDArray[Any], path: Path) -> None:
    bad = int(np.count_nonzero(~np.isfinite(values) | (values < LOWEST_VALUE)))
    if bad:
        raise DataError(
            f"{path}: {bad} of {values.size} pixels are NaN, infinite or UNSEEN; a map without holes is needed"
        )


def _check_healpix_header(header: Mapping[str, Any], path: Path) -> bool:
    ordering = str(header.get("ORDERING", "missing")).strip().upper()
    if ordering not in {"RING", "NESTED", "NEST"}:
        raise DataError(f"{path}: ORDERING is '{ordering}', a HEALPix map states RING or NESTED")
    system = str(header.get("COORDSYS", "G")).strip().upper()
    if system not in {"G", "GAL", "GALACTIC"}:
        raise DataError(f"{path}: COORDSYS is '{system}', only Galactic ('G') is read: rotate the map first")
    if str(header.get("INDXSCHM", "IMPLICIT")).strip().upper() != "IMPLICIT":
        raise DataError(f"{path}: INDXSCHM is '{header['INDXSCHM']}', only IMPLICIT (every pixel, in order) is read")
    return ordering != "RING"


def _check_nside(header: Mapping[str, Any], num_pixels: int, path: Path) -> int:
    nside = int(header.get("NSIDE", round((num_pixels / 12) ** 0.5)))
    if nside < 1 or 12 * nside**2 != num_pixels:
        raise DataError(
            f"{path}: {num_pixels} values do not fill the sky at NSIDE {nside} (12 NSIDE^2 = {12 * nside**2})"
        )
    return nside
