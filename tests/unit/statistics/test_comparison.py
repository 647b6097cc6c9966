"""Comparison of binned statistics: errors, floors and sizes that hold up in repeated experiments."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from rhodiff.errors import DataError
from rhodiff.statistics import Measurement, compare_bins


def measured(values):
    bins = values.shape[1]
    axis = np.arange(1.0, bins + 1)
    return Measurement(
        statistic="power_spectrum",
        axis_name="k",
        axis_unit="h/Mpc",
        value_name="P(k)",
        value_unit="(Mpc/h)^2",
        axis=axis,
        edges=np.append(axis - 0.5, bins + 0.5),
        values=values,
        counts=np.full(bins, 8),
    )


def draw(random, num_fields, bins=6, scale=1.0):
    return measured(scale * (2 + 0.3 * random.normal(size=(num_fields, bins))))


def test_errors_equal_error_propagation():
    random = np.random.default_rng(0)
    found = compare_bins(draw(random, 400), draw(random, 200), resamples=4000)
    np.testing.assert_allclose(found.reference.error, 0.3 / np.sqrt(400), rtol=0.12)
    np.testing.assert_allclose(found.generated.error, 0.3 / np.sqrt(200), rtol=0.12)
    np.testing.assert_allclose(found.relative_error, 0.15 * np.sqrt(1 / 400 + 1 / 200), rtol=0.12)
    np.testing.assert_allclose(found.reference.scatter, 0.3, rtol=0.1)
    np.testing.assert_allclose((found.reference.high - found.reference.low) / 2, 0.3, rtol=0.15)
    np.testing.assert_allclose(found.difference_sigma, found.relative_difference / found.relative_error)


def test_a_known_bias_is_found():
    random = np.random.default_rng(1)
    found = compare_bins(draw(random, 2000), draw(random, 2000, scale=1.03))
    assert found.mean_absolute.value == pytest.approx(0.03, abs=4 * found.mean_absolute.error)
    assert found.mean_absolute.value > 3 * found.mean_absolute.floor
    assert found.worst.value == pytest.approx(np.abs(found.relative_difference).max())
    assert found.worst_axis == 1 + np.argmax(np.abs(found.relative_difference))


def test_the_floor_is_what_two_sets_of_one_distribution_show():
    random = np.random.default_rng(2)
    pairs = [compare_bins(draw(random, 60), draw(random, 30), resamples=200) for _ in range(150)]
    for name in ("mean_absolute", "worst"):
        shown = np.mean([getattr(pair, name).value for pair in pairs])
        floor = np.mean([getattr(pair, name).floor for pair in pairs])
        assert floor == pytest.approx(shown, rel=0.1)


def test_a_wrong_amplitude_does_not_raise_the_floor():
    random = np.random.default_rng(10)
    reference, generated = draw(random, 40), draw(random, 40)
    truth = compare_bins(reference, generated).mean_absolute.floor
    wrong = compare_bins(reference, replace(generated, values=1000 * generated.values)).mean_absolute
    assert wrong.floor == pytest.approx(truth, rel=1e-9)


def test_pulls_of_equal_sets_are_standard_normal():
    random = np.random.default_rng(3)
    pulls = [compare_bins(draw(random, 50), draw(random, 50), resamples=200).difference_sigma for _ in range(100)]
    assert np.std(pulls) == pytest.approx(1, abs=0.12)


@pytest.mark.parametrize("grouped", [False, True])
def test_error_bars_cover_the_truth_as_often_as_they_should(grouped):
    """Skewed band powers of 8 modes, a model 5 % too loud: shares within 1 and 2 errors are those of Student's t."""
    repeats, count, bins = 150, 40, 5
    labels = np.arange(count * 3) // 3 if grouped else np.arange(count)
    pulls = []
    for s in range(repeats):
        random = np.random.default_rng(s)
        sets = [scale * random.chisquare(8, size=(count, bins))[labels] for scale in (1.0, 1.05)]
        sets = [measured(values * random.gamma(50, size=values.shape)) for values in sets]
        groups = {"reference_groups": labels, "generated_groups": labels}
        found = compare_bins(*sets, **groups, resamples=200)
        pulls.append((found.relative_difference - 0.05) / found.relative_error)
    for errors in (1, 2):
        share, expected = np.mean(np.abs(pulls) < errors), 1 - 2 * stats.t.sf(errors, count - 1)
        assert abs(share - expected) < 4 * np.sqrt(expected * (1 - expected) / (repeats * bins))


