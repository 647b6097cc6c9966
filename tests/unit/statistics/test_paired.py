"""Pairs of fields: differences and power ratios that are known in closed form."""

import numpy as np
import pytest

from rhodiff.errors import DataError
from rhodiff.statistics.paired import median_estimate, power_ratio, relative_l2

RANDOM = np.random.default_rng(11)


@pytest.mark.parametrize("shape", [(64,), (16, 12), (8, 6, 10)])
def test_a_scaled_field_is_off_by_its_factor_and_has_its_power(shape):
    truth = RANDOM.normal(size=(3, *shape))
    factors = np.array([0.0, 0.5, 3.0]).reshape(-1, *[1] * len(shape))
    assert relative_l2(factors * truth, truth) == pytest.approx([1.0, 0.5, 2.0])
    found = power_ratio(factors * truth, truth, box_size=10.0)
    assert found.ratio == pytest.approx(np.broadcast_to([[0], [0.25], [9]], found.ratio.shape))
    assert len(found.k) == found.ratio.shape[1]


def test_a_wave_of_another_phase_has_the_power_and_not_the_place():
    x = 2 * np.pi * np.arange(64) / 64
    for phase in (0.3, np.pi / 2, np.pi):
        truth, moved = np.cos(3 * x)[None], np.cos(3 * x + phase)[None]
        assert relative_l2(moved, truth) == pytest.approx(2 * np.sin(phase / 2))
        found = power_ratio(moved, truth, box_size=2 * np.pi)
        assert found.k[2] == pytest.approx(3)
        assert found.ratio[0, 2] == pytest.approx(1)


def test_independent_fields_are_off_by_the_root_of_two():
    truth, other = RANDOM.normal(size=(2, 4, 128, 128))
    assert relative_l2(other, truth) == pytest.approx(np.full(4, np.sqrt(2)), abs=0.03)


def test_a_constant_truth_has_no_power_to_compare_with():
    truth = np.stack([np.full((8, 8), 0.1), RANDOM.normal(size=(8, 8))])
    ratio = power_ratio(truth, truth, box_size=1.0).ratio
    assert np.isnan(ratio[0]).all()
    assert ratio[1] == pytest.approx(np.ones(ratio.shape[1]))


def test_pairs_that_cannot_be_compared_are_refused():
    ones = np.ones((2, 4, 4))
    with pytest.raises(DataError, match="zero everywhere"):
        relative_l2(ones, np.stack([ones[0], 0 * ones[1]]))
    with pytest.raises(DataError, match="equal shapes"):
        relative_l2(ones, ones[:1])
    with pytest.raises(DataError, match="generated fields hold NaN"):
        power_ratio(np.full((2, 4, 4), np.nan), ones, box_size=1.0)


def test_the_error_of_a_median_is_that_of_many_draws():
    """For n normal values the median has the standard error sqrt(pi / (2 n)); groups of equal values count once."""
    n = 400
    values = RANDOM.normal(size=n)
    found = median_estimate(values, np.arange(n), resamples=2000, seed=1)
    assert found.value == np.median(values)
    assert found.error == pytest.approx(np.sqrt(np.pi / (2 * n)), rel=0.25)
    repeated = median_estimate(np.repeat(values, 5), np.repeat(np.arange(n), 5), resamples=2000, seed=1)
    assert repeated.value == pytest.approx(found.value, abs=0.02)
    assert repeated.error == pytest.approx(found.error, rel=0.05)


def test_fields_without_a_value_do_not_count_in_a_median():
    values = np.array([1.0, np.nan, 2.0, 4.0, np.nan])
    assert median_estimate(values, np.arange(5), resamples=100, seed=0).value == 2.0
    nothing = median_estimate(np.full(3, np.nan), np.arange(3), resamples=100, seed=0)
    assert np.isnan([nothing.value, nothing.error]).all()
    alone = median_estimate(values, np.zeros(5, int), resamples=100, seed=0)
    assert (alone.value, np.isnan(alone.error)) == (2.0, True)
