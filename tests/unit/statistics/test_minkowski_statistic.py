"""Minkowski functionals as a statistic: thresholds over the reference, boundary from the spec, units, bad input."""

import numpy as np
import pytest
from pydantic import ValidationError
from scipy.special import ndtr

from rhodiff.config.evaluation import Evaluation, Minkowski, ThresholdSpread
from rhodiff.errors import DataError
from rhodiff.statistics import (
    MinkowskiStatistic,
    build_statistic,
    compare_bins,
    fit_channels,
    measure_channels,
    minkowski_functionals,
)
from rhodiff.store.spec import FieldSpec

SHAPES = {1: (40,), 2: (12, 12), 3: (6, 7, 8)}


def spec_of(ndim, *, periodic=True, channels=("value",), spacing=2.0):
    return FieldSpec(
        name="log density",
        unit="dex",
        channels=channels,
        shape=SHAPES[ndim],
        spacing=(spacing,) * ndim,
        length_unit="Mpc/h",
        periodic=(periodic,) * ndim,
    )


def fields_of(ndim, count=6, seed=0):
    return np.random.default_rng(seed).normal(size=(count, *SHAPES[ndim]))


def measure(fields, spec, **settings):
    statistic = MinkowskiStatistic(Minkowski(**settings)).fit(fields, spec)
    return statistic.thresholds, statistic.measure(fields, spec)


@pytest.mark.parametrize("ndim", [1, 2, 3])
@pytest.mark.parametrize("periodic", [True, False])
def test_each_functional_is_a_density_in_the_units_of_the_spec(ndim, periodic):
    fields, spec = fields_of(ndim), spec_of(ndim, periodic=periodic)
    levels, found = measure(fields, spec)
    boundary = "periodic" if periodic else "open"
    windows = np.prod([n - (not periodic) for n in SHAPES[ndim]])
    truth = minkowski_functionals(fields, levels, boundary=boundary)
    assert len(found) == ndim + 1
    for k, one in enumerate(found):
        np.testing.assert_allclose(one.values, truth[..., k] / windows / 2.0**k)
        assert one.value_unit == ["", "h/Mpc", "(h/Mpc)^2", "(h/Mpc)^3"][k]
        assert (one.axis_unit, one.relative_to, set(one.counts)) == ("dex", "peak", {windows})
        np.testing.assert_array_equal(one.axis, levels)
        assert np.all(np.diff(one.edges) > 0)


def test_thresholds_over_quantiles_leave_the_shares_of_a_normal_variable():
    fields, spec = np.exp(fields_of(2, count=200)), spec_of(2)
    _, (area, *_) = measure(fields, spec, thresholds=ThresholdSpread(number=9, half_width_std=2))
    np.testing.assert_allclose(area.values.mean(axis=0), 1 - ndtr(np.linspace(-2, 2, 9)), atol=1e-4)


def test_thresholds_over_standard_deviations_are_evenly_spaced_about_the_mean():
    fields, spec = 3 + 2 * fields_of(2), spec_of(2)
    levels, _ = measure(fields, spec, thresholds=ThresholdSpread(over="std", number=5, half_width_std=1))
    np.testing.assert_allclose(levels, fields.mean() + fields.std() * np.linspace(-1, 1, 5))


def test_thresholds_are_taken_as_given():
    levels, found = measure(fields_of(2), spec_of(2), thresholds=(-1.0, 0.25, 9.0))
    assert levels == (-1.0, 0.25, 9.0)
    assert [one.values[:, 2].tolist() for one in found] == [[0.0] * 6] * 3


def test_an_open_boundary_may_be_asked_of_periodic_fields_but_not_the_reverse():
    fields = fields_of(2)
    _, found = measure(fields, spec_of(2), boundary="open")
    assert set(found[0].counts) == {11 * 11}
    with pytest.raises(DataError, match="do not wrap around"):
        measure(fields, spec_of(2, periodic=False), boundary="periodic")


def test_each_channel_has_its_thresholds_and_all_its_functionals():
    spec = spec_of(2, channels=("gas", "stars"))
    fields = np.stack([fields_of(2), 10 + fields_of(2, seed=1)], axis=1)
    fitted = fit_channels(build_statistic(Minkowski()), fields, spec)
    found = measure_channels(fitted, fields, spec)
    names = ["minkowski_area", "minkowski_perimeter", "minkowski_euler"]
    assert [(one.channel, one.statistic) for one in found] == [(c, n) for c in ("gas", "stars") for n in names]
    assert found[3].axis[0] > found[0].axis[-1]


def test_a_set_against_itself_differs_by_nothing_and_a_rougher_one_by_its_perimeter():
    spec = spec_of(2)
    smooth = fields_of(2, count=60)
    smooth = sum(np.roll(smooth, step, axis) for axis in (1, 2) for step in (0, 1)) / 2
    statistic = MinkowskiStatistic().fit(smooth, spec)
    area, perimeter, _ = statistic.measure(smooth, spec)
    assert compare_bins(area, area, matched=True).worst.value == 0
    rough = statistic.measure(fields_of(2, count=60, seed=7), spec)
    difference = compare_bins(perimeter, rough[1]).mean_absolute
    assert difference.value - difference.floor > 5 * difference.error


@pytest.mark.parametrize(
    ("fields", "settings", "says"),
    [
        (np.ones((3, 12, 12)), {}, "coincide"),
        (np.ones((3, 12, 12)), {"thresholds": ThresholdSpread(over="std")}, "coincide"),
        (np.full((3, 12, 12), np.nan), {}, "NaN"),
        (fields_of(2), {"thresholds": (50.0, 60.0)}, "outside the reference"),
        (fields_of(2), {"thresholds": (-60.0, -50.0)}, "outside the reference"),
    ],
)
def test_a_reference_that_thresholds_cannot_be_laid_over_is_refused(fields, settings, says):
    with pytest.raises(DataError, match=says):
        MinkowskiStatistic(Minkowski(**settings)).fit(fields, spec_of(2))


def test_what_cannot_be_measured_is_refused():
    fields = fields_of(2)
    with pytest.raises(DataError, match="fit it"):
        MinkowskiStatistic().measure(fields, spec_of(2))
    fitted = MinkowskiStatistic().fit(fields, spec_of(2))
    with pytest.raises(DataError, match="one size along every axis"):
        fitted.measure(fields, spec_of(2).model_copy(update={"spacing": (1.0, 2.0)}))
    with pytest.raises(DataError, match="NaN"):
        fitted.measure(np.where(fields > 2, np.nan, fields), spec_of(2))
    with pytest.raises(DataError, match="shape"):
        fitted.measure(fields[:, :5], spec_of(2))


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"thresholds": [1.0]}, "two or more rising"),
        ({"thresholds": [1.0, 1.0]}, "two or more rising"),
        ({"thresholds": {"number": 1}}, "greater than or equal to 2"),
        ({"thresholds": {"half_width_std": 0}}, "greater than 0"),
        ({"backend": "quantimpy", "boundary": "periodic"}, "open boundaries only"),
        ({"quantimpy_python": "python3.10"}, "has no effect"),
        ({"boundary": "wrapped"}, "'auto', 'open' or 'periodic'"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings, says):
    with pytest.raises(ValidationError, match=says):
        Evaluation.model_validate({"statistics": [{"kind": "minkowski", **settings}]})
