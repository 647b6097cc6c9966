"""The two centres of images whose centres are known, and of rendered mergers against their particles."""

import numpy as np
import pytest

from rhodiff.errors import ConfigError, DataError
from rhodiff.simulation import (
    Frame,
    GalaxyModel,
    MergerPoint,
    ParticleCounts,
    Renderer,
    build_merger,
    fixed_camera,
    galaxy_of,
)
from rhodiff.statistics.centres import Centres, find_separations, two_centres

SPACING = (1.5, 0.75)
SETTINGS = Centres(smoothing=2.0, apart=4.0, share=0.1)


def gaussians(*tops, shape=(48, 80), width=4.0, spacing=SPACING):
    """Sum of round Gaussians at (first, second, height), length units, sampled at the middles of the cells."""
    x, y = ((np.arange(n) + 0.5) * step for n, step in zip(shape, spacing, strict=True))
    return sum(h * np.exp(-((x[:, None] - a) ** 2 + (y - b) ** 2) / (2 * width**2)) for a, b, h in tops)


@pytest.mark.parametrize("angle", np.linspace(0, np.pi, 7))
def test_two_gaussians_are_found_between_the_cells(angle):
    a, b = np.array([34.3, 31.1]), 22.7 * np.array([np.cos(angle), np.sin(angle)]) / 2
    places = two_centres(gaussians((*(a - b), 1.0), (*(a + b), 0.6)), SPACING, SETTINGS)
    assert places == pytest.approx(np.stack([a - b, a + b]), abs=0.03)
    assert find_separations(gaussians((*(a - b), 1.0), (*(a + b), 0.6))[None], SPACING, SETTINGS) == pytest.approx(
        22.7, abs=0.04
    )


def test_one_gaussian_is_one_centre_in_its_place():
    places = two_centres(gaussians((30.2, 22.6, 5.0)), SPACING, SETTINGS)
    assert places == pytest.approx(np.array([[30.2, 22.6]]), abs=0.01)
    assert find_separations(gaussians((30.2, 22.6, 5.0))[None], SPACING, SETTINGS) == [0.0]


def test_two_gaussians_are_one_centre_below_twice_their_total_width():
    total = np.hypot(4.0, 2.0)
    for factor, resolved in ((1.9, False), (2.4, True)):
        half = factor * total / 2
        image = gaussians((36.0, 30.0 - half, 1.0), (36.0, 30.0 + half, 1.0))
        assert (find_separations(image[None], SPACING, SETTINGS)[0] > 0) == resolved


@pytest.mark.parametrize(("height", "resolved"), [(0.12, True), (0.08, False)])
def test_a_second_centre_needs_its_share_of_the_first(height, resolved):
    image = gaussians((20.0, 20.0, 1.0), (55.0, 42.0, height))
    assert (find_separations(image[None], SPACING, SETTINGS)[0] > 0) == resolved


def test_a_second_centre_that_is_too_near_is_passed_over_for_the_next():
    tops = (20.0, 20.0, 1.0), (20.0, 34.0, 0.9), (55.0, 42.0, 0.5)
    near, far = (Centres(2.0, apart, 0.1) for apart in (10.0, 20.0))
    assert find_separations(gaussians(*tops, width=2.5)[None], SPACING, near) == pytest.approx(14.0, abs=0.1)
    assert find_separations(gaussians(*tops, width=2.5)[None], SPACING, far) == pytest.approx(
        np.hypot(35, 22), abs=0.1
    )


def test_noise_moves_the_centres_by_a_fraction_of_a_cell_and_makes_none():
    truth = gaussians((20.0, 20.0, 1.0), (50.0, 36.0, 0.7))
    noise = np.random.default_rng(3).normal(0, 0.1, (50, *truth.shape))
    found = find_separations(truth + noise, SPACING, SETTINGS)
    assert found == pytest.approx(np.full(50, 34.0), abs=1.0)
    assert find_separations(gaussians((20.0, 20.0, 1.0)) + noise, SPACING, Centres(2.0, 4.0, 0.2)) == pytest.approx(
        np.zeros(50)
    )


def test_separation_does_not_depend_on_brightness_or_orientation():
    image = gaussians((20.3, 20.1, 1.0), (50.7, 36.2, 0.7))
    (expected,) = find_separations(image[None], SPACING, SETTINGS)
    for other, spacing in ((1e9 * image, SPACING), (image[::-1], SPACING), (image.T, SPACING[::-1])):
        assert find_separations(other[None], spacing, SETTINGS)[0] == pytest.approx(expected, rel=1e-9)


def test_centres_of_a_periodic_image_are_near_across_its_border():
    image = gaussians((20.0, 30.0, 1.0), (45.0, 30.0, 0.7))
    rolled = np.roll(image, 30, axis=0)
    assert find_separations(rolled[None], SPACING, SETTINGS, (True, True)) == pytest.approx(25, abs=0.1)


def test_images_without_a_top_have_no_centre():
    ramp = np.broadcast_to(np.arange(80.0), (48, 80))
    for image in (np.ones((48, 80)), np.zeros((48, 80)), ramp):
        assert two_centres(image, SPACING, SETTINGS).shape == (0, 2)


def test_a_plateau_is_one_centre_in_its_middle():
    image = np.zeros((41, 41))
    image[10:31, 12:29] = 1.0
    places = two_centres(image, (1.0, 1.0), Centres(0.0, 2.0))
    assert places == pytest.approx(np.array([[20.5, 20.5]]))


def test_bad_images_and_settings_are_refused():
    with pytest.raises(DataError, match="NaN"):
        two_centres(np.full((5, 5), np.nan), (1.0, 1.0), SETTINGS)
    with pytest.raises(DataError, match="3 x 3"):
        two_centres(np.ones((2, 5)), (1.0, 1.0), SETTINGS)
    with pytest.raises(ConfigError, match="share in"):
        Centres(1.0, 1.0, 0.0)


@pytest.mark.parametrize("camera", [0, 3, 6])
def test_rendered_galaxies_are_as_far_apart_as_the_medians_of_their_stars(camera):
    frame, view = Frame(100.0, 128), fixed_camera(camera)
    for separation in (30.0, 60.0):
        point = MergerPoint(mass_ratio=0.5, size_ratio=0.75, pericentre_kpc=5.0, separation_kpc=separation, seed=1)
        snapshot = build_merger(point, GalaxyModel(softening_kpc=0.5), ParticleCounts(dark=40, disc=750, bulge=250))
        stars = snapshot.stars
        galaxy = galaxy_of(stars.ids)
        plane = stars.positions @ view.axes[:2].T
        medians = [np.median(plane[galaxy == number], axis=0) for number in (0, 1)]
        image = Renderer(snapshot, frame).render(view).pixels[0]
        found = find_separations(image[None], (100 / 128,) * 2, Centres(smoothing=2.0, apart=5.0, share=0.1))
        assert found[0] == pytest.approx(np.linalg.norm(medians[1] - medians[0]), abs=0.6)
