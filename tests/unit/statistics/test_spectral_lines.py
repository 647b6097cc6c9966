"""Lines of spectra: places of Gaussian lines between bins, pairs, what is missing and what is too many."""

import numpy as np
import pytest

from rhodiff.errors import DataError
from rhodiff.statistics.spectral_lines import compare_lines, find_lines

BINS = np.arange(200.0)


def lines(places, heights, width=1.5):
    pairs = zip(places, heights, strict=True)
    return sum(height * np.exp(-((BINS - place) ** 2) / (2 * width**2)) for place, height in pairs)


def test_a_gaussian_line_is_found_at_its_place_between_bins():
    for place in (20.0, 41.3, 77.5, 150.81):
        found = find_lines(lines([place], [3.0]))
        assert found.places == pytest.approx([place], abs=1e-9)
        assert found.heights[0] == pytest.approx(3.0 * np.exp(-((round(place) - place) ** 2) / 4.5), rel=1e-9)


def test_lines_below_the_floor_and_negative_ones_are_none():
    spectrum = lines([50, 100, 150], [1.0, 0.015, -0.5])
    assert find_lines(spectrum, floor=0.02).places == pytest.approx([50])
    assert find_lines(spectrum, floor=0.01).places == pytest.approx([50, 100])
    assert len(find_lines(-spectrum * (BINS < 120)).places) == 0
    assert len(find_lines(np.zeros(20)).places) == 0


def test_a_shifted_spectrum_has_that_shift_and_the_same_order_of_heights():
    places, heights = np.array([20.0, 60.4, 99.7, 140.2]), np.array([1.0, 0.3, 0.6, 0.05])
    found = compare_lines(lines(places + 0.7, 2 * heights), lines(places, heights))
    assert found.offsets == pytest.approx(np.full(4, 0.7), abs=1e-6)
    assert found.median_offset == pytest.approx(0.7, abs=1e-6)
    assert found.rank_correlation == pytest.approx(1)
    assert (found.num_missing, found.num_spurious) == (0, 0)


def test_missing_lines_are_infinitely_far_and_of_no_height():
    truth = lines([20, 60, 100, 140, 180], [1.0, 0.9, 0.8, 0.7, 0.6])
    found = compare_lines(lines([20.5, 60.5], [1.0, 0.9]), truth)
    assert found.num_missing == 3
    assert np.isinf(found.median_offset)
    assert found.heights[2:].tolist() == [0, 0, 0]


def test_spurious_lines_are_counted_and_pair_with_nothing():
    found = compare_lines(lines([20, 60, 100], [1.0, 0.5, 0.4]), lines([20, 100], [1.0, 0.4]))
    assert (found.num_missing, found.num_spurious) == (0, 1)
    assert found.offsets == pytest.approx([0, 0], abs=1e-9)


def test_each_line_has_one_partner_at_most_and_the_sum_of_distances_is_least():
    found = compare_lines(lines([52.0, 58.0], [1.0, 1.0]), lines([50.0, 56.0], [1.0, 1.0]))
    assert found.offsets == pytest.approx([2.0, 2.0], abs=1e-3)  # not 56 with 58 and 50 with none, nor both with 52


def test_a_line_out_of_reach_is_missing_and_spurious():
    found = compare_lines(lines([57], [1.0]), lines([50], [1.0]), reach=5)
    assert (found.num_missing, found.num_spurious) == (1, 1)
    assert compare_lines(lines([57], [1.0]), lines([50], [1.0]), reach=8).offsets == pytest.approx([7], abs=1e-6)


def test_reversed_heights_are_anticorrelated_and_two_lines_have_no_correlation():
    places = [20, 60, 100, 140]
    found = compare_lines(lines(places, [1, 0.8, 0.6, 0.4]), lines(places, [0.4, 0.6, 0.8, 1]))
    assert found.rank_correlation == pytest.approx(-1)
    assert np.isnan(compare_lines(lines([20, 60], [1, 0.5]), lines([20, 60], [1, 0.5])).rank_correlation)


@pytest.mark.parametrize(
    ("generated", "truth", "options"),
    [
        (np.ones(5), np.ones(6), {}),
        (np.ones((2, 5)), np.ones((2, 5)), {}),
        (np.full(5, np.nan), np.arange(5.0), {}),
        (np.ones(5), np.zeros(5), {}),
        (lines([50], [1.0]), lines([50], [1.0]), {"floor": 0}),
        (lines([50], [1.0]), lines([50], [1.0]), {"reach": 0}),
    ],
)
def test_what_cannot_be_compared_is_refused(generated, truth, options):
    with pytest.raises(DataError):
        compare_lines(generated, truth, **options)
