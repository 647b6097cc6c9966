"""Minkowski functionals: shapes known in closed form, the definition window by window, and symmetries."""

import numpy as np
import pytest
from scipy.special import ndtr

from rhodiff.errors import DataError
from rhodiff.statistics import minkowski_functionals

ROOT_2 = np.sqrt(2)


def rectangle(height, width, size=64):
    field = np.zeros((1, size, size))
    field[0, 20 : 20 + height, 20 : 20 + width] = 1
    return field


def by_definition(mask, boundary):
    """The sums of the module's docstring, window by window."""
    mask = mask.astype(int)
    rows, columns = mask.shape
    if boundary == "open":
        rows, columns = rows - 1, columns - 1
    area = crossings = euler = 0.0
    for i in range(rows):
        for j in range(columns):
            a, b = mask[i, j], mask[i, (j + 1) % mask.shape[1]]
            c, d = mask[(i + 1) % mask.shape[0], j], mask[(i + 1) % mask.shape[0], (j + 1) % mask.shape[1]]
            area += a
            crossings += abs(a - b) + abs(a - c) + abs(a - d) + abs(b - c)
            euler += (a + b + c + d) / 4 - (a * b + a * c + b * d + c * d) / 2 + a * b * c * d
    return np.array([area, (ROOT_2 - 1) / 8 * crossings, euler / np.pi])


def test_a_rectangle_has_its_area_and_one_component():
    # crossings of a 10 x 20 rectangle: 2 (10 + 20) along the axes, 2 * 2 (10 + 20 - 1) along the diagonals
    crofton = (ROOT_2 - 1) / 8 * (60 + 116)
    assert minkowski_functionals(rectangle(10, 20), [0.5])[0, 0] == pytest.approx([200, crofton, 1 / np.pi])


def test_a_hole_takes_one_from_the_euler_characteristic():
    field = rectangle(10, 20)
    field[0, 24:26, 28:32] = 0
    area, _, euler = minkowski_functionals(field, [0.5])[0, 0]
    assert (area, euler) == (192, 0)


def test_cells_that_touch_at_a_corner_are_two_bodies():
    field = np.zeros((1, 6, 6))
    field[0, 2, 2] = field[0, 3, 3] = 1
    assert minkowski_functionals(field, [0.5])[0, 0, 2] == pytest.approx(2 / np.pi)


def test_the_perimeter_of_a_disc_is_that_of_the_circle():
    radius, offset = 200.0, np.arange(512) - 255.7
    disc = (np.hypot(offset[:, None], offset[None]) <= radius).astype(float)[None]
    # the four directions are exact for a disc up to the discreteness of its rim, less than a cell in 200
    assert minkowski_functionals(disc, [0.5])[0, 0, 1] == pytest.approx(radius, rel=0.005)


@pytest.mark.parametrize("boundary", ["open", "periodic"])
@pytest.mark.parametrize("shape", [(2, 2), (2, 7), (9, 8), (13, 5)])
def test_all_thresholds_at_once_are_the_definition_at_each(shape, boundary):
    random = np.random.default_rng(3)
    fields = np.concatenate([random.normal(size=(3, *shape)), random.integers(-2, 3, size=(3, *shape))])
    levels = np.concatenate([random.normal(size=6), [-2.0, 0.0, 0.0, 1.0, 9.0, -9.0]])
    found = minkowski_functionals(fields, levels, boundary=boundary)
    expected = [[by_definition(field >= level, boundary) for level in levels] for field in fields]
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_a_value_on_the_threshold_belongs_to_the_set_whatever_the_type():
    levels = np.array([0.1, np.float64(np.float32(0.1)), 0.3])
    for kind in (np.float32, np.float64):
        fields = np.full((1, 4, 4), 0.1, dtype=kind)
        expected = [9.0 * (kind(0.1) >= level) for level in levels]
        assert minkowski_functionals(fields, levels)[0, :, 0].tolist() == expected


