"""Zenithal equal-area (Lambert) projection of one Galactic hemisphere, as the SFD maps use it.

With n = +1 for the north and -1 for the south Galactic pole, and rho = sqrt(1 - n sin b), the 0-based pixel is

    x = x_0 + scale rho cos l,      y = y_0 - n scale rho sin l

(Schlegel, Finkbeiner & Davis 1998, ApJ 500, 525, appendix C), where ``scale`` is the number of pixels from the pole
to b = 0. Both maps are seen from inside the sphere: longitude runs clockwise around the north pole (y upward), and
counterclockwise around the south pole. The cards LAM_NSGP and LAM_SCAL state n and the scale and take precedence;
without them the world coordinate system GLON-ZEA / GLAT-ZEA is read (Calabretta & Greisen 2002, A&A 395, 1077,
section 5.1.7; only the degenerate cases with the reference point on a pole).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rhodiff.errors import DataError

__all__ = ["ZenithalEqualArea"]


@dataclass(frozen=True)
class ZenithalEqualArea:
    """(x, y) = centre + matrix (rho cos l, rho sin l), rho = sqrt(1 - pole sin b).

    Attributes:
        pole: +1 for the north Galactic pole, -1 for the south.
        centre: 0-based pixel (x, y) of the pole.
        matrix: pixels, ``[2, 2]`` by rows.
    """

    pole: int
    centre: tuple[float, float]
    matrix: tuple[tuple[float, float], tuple[float, float]]

    @classmethod
    def from_header(cls, header: Mapping[str, Any], path: Path) -> "ZenithalEqualArea":
        """The projection that a FITS header states.

        Args:
            header: cards by keyword.
            path: the file, for messages.

        Raises:
            DataError: if the header states no such projection, or contradicts itself about the pole.
        """
        if "CRPIX1" not in header or "CRPIX2" not in header:
            raise DataError(f"{path}: the header lacks CRPIX1 and CRPIX2, the pixel of the pole")
        wcs = _has_zea(header)
        if "LAM_NSGP" in header and "LAM_SCAL" in header:
            projection = _from_lambert(header, path)
            if wcs and float(header["CRVAL2"]) * projection.pole < 0:
                raise DataError(f"{path}: LAM_NSGP is {projection.pole} but CRVAL2 is {header['CRVAL2']}")
            return projection
        if wcs:
            return _from_wcs(header, path)
        raise DataError(
            f"{path}: neither LAM_NSGP and LAM_SCAL nor CTYPE GLON-ZEA, GLAT-ZEA is in the header: "
            "this is no zenithal equal-area map in Galactic coordinates"
        )

    @property
    def scale(self) -> float:
        """Pixels from the pole to latitude zero."""
        return float(np.sqrt(np.abs(np.linalg.det(np.asarray(self.matrix)))))

    def pixel(
        self, glon_deg: NDArray[np.float64], glat_deg: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """0-based pixel coordinates (x, y) of Galactic directions in degrees; any shape."""
        lon = np.radians(glon_deg)
        # sqrt(1 - sin b) = sqrt(2) sin((90 deg - b) / 2) keeps its digits next to the pole
        rho = np.sqrt(2.0) * np.sin(0.5 * (0.5 * np.pi - self.pole * np.radians(glat_deg)))
        u, v = rho * np.cos(lon), rho * np.sin(lon)
        (a, b), (c, d) = self.matrix
        return self.centre[0] + a * u + b * v, self.centre[1] + c * u + d * v


def _has_zea(header: Mapping[str, Any]) -> bool:
    return str(header.get("CTYPE1", "")).strip() == "GLON-ZEA" and str(header.get("CTYPE2", "")).strip() == "GLAT-ZEA"


def _from_lambert(header: Mapping[str, Any], path: Path) -> ZenithalEqualArea:
    pole, scale = int(header["LAM_NSGP"]), float(header["LAM_SCAL"])
    if pole not in (1, -1) or not scale > 0:
        raise DataError(f"{path}: LAM_NSGP is {pole} (allowed 1, -1), LAM_SCAL is {scale} (allowed > 0)")
    return ZenithalEqualArea(pole, _centre(header), ((scale, 0.0), (0.0, -pole * scale)))


def _from_wcs(header: Mapping[str, Any], path: Path) -> ZenithalEqualArea:
    """Native longitude phi = n l + phi_0; (x, y)_deg = R (sin phi, -cos phi), R = sqrt(2) rho in radians."""
    latitude = float(header["CRVAL2"])
    if abs(abs(latitude) - 90) > 1e-3:
        raise DataError(f"{path}: CRVAL2 is {latitude}, only maps centred on a Galactic pole (90, -90) are read")
    pole = 1 if latitude > 0 else -1
    lonpole = float(header.get("LONPOLE", 0.0 if pole > 0 else 180.0))
    start = lonpole + 180 - float(header["CRVAL1"]) if pole > 0 else lonpole + float(header["CRVAL1"])
    sin, cos = np.sin(np.radians(start)), np.cos(np.radians(start))
    native = np.array([[sin, pole * cos], [-cos, pole * sin]])
    matrix = np.degrees(np.sqrt(2.0)) * np.linalg.solve(_degrees_per_pixel(header, path), native)
    (a, b), (c, d) = matrix.tolist()
    return ZenithalEqualArea(pole, _centre(header), ((a, b), (c, d)))


def _centre(header: Mapping[str, Any]) -> tuple[float, float]:
    return float(header["CRPIX1"]) - 1, float(header["CRPIX2"]) - 1


def _degrees_per_pixel(header: Mapping[str, Any], path: Path) -> NDArray[np.float64]:
    if "CD1_1" in header:
        scale = np.array([[header.get(f"CD{i}_{j}", 0.0) for j in (1, 2)] for i in (1, 2)], dtype=float)
    elif "CDELT1" in header and "CDELT2" in header:
        turn = [[header.get(f"PC{i}_{j}", float(i == j)) for j in (1, 2)] for i in (1, 2)]
        scale = np.diag([float(header["CDELT1"]), float(header["CDELT2"])]) @ np.array(turn, dtype=float)
    else:
        raise DataError(f"{path}: the header has neither CDi_j nor CDELT1 and CDELT2, so no pixel scale")
    if abs(np.linalg.det(scale)) < 1e-12:
        raise DataError(f"{path}: the pixel scale matrix {scale.tolist()} is singular")
    return scale
