"""The correlation function as a statistic: closed forms, units, shells of any cells, numbers of a report."""

import numpy as np
import pytest
from pydantic import ValidationError

from rhodiff.config.evaluation import CorrelationFunction, Evaluation
from rhodiff.errors import DataError
from rhodiff.report.further import further_numbers
from rhodiff.statistics import build_statistic, compare_bins, correlation_function
from rhodiff.store.spec import FieldSpec


def spec_of(shape, spacing):
    return FieldSpec(
        name="rho", unit="K", shape=shape, spacing=spacing, length_unit="kpc", periodic=(True,) * len(shape)
    )


def correlated(shape, spacing, length, number, seed=0):
    """Fields of variance 1 with xi = exp(-r^2 / 2 length^2)."""
    axes = tuple(range(1, len(shape) + 1))
    steps = [2 * np.pi * np.fft.fftfreq(n, cell) for n, cell in zip(shape, spacing, strict=True)]
    amplitude = np.exp(-sum(k**2 for k in np.meshgrid(*steps, indexing="ij")) * length**2 / 4)
    white = np.fft.fftn(np.random.default_rng(seed).normal(size=(number, *shape)), axes=axes)
    return np.fft.ifftn(white * amplitude, axes=axes).real / np.sqrt(np.mean(amplitude**2))


def measured(fields, spec, **settings):
    return build_statistic(CorrelationFunction(**settings)).fit(fields, spec).measure(fields, spec)


@pytest.mark.parametrize(
    ("shape", "spacing"),
    [((256,), (0.5,)), ((48, 48), (0.5, 0.5)), ((64, 40), (0.4, 0.6)), ((20, 20, 20), (0.5,) * 3)],
)
def test_a_gaussian_correlation_has_its_closed_form_within_errors(shape, spacing):
    length, count = 1.2, 150
    curve, single = measured(correlated(shape, spacing, length, count), spec_of(shape, spacing), largest_lag=3.0)
    assert curve.axis[-1] <= 3.0 < curve.axis[-1] + max(spacing) * 1.1
    # the mean of a shell is not the value at its mean distance: less than (cell / length)^2 / 24 of the peak
    share = length * np.sqrt(2 * np.pi) / (np.array(shape) * spacing)
    expected = np.exp(-((curve.axis / length) ** 2) / 2) - np.prod(share)
    error = curve.values.std(axis=0, ddof=1) / np.sqrt(count)
    allowed = 4.5 * error + (max(spacing) / length) ** 2 / 24
    np.testing.assert_array_less(np.abs(curve.values.mean(axis=0) - expected), allowed)
    assert single.values.shape == (count, 1)
    assert single.values.mean() == pytest.approx(length, rel=0.03)


def test_it_is_the_function_of_the_library_in_the_units_of_the_spec():
    spec = spec_of((12, 10), (2.0, 3.0))
    fields = np.random.default_rng(1).normal(size=(5, 12, 10))
    curve, single = measured(fields, spec)
    direct = correlation_function(fields, box_size=(24.0, 30.0))
    np.testing.assert_array_equal(curve.values, direct.xi)
    np.testing.assert_array_equal(curve.counts, direct.num_lags)
    for field, length in zip(fields, single.values[:, 0], strict=True):
        truth = correlation_function(field[None], box_size=(24.0, 30.0)).lengths().curvature
        assert length == pytest.approx(truth, rel=1e-12)
    assert (curve.axis_unit, curve.value_unit, single.value_unit) == ("kpc", "K^2", "kpc")
    assert (curve.statistic, single.statistic) == ("correlation_function", "correlation_length")


@pytest.mark.parametrize("spacing", [(1.0, 1.0), (0.1, 1.0), (1.0, 0.37)])
def test_every_shell_lies_within_its_edges(spacing):
    spec = spec_of((16, 16), spacing)
    curve, _ = measured(np.random.default_rng(2).normal(size=(3, 16, 16)), spec)
    assert np.all(np.diff(curve.edges) > 0)
    assert np.all((curve.edges[:-1] <= curve.axis) & (curve.axis < curve.edges[1:]))


def test_a_wrong_amplitude_shows_in_the_curve_and_a_wrong_scale_in_the_length():
    shape, spacing = (48, 48), (1.0, 1.0)
    spec = spec_of(shape, spacing)
    reference = measured(correlated(shape, spacing, 4.0, 80), spec)
    louder = measured(1.05 * correlated(shape, spacing, 4.0, 80, seed=1), spec)
    wider = measured(correlated(shape, spacing, 4.4, 80, seed=2), spec)
    amplitude = compare_bins(reference[0], louder[0])
    assert amplitude.relative_difference[0] == pytest.approx(1.05**2 - 1, abs=4 * amplitude.relative_error[0])
    lengths = [compare_bins(reference[1], other[1]) for other in (louder, wider)]
    numbers = further_numbers({"correlation_length": lengths}, {})
    for found, expected in zip(numbers, (0.0, 0.1), strict=True):
        assert found.estimate.value == pytest.approx(expected, abs=4 * found.estimate.error + 0.003)
        assert (found.label, found.ideal, found.percent) == ("Δ, correlation length", 0.0, True)
    assert numbers[1].estimate.value > 5 * numbers[1].estimate.error


def test_a_constant_field_has_no_length_and_a_constant_reference_is_refused():
    spec, fields = spec_of((8, 8), (2.0, 2.0)), np.random.default_rng(4).normal(size=(4, 8, 8))
    fields[2] = 0.3
    curve, single = measured(fields, spec)
    np.testing.assert_array_equal(curve.values[2], 0)
    np.testing.assert_array_equal(np.isnan(single.values[:, 0]), [False, False, True, False])
    with pytest.raises(DataError, match="every field of the reference is constant"):
        measured(np.ones_like(fields), spec)


def test_lags_and_fields_without_sense_are_refused():
    spec, fields = spec_of((8, 8), (2.0, 2.0)), np.random.default_rng(3).normal(size=(4, 8, 8))
    with pytest.raises(DataError, match=r"first beyond zero lies at 2\.414"):
        measured(fields, spec, largest_lag=1.0)
    with pytest.raises(DataError, match="of the spec"):
        measured(fields[:, :4], spec)
    with pytest.raises(ValidationError, match="greater than 0"):
        Evaluation.model_validate({"statistics": [{"kind": "correlation_function", "largest_lag": 0}]})
