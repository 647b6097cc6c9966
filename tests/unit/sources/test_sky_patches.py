"""Patch layout, gnomonic directions and the overlap rule."""

import numpy as np
import pytest

from rhodiff.sources.sky_patches import lay_centres, near_any, patch_directions, patch_radius_deg, unit_vectors


@pytest.mark.parametrize(("lon", "lat"), [(30.0, 50.0), (0.0, -70.0), (359.9, 20.0), (200.0, 89.9)])
def test_directions_are_those_of_a_gnomonic_wcs_with_east_left(lon, lat):
    wcs = pytest.importorskip("astropy.wcs")
    size, scale = 16, 20.0
    oracle = wcs.WCS(naxis=2)
    oracle.wcs.ctype = ["GLON-TAN", "GLAT-TAN"]
    oracle.wcs.crval = [lon, lat]
    oracle.wcs.crpix = [(size + 1) / 2, (size + 1) / 2]
    oracle.wcs.cdelt = [-scale / 60, scale / 60]
    columns, rows = np.meshgrid(np.arange(size), np.arange(size))
    expected = np.stack(oracle.all_pix2world(columns, rows, 0), axis=-1).reshape(-1, 2)
    got = np.stack(patch_directions(np.array([lon, lat]), 0.0, size, scale), axis=-1).reshape(-1, 2)
    assert unit_vectors(got) == pytest.approx(unit_vectors(expected), abs=1e-12)


def test_position_angle_turns_up_towards_east():
    lon, lat = patch_directions(np.array([40.0, 0.0]), 90.0, 3, 60.0)
    assert lon[:, 1] == pytest.approx([39.0, 40.0, 41.0], rel=1e-5)
    assert lat[:, 1] == pytest.approx([0.0, 0.0, 0.0], abs=1e-12)
    # with up to the east, left is south
    assert lat[1] == pytest.approx([-1.0, 0.0, 1.0], rel=1e-3)


def test_unturned_patch_has_north_in_later_rows_and_west_in_later_columns():
    lon, lat = patch_directions(np.array([40.0, 10.0]), 0.0, 8, 30.0)
    assert (np.diff(lat[:, 4]) > 0).all()
    assert (np.diff(lon[4]) < 0).all()


@pytest.mark.parametrize(("spacing", "edge"), [(3.0, 20.0), (5.0, 0.0), (7.3, 45.0)])
def test_centres_cover_both_caps_with_equal_areas(spacing, edge):
    centres = lay_centres(spacing, edge)
    area = 2 * 2 * np.pi * (1 - np.sin(np.radians(edge))) * np.degrees(1) ** 2
    assert len(centres) == pytest.approx(area / spacing**2, rel=0.05)
    assert np.abs(centres[:, 1]).min() >= edge
    assert (np.diff(centres[:, 0]) >= 0).all()
    assert centres[:, 0].min() >= 0
    assert centres[:, 0].max() < 360
    assert np.count_nonzero(centres[:, 1] > 0) * 2 == len(centres)
    vectors = unit_vectors(centres)
    nearest = np.sort(vectors @ vectors.T, axis=1)[:, -2]
    assert np.degrees(np.arccos(nearest)).min() > 0.7 * spacing


def test_wide_spacing_still_gives_a_ring_in_each_cap():
    assert len(lay_centres(500.0, 20.0)) == 2


def test_radius_reaches_the_corners():
    lon, lat = patch_directions(np.array([0.0, 0.0]), 0.0, 2, 600.0)
    corner = np.degrees(np.arccos(np.cos(np.radians(lon[0, 0])) * np.cos(np.radians(lat[0, 0]))))
    assert patch_radius_deg(1, 600.0) == pytest.approx(corner)
    assert patch_radius_deg(2, 600.0) > corner


def test_nearness_is_the_angle_on_the_sphere():
    directions = np.array([[359.0, 0.0], [10.0, 0.0], [180.0, 89.5], [0.0, -90.0]])
    others = np.array([[1.0, 0.0], [0.0, 89.5]])
    assert near_any(directions, others, 2.01).tolist() == [True, False, True, False]
    assert near_any(directions, others, 1.99).tolist() == [False, False, True, False]
    assert not near_any(directions, np.empty((0, 2)), 180.0).any()
