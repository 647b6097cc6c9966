"""Images: mass, scale, and the laws of a parallel projection."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.integrate import dblquad
from scipy.spatial.transform import Rotation

from rhodiff.errors import ConfigError, DataError
from rhodiff.simulation import Snapshot, particle_ids
from rhodiff.simulation.camera import Camera, fixed_camera
from rhodiff.simulation.rendering import Frame, Renderer, find_widths, project_balls
from rhodiff.simulation.units import MASS_MSUN, VELOCITY_KM_S

FRAME = Frame(width_kpc=12.0, num_pixels=24)
ON_PAPER = Camera(0, -90)


def cloud(num=300, seed=6):
    """Stars in a slanted, lopsided cloud that rotates and moves, and as many dark particles further out."""
    random = np.random.default_rng(seed)
    positions = random.normal(size=(2 * num, 3)) * [2.0, 1.0, 0.5] + random.exponential(size=(2 * num, 3))
    positions[num:] *= 2
    velocities = np.cross([0.2, 0.0, 1.0], positions) + np.array([0.1, 0.2, 0.3])
    ids = np.concatenate([particle_ids(0, "disc", num), particle_ids(0, "dark", num)])
    return Snapshot(3.0, random.uniform(0.5, 1.5, 2 * num), positions, velocities, ids)


def star_mass(snapshot):
    return snapshot.stars.masses.sum(dtype=np.float64) * MASS_MSUN


@pytest.mark.parametrize("number", [0, 5, 13])
def test_mass_in_the_image_and_outside_is_the_total(number):
    image = Renderer(cloud(), replace(FRAME, width_kpc=4.0), ("stars", "dark")).render(fixed_camera(number))
    inside = image.pixels.sum(axis=(1, 2), dtype=np.float64) * (4 / 24) ** 2
    dark = cloud().masses[cloud().is_dark].sum(dtype=np.float64) * MASS_MSUN
    np.testing.assert_allclose(inside + image.outside_msun, [star_mass(cloud()), dark], rtol=1e-6)
    assert 0.05 < inside[0] / star_mass(cloud()) < 0.95


def test_a_frame_around_everything_holds_everything():
    image = Renderer(cloud(), Frame(width_kpc=200.0, num_pixels=32)).render(fixed_camera(3))
    assert image.pixels.dtype == np.float32
    assert image.pixels.sum(dtype=np.float64) * (200 / 32) ** 2 == pytest.approx(star_mass(cloud()), rel=1e-6)
    assert abs(image.outside_msun[0]) < 1e-6 * star_mass(cloud())


def test_a_single_ball_is_the_integral_of_its_gaussian_over_each_pixel():
    edges, place, sigma = np.linspace(-1, 1, 6), np.array([[0.13, -0.31]]), np.array([0.35])
    image = project_balls(place, sigma, np.array([[2.5]]), edges)[0]
    for row, column in ((0, 0), (1, 2), (2, 3), (4, 4)):
        mass, _ = dblquad(
            lambda up, right: (
                2.5 * np.exp(-((right - 0.13) ** 2 + (up + 0.31) ** 2) / (2 * 0.35**2)) / (2 * np.pi * 0.35**2)
            ),
            *edges[[column, column + 1]],
            *edges[[row, row + 1]],
        )
        assert image[row, column] == pytest.approx(mass, rel=1e-9)


def test_a_ball_without_width_is_in_one_pixel():
    image = project_balls(np.array([[0.5, -0.5]]), np.zeros(1), np.ones((1, 1)), np.linspace(-1, 1, 3))[0]
    np.testing.assert_array_equal(image, [[0, 1], [0, 0]])


def test_widths_are_those_of_the_spline_that_reaches_to_the_kth_neighbour():
    positions = np.array([[0.0, 0, 0], [1, 0, 0], [0, 2, 0], [0, 0, 4]])
    spread = np.sqrt(3 / 40)
    np.testing.assert_allclose(find_widths(positions, 1), spread * np.array([1, 1, 2, 4]))
    np.testing.assert_allclose(find_widths(positions, 3)[0], spread * 4)


def test_the_factor_of_the_width_is_the_standard_deviation_of_the_spline_along_an_axis():
    r = np.linspace(0, 1, 20001)
    shape = np.where(r < 0.5, 1 - 6 * r**2 + 6 * r**3, 2 * (1 - r) ** 3)
    variance = np.trapezoid(r**4 * shape, r) / np.trapezoid(r**2 * shape, r) / 3
    assert np.sqrt(variance) == pytest.approx(np.sqrt(3 / 40), rel=1e-6)


def test_the_opposite_camera_sees_the_mirror_image_and_the_opposite_velocity():
    renderer = Renderer(cloud(), FRAME, ("stars", "velocity"))
    front, back = renderer.render(Camera(60, 20)).pixels, renderer.render(Camera(120, 200)).pixels
    np.testing.assert_allclose(back[0, :, ::-1], front[0], rtol=1e-4)
    np.testing.assert_allclose(back[1, :, ::-1], -front[1], rtol=1e-3, atol=1e-2)


def test_a_roll_by_90_degrees_turns_the_image():
    renderer = Renderer(cloud(), FRAME)
    straight, rolled = renderer.render(Camera(50, 80)).pixels, renderer.render(Camera(50, 80, roll_deg=90)).pixels
    # axes turn counter-clockwise, so what is seen turns clockwise; rows count upwards, where rot90 turns so
    np.testing.assert_allclose(rolled[0], np.rot90(straight[0]), rtol=1e-4)
    assert not np.allclose(straight[0], np.rot90(straight[0]), rtol=0.1)


def test_turning_the_simulation_with_the_camera_changes_nothing():
    turn, camera = Rotation.from_euler("z", 37, degrees=True), Camera(40, 10)
    snapshot = cloud()
    turned = replace(snapshot, positions=turn.apply(snapshot.positions), velocities=turn.apply(snapshot.velocities))
    one = Renderer(snapshot, FRAME, ("stars", "velocity")).render(camera).pixels
    other = Renderer(turned, FRAME, ("stars", "velocity")).render(Camera(40, 47)).pixels
    np.testing.assert_allclose(other, one, rtol=1e-3, atol=1e-2)


def test_a_shift_by_one_pixel_moves_the_image_by_one_pixel():
    snapshot, step = cloud(), 12 / 24
    camera = fixed_camera(4)
    right, up, towards = camera.axes
    moved = replace(snapshot, positions=snapshot.positions + step * (2 * right + up) + 3 * towards)
    one = Renderer(snapshot, FRAME).render(camera).pixels[0]
    other = Renderer(moved, FRAME).render(camera).pixels[0]
    np.testing.assert_allclose(other[1:, 2:], one[:-1, :-2], rtol=1e-3)
    followed = Renderer(moved, replace(FRAME, centre_kpc=tuple(step * (2 * right + up)))).render(camera).pixels[0]
    np.testing.assert_allclose(followed, one, rtol=1e-3)


def test_brightness_does_not_depend_on_what_else_is_in_the_image():
    snapshot = cloud()
    heavy = replace(snapshot, masses=3 * snapshot.masses)
    one, other = (Renderer(s, FRAME).render(ON_PAPER).pixels for s in (snapshot, heavy))
    np.testing.assert_allclose(other, 3 * one, rtol=1e-6)
    dark_too = Renderer(snapshot, FRAME, ("dark", "stars")).render(ON_PAPER).pixels
    np.testing.assert_array_equal(dark_too[1], one[0])


def hernquist_surface_density(radius):
    """Hernquist (1990, ApJ 356, 359) eq. 32 for mass and scale 1."""
    s = radius
    x = np.where(s < 1, np.arccosh(1 / np.minimum(s, 1)), np.arccos(1 / np.maximum(s, 1))) / np.sqrt(np.abs(1 - s**2))
    return ((2 + s**2) * x - 3) / (2 * np.pi * (1 - s**2) ** 2)


def test_a_hernquist_sphere_has_hernquists_surface_density_within_noise():
    num, random = 12000, np.random.default_rng(8)
    root = np.sqrt(random.uniform(0, 1, num))
    directions = random.normal(size=(num, 3))
    positions = directions / np.linalg.norm(directions, axis=1, keepdims=True) * (root / (1 - root))[:, None]
    snapshot = Snapshot(0.0, np.full(num, 1 / num), positions, np.zeros((num, 3)), particle_ids(0, "bulge", num))
    frame = Frame(width_kpc=8.0, num_pixels=64)
    found = Renderer(snapshot, frame).render(fixed_camera(7)).pixels[0] / MASS_MSUN
    middles = (frame.edges_kpc[1:] + frame.edges_kpc[:-1]) / 2
    radius = np.hypot(middles[:, None], middles)
    for inner, outer in ((0.5, 0.8), (0.8, 1.3), (1.3, 2.0), (2.0, 3.0), (3.0, 3.9)):
        ring = (radius > inner) & (radius < outer)
        truth = hernquist_surface_density(radius[ring])
        noise = 1 / np.sqrt(num * truth.sum() * frame.pixel_area_kpc2)
        assert found[ring].sum() == pytest.approx(truth.sum(), rel=4 * noise + 0.01)


def test_velocity_is_the_mean_along_the_line_of_sight_and_positive_away():
    snapshot = cloud()
    moving = replace(snapshot, velocities=np.broadcast_to(np.float32([0.5, 0, -1.5]), snapshot.velocities.shape))
    pixels = Renderer(moving, FRAME, ("velocity", "stars")).render(ON_PAPER).pixels
    seen = pixels[1] > 1
    np.testing.assert_allclose(pixels[0][seen], 1.5 * VELOCITY_KM_S, rtol=1e-5)
    renderer = Renderer(snapshot, FRAME, ("velocity", "stars"))
    velocity, density = renderer.render(fixed_camera(9)).pixels.astype(np.float64)
    wide = Renderer(snapshot, Frame(400.0, 1), ("velocity",)).render(fixed_camera(9)).pixels[0, 0, 0]
    stars = snapshot.stars
    mean = -np.average(stars.velocities, axis=0, weights=stars.masses) @ fixed_camera(9).axes[2] * VELOCITY_KM_S
    assert wide == pytest.approx(mean, rel=1e-5)
    assert (velocity * density).sum() / density.sum() == pytest.approx(mean, rel=0.1)


def test_pixels_far_from_every_star_are_empty_and_have_no_velocity():
    pixels = Renderer(cloud(), Frame(3000.0, 10), ("stars", "velocity"), neighbours=4).render(ON_PAPER).pixels
    assert pixels[0, 0, 0] == 0
    assert pixels[1, 0, 0] == 0
    assert np.isfinite(pixels).all()


@pytest.mark.parametrize("channels", [(), ("gas",), ("stars", "stars")])
def test_channels_that_are_not_there_are_refused(channels):
    with pytest.raises(ConfigError, match="channels"):
        Renderer(cloud(), FRAME, channels)


@pytest.mark.parametrize(
    "change", [{"width_kpc": 0}, {"width_kpc": np.inf}, {"num_pixels": 0}, {"centre_kpc": (0, 0, np.nan)}]
)
def test_frames_that_are_no_square_are_refused(change):
    with pytest.raises(ConfigError, match="image"):
        replace(FRAME, **change)


def test_particles_that_cannot_be_seen_are_refused():
    with pytest.raises(DataError, match="32 nearest"):
        Renderer(cloud(20), FRAME)
    with pytest.raises(DataError, match="0 particles"):
        Renderer(cloud().stars, FRAME, ("dark",))
    with pytest.raises(ConfigError, match="neighbours"):
        Renderer(cloud(), FRAME, neighbours=0)
    positions = cloud().positions.copy()
    positions[7] = np.nan
    with pytest.raises(DataError, match="not finite"):
        Renderer(replace(cloud(), positions=positions), FRAME)
