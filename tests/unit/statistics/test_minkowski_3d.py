"""Minkowski functionals in 3D and 1D: closed forms, the definition window by window, topology, symmetries."""

from itertools import combinations, product

import numpy as np
import pytest
from scipy.ndimage import label
from scipy.spatial import SphericalVoronoi
from scipy.special import ndtr
from scipy.stats import multivariate_normal

from rhodiff.statistics import minkowski_functionals

CORNERS = list(product((0, 1), repeat=3))
UNITS = np.array([1, 1 / 8, 1 / (2 * np.pi**2), 3 / (4 * np.pi)])
DIRECTIONS = np.array([step for step in product((-1, 0, 1), repeat=3) if any(step)])
LENGTHS = np.linalg.norm(DIRECTIONS, axis=1)
SHARES = SphericalVoronoi(DIRECTIONS / LENGTHS[:, None]).calculate_areas() / (4 * np.pi)


def functionals(mask, boundary="open"):
    """Volume, surface, integral of the mean curvature, Euler number of one body."""
    return minkowski_functionals(mask[None].astype(float), [0.5], boundary=boundary)[0, 0] / UNITS


def share(kind):
    """Share of the sphere of a direction along an axis, a diagonal of a face or of the cube (1, 2, 3)."""
    return SHARES[np.isclose(LENGTHS, np.sqrt(kind))].mean()


def apart(one, other):
    return sum(p != q for p, q in zip(one, other, strict=True))


def euler_of(cells, corners, weights):
    """Shares of cells, pairs and the whole face, of one face of a window."""
    sides = [pair for pair in combinations(corners, 2) if is_side(pair, corners)]
    cell, side = weights
    total = sum(cells[c] for c in corners) * cell - sum(cells[a] * cells[b] for a, b in sides) * side
    return total + np.prod([cells[c] for c in corners])


def is_side(pair, corners):
    distances = sorted({apart(*one) for one in combinations(corners, 2)})
    return apart(*pair) in (distances[:-1] or distances)


def window(cells):
    """The four functionals of one window of 2 x 2 x 2 cells, from the docstring of the module."""
    normal = sum(share(kind) * np.sqrt(kind) * count for kind, count in ((1, 6), (2, 12), (3, 8)))
    surface = 0.0
    for one, other in combinations(CORNERS, 2):
        kind = apart(one, other)
        if kind == 3 or not any(p and q for p, q in zip(one, other, strict=True)):
            surface += 4 * share(kind) / normal * (cells[one] != cells[other])
    section = [2 * np.pi * 2 * share(kind) / np.sqrt(kind) for kind in (1, 2, 3)]
    curvature = 0.0
    for four in combinations(CORNERS, 4):
        distances = sorted(apart(*pair) for pair in combinations(four, 2))
        if distances == [1, 1, 1, 1, 2, 2]:
            curvature += section[0] / 2 * euler_of(cells, four, (1 / 4, 1 / 2))
        if distances == [1, 1, 2, 2, 3, 3]:
            curvature += section[1] * euler_of(cells, four, (1 / 4, 1 / 2))
    for three in combinations(CORNERS, 3):
        if all(apart(*pair) == 2 for pair in combinations(three, 2)):
            curvature += section[2] * euler_of(cells, three, (1 / 6, 1 / 2))
    edges = sum(cells[a] * cells[b] for a, b in combinations(CORNERS, 2) if apart(a, b) == 1)
    squares = [c for c in combinations(CORNERS, 4) if any(len(set(places)) == 1 for places in zip(*c, strict=True))]
    faces = sum(np.prod([cells[c] for c in four]) for four in squares)
    euler = sum(cells.values()) / 8 - edges / 4 + faces / 2 - np.prod(list(cells.values()))
    return np.array([cells[0, 0, 0], surface, curvature, euler])


def by_definition(mask, boundary):
    """Sum over the windows."""
    if boundary == "periodic":
        mask = np.pad(mask, (0, 1), mode="wrap")
    total = np.zeros(4)
    for place in product(*(range(n - 1) for n in mask.shape)):
        cells = {c: int(mask[tuple(np.add(place, c))]) for c in CORNERS}
        total += window(cells)
    return total


def ball(radius, centre=(0.3, 0.1, -0.2)):
    half = int(radius) + 3
    axes = np.meshgrid(*(np.arange(-half, half + 1) - c for c in centre), indexing="ij")
    return sum(axis**2 for axis in axes) <= radius**2


