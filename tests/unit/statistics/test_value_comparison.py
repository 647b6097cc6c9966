"""Comparison of value distributions: numbers against exact ones, errors and floors checked by repetition."""

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from rhodiff.errors import ConfigError, DataError
from rhodiff.statistics import ValueGrid, ValueRows, compare_values, measure_values, quantiles, wasserstein_1


def fields(random, num_fields, mean=0.0, std=1.0, cells=64):
    return random.normal(mean, std, size=(num_fields, 8, cells // 8))


def compare(reference, generated, **options):
    grid = ValueGrid.of(reference)
    return compare_values(measure_values(reference, grid), measure_values(generated, grid), grid, **options)


def pairs_of_sets():
    random = np.random.default_rng(10)
    one, two = random.normal(size=(2, 40, 32, 32))
    outlier, repeated = two.copy(), np.round(2 * two) / 2
    outlier[3, 4, 5] = 1e4
    yield pytest.param(one, two, id="same")
    yield pytest.param(one, 1.1 * two + 0.05, id="wider")
    yield pytest.param(one, two + 3, id="shifted")
    yield pytest.param(np.exp(2 * one), np.exp(2.1 * two), id="log-normal")
    yield pytest.param(one, repeated, id="many equal values")
    yield pytest.param(np.round(one), np.round(1.05 * two), id="integers")
    yield pytest.param((one > 0).astype(float), (two > 0.2).astype(float), id="binary")
    yield pytest.param(one.clip(0), (two + 0.1).clip(0), id="half zero")
    yield pytest.param(one, outlier, id="outlier")
    yield pytest.param(outlier, one, id="outlier in the reference")


@pytest.mark.parametrize(("reference", "generated"), list(pairs_of_sets()))
def test_numbers_equal_those_made_from_all_cells(reference, generated):
    found = compare(reference, generated, resamples=100)
    std = reference.std()
    tolerance = np.maximum(0.01, 0.1 * found.quantile_error) * std
    assert found.w1_over_std.value == pytest.approx(wasserstein_1(reference, generated) / std, abs=1e-3)
    for stated, values in ((found.reference_quantiles, reference), (found.generated_quantiles, generated)):
        assert np.all(np.abs(stated - quantiles(values, found.probabilities)) < tolerance)
    for stated, values in ((found.reference, reference), (found.generated, generated)):
        assert (stated.mean, stated.std) == pytest.approx((values.mean(), values.std()), rel=1e-9, abs=1e-9)
        shape = scipy.stats.skew(values, axis=None), scipy.stats.kurtosis(values, axis=None)
        assert (stated.skewness, stated.kurtosis) == pytest.approx(shape, rel=1e-6, abs=1e-9)


@settings(deadline=None, max_examples=60)
@given(arrays(np.float32, (2, 2, 5), elements=st.floats(-100, 100, width=32)), st.integers(0, 2**32))
def test_w1_of_any_set_is_within_its_bound(generated, seed):
    reference = np.random.default_rng(seed).normal(size=(4, 10))
    grid = ValueGrid.of(reference)
    rows = [measure_values(one.reshape(len(one), -1), grid) for one in (reference, generated)]
    found = compare_values(*rows, grid, resamples=2).w1_over_std.value * reference.std()
    shares = sum(np.diff(one.below.sum(axis=0)) / one.cells.sum() for one in rows)
    bound = np.sum(np.diff(grid.points) * shares) / 2
    assert abs(found - wasserstein_1(reference, generated)) <= bound * (1 + 1e-9) + 1e-9


def test_sets_far_from_the_reference_keep_their_distance_and_moments():
    random = np.random.default_rng(11)
    reference, generated = random.normal(size=(20, 500)), random.gamma(2.0, size=(20, 500)) + 1e6
    found = compare(reference, generated, resamples=50)
    assert found.w1_over_std.value == pytest.approx(wasserstein_1(reference, generated) / reference.std(), rel=1e-9)
    assert found.generated.skewness == pytest.approx(scipy.stats.skew(generated, axis=None), rel=1e-6)
    assert found.generated.kurtosis == pytest.approx(scipy.stats.kurtosis(generated, axis=None), rel=1e-6)
    assert np.isnan(found.generated_quantiles).all()
    assert np.isnan(found.w1_over_std.floor)
    assert found.w1_over_std.error == pytest.approx(found.mean_difference.error, rel=2e-3)


def test_parts_joined_in_any_order_give_the_same_comparison():
    random = np.random.default_rng(12)
    reference, generated = fields(random, 30), fields(random, 24, 0.1)
    groups, order = np.repeat(np.arange(8), 3), random.permutation(24)
    grid = ValueGrid.of(reference)
    rows = measure_values(reference, grid)
    parts = [measure_values(generated[part], grid) for part in np.split(order, [1, 9, 10])]
    whole = compare_values(rows, measure_values(generated, grid), grid, generated_groups=groups)
    joined = compare_values(rows, ValueRows.concatenate(parts), grid, generated_groups=groups[order])
    for name in ("w1_over_std", "mean_difference", "std_ratio", "skewness_difference", "kurtosis_difference"):
        one, other = getattr(whole, name), getattr(joined, name)
        assert (other.value, other.error) == pytest.approx((one.value, one.error), rel=1e-11)
    np.testing.assert_array_equal(joined.generated_quantiles, whole.generated_quantiles)
    np.testing.assert_array_equal(joined.quantile_error, whole.quantile_error)


def test_a_shifted_and_widened_gaussian_is_measured():
    random = np.random.default_rng(0)
    reference, generated = fields(random, 500, 1.0, 2.0), fields(random, 400, 1.4, 2.2)
    found = compare(reference, generated, resamples=300)
    assert found.mean_difference.value == pytest.approx(0.2, abs=4 * found.mean_difference.error)
    assert found.std_ratio.value == pytest.approx(1.1, abs=4 * found.std_ratio.error)
    assert found.skewness_difference.value == pytest.approx(0, abs=4 * found.skewness_difference.error)
    assert found.kurtosis_difference.value == pytest.approx(0, abs=4 * found.kurtosis_difference.error)
    truth = scipy.stats.wasserstein_distance(reference.ravel(), generated.ravel()) / reference.std()
    assert found.w1_over_std.value == pytest.approx(truth, abs=1e-4)
    expected = 0.2 + 0.1 * scipy.stats.norm.ppf(found.probabilities)
    assert np.all(np.abs(found.quantile_difference - expected) < 4.5 * found.quantile_error)


def test_errors_equal_the_spread_of_repeated_experiments():
    random = np.random.default_rng(1)
    pairs = [compare(fields(random, 40), fields(random, 30), resamples=150) for _ in range(120)]
    for name in ("mean_difference", "std_ratio", "skewness_difference", "kurtosis_difference"):
        spread = np.std([getattr(pair, name).value for pair in pairs])
        assert np.mean([getattr(pair, name).error for pair in pairs]) == pytest.approx(spread, rel=0.2)
    spread = np.std([pair.quantile_difference for pair in pairs], axis=0)
    stated = np.mean([pair.quantile_error for pair in pairs], axis=0)
    np.testing.assert_allclose(stated[1:-1], spread[1:-1], rtol=0.25)


def test_the_floor_of_w1_is_what_two_sets_of_one_distribution_show():
    random = np.random.default_rng(2)
    pairs = [compare(fields(random, 40), fields(random, 30), resamples=150) for _ in range(100)]
    shown = np.mean([pair.w1_over_std.value for pair in pairs])
    assert np.mean([pair.w1_over_std.floor for pair in pairs]) == pytest.approx(shown, rel=0.1)


def test_a_wrong_mean_and_width_do_not_raise_the_floor():
    random = np.random.default_rng(7)
    reference, generated = fields(random, 40), fields(random, 30)
    truth = compare(reference, generated).w1_over_std.floor
    assert compare(reference, 1.0 + 3 * generated).w1_over_std.floor == pytest.approx(truth, rel=0.02)


def test_matched_groups_take_the_scatter_of_parameters_out():
    random = np.random.default_rng(3)
    labels = np.repeat(np.arange(20), 3)
    offset = random.normal(size=20)[labels][:, None, None]
    sets = [offset + 0.1 * fields(random, 60) for _ in range(2)]
    groups = {"reference_groups": labels, "generated_groups": labels, "resamples": 200}
    matched, loose = compare(*sets, **groups, matched=True), compare(*sets, **groups)
    assert matched.mean_difference.error < 0.2 * loose.mean_difference.error
    assert matched.w1_over_std.floor < 0.3 * loose.w1_over_std.floor


def test_units_do_not_matter():
    random = np.random.default_rng(4)
    reference, generated = fields(random, 30), fields(random, 30, 0.2)
    one = compare(reference, generated, resamples=100)
    other = compare(1e-6 * reference + 3e-6, 1e-6 * generated + 3e-6, resamples=100)
    assert other.w1_over_std.value == pytest.approx(one.w1_over_std.value, rel=1e-9)
    assert other.skewness_difference.error == pytest.approx(one.skewness_difference.error, rel=1e-6)
    np.testing.assert_allclose(other.quantile_error, one.quantile_error, rtol=1e-6)


def test_a_collapsed_model_is_compared_and_a_constant_reference_refused():
    reference = fields(np.random.default_rng(5), 10)
    found = compare(reference, np.zeros_like(reference), resamples=100)
    assert found.std_ratio.value == 0
    assert np.isnan(found.skewness_difference.value)
    with pytest.raises(DataError, match="constant"):
        compare(np.zeros_like(reference), reference)


def test_fields_that_are_not_finite_are_refused():
    reference = fields(np.random.default_rng(6), 4)
    bad = reference.copy()
    bad[1, 2, 3] = np.inf
    with pytest.raises(DataError, match="NaN or infinite"):
        compare(reference, bad)


def test_sets_of_another_grid_and_senseless_quantiles_are_refused():
    random = np.random.default_rng(13)
    reference, generated = fields(random, 10), fields(random, 10)
    grid, other = ValueGrid.of(reference), ValueGrid.of(generated)
    rows = measure_values(reference, grid)
    with pytest.raises(DataError, match="another grid"):
        compare_values(rows, measure_values(generated, other), grid)
    with pytest.raises(DataError, match="fields of 16, 64 cells"):
        compare_values(rows, measure_values(generated[:, ::2, ::2], grid), grid)
    with pytest.raises(ConfigError, match=r"\[0, 1\]"):
        compare_values(rows, rows, grid, probabilities=[0.5, 1.5])
    with pytest.raises(DataError, match="10 fields, but groups"):
        compare_values(rows, rows, grid, generated_groups=np.zeros(9))


def test_a_single_group_has_no_error():
    random = np.random.default_rng(14)
    found = compare(fields(random, 10), fields(random, 5), generated_groups=np.zeros(5))
    assert np.isfinite(found.w1_over_std.value)
    assert np.isnan([found.w1_over_std.error, found.w1_over_std.floor, found.std_ratio.error]).all()
    assert np.isnan(found.quantile_error).all()
