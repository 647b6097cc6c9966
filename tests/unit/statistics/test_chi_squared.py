"""Comparison of vectors over all bins: exact under the null, known under a shift, refusing what it cannot know."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from rhodiff.errors import DataError
from rhodiff.statistics import (
    MeanCovariance,
    Measurement,
    compare_vectors,
    hartlap_factor,
    hotelling,
    merge_all,
)
from rhodiff.statistics.bin_covariance import shrinkage_intensity

MIX = np.array([[1.0, 0.6, 0.3, 0.0], [0.0, 1.0, 0.6, 0.3], [0.0, 0.0, 0.5, 0.2], [0.0, 0.0, 0.0, 20.0]])
"""Maps white bins to correlated ones of very different scatter."""


def gaussian(seed, num_fields, shift=0.0):
    return 100 + (np.random.default_rng(seed).normal(size=(num_fields, 4)) + shift) @ MIX


def hotelling_tests(num_sets, shift=0.0):
    return [
        hotelling(MeanCovariance.of(gaussian((1, s), 14)), MeanCovariance.of(gaussian((2, s), 9, shift)))
        for s in range(num_sets)
    ]


def lognormal(seed, num_fields, num_bins=30):
    white = np.random.default_rng(seed).normal(size=(num_fields, num_bins + 1))
    return np.exp(white[:, 1:] + white[:, :-1])


def test_p_values_of_equal_gaussian_sets_are_uniform():
    p_values = [test.p_value for test in hotelling_tests(1500)]
    assert stats.kstest(p_values, "uniform").pvalue > 0.01


def test_reduced_chi_squared_of_equal_sets_is_one_on_average():
    reduced = np.array([test.chi_squared / 4 for test in hotelling_tests(1500)])
    assert abs(reduced.mean() - 1) < 4 * reduced.std() / np.sqrt(len(reduced))


def test_a_known_shift_adds_its_non_centrality():
    shift = np.array([0.5, 0.0, -0.5, 1.0])
    chi_squared = np.array([test.chi_squared for test in hotelling_tests(1500, shift)])
    expected = 4 + shift @ shift / (1 / 14 + 1 / 9)
    assert abs(chi_squared.mean() - expected) < 4 * chi_squared.std() / np.sqrt(len(chi_squared))


def test_power_under_a_shift_is_that_of_the_non_central_f():
    shift = np.array([0.5, 0.0, -0.5, 1.0])
    found = np.mean([test.p_value < 0.05 for test in hotelling_tests(1500, shift)])
    limit = stats.f.isf(0.05, 4, 18)
    expected = stats.ncf.sf(limit, 4, 18, shift @ shift / (1 / 14 + 1 / 9))
    assert abs(found - expected) < 4 * np.sqrt(expected * (1 - expected) / 1500)


def test_hartlap_factor_makes_the_inverse_covariance_unbiased():
    inverses = [np.linalg.inv(MeanCovariance.of(gaussian((3, s), 12)).covariance()) for s in range(4000)]
    true = np.linalg.inv(MIX.T @ MIX)
    found = np.trace(np.mean(inverses, axis=0) @ np.linalg.inv(true)) / 4
    assert hartlap_factor(11, 4) == pytest.approx((12 - 4 - 2) / (12 - 1))
    assert found * hartlap_factor(11, 4) == pytest.approx(1, rel=0.03)


def test_hartlap_factor_refuses_as_many_bins_as_degrees():
    with pytest.raises(DataError, match="needs more than 11 degrees"):
        hartlap_factor(11, 10)


def test_one_bin_is_the_t_test():
    first, second = gaussian(4, 20)[:, :1], gaussian(5, 30)[:, :1]
    result = compare_vectors(first, second)
    t_test = stats.ttest_ind(second[:, 0], first[:, 0])
    assert result.p_value == pytest.approx(t_test.pvalue, rel=1e-10)
    assert result.in_error[0] == pytest.approx(t_test.statistic, rel=1e-10)


def test_one_bin_of_pairs_is_the_paired_t_test():
    first = gaussian(6, 25)[:, :1]
    second = first + 0.1 * gaussian(7, 25)[:, 1:2] - 9.98
    result = compare_vectors(first, second, matched=True)
    assert result.p_value == pytest.approx(stats.ttest_rel(second[:, 0], first[:, 0]).pvalue, rel=1e-10)
    assert result.matched and result.hartlap == pytest.approx(22 / 24)


def test_rearranged_p_value_of_one_bin_is_that_of_all_rearrangements():
    first, second = gaussian(8, 8)[:, :1], gaussian(9, 8, 0.8)[:, :1]
    result = compare_vectors(first, second, num_rearrangements=4999)
    every = stats.permutation_test(
        (first[:, 0], second[:, 0]), lambda a, b: abs(a.mean() - b.mean()), n_resamples=np.inf, alternative="greater"
    ).pvalue
    assert result.bin_p_value[0] == pytest.approx(every, abs=5 * np.sqrt(every / 5000))


@pytest.mark.parametrize("matched", [False, True])
def test_p_values_of_few_skewed_samples_are_uniform(matched):
    results = [
        compare_vectors(lognormal((1, s), 10), lognormal((2, s), 10), matched=matched, num_rearrangements=99, seed=s)
        for s in range(300)
    ]
    p_values = np.array([result.p_value for result in results])
    assert {result.method for result in results} == {"rearrangement"}
    assert stats.kstest(p_values - 0.005, "uniform").pvalue > 0.01


def test_the_chance_of_one_false_alarm_in_all_bins_is_held():
    results = [
        compare_vectors(lognormal((3, s), 10), lognormal((4, s), 12), num_rearrangements=99, seed=s)
        for s in range(400)
    ]
    alarms = np.mean([result.bin_p_value.min() <= 0.1 for result in results])
    assert abs(alarms - 0.1) < 4 * np.sqrt(0.1 * 0.9 / 400)


def test_the_one_bin_that_is_off_is_found():
    first, second = lognormal(10, 60), lognormal(11, 60)
    second[:, 7] += 12
    assert list(np.flatnonzero(compare_vectors(first, second).bin_p_value < 0.01)) == [7]


def test_a_shift_is_found_with_fewer_samples_than_bins():
    random = np.random.default_rng(12)
    result = compare_vectors(random.normal(size=(12, 40)), random.normal(size=(12, 40)) + 1)
    assert result.method == "rearrangement" and 0 < result.shrinkage <= 1 and result.hartlap == 1
    assert result.p_value == pytest.approx(1 / 1000)


def test_shrinkage_is_that_of_its_definition():
    residuals = gaussian(13, 9)
    residuals -= residuals.mean(axis=0)
    scaled = residuals / residuals.std(axis=0)
    noise = signal = 0.0
    for i in range(4):
        for j in range(4):
            if i != j:
                products = scaled[:, i] * scaled[:, j]
                noise += 9 / 8**3 * np.sum((products - products.mean()) ** 2)
                signal += (9 / 8 * products.mean()) ** 2
    assert shrinkage_intensity(residuals) == pytest.approx(min(1, noise / signal), rel=1e-12)


def test_shrinkage_falls_as_one_over_the_number_of_samples():
    few, many = (np.mean([shrinkage_intensity(gaussian((s, n), n) - 100) for s in range(50)]) for n in (100, 1000))
    assert few / many == pytest.approx(10, rel=0.15)


def test_differences_are_in_per_cent_and_in_units_of_scatter_and_error():
    signs = np.resize([-1.0, 1.0], 10)[:, None]
    result = compare_vectors(10 + signs, 11 + 2 * signs)
    scatter = np.sqrt(10 / 9)
    assert result.difference == pytest.approx([1.0])
    assert result.percent == pytest.approx([10.0])
    assert result.in_cosmic_variance == pytest.approx([1 / scatter])
    assert result.scatter_ratio == pytest.approx([2.0])
    assert result.error == pytest.approx([np.sqrt((10 + 40) / 18 * 2 / 10)])
    assert result.chi_squared == pytest.approx(16 / 18 / result.error[0] ** 2)


def test_a_bin_without_mean_has_no_per_cent():
    signs = np.resize([-1.0, 1.0], 10)[:, None]
    assert np.isnan(compare_vectors(signs, signs + 0.5).percent[0])


def test_equal_sets_do_not_differ():
    result = compare_vectors(gaussian(14, 30), gaussian(14, 30))
    assert result.chi_squared == pytest.approx(0, abs=1e-20)
    assert result.p_value == pytest.approx(1) and np.all(result.bin_p_value == 1)


@pytest.mark.parametrize("num_fields", [40, 9])
def test_the_order_of_fields_does_not_matter(num_fields):
    first, second = lognormal(15, num_fields, 6), lognormal(16, num_fields, 6)
    order = np.random.default_rng(0).permutation(num_fields)
    one, two = compare_vectors(first, second), compare_vectors(first[order], second[order[::-1]])
    assert one.chi_squared == pytest.approx(two.chi_squared, rel=1e-10)
    assert one.p_value == pytest.approx(two.p_value, rel=1e-10)
    assert np.array_equal(one.bin_p_value, two.bin_p_value)


def test_a_linear_map_of_the_bins_changes_no_chi_squared():
    first, second = gaussian(17, 30), gaussian(18, 30)
    one, two = compare_vectors(first, second), compare_vectors(first @ MIX, second @ MIX)
    assert one.chi_squared == pytest.approx(two.chi_squared, rel=1e-8)


def test_the_unit_of_a_bin_changes_nothing_where_correlations_are_shrunk():
    first, second = lognormal(19, 9), lognormal(20, 9)
    units = np.logspace(-6, 6, 30)
    one, two = compare_vectors(first, second), compare_vectors(first * units, second * units)
    assert one.chi_squared == pytest.approx(two.chi_squared, rel=1e-10)
    assert one.p_value == two.p_value and np.array_equal(one.bin_p_value, two.bin_p_value)


def test_merged_parts_give_the_test_of_the_whole():
    first, second = gaussian(21, 60), gaussian(22, 40)
    parts = [merge_all([MeanCovariance.of(part) for part in np.array_split(x, 7)[::-1]]) for x in (first, second)]
    whole = compare_vectors(first, second)
    assert hotelling(*parts).chi_squared == pytest.approx(whole.chi_squared, rel=1e-10)
    assert hotelling(*parts).p_value == pytest.approx(whole.p_value, rel=1e-10)


def test_fields_of_one_group_count_as_one():
    first, second = gaussian(23, 20), gaussian(24, 25)
    alone = compare_vectors(first, second)
    grouped = compare_vectors(
        np.repeat(first, 3, axis=0),
        np.tile(second, (2, 1)),
        reference_groups=np.repeat(np.arange(20), 3),
        generated_groups=np.tile(np.arange(25), 2),
    )
    assert grouped.p_value == pytest.approx(alone.p_value, rel=1e-10)
    assert (grouped.sizes.reference_fields, grouped.sizes.reference_groups) == (60, 20)


def test_scatter_between_matched_groups_drops_out():
    vectors = 5 * gaussian(25, 20)
    first, second = vectors + gaussian(26, 20), vectors + gaussian(27, 20, 1.5)
    labels = np.random.default_rng(1).permutation(20)
    matched = compare_vectors(first, second, reference_groups=labels, generated_groups=labels, matched=True)
    assert matched.p_value < 1e-4 < 0.01 < compare_vectors(first, second).p_value


def test_matched_sets_must_hold_the_same_groups():
    with pytest.raises(DataError, match="2 are in one only"):
        compare_vectors(
            gaussian(28, 10),
            gaussian(29, 10),
            reference_groups=np.arange(10),
            generated_groups=np.arange(1, 11),
            matched=True,
        )


def test_a_histogram_that_sums_to_one_is_refused_and_its_bins_named():
    random = np.random.default_rng(30)
    shares = [random.dirichlet(np.ones(3), 40).astype(np.float32) for _ in range(2)]
    first, second = (np.hstack([gaussian(31, 40)[:, :1], share]) for share in shares)
    with pytest.raises(DataError, match="is a linear combination of bins") as refusal:
        compare_vectors(first, second)
    named = str(refusal.value).split(" (")[0]
    assert all(bin_ in named for bin_ in "123") and "0" not in named


def test_one_bin_twice_is_refused_even_with_few_samples():
    first, second = lognormal(32, 9), lognormal(33, 9)
    first[:, 20], second[:, 20] = 3 * first[:, 4], 3 * second[:, 4]
    with pytest.raises(DataError, match="bin 20 is a linear combination of bins 4"):
        compare_vectors(first, second)


@pytest.mark.parametrize("constant", [0.0, 0.1, 1e9])
def test_a_constant_bin_is_refused(constant):
    first, second = gaussian(34, 21), gaussian(35, 23)
    first[:, 2] = second[:, 2] = constant
    with pytest.raises(DataError, match="bins 2 have the same value"):
        compare_vectors(first, second)


def test_accumulators_with_degenerate_bins_are_refused():
    first, second = (MeanCovariance.of(gaussian(s, 30)[:, [0, 1, 1]]) for s in (36, 37))
    with pytest.raises(DataError, match="degenerate"):
        hotelling(first, second)


@pytest.mark.parametrize(
    ("first", "second", "message"),
    [
        (np.ones((9, 3)), np.ones((9, 4)), "3 bins and the generated set 4"),
        (np.ones(9), np.ones((9, 4)), r"must be \[field, bin\]"),
        (np.ones((9, 0)), np.ones((9, 0)), "one bin or more"),
        (np.full((9, 2), np.nan), np.ones((9, 2)), "NaN or inf in 9 fields, the first is 0"),
        (gaussian(38, 7), gaussian(39, 9), "7 independent groups of 7 fields"),
        (gaussian(38, 0), gaussian(39, 9), "holds no fields"),
    ],
)
def test_bad_input_is_refused(first, second, message):
    with pytest.raises(DataError, match=message):
        compare_vectors(first, second)


def test_many_fields_of_few_groups_are_refused():
    with pytest.raises(DataError, match="2 independent groups of 30 fields"):
        compare_vectors(gaussian(40, 30), gaussian(41, 30), generated_groups=np.arange(30) % 2)


def test_too_few_rearrangements_are_refused():
    with pytest.raises(DataError, match="take 99 or more"):
        compare_vectors(gaussian(42, 10), gaussian(43, 10), num_rearrangements=10)


def test_measurements_on_other_axes_are_refused():
    edges = np.arange(5.0)
    values = gaussian(44, 12)
    first = Measurement("power", "k", "", "P", "", edges[:4] + 0.5, edges, values, np.ones(4, dtype=np.int64))
    assert compare_vectors(first, first).p_value == pytest.approx(1)
    with pytest.raises(DataError, match="different edges"):
        compare_vectors(first, replace(first, edges=2 * edges))


def unequal_tests(num_sets, **options):
    pairs = [(gaussian((5, s), 20), 100 + 0.5 * (gaussian((6, s), 200) - 100)) for s in range(num_sets)]
    return [compare_vectors(*pair, num_rearrangements=99, **options) for pair in pairs]


def test_sets_that_scatter_differently_are_tested_with_their_own_covariances():
    p_values = [result.p_value for result in unequal_tests(400, equal_covariance=False)]
    assert stats.kstest(p_values, "uniform").pvalue > 0.01


def test_a_pooled_error_that_is_wrong_is_said():
    result, own = unequal_tests(1)[0], unequal_tests(1, equal_covariance=False)[0]
    assert "p-values do not hold for the means" in result.sentence()
    assert "do not hold" not in own.sentence() and own.method == "krishnamoorthy-yu"
    assert own.error == pytest.approx(result.error * result.error_ratio)


def test_one_bin_of_unequal_scatter_is_welchs_test():
    first, second = gaussian(47, 12)[:, :1], 3 * gaussian(48, 40)[:, :1] - 200
    result = compare_vectors(first, second, equal_covariance=False)
    welch = stats.ttest_ind(second[:, 0], first[:, 0], equal_var=False)
    assert result.p_value == pytest.approx(welch.pvalue, rel=1e-9)


def test_unequal_covariances_need_samples_and_no_pairs():
    with pytest.raises(DataError, match="has no effect on matched"):
        compare_vectors(gaussian(49, 9), gaussian(50, 9), matched=True, equal_covariance=False)
    with pytest.raises(DataError, match="unequal covariances of 30 bins need 60"):
        compare_vectors(lognormal(51, 9), lognormal(52, 9), equal_covariance=False)


def test_the_sentence_names_verdict_and_numbers():
    same = compare_vectors(gaussian(45, 30), gaussian(46, 20)).sentence()
    off = compare_vectors(gaussian(45, 30), gaussian(46, 20, 2.0)).sentence()
    assert "are not distinguishable" in same and "over 4 bins" in same
    assert "The means differ" in off and "20 generated fields in 20 groups against 30 reference fields in 30" in off
