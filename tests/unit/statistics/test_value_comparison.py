"""Comparison of value distributions: exact numbers, errors and floors checked by repetition."""

import numpy as np
import pytest
import scipy.stats

from rhodiff.errors import DataError
from rhodiff.statistics import compare_values


def fields(random, num_fields, mean=0.0, std=1.0, cells=64):
    return random.normal(mean, std, size=(num_fields, 8, cells // 8))


def test_a_shifted_and_widened_gaussian_is_measured():
    random = np.random.default_rng(0)
    reference, generated = fields(random, 500, 1.0, 2.0), fields(random, 400, 1.4, 2.2)
    found = compare_values(reference, generated, resamples=300)
    assert found.mean_difference.value == pytest.approx(0.2, abs=4 * found.mean_difference.error)
    assert found.std_ratio.value == pytest.approx(1.1, abs=4 * found.std_ratio.error)
    assert found.skewness_difference.value == pytest.approx(0, abs=4 * found.skewness_difference.error)
    assert found.kurtosis_difference.value == pytest.approx(0, abs=4 * found.kurtosis_difference.error)
    truth = scipy.stats.wasserstein_distance(reference.ravel(), generated.ravel()) / reference.std()
    assert found.w1_over_std.value == pytest.approx(truth, rel=1e-9)
    expected = 0.2 + 0.1 * scipy.stats.norm.ppf(found.probabilities)
    assert np.all(np.abs(found.quantile_difference - expected) < 4.5 * found.quantile_error)


def test_errors_equal_the_spread_of_repeated_experiments():
    random = np.random.default_rng(1)
    pairs = [compare_values(fields(random, 40), fields(random, 30), resamples=150) for _ in range(120)]
    for name in ("mean_difference", "std_ratio", "skewness_difference", "kurtosis_difference"):
        spread = np.std([getattr(pair, name).value for pair in pairs])
        assert np.mean([getattr(pair, name).error for pair in pairs]) == pytest.approx(spread, rel=0.2)
    spread = np.std([pair.quantile_difference for pair in pairs], axis=0)
    stated = np.mean([pair.quantile_error for pair in pairs], axis=0)
    np.testing.assert_allclose(stated[1:-1], spread[1:-1], rtol=0.25)


def test_the_floor_of_w1_is_what_two_sets_of_one_distribution_show():
    random = np.random.default_rng(2)
    pairs = [compare_values(fields(random, 40), fields(random, 30), resamples=150) for _ in range(100)]
    shown = np.mean([pair.w1_over_std.value for pair in pairs])
    assert np.mean([pair.w1_over_std.floor for pair in pairs]) == pytest.approx(shown, rel=0.1)


def test_a_wrong_mean_and_width_do_not_raise_the_floor():
    random = np.random.default_rng(7)
    reference, generated = fields(random, 40), fields(random, 30)
    truth = compare_values(reference, generated).w1_over_std.floor
    assert compare_values(reference, 1.0 + 3 * generated).w1_over_std.floor == pytest.approx(truth, rel=0.02)


def test_matched_groups_take_the_scatter_of_parameters_out():
    random = np.random.default_rng(3)
    labels = np.repeat(np.arange(20), 3)
    offset = random.normal(size=20)[labels][:, None, None]
    sets = [offset + 0.1 * fields(random, 60) for _ in range(2)]
    groups = {"reference_groups": labels, "generated_groups": labels, "resamples": 200}
    matched, loose = compare_values(*sets, **groups, matched=True), compare_values(*sets, **groups)
    assert matched.mean_difference.error < 0.2 * loose.mean_difference.error
    assert matched.w1_over_std.floor < 0.3 * loose.w1_over_std.floor


def test_units_do_not_matter():
    random = np.random.default_rng(4)
    reference, generated = fields(random, 30), fields(random, 30, 0.2)
    one = compare_values(reference, generated, resamples=100)
    other = compare_values(1e-6 * reference + 3e-6, 1e-6 * generated + 3e-6, resamples=100)
    assert other.w1_over_std.value == pytest.approx(one.w1_over_std.value, rel=1e-9)
    assert other.skewness_difference.error == pytest.approx(one.skewness_difference.error, rel=1e-6)
    np.testing.assert_allclose(other.quantile_error, one.quantile_error, rtol=1e-6)


def test_a_collapsed_model_is_compared_and_a_constant_reference_refused():
    reference = fields(np.random.default_rng(5), 10)
    found = compare_values(reference, np.zeros_like(reference), resamples=100)
    assert found.std_ratio.value == 0
    assert np.isnan(found.skewness_difference.value)
    with pytest.raises(DataError, match="constant"):
        compare_values(np.zeros_like(reference), reference)


def test_fields_that_are_not_finite_are_refused():
    reference = fields(np.random.default_rng(6), 4)
    bad = reference.copy()
    bad[1, 2, 3] = np.inf
    with pytest.raises(DataError, match="NaN or infinite"):
        compare_values(reference, bad)