@pytest.mark.parametrize("boundary", ["open", "periodic"])
@pytest.mark.parametrize("shape", [(2, 2, 2), (2, 5, 3), (4, 3, 5)])
def test_all_thresholds_at_once_are_the_definition_at_each_in_3d(shape, boundary):
    random = np.random.default_rng(3)
    fields = np.concatenate([random.normal(size=(1, *shape)), random.integers(-1, 2, size=(1, *shape))])
    levels = [0.5, -1.0, 0.0, 0.0, 1.0, 9.0, -9.0]
    found = minkowski_functionals(fields, levels, boundary=boundary)
    expected = [[by_definition(field >= level, boundary) for level in levels] for field in fields]
    np.testing.assert_allclose(found / UNITS, expected, atol=1e-11)


def test_many_codes_are_counted_in_pairs_with_the_same_result():
    field = np.random.default_rng(4).normal(size=(1, 15, 16, 17))
    few = [-0.5, 0.1, 0.7]
    many = minkowski_functionals(field, np.concatenate([few, np.linspace(-2, 2, 300)]))
    np.testing.assert_allclose(minkowski_functionals(field, few), many[:, :3], atol=1e-11)


@pytest.mark.parametrize("num_levels", [3, 255, 256])
def test_fields_measured_together_are_those_measured_alone(num_levels):
    fields = np.random.default_rng(6).normal(size=(3, 45, 46, 44))
    levels = np.linspace(-2, 2, num_levels)
    together = minkowski_functionals(fields, levels)
    for field, expected in zip(fields, together, strict=True):
        np.testing.assert_array_equal(minkowski_functionals(field[None], levels)[0], expected)


@pytest.mark.parametrize("radius", [6.0, 12.5, 20.0])
def test_a_ball_has_its_volume_surface_mean_curvature_and_one_component(radius):
    volume, surface, curvature, euler = functionals(ball(radius))
    assert volume == pytest.approx(4 / 3 * np.pi * radius**3, rel=0.3 / radius)
    # the 13 directions are exact for a ball up to the discreteness of its rim
    assert surface == pytest.approx(4 * np.pi * radius**2, rel=0.1 / radius)
    assert curvature == pytest.approx(4 * np.pi * radius, rel=0.2 / radius)
    assert euler == pytest.approx(1)


def test_a_box_has_steiners_functionals_as_13_directions_see_them():
    a, b, c = 5, 8, 11
    mask = np.zeros((12, 14, 18), dtype=bool)
    mask[3 : 3 + a, 2 : 2 + b, 4 : 4 + c] = True
    volume, surface, curvature, euler = functionals(mask)
    assert (volume, euler) == (a * b * c, pytest.approx(1))
    # true surface 2 (ab + bc + ca): the face of a cell is seen by its axis, 4 diagonals of faces and 4 of the cube
    normal = sum(share(kind) * np.sqrt(kind) * count for kind, count in ((1, 6), (2, 12), (3, 8)))
    crossings = {1: 2 * (a * b + b * c + c * a), 2: 0, 3: 0}
    for n, m, k in ((a, b, c), (b, c, a), (c, a, b)):
        crossings[2] += 2 * 2 * (n * m - (n - 1) * (m - 1)) * k
    crossings[3] = 4 * 2 * (a * b * c - (a - 1) * (b - 1) * (c - 1))
    assert surface == pytest.approx(sum(4 * share(k) / normal * crossings[k] for k in (1, 2, 3)))
    assert surface == pytest.approx(2 * (a * b + b * c + c * a), rel=0.05 + 0.5 / a)
    # width across d: number of lattice planes that meet the box times their spacing
    widths = {1: a + b + c, 2: 2 * (2 * (a + b + c) - 3) / np.sqrt(2), 3: 4 * (a + b + c - 2) / np.sqrt(3)}
    assert curvature == pytest.approx(2 * np.pi * sum(2 * share(k) * widths[k] for k in widths))


def test_the_euler_number_counts_components_tunnels_and_cavities_of_the_6_connected_body():
    solid = np.zeros((9, 9, 9), dtype=bool)
    solid[2:7, 2:7, 2:7] = True
    hollow, ring = solid.copy(), solid.copy()
    hollow[4, 4, 4] = False
    ring[:, 4, 4] = False
    touching = np.zeros((6, 6, 6), dtype=bool)
    touching[2, 2, 2] = touching[3, 3, 2] = touching[4, 4, 3] = True
    assert [round(functionals(one)[3], 9) for one in (solid, hollow, ring, touching)] == [1, 2, 0, 3]


def test_single_cells_far_apart_count_as_many_components_as_labelling_finds():
    mask = np.random.default_rng(2).random((24, 24, 24)) < 0.004
    mask[[0, -1]] = mask[:, [0, -1]] = mask[:, :, [0, -1]] = False
    assert functionals(mask)[3] == pytest.approx(label(mask)[1])


