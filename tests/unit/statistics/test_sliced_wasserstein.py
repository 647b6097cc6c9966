"""Sliced Wasserstein distances against SciPy, closed forms of shifts and scales, and their floor."""

import numpy as np
import pytest
from scipy.stats import wasserstein_distance

from rhodiff.errors import ConfigError, DataError
from rhodiff.statistics import compare_sliced, sliced_wasserstein
from rhodiff.statistics.sliced_distance import field_features


def noise(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


@pytest.mark.parametrize(("n", "m"), [(50, 50), (40, 70), (7, 31), (1, 5)])
def test_in_one_dimension_it_is_the_distance_of_scipy(n, m):
    a, b = noise(n, 1), 1 + noise(m, 1, seed=1)
    distance, error = sliced_wasserstein(a, b, directions=3)
    assert distance == pytest.approx(wasserstein_distance(a[:, 0], b[:, 0]), rel=1e-12)
    assert error == pytest.approx(0, abs=1e-12)


def test_order_two_of_sets_of_different_size_is_that_of_repeated_points():
    a, b = noise(4, 3), noise(6, 3, seed=1)
    repeated = sliced_wasserstein(np.repeat(a, 3, 0), np.repeat(b, 2, 0), order=2)
    assert sliced_wasserstein(a, b, order=2) == pytest.approx(repeated, rel=1e-12)


@pytest.mark.parametrize("dimension", [2, 5, 30])
def test_a_shift_has_the_closed_form(dimension):
    """W_2 along t is |t m|, and the mean of (t m)^2 over the sphere is |m|^2 / D."""
    a, shift = noise(40, dimension), np.linspace(1, 2, dimension)
    distance, error = sliced_wasserstein(a, a + shift, order=2, directions=4000)
    assert distance == pytest.approx(np.linalg.norm(shift) / np.sqrt(dimension), abs=5 * error)
    assert error < 0.03 * distance


def test_a_scale_has_the_closed_form():
    """Normal points of standard deviations 1 and 2: W_1 = E|x|, W_2 = 1 along every direction."""
    a, b = noise(40000, 3), 2 * noise(40000, 3, seed=1)
    assert sliced_wasserstein(a, b, directions=20)[0] == pytest.approx(np.sqrt(2 / np.pi), rel=0.02)
    assert sliced_wasserstein(a, b, order=2, directions=20)[0] == pytest.approx(1, rel=0.02)


def test_it_is_a_distance():
    a, b, c = noise(30, 4), 1 + noise(20, 4, seed=1), noise(25, 4, seed=2) ** 2
    for order in (1, 2):
        ab, ba, bc, ac = (sliced_wasserstein(x, y, order=order)[0] for x, y in ((a, b), (b, a), (b, c), (a, c)))
        assert ab == pytest.approx(ba, rel=1e-12)
        assert ac <= ab + bc
        assert sliced_wasserstein(a, a[::-1], order=order)[0] == pytest.approx(0, abs=1e-12)


def test_the_seed_decides_and_more_directions_keep_the_first(monkeypatch):
    a, b = noise(30, 4), noise(20, 4, seed=1)
    one = sliced_wasserstein(a, b, seed=3)
    monkeypatch.setattr("rhodiff.statistics.sliced_distance.DIRECTIONS_AT_ONCE", 7)
    assert sliced_wasserstein(a, b, seed=3) == pytest.approx(one, rel=1e-12)
    assert sliced_wasserstein(a, b, seed=4) != one


@pytest.mark.parametrize("space", ["cells", "patches"])
@pytest.mark.parametrize("order", [1, 2])
def test_equal_distributions_lie_at_the_floor_and_others_above(space, order):
    reference, same = noise(120, 12, 12), noise(80, 12, 12, seed=1)
    found = compare_sliced(reference, same, space=space, order=order, directions=128)
    assert found.value == pytest.approx(found.floor, rel=0.25)
    wrong = compare_sliced(reference, 1.6 * same, space=space, order=order, directions=128)
    assert wrong.value > 2 * wrong.floor


def test_patches_see_what_neither_values_nor_large_scales_show():
    """Smoothed fields, their values mapped back to normal ones."""
    white, reference = noise(60, 16, 16, seed=5), noise(60, 16, 16, seed=6)
    smooth = (white + np.roll(white, 1, 1)) / np.sqrt(2)
    found = compare_sliced(reference, smooth, space="patches")
    assert found.value > 2 * found.floor


def test_patches_are_neighbourhoods_of_the_periodic_field():
    field = np.arange(12.0).reshape(1, 12)
    found = field_features(field, "patches", width=3, per_field=40)[0]
    assert np.all((np.diff(found, axis=1) % 12) == 1)
    assert len(np.unique(found[:, 0])) > 8
    assert field_features(noise(2, 4, 4, 4), "patches", width=3, per_field=5).shape == (2, 5, 27)


def test_the_floor_follows_the_groups():
    shared = np.repeat(noise(20, 8, 8), 5, axis=0)
    groups = np.repeat(np.arange(20), 5)
    each = compare_sliced(shared, noise(50, 8, 8, seed=1), space="cells")
    grouped = compare_sliced(shared, noise(50, 8, 8, seed=1), space="cells", reference_groups=groups)
    assert grouped.floor > 1.3 * each.floor
    assert grouped.value == each.value


@pytest.mark.parametrize(
    ("reference", "generated", "told"),
    [
        (noise(9, 4), noise(9, 5), "cannot compare"),
        (noise(3, 8), noise(9, 8), "floor needs 4 groups"),
        (np.ones((9, 8)), noise(9, 8), "constant"),
        (np.full((9, 8), np.nan), noise(9, 8), "not finite"),
        (noise(9, 8), np.full((9, 8), np.inf), "NaN/inf"),
    ],
)
def test_sets_that_cannot_be_compared_are_refused(reference, generated, told):
    with pytest.raises(DataError, match=told):
        compare_sliced(reference, generated)


def test_options_without_sense_are_refused():
    with pytest.raises(ConfigError, match="order is 1 or 2"):
        sliced_wasserstein(noise(3, 2), noise(3, 2), order=3)
    with pytest.raises(ConfigError, match="'cells' or 'patches'"):
        compare_sliced(noise(9, 8), noise(9, 8), space="modes")
    with pytest.raises(ConfigError, match="cannot be taken"):
        compare_sliced(noise(9, 3), noise(9, 3))
    with pytest.raises(DataError, match="features cannot be compared"):
        sliced_wasserstein(noise(3, 2), noise(3, 4))
