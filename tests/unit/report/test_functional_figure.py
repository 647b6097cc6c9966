"""The figure of functionals shows what was measured, per cent of the peak below, and gives every number."""

import csv
import io

import numpy as np
import pytest

from rhodiff.errors import DataError
from rhodiff.report import functional_figure, functional_numbers, report_functionals
from rhodiff.statistics import MinkowskiStatistic, compare_bins


@pytest.fixture(scope="session")
def functionals(experiment):
    statistic = MinkowskiStatistic().fit(experiment.reference, experiment.spec)
    reference = statistic.measure(experiment.reference, experiment.spec)
    generated = statistic.measure(experiment.generated, experiment.spec)
    return [compare_bins(one, two, resamples=50) for one, two in zip(reference, generated, strict=True)]


def test_each_functional_has_a_panel_with_its_difference_below(functionals):
    figure = functional_figure([{"a": one, "b": one} for one in functionals], training=functionals)
    drawn = [axes for axes in figure.axes if axes.get_visible()]
    assert len(drawn) == 2 * len(functionals)
    titles = [axes.get_title() for axes in drawn if axes.get_title()]
    assert titles == [one.value_name for one in functionals]
    for one in functionals:
        upper = next(axes for axes in drawn if axes.get_title() == one.value_name)
        np.testing.assert_array_equal(upper.lines[0].get_ydata(), one.reference.mean)
        np.testing.assert_array_equal(upper.lines[1].get_ydata(), one.generated.mean)


def test_differences_are_in_per_cent_of_the_peak_within_their_panel(functionals):
    figure = functional_figure([{"a": one} for one in functionals])
    lower = [axes for axes in figure.axes if axes.get_ylabel() == "Δ / peak [%]"]
    for axes, one in zip(lower, functionals, strict=True):
        difference = one.generated.mean - one.reference.mean
        expected = 100 * difference / abs(one.reference.mean).max()
        line = next(line for line in axes.lines if len(line.get_ydata()) == len(expected))
        np.testing.assert_allclose(line.get_ydata(), expected)
        assert abs(expected).max() < axes.get_ylim()[1]


def test_the_report_gives_caption_numbers_and_units(functionals):
    found = report_functionals([{"sampler": one} for one in functionals], training=functionals)
    rows = list(csv.DictReader(io.StringIO(found.csv)))
    assert len(rows) == len(functionals[0].axis)
    for one in functionals:
        column = [float(row[f"{one.statistic}: sampler: mean"]) for row in rows]
        np.testing.assert_allclose(column, one.generated.mean, rtol=1e-6)
    assert "Minkowski functionals" in found.title
    assert f"{functionals[0].counts[0]} windows" in found.caption
    assert b"<svg" in found.pictures.svg


def test_each_functional_has_a_headline_number(functionals):
    numbers = functional_numbers(functionals, functionals)
    assert [one.estimate for one in numbers] == [one.mean_absolute for one in functionals]
    assert all(one.percent and one.training is one.estimate for one in numbers)


def test_a_figure_of_nothing_is_refused():
    with pytest.raises(DataError, match="one comparison or more"):
        functional_figure([])