def test_groups_widen_the_errors():
    random = np.random.default_rng(4)
    shared = np.repeat(2 + 0.3 * random.normal(size=(20, 3)), 10, axis=0)
    labels = np.repeat(np.arange(20), 10)
    loose = compare_bins(measured(shared), draw(random, 100, 3))
    tight = compare_bins(measured(shared), draw(random, 100, 3), reference_groups=labels)
    np.testing.assert_allclose(tight.reference.error / loose.reference.error, np.sqrt(10), rtol=0.2)
    assert (tight.sizes.reference_fields, tight.sizes.reference_groups) == (200, 20)


def test_matched_groups_take_the_scatter_of_parameters_out():
    random = np.random.default_rng(5)
    of_group, labels = 2 + 0.5 * random.normal(size=(25, 3)), np.repeat(np.arange(25), 4)
    sets = [measured(of_group[labels] + 0.05 * random.normal(size=(100, 3))) for _ in range(2)]
    groups = {"reference_groups": labels, "generated_groups": labels}
    matched, loose = compare_bins(*sets, **groups, matched=True), compare_bins(*sets, **groups)
    assert np.all(matched.relative_error < 0.2 * loose.relative_error)
    assert matched.mean_absolute.floor < 0.2 * loose.mean_absolute.floor


def test_matched_sets_must_hold_the_same_groups_in_the_same_shares():
    random = np.random.default_rng(6)
    with pytest.raises(DataError, match="one only, the first is 3"):
        compare_bins(draw(random, 4), draw(random, 3), matched=True)
    with pytest.raises(DataError, match="same share"):
        compare_bins(draw(random, 2), draw(random, 3), generated_groups=[0, 0, 1], matched=True)


def test_a_single_group_has_no_error_but_a_difference():
    random = np.random.default_rng(7)
    found = compare_bins(draw(random, 5), draw(random, 4), reference_groups=np.zeros(5))
    assert np.isfinite(found.mean_absolute.value)
    assert np.isnan(found.mean_absolute.error)
    assert np.isnan(found.mean_absolute.floor)
    assert np.isnan(found.difference_sigma).all()


def test_bins_without_reference_are_left_out():
    values = np.array([[1.0, 0.0], [1.2, 0.0], [0.8, 0.0]])
    found = compare_bins(measured(values), measured(values + 1))
    assert np.isnan(found.relative_difference[1])
    assert found.mean_absolute.value == pytest.approx(1.0)


def test_rounding_is_no_reference():
    values = np.array([[1.0, 1e-17], [1.2, 3e-17], [0.8, 2e-17]])
    found = compare_bins(measured(values), measured(1.1 * values + 1e-15))
    assert np.isnan(found.relative_difference[1])
    assert found.worst.value == pytest.approx(0.1)


def test_the_same_seed_gives_the_same_numbers():
    random = np.random.default_rng(8)
    sets = draw(random, 20), draw(random, 20)
    assert compare_bins(*sets).mean_absolute == compare_bins(*sets).mean_absolute
    assert compare_bins(*sets, seed=1).mean_absolute.error != compare_bins(*sets).mean_absolute.error


def test_sets_on_different_axes_are_refused():
    one = draw(np.random.default_rng(9), 5)
    with pytest.raises(DataError, match="different edges"):
        compare_bins(one, replace(one, edges=one.edges * 2))
    with pytest.raises(DataError, match="different edges"):
        compare_bins(one, draw(np.random.default_rng(9), 5, bins=7))
    with pytest.raises(DataError, match="value_unit"):
        compare_bins(one, replace(one, value_unit="Mpc^2"))


def test_values_that_change_sign_are_compared_relative_to_their_peak():
    random = np.random.default_rng(0)
    curve = np.array([-2.0, -1.0, 0.0, 1.0, 4.0])
    reference, generated = (curve + shift + 0.01 * random.normal(size=(400, 5)) for shift in (0.0, 0.2))
    labels = dict.fromkeys(("statistic", "axis_name", "axis_unit", "value_name", "value_unit"), "")
    axis = {"axis": np.arange(5.0), "edges": np.arange(6.0), "counts": np.ones(5, dtype=int)}
    one, two = (Measurement(**labels, **axis, values=v, relative_to="peak") for v in (reference, generated))
    found = compare_bins(one, two)
    # 0.2 over the peak of 4; errors of two means of 400 with scatter 0.01, over 4
    np.testing.assert_allclose(found.relative_difference, 0.05, atol=4e-4)
    np.testing.assert_allclose(found.relative_error, 0.01 * np.sqrt(2 / 400) / 4, rtol=0.25)
    assert found.mean_absolute.value == pytest.approx(0.05, abs=2e-4)
    # a mean absolute normal variable is sqrt(2 / pi) of its standard deviation
    assert found.mean_absolute.floor == pytest.approx(np.sqrt(2 / np.pi) * found.relative_error.mean(), rel=0.1)
    assert compare_bins(one, one, matched=True).worst.value == 0
