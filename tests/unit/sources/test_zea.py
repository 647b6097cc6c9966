"""The zenithal equal-area projection against its closed form and against astropy's world coordinates."""

from pathlib import Path

import numpy as np
import pytest

from rhodiff.errors import DataError
from rhodiff.sources.zea import ZenithalEqualArea

SFD_NORTH = {
    "CRPIX1": 2048.5,
    "CRPIX2": 2048.5,
    "CRVAL1": 90.0,
    "CRVAL2": 90.0,
    "CTYPE1": "GLON-ZEA",
    "CTYPE2": "GLAT-ZEA",
    "CD1_1": -0.0395646818624,
    "CD1_2": 0.0,
    "CD2_1": 0.0,
    "CD2_2": 0.0395646818624,
    "LONPOLE": 180,
    "LAM_NSGP": 1,
    "LAM_SCAL": 2048,
}
SFD_SOUTH = SFD_NORTH | {
    "CRVAL1": -90.0, "CRVAL2": -90.0, "CD1_1": 0.0395646818624, "CD2_2": -0.0395646818624, "LAM_NSGP": -1,
}  # fmt: skip
PATH = Path("map.fits")


def without_lambert(header):
    return {key: value for key, value in header.items() if not key.startswith("LAM_")}


@pytest.mark.parametrize(
    ("header", "lon", "lat", "pixel"),
    [
        (SFD_NORTH, 123.0, 90.0, (2047.5, 2047.5)),
        (SFD_NORTH, 0.0, 0.0, (4095.5, 2047.5)),
        (SFD_NORTH, 90.0, 0.0, (2047.5, -0.5)),
        (SFD_NORTH, 180.0, 30.0, (2047.5 - 2048 * 0.5**0.5, 2047.5)),
        (SFD_SOUTH, 7.0, -90.0, (2047.5, 2047.5)),
        (SFD_SOUTH, 0.0, 0.0, (4095.5, 2047.5)),
        (SFD_SOUTH, 90.0, 0.0, (2047.5, 4095.5)),
    ],
)
@pytest.mark.parametrize("strip", [dict, without_lambert])
def test_known_directions_fall_on_known_pixels(header, lon, lat, pixel, strip):
    grid = ZenithalEqualArea.from_header(strip(header), PATH)
    assert grid.pixel(np.array(lon), np.array(lat)) == pytest.approx(pixel, abs=1e-5)


@pytest.mark.parametrize("pole", [1, -1])
@pytest.mark.parametrize("change", [{}, {"LONPOLE": 140.0}, {"CRVAL1": 25.0}, {"CD1_2": 0.01, "CD2_1": -0.02}])
def test_world_coordinates_are_those_of_astropy(pole, change):
    wcs = pytest.importorskip("astropy.wcs")
    header = without_lambert(SFD_NORTH if pole > 0 else SFD_SOUTH) | change
    oracle = wcs.WCS(header)
    random = np.random.default_rng(0)
    lon, lat = random.uniform(0, 360, 200), pole * random.uniform(0.1, 89.9, 200)
    x, y = ZenithalEqualArea.from_header(header, PATH).pixel(lon, lat)
    expected_x, expected_y = oracle.all_world2pix(lon, lat, 0)
    assert x == pytest.approx(expected_x, abs=1e-6)
    assert y == pytest.approx(expected_y, abs=1e-6)


@pytest.mark.parametrize("pole", [1, -1])
def test_cdelt_and_pc_without_lonpole_are_read_as_astropy_does(pole):
    wcs = pytest.importorskip("astropy.wcs")
    header = {"CRPIX1": 10.0, "CRPIX2": 12.0, "CTYPE1": "GLON-ZEA", "CTYPE2": "GLAT-ZEA", "CRVAL1": 30.0}
    header |= {"CRVAL2": 90.0 * pole, "CDELT1": -4.0, "CDELT2": 5.0, "PC1_1": 0.8, "PC1_2": -0.6, "PC2_1": 0.6}
    header |= {"PC2_2": 0.8}
    x, y = ZenithalEqualArea.from_header(header, PATH).pixel(np.array([77.0]), np.array([40.0 * pole]))
    expected_x, expected_y = wcs.WCS(header).all_world2pix([77.0], [40.0 * pole], 0)
    assert (x[0], y[0]) == pytest.approx((expected_x[0], expected_y[0]), abs=1e-9)


def test_scale_is_the_radius_of_the_hemisphere():
    assert ZenithalEqualArea.from_header(SFD_NORTH, PATH).scale == pytest.approx(2048)
    assert ZenithalEqualArea.from_header(without_lambert(SFD_SOUTH), PATH).scale == pytest.approx(2048, rel=1e-9)


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ({}, "lacks CRPIX1"),
        ({"CRPIX1": 1.0, "CRPIX2": 1.0}, "no zenithal equal-area map"),
        (SFD_NORTH | {"LAM_NSGP": 0}, "LAM_NSGP is 0"),
        (SFD_NORTH | {"LAM_NSGP": -1}, "LAM_NSGP is -1 but CRVAL2 is 90"),
        (without_lambert(SFD_NORTH) | {"CRVAL2": 45.0}, "centred on a Galactic pole"),
        (without_lambert(SFD_NORTH) | {"CD1_1": 0.0}, "singular"),
        (without_lambert(SFD_NORTH) | {"CTYPE1": "RA---ZEA"}, "no zenithal equal-area map in Galactic"),
    ],
)
def test_headers_without_a_clear_projection_are_refused(header, message):
    with pytest.raises(DataError, match=message):
        ZenithalEqualArea.from_header(header, PATH)
