"""Ranks, coverage and spread of draws whose posterior is known."""

import numpy as np
import pytest

from rhodiff.errors import DataError
from rhodiff.statistics import coverage, measure_spread

BOX = (1.0, 1.0)


def measured(width, draws=19, fields=40, size=16, shift=0.0):
    """Draws ``width`` times as wide as the posterior of the truth, which is normal of variance one."""
    random = np.random.default_rng(0)
    truth = random.normal(size=(fields, size, size))
    return measure_spread(shift + width * random.normal(size=(draws, *truth.shape)), truth, BOX)


def test_ranks_of_a_calibrated_posterior_are_equally_frequent():
    found = measured(1.0)
    assert (found.ranks.sum(axis=1) == 256).all()
    counts = found.ranks.sum(axis=0)
    expected = 40 * 256 / 20
    assert ((counts - expected) ** 2 / expected).sum() < 19 + 5 * np.sqrt(2 * 19)  # chi-squared


@pytest.mark.parametrize(("width", "ends"), [(0.7, "high"), (1.5, "low")])
def test_ranks_pile_up_at_both_ends_of_draws_too_narrow_and_in_the_middle_of_too_wide(width, ends):
    counts = measured(width).ranks.sum(axis=0)
    outer, inner = counts[[0, -1]].min(), counts[9:11].mean()
    assert (outer > 1.3 * inner) if ends == "high" else (outer < 0.7 * inner)


def test_ranks_of_biased_draws_pile_up_at_one_end():
    counts = measured(1.0, shift=-0.5).ranks.sum(axis=0)
    assert counts[-1] > 2 * counts[0]


@pytest.mark.parametrize("draws", [2, 7, 39])
def test_coverage_of_a_calibrated_posterior_is_the_probability_for_any_number_of_draws(draws):
    probabilities = (0.1, 0.5, 0.68, 0.95)
    found = coverage(measured(1.0, draws=draws).ranks, probabilities)
    assert found.shape == (40, 4)
    np.testing.assert_allclose(found.mean(axis=0), probabilities, atol=5 * 0.5 / np.sqrt(40 * 256))


def test_coverage_takes_the_share_of_a_rank_that_lies_inside():
    ranks = np.array([[4, 0, 0, 0], [0, 3, 1, 0]])
    np.testing.assert_allclose(coverage(ranks, (0.5, 0.75, 1.0)), [[0, 0.5, 1], [1, 1, 1]])


@pytest.mark.parametrize("width", [0.5, 1.0, 2.0])
def test_spread_over_error_is_the_width_at_every_scale(width):
    found = measured(width)
    np.testing.assert_allclose(found.std.mean(), width, rtol=0.02)
    # the error holds the truth's variance 1 and the 1/K of the mean of the draws
    expected = width**2 * (1 + 1 / 19) / (1 + width**2 / 19)
    ratio = found.spread_power.mean(axis=0) / found.error_power.mean(axis=0)
    np.testing.assert_allclose(ratio, expected, rtol=0.35)
    total = found.spread_power[:, 2:].mean() / found.error_power[:, 2:].mean()
    assert total == pytest.approx(expected, rel=0.06)


def test_mean_and_std_are_those_of_the_draws():
    draws = np.random.default_rng(1).normal(size=(5, 3, 4, 4))
    found = measure_spread(draws, np.zeros((3, 4, 4)), BOX)
    np.testing.assert_allclose(found.mean, draws.mean(axis=0))
    np.testing.assert_allclose(found.std, draws.std(axis=0, ddof=1))


@pytest.mark.parametrize("shape", [(1, 2, 4, 4), (3, 2, 4, 5)])
def test_one_draw_or_another_shape_is_refused(shape):
    with pytest.raises(DataError, match="two or more draws"):
        measure_spread(np.ones(shape), np.ones((2, 4, 4)), BOX)
