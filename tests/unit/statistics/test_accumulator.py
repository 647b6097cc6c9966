"""Accumulators merge in any order to what the whole set gives."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rhodiff.errors import DataError
from rhodiff.statistics import MeanCovariance, merge_all


@settings(max_examples=50, deadline=None)
@given(
    cuts=st.lists(st.integers(0, 60), max_size=8),
    order=st.randoms(use_true_random=False),
    offset=st.floats(-1e4, 1e4),
)
def test_parts_merged_in_any_order_equal_the_whole(cuts, order, offset):
    values = offset + np.random.default_rng(0).normal(size=(60, 4)) @ np.diag([1.0, 10.0, 0.1, 3.0])
    parts = [MeanCovariance.of(part) for part in np.split(values, sorted(cuts))]
    order.shuffle(parts)
    merged = merge_all(parts)
    covariance = np.cov(values, rowvar=False)
    std = np.sqrt(np.diagonal(covariance))
    assert merged.count == 60
    np.testing.assert_allclose(merged.mean, values.mean(axis=0), rtol=1e-12, atol=1e-12)
    scale = np.outer(std, std) + 1e-3 * abs(offset) * np.add.outer(std, std)
    assert np.max(np.abs(merged.covariance() - covariance) / scale) < 1e-11
    np.testing.assert_allclose(merged.std(), std, rtol=1e-9)


@given(st.permutations(range(6)))
@settings(max_examples=30, deadline=None)
def test_the_order_changes_rounding_only(order):
    parts = [MeanCovariance.of(np.random.default_rng(i).lognormal(size=(5 + i, 3))) for i in range(6)]
    first, other = merge_all(parts), merge_all([parts[i] for i in order])
    np.testing.assert_allclose(other.mean, first.mean, rtol=1e-12)
    np.testing.assert_allclose(other.covariance(), first.covariance(), rtol=1e-11, atol=1e-13)


def test_a_large_mean_costs_no_digits():
    values = 1e9 + np.random.default_rng(1).normal(size=(1000, 1))
    merged = merge_all(MeanCovariance.of(part) for part in np.split(values, 10))
    assert merged.std()[0] == pytest.approx(np.std(values - 1e9, ddof=1), rel=1e-6)


def test_what_cannot_be_merged_or_known_is_refused():
    one = MeanCovariance.of([[1.0, 2.0]])
    with pytest.raises(DataError, match="2 and 3 bins"):
        one.merge(MeanCovariance.empty(3))
    with pytest.raises(DataError, match="two or more"):
        one.covariance()
    with pytest.raises(DataError, match="nothing to merge"):
        merge_all([])
    with pytest.raises(DataError, match="finite"):
        MeanCovariance.of([[np.nan]])
