"""The bootstrap over groups: unbiased errors, repeatable draws, whole groups."""

import numpy as np
import pytest

from rhodiff.errors import DataError
from rhodiff.statistics import Groups, GroupSums, draw_groups


def test_errors_of_a_mean_equal_sigma_over_root_n():
    values = np.random.default_rng(0).normal(size=(40, 1))
    sums = GroupSums(values, np.ones(40))
    spread = sums.resampled_means(20_000, seed=0, purpose=1).std()
    assert spread == pytest.approx(values.std(ddof=1) / np.sqrt(40), rel=0.02)


def test_errors_of_few_groups_are_unbiased():
    random = np.random.default_rng(1)
    variances = []
    for seed in range(400):
        sums = GroupSums(random.normal(size=(4, 1)), np.ones(4))
        variances.append(sums.resampled_means(200, seed=seed, purpose=1).var())
    assert np.mean(variances) == pytest.approx(1 / 4, rel=0.12)


def test_fields_of_one_group_count_as_one():
    of_group = np.random.default_rng(2).normal(size=(30, 1))
    values, labels = np.repeat(of_group, 10, axis=0), np.repeat(np.arange(30), 10)
    groups = Groups.of(labels, 300, "reference")
    spread = GroupSums(groups.sum(values), np.full(30, 10.0)).resampled_means(5000, seed=0, purpose=1).std()
    assert groups.count == 30
    assert spread == pytest.approx(of_group.std(ddof=1) / np.sqrt(30), rel=0.05)


def test_a_resample_depends_on_its_index_alone():
    whole = draw_groups(7, 0, 50, seed=3, purpose=1)
    np.testing.assert_array_equal(whole[20:30], draw_groups(7, 20, 30, seed=3, purpose=1))
    np.testing.assert_array_equal(whole.sum(axis=1), 6)
    assert not np.array_equal(whole, draw_groups(7, 0, 50, seed=3, purpose=2))
    assert not np.array_equal(whole, draw_groups(7, 0, 50, seed=4, purpose=1))
    draw_groups(3, 0, 1, seed=-1, purpose=1)


def test_sums_follow_labels_in_any_order():
    groups = Groups.of([5, 2, 5, 9], 4, "reference")
    np.testing.assert_array_equal(groups.labels, [2, 5, 9])
    np.testing.assert_array_equal(groups.sum([[1.0], [2.0], [3.0], [4.0]]), [[2], [4], [4]])


def test_the_error_of_a_single_group_is_unknown():
    assert np.isnan(GroupSums(np.ones((1, 2)), np.ones(1)).resampled_means(5, seed=0, purpose=1)).all()


def test_groups_that_do_not_fit_are_refused():
    with pytest.raises(DataError, match="3 fields, but groups of shape"):
        Groups.of([0, 1], 3, "reference")
    with pytest.raises(DataError, match="no fields"):
        Groups.of(None, 0, "generated")
