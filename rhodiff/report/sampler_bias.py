"""Bias of samplers against network evaluations: the worst and the mean bin of the power spectrum."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from rhodiff.report.style import line_styles, mark_axes, mark_decades, new_figure, raise_powers, typography

__all__ = ["BiasCurve", "sampler_bias_figure"]

Float = NDArray[np.float64]

GOAL = 1.0
"""Per cent; the guide line."""

SMALLEST = 1e-3
"""Per cent: below this a bias is drawn as this."""


MARKERS = "osDv^<>Ph"
"""Lines of samplers that are exact lie upon each other; their marks differ."""


@dataclass(frozen=True, eq=False)
class BiasCurve:
    """A sampler's bias.

    Attributes:
        sampler: its name.
        evaluations: network evaluations, rising, ``[count]``.
        worst: largest |dP/P| of a bin, ``[count]``.
        mean: mean |dP/P| over bins, ``[count]``.
    """

    sampler: str
    evaluations: Sequence[int]
    worst: Float
    mean: Float


def sampler_bias_figure(curves: Sequence[BiasCurve], title: str) -> Figure:
    """Worst bin and mean over bins against evaluations, both axes logarithmic, one line a sampler.

    Args:
        curves: one for each sampler.
        title: of the figure: spectrum and range.
    """
    with typography():
        figure = new_figure(3.9)
        worst, mean = figure.subplots(1, 2, sharex=True, sharey=True)
        _draw(worst, curves, [curve.worst for curve in curves], "worst bin")
        _draw(mean, curves, [curve.mean for curve in curves], "mean over bins")
        worst.set_ylabel("|P / S − 1| [%]")
        figure.suptitle(raise_powers(title), fontsize=9)
        figure.legend(*worst.get_legend_handles_labels(), loc="outside lower center", ncols=4)
    return figure


def _draw(axes: Axes, curves: Sequence[BiasCurve], biases: Sequence[Float], title: str) -> None:
    axes.axhline(GOAL, color="#666666", linewidth=0.8, linestyle=(0, (4, 3)))
    axes.annotate("1 %", (0, GOAL), (3, 2), xycoords=("axes fraction", "data"), textcoords="offset points")
    for curve, bias, (color, dash), marker in zip(curves, biases, line_styles(), cycle(MARKERS), strict=False):
        percent = np.maximum(100 * bias, SMALLEST)
        axes.plot(curve.evaluations, percent, dash, marker=marker, markersize=4, color=color, label=curve.sampler)
    axes.set(xscale="log", yscale="log", xlabel="network evaluations", title=title)
    mark_decades(axes.xaxis)
    mark_decades(axes.yaxis)
    mark_axes(axes)
