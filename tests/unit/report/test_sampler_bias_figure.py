import numpy as np

from rhodiff.report.sampler_bias import BiasCurve, sampler_bias_figure

CURVES = [
    BiasCurve("one", [10, 20], np.array([0.1, 0.02]), np.array([0.05, 0.01])),
    BiasCurve("two", [9, 21, 41], np.array([0.3, 0.1, 0.0]), np.array([0.2, 0.05, 0.0])),
]


def test_the_lines_are_the_biases_in_percent_and_one_percent_is_marked():
    worst, mean = sampler_bias_figure(CURVES, "S ~ k^-2").axes
    guide, one, two = worst.get_lines()
    assert set(guide.get_ydata()) == {1.0}
    np.testing.assert_allclose(one.get_xydata(), [[10, 10], [20, 2]])
    np.testing.assert_allclose(two.get_ydata()[:2], [30, 10])
    np.testing.assert_allclose(mean.get_lines()[1].get_ydata(), [5, 1])
    assert worst.get_xscale() == worst.get_yscale() == "log"


def test_no_bias_at_all_is_drawn_at_the_bottom():
    worst, _ = sampler_bias_figure(CURVES, "").axes
    assert worst.get_lines()[2].get_ydata()[-1] > 0


def test_lines_can_be_told_apart_and_are_named():
    figure = sampler_bias_figure(CURVES, "")
    lines = figure.axes[0].get_lines()[1:]
    assert len({(line.get_color(), line.get_linestyle()) for line in lines}) == 2
    assert len({line.get_marker() for line in lines}) == 2
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["one", "two"]
