"""Tests over all bins and searches for copies are shown as they were found, and say why where they are not given."""

import csv
import io

import numpy as np
import pytest

from rhodiff.errors import DataError
from rhodiff.report import (
    ReportContent,
    copies_facts,
    copies_figure,
    differences_figure,
    render_report,
    report_copies,
    report_differences,
    tabulate_tests,
)
from rhodiff.statistics import SpectrumStatistic, compare_bins, compare_vectors, find_memorisation

KEY = ("power_spectrum", "value")


@pytest.fixture(scope="module")
def compared(experiment_2d):
    """Fifteen generated fields with 3.6 times the power of twenty reference fields: every bin is off."""
    statistic, spec = SpectrumStatistic(), experiment_2d.spec
    reference = statistic.measure(experiment_2d.reference, spec)
    generated = statistic.measure(1.9 * experiment_2d.generated / 1.1, spec)
    return compare_bins(reference, generated, resamples=50), compare_vectors(reference, generated)


def test_a_row_holds_what_was_found(compared):
    _, vector = compared
    (row,) = tabulate_tests({KEY: vector}, {KEY: vector}, {KEY: 123})
    assert (row.statistic, row.reduced_chi_squared, row.p_value) == (
        "power spectrum", vector.reduced_chi_squared, vector.p_value,
    )  # fmt: skip
    assert row.bins_off == np.sum(vector.bin_p_value <= 0.01) > 0
    assert row.scatter_ratio == pytest.approx(np.median(vector.scatter_ratio))
    assert row.training_p_value == vector.p_value
    assert row.sentence.startswith("The means differ")
    assert "takes 123 independent groups" in row.sentence


def test_a_row_without_a_comparison_says_why():
    (row,) = tabulate_tests({("peaks", "gas"): "too few groups"}, {}, {("peaks", "gas"): "one bin"})
    assert row.statistic == "peaks, gas"
    assert row.p_value is None
    assert row.sentence == "Not given: too few groups. How many it takes to tell 3 % is not given: one bin."


def test_each_bin_is_drawn_in_cosmic_variance_and_per_cent(compared):
    one, vector = compared
    left, right = differences_figure([compared]).axes
    for axes, wanted in ((left, vector.in_cosmic_variance), (right, 100 * one.relative_difference)):
        points = axes.containers[0].lines[0]
        np.testing.assert_allclose(points.get_ydata().astype(float), wanted)
        assert axes.get_ylim()[1] > np.abs(wanted).max()
    stars = next(line for line in left.lines if line.get_marker() == "*")
    np.testing.assert_array_equal(stars.get_xdata(), one.axis[vector.bin_p_value <= 0.01])
    assert left.get_xlabel() == "k [h/Mpc]"


def test_differences_give_every_bin_of_every_statistic(compared):
    (figure,) = report_differences([compared, compared])
    rows = list(csv.DictReader(io.StringIO(figure.csv)))
    assert len(rows) == 2 * len(compared[0].axis)
    found = [float(row["in_cosmic_variance"]) for row in rows]
    np.testing.assert_array_equal(found, np.tile(compared[1].in_cosmic_variance, 2))
    counts = compared[0].counts
    assert f"power spectrum {counts.min()} to {counts.max()}" in figure.caption


def test_many_statistics_are_several_figures_and_none_is_refused(compared):
    assert [figure.name for figure in report_differences([compared] * 7)] == ["differences_1", "differences_2"]
    assert report_differences([]) == ()
    with pytest.raises(DataError, match="one comparison or more"):
        differences_figure([])


def memorisation(replayed):
    random = np.random.default_rng(3)
    training, test, fresh = (random.normal(size=(20, 8, 8)) for _ in range(3))
    generated = np.roll(training[:, ::-1], 3, axis=1) if replayed else fresh
    return find_memorisation(generated, test, training, periodic=True, resamples=100)


@pytest.mark.parametrize("replayed", [True, False])
def test_replayed_fields_are_told_and_drawn_left_of_test_fields(replayed):
    found = memorisation(replayed)
    facts = {fact.label: fact for fact in copies_facts(found)}
    assert ("the model replays them" in facts["verdict"].value) == replayed
    assert ("no nearer" in facts["verdict"].value) != replayed
    assert int(facts["copies"].value) == 20 * replayed
    test, generated = (patch.get_data() for patch in copies_figure(found).axes[0].patches)
    assert test.values.sum() == pytest.approx(1)
    assert generated.values.sum() == pytest.approx(1)
    mean = {name: np.sum(one.values * (one.edges[1:] + one.edges[:-1]) / 2) for name, one in
            (("test", test), ("generated", generated))}  # fmt: skip
    assert mean["test"] == pytest.approx(found.test.distance.mean(), rel=0.1)
    assert (mean["generated"] < 0.2 * mean["test"]) == replayed


def test_distances_are_given_field_by_field():
    found = memorisation(replayed=True)
    rows = list(csv.DictReader(io.StringIO(report_copies(found).csv)))
    assert len(rows) == 40
    nearest = [int(row["nearest_training_field"]) for row in rows if row["set"] == "generated"]
    assert nearest == list(range(20))


def test_the_page_has_tests_and_verdict(compared):
    _, vector = compared
    rows = tabulate_tests({KEY: vector, ("peaks", "value"): "too few groups"}, {}, {})
    facts = copies_facts("the search is switched off")
    page = render_report(ReportContent(title="one", summary="two", tests=rows, memorisation_facts=facts))
    assert "Not given: too few groups." in page
    assert "the search is switched off" in page
    assert page.count("<tr") == 3
    assert 'href="#tests"' in page
    assert 'href="#memorisation"' in page
