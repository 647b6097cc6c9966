"""Tables and figures of checkpoints show the ranking they were given: every score, its floor, the best in front."""

import csv
import io

import numpy as np
import pytest

from rhodiff.errors import DataError
from rhodiff.report import (
    RankingTable,
    ReportContent,
    checkpoint_ratios_figure,
    render_report,
    report_checkpoint_ratios,
    report_spread,
    spread_figure,
    tabulate_ranking,
)
from rhodiff.statistics import MeasuredSet, SpectrumStatistic, compare_bins, paper_a, rank_candidates

AMPLITUDES = {100: 1.6, 200: 1.02, 300: 1.0}
FAMILIES = ("ddim 10", "heun 11")


def measured(amplitude, seed, count=40):
    """Powers of six independent bins, and three curves that follow them, of fields drawn alike."""
    random = np.random.default_rng(seed)
    power = amplitude * random.gamma(8.0, 1 / 8, size=(count, 6)) * np.arange(6, 0, -1)
    return {"power_spectrum/value": power, **{f"minkowski_{name}/value": power + 1 for name in ("area", "euler")}}


@pytest.fixture(scope="module")
def ranking():
    candidates = [
        MeasuredSet(f"{iteration} {family}", measured(amplitude, seed), family=family)
        for seed, (iteration, amplitude, family) in enumerate(
            (i, a * (1.01 if f == "heun 11" else 1), f) for i, a in AMPLITUDES.items() for f in FAMILIES
        )
    ]
    scores = paper_a(functionals=("minkowski_area/value", "minkowski_euler/value"))
    return rank_candidates(scores, MeasuredSet("reference", measured(1, 99)), candidates, resamples=200)


@pytest.fixture(scope="module")
def table(ranking):
    iterations = {row.name: int(row.name.split()[0]) for row in ranking.rows}
    return tabulate_ranking(ranking, iterations, shown=ranking.rows[1].name)


@pytest.fixture(scope="module")
def comparisons(experiment_2d):
    statistic, spec = SpectrumStatistic(), experiment_2d.spec
    reference = statistic.measure(experiment_2d.reference, spec)
    random = np.random.default_rng(5)
    return {
        iteration: compare_bins(
            reference, statistic.measure(amplitude**0.5 * random.normal(size=(15, 12, 12)), spec), resamples=50
        )
        for iteration, amplitude in AMPLITUDES.items()
    }


def test_the_table_holds_the_ranking_as_it_is(table, ranking):
    assert [row.rank for row in table.rows] == list(range(1, 7))
    assert [row.score for row in table.rows] == [row.score for row in ranking.rows]
    assert [row.may_be_best for row in table.rows] == [not row.distinguishable for row in ranking.rows]
    assert [row.shown for row in table.rows] == [False, True, False, False, False, False]
    assert {row.checkpoint for row in table.rows[-2:]} == {100}
    assert table.parts == ("mean |dP/P|", "mean |dM| / peak")
    assert not table.score_percent
    assert table.parts_percent


def test_the_spread_over_checkpoints_is_that_of_their_scores(table, ranking):
    values = [row.parts[0].value for row in ranking.rows if row.family == "ddim 10"]
    row = next(one for one in table.spreads if one.over == "3 checkpoints of ddim 10" and one.num_good is not None)
    assert row.spread.mean == pytest.approx(np.mean(values))
    assert row.spread.deviation == pytest.approx(np.std(values, ddof=1))
    assert row.num_good == sum(value < 0.05 for value in values)
    assert [one.num_good for one in table.spreads if "dM" in one.spread.score] == [None] * 3
    assert any(one.over == "means of the 2 families" for one in table.spreads)
    assert table.sentences == (ranking.sentence(),)


def test_every_checkpoint_is_drawn_once_with_its_error_and_the_floor(table):
    figure = spread_figure(table)
    assert len(figure.axes) == 2
    for position, axes in enumerate(figure.axes):
        for container, family in zip(axes.containers, FAMILIES, strict=True):
            mine = sorted((row.checkpoint, row) for row in table.rows if row.family == family)
            points = container.lines[0]
            np.testing.assert_array_equal(points.get_xdata(), [100, 200, 300])
            values = [100 * row.parts[position].value for _, row in mine]
            np.testing.assert_allclose(points.get_ydata().astype(float), values)
            low, high = axes.get_ylim()
            assert low < min(values)
            assert high > max(values)
        floor = axes.patches[0].get_extents().transformed(axes.transData.inverted())
        assert floor.y1 == pytest.approx(100 * table.rows[0].parts[position].floor)
        assert axes.get_ylabel() == f"{table.parts[position]} [%]"
    markers = {container.lines[0].get_marker() for container in figure.axes[0].containers}
    assert len(markers) == 2


def test_the_best_checkpoint_has_a_ring(table):
    ring = next(line for line in spread_figure(table).axes[0].lines if line.get_label() == "first of the ranking")
    assert ring.get_xdata()[0] == table.rows[0].checkpoint
    assert ring.get_ydata()[0] == pytest.approx(100 * table.rows[0].parts[0].value)


def test_the_spread_gives_every_number_as_csv(table):
    rows = list(csv.DictReader(io.StringIO(report_spread(table).csv)))
    assert [int(row["iteration"]) for row in rows] == [row.checkpoint for row in table.rows]
    for name, position in (("mean |dP/P|", 0), ("mean |dM| / peak", 1)):
        found = [float(row[f"{name}: error"]) for row in rows]
        np.testing.assert_array_equal(found, [row.parts[position].error for row in table.rows])
    assert [row["may_be_best"] == "True" for row in rows] == [row.may_be_best for row in table.rows]


def test_spectra_of_all_checkpoints_are_drawn_and_the_best_in_front(comparisons):
    axes, bar = checkpoint_ratios_figure(comparisons, 200, nyquist=1.5).axes
    thin = [line for line in axes.lines if line.get_linewidth() == 0.9 and line.get_linestyle() == "-"]
    drawn = [line.get_ydata() for line in thin if len(line.get_xdata()) == len(comparisons[100].axis)]
    for iteration in (100, 300):
        wanted = 100 * comparisons[iteration].relative_difference
        assert any(np.allclose(values, wanted) for values in drawn)
    best = axes.containers[0].lines[0]
    assert best.get_zorder() > max(line.get_zorder() for line in thin)
    assert bar.get_ylabel() == "iteration of the checkpoint"
    assert axes.get_xlabel() == "k [h/Mpc]"


def test_the_table_of_all_spectra_names_each_checkpoint(comparisons):
    figure = report_checkpoint_ratios(comparisons, 300, family="ddim 10")
    rows = list(csv.DictReader(io.StringIO(figure.csv)))
    found = [float(row["checkpoint 100: relative_difference"]) for row in rows]
    np.testing.assert_array_equal(found, comparisons[100].relative_difference)
    assert "ddim 10" in figure.caption


def test_the_page_shows_the_table_and_says_why_there_is_none(table):
    why = RankingTable("", sentences=("There is no ranking: one checkpoint.",))
    page = render_report(ReportContent(title="one", summary="two", selection=(table, why)))
    assert page.count("<tr") == 2 + len(table.rows) + len(table.spreads)
    assert "There is no ranking: one checkpoint." in page
    assert "sum in units of the floors" in page
    assert 'href="#selection"' in page


def test_a_ranking_of_nothing_is_not_drawn():
    with pytest.raises(DataError, match="needs a ranking"):
        spread_figure(RankingTable(""))