def test_turning_and_shifting_a_periodic_field_changes_nothing_in_3d():
    fields, levels = np.random.default_rng(1).normal(size=(1, 6, 6, 6)), np.linspace(-1, 1, 5)
    expected = minkowski_functionals(fields, levels, boundary="periodic")
    moved = (
        np.roll(fields, (3, 5, 1), (1, 2, 3)),
        np.rot90(fields, axes=(2, 3)),
        fields[:, :, ::-1],
        fields.swapaxes(1, 3),
    )
    for one in moved:
        np.testing.assert_allclose(minkowski_functionals(one, levels, boundary="periodic"), expected, atol=1e-12)


def test_a_gaussian_random_field_has_tomitas_expectation_in_3d():
    # Tomita 1986; densities per cell with gradient variance per axis s^2 and nu the threshold
    width, size, count = 2.5, 32, 60
    k = 2 * np.pi * np.fft.fftfreq(size)
    square = k[:, None, None] ** 2 + k[None, :, None] ** 2 + k[None, None] ** 2
    kernel = np.exp(-square * width**2 / 2)
    noise = np.random.default_rng(5).normal(size=(count, size, size, size))
    fields = np.fft.ifftn(np.fft.fftn(noise, axes=(1, 2, 3)) * kernel, axes=(1, 2, 3)).real
    fields /= np.sqrt((kernel**2).mean())
    slope = np.sqrt((kernel**2 * square).mean() / (kernel**2).mean() / 3)
    nu = np.array([-1.5, -0.5, 0.5, 1.5])
    found = minkowski_functionals(fields, nu, boundary="periodic") / UNITS / size**3
    error = found.std(axis=0, ddof=1) / np.sqrt(count)
    tail = np.exp(-(nu**2) / 2)
    surface = 2 * slope / np.pi * tail
    curvature = slope**2 * nu / np.sqrt(2 * np.pi) * tail
    euler = slope**3 * (nu**2 - 1) / (2 * np.pi) ** 2 * tail
    # the grid cuts curved surfaces short: (cell / width)^2 / 24 for a surface, no more than four times for the others
    short = 1 / (24 * width**2)
    np.testing.assert_array_less(abs(found[..., 0].mean(axis=0) - ndtr(-nu)), 4 * error[:, 0])
    for column, expected, grid in ((1, surface, short), (2, curvature, 4 * short), (3, euler, 4 * short)):
        allowed = 4 * error[:, column] + grid * abs(expected).max()
        np.testing.assert_array_less(abs(found[..., column].mean(axis=0) - expected), allowed)


def test_a_line_has_its_length_and_its_components():
    line = np.array([[0, 1, 1, 0, 0, 1, 0, 1, 1, 1, 0.0]])
    assert minkowski_functionals(line, [0.5])[0, 0].tolist() == [6, 3 / 2]


@pytest.mark.parametrize("boundary", ["open", "periodic"])
def test_a_gaussian_line_has_the_components_of_its_correlation(boundary):
    # a component of the periodic line begins where a cell below the threshold is followed by one above: exact for
    # any correlation; Rice 1944 in the limit of small cells
    width, size, count = 3.0, 256, 500
    k = 2 * np.pi * np.fft.fftfreq(size)
    kernel = np.exp(-((k * width) ** 2) / 2)
    noise = np.random.default_rng(6).normal(size=(count, size))
    lines = np.fft.ifft(np.fft.fft(noise) * kernel).real / np.sqrt((kernel**2).mean())
    next_cell = (kernel**2 * np.cos(k)).mean() / (kernel**2).mean()
    levels = np.array([-1.5, -0.5, 0.0, 1.0, 2.0])
    pair = multivariate_normal([0, 0], [[1, next_cell], [next_cell, 1]])
    begins = ndtr(levels) - pair.cdf(np.stack([levels, levels], axis=1))
    rice = np.sqrt((kernel**2 * k**2).mean() / (kernel**2).mean()) * np.exp(-(levels**2) / 2) / (2 * np.pi)
    np.testing.assert_array_less(abs(begins / rice - 1), (1 + levels**2) / (24 * width**2))
    found = minkowski_functionals(lines, levels, boundary=boundary) / (size - (boundary == "open"))
    error = found.std(axis=0, ddof=1) / np.sqrt(count)
    expected = np.stack([ndtr(-levels), begins / 2], axis=1)
    np.testing.assert_array_less(abs(found.mean(axis=0) - expected), 4 * error)


def test_a_component_across_the_seam_of_a_periodic_line_is_one():
    line = np.array([[1, 1, 0, 0, 1, 0, 1.0]])
    assert minkowski_functionals(line, [0.5], boundary="periodic")[0, 0].tolist() == [4, 2 / 2]
    assert minkowski_functionals(line, [0.5])[0, 0].tolist() == [3, (0.5 + 1 + 0.5) / 2]