def test_thresholds_crowded_into_one_bucket_are_told_apart():
    levels = np.concatenate([[-1e6], 1 + np.arange(40) * 1e-12, [1e6]])
    fields = np.random.default_rng(0).choice(levels, size=(2, 16, 16))
    found = minkowski_functionals(fields, levels)[..., 0]
    np.testing.assert_array_equal(found, [[(f[:-1, :-1] >= level).sum() for level in levels] for f in fields])


def test_more_thresholds_than_a_byte_counts():
    fields = np.random.default_rng(0).normal(size=(2, 20, 20))
    levels = np.linspace(-3, 3, 1000)
    expected = [[(f[:-1, :-1] >= level).sum() for level in levels] for f in fields]
    np.testing.assert_array_equal(minkowski_functionals(fields, levels)[..., 0], expected)


def test_shifting_and_turning_a_periodic_field_changes_nothing():
    fields = np.random.default_rng(1).normal(size=(2, 12, 12))
    levels = np.linspace(-1, 1, 7)
    expected = minkowski_functionals(fields, levels, boundary="periodic")
    for moved in (np.roll(fields, (3, 5), (1, 2)), np.rot90(fields, axes=(1, 2)), fields[:, ::-1]):
        np.testing.assert_allclose(minkowski_functionals(moved, levels, boundary="periodic"), expected, atol=1e-12)


def test_a_gaussian_random_field_has_tomitas_expectation():
    # Tomita 1986; white noise smoothed by a Gaussian of width s: gradient variance per axis 1 / (2 s^2)
    width, size, count = 4.0, 128, 200
    k = 2 * np.pi * np.fft.fftfreq(size)
    kernel = np.exp(-((k[:, None] ** 2 + k[None] ** 2) * width**2) / 2)
    noise = np.random.default_rng(5).normal(size=(count, size, size))
    fields = np.fft.ifft2(np.fft.fft2(noise) * kernel).real / np.sqrt((kernel**2).mean())
    slope = np.sqrt((kernel**2 * k[:, None] ** 2).mean() / (kernel**2).mean())
    levels = np.array([-1.5, -0.5, 0.5, 1.5])
    area = ndtr(-levels)
    perimeter = slope * np.exp(-(levels**2) / 2) / 2 / (2 * np.pi)
    euler = slope**2 * levels * np.exp(-(levels**2) / 2) / (2 * np.pi) ** 1.5 / np.pi
    for boundary, windows in (("periodic", size**2), ("open", (size - 1) ** 2)):
        found = minkowski_functionals(fields, levels, boundary=boundary) / windows
        error, mean = found.std(axis=0, ddof=1) / np.sqrt(count), found.mean(axis=0)
        np.testing.assert_array_less(abs(mean[:, 0] - area), 4 * error[:, 0])
        np.testing.assert_array_less(abs(mean[:, 2] - euler), 4 * error[:, 2])
        # the grid shortens a curve of this curvature by about (cell / width)^2 / 24, a quarter of a per cent
        np.testing.assert_array_less(abs(mean[:, 1] - perimeter), 4 * error[:, 1] + 0.003 * perimeter)


@pytest.mark.parametrize(
    ("fields", "levels", "says"),
    [
        (np.zeros(4), [0.0], "shape"),
        (np.zeros((1, 1, 4)), [0.0], "at least 2"),
        (np.full((1, 4, 4), np.nan), [0.0], "NaN"),
        (np.zeros((1, 4, 4)), [], "thresholds"),
        (np.zeros((1, 4, 4)), [np.inf], "finite"),
    ],
)
def test_what_has_no_answer_is_refused(fields, levels, says):
    with pytest.raises(DataError, match=says):
        minkowski_functionals(fields, levels)


def test_an_unknown_boundary_is_refused():
    with pytest.raises(DataError, match="periodic"):
        minkowski_functionals(np.zeros((1, 4, 4)), [0.0], boundary="wrapped")
