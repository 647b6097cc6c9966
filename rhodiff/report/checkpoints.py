"""Figures of several checkpoints of a training: their scores against iteration, and their spectra on one panel.

Both are made as paper A shows its checkpoints (arXiv 2211.12444): how good they are, and how much they scatter.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LinearSegmentedColormap, Normalize
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from rhodiff.errors import DataError
from rhodiff.report.content import ReportFigure
from rhodiff.report.encoding import columns_to_csv, encode_curves
from rhodiff.report.figures import comparison_csv
from rhodiff.report.ranking import RankingTable
from rhodiff.report.ratio_panel import GUIDES, draw_guides, draw_ratio, half_range
from rhodiff.report.style import GENERATED_COLORS, label, line_styles, mark_axes, mark_decades, new_figure, typography
from rhodiff.statistics.comparison import BinnedComparison
from rhodiff.statistics.estimate import Estimate

__all__ = ["checkpoint_ratios_figure", "report_checkpoint_ratios", "report_spread", "spread_figure"]

MARKERS = ("o", "s", "^", "D", "v", "P")
LOGARITHMIC_FROM = 8.0
"""Ratio of the largest to the smallest score above which their axis is logarithmic."""

BEST_COLOR = GENERATED_COLORS[0]


@dataclass(frozen=True)
class _Point:
    iteration: int
    family: str
    score: Estimate
    is_best: bool


def spread_figure(table: RankingTable) -> Figure:
    """Scores of all checkpoints against their iteration, one panel a score.

    Args:
        table: the ranking.

    Raises:
        DataError: if it has no rows.
    """
    if not table.rows:
        raise DataError("a figure of checkpoints needs a ranking, got none")
    names = table.parts or (table.score,)
    percent = table.parts_percent if table.parts else table.score_percent
    with typography():
        figure = new_figure(0.4 + 2.1 * len(names))
        panels = figure.subplots(len(names), 1, sharex=True, squeeze=False)[:, 0]
        for position, (axes, name) in enumerate(zip(panels, names, strict=True)):
            _draw_scores(axes, _points(table, position), name, percent)
        panels[-1].set_xlabel("iteration of the checkpoint")
        figure.legend(*panels[0].get_legend_handles_labels(), loc="outside upper center", ncols=2)
    return figure


def checkpoint_ratios_figure(
    comparisons: Mapping[int, BinnedComparison], best: int, *, nyquist: float | None = None
) -> Figure:
    """Ratio of the spectra of all checkpoints to the reference's, the best one in front.

    Args:
        comparisons: power spectra of one channel, by iteration of the checkpoint.
        best: iteration of the best one.
        nyquist: Nyquist wavenumber in the unit of the axis; marked if given.
    """
    chosen = comparisons[best]
    half = half_range(
        sorted(comparisons.values(), key=lambda one: one.mean_absolute.value)[: -(-len(comparisons) // 2)]
    )
    with typography():
        figure = new_figure(3.4)
        axes = figure.subplots()
        draw_guides(axes)
        norm, colors = Normalize(min(comparisons), max(comparisons)), _iteration_map()
        for iteration, one in comparisons.items():
            if iteration != best:
                axes.plot(one.axis, 100 * one.relative_difference, color=colors(norm(iteration)), linewidth=0.9)
        draw_ratio(axes, chosen, BEST_COLOR, "-", half, label=f"best: {best}", linewidth=1.8, zorder=5)
        if nyquist is not None:
            axes.axvline(nyquist, color="#666666", linewidth=0.8, linestyle="-.", label="Nyquist")
        axes.set(xscale="log", ylim=(-half, half), ylabel="generated / reference − 1 [%]")
        axes.set_xlabel(label(chosen.axis_name, chosen.axis_unit))
        mark_decades(axes.xaxis)
        figure.colorbar(ScalarMappable(norm, colors), ax=axes, label="iteration of the checkpoint", pad=0.02)
        axes.legend(loc="upper left", ncols=2)
        mark_axes(axes)
    return figure


def report_spread(table: RankingTable, *, name: str = "checkpoints_spread") -> ReportFigure:
    """Scores against iteration (:func:`spread_figure`)."""
    caption = (
        "Each checkpoint's distance to the reference. Bars: standard error (bootstrap over independent groups); all "
        "share one reference, so that part of the error is common to them. Grey band: what sets without any "
        "difference show at these sizes. Ring: the first of the ranking."
    )
    if table.parts_percent or table.score_percent:
        caption += " Guide lines at 5 and 10 %."
    if table.note:
        caption += f" {table.note}"
    condition = f" at {table.condition}" if table.condition else ""
    return ReportFigure(
        name, f"Spread over checkpoints{condition}", encode_curves(spread_figure(table)), caption, _spread_csv(table)
    )


def report_checkpoint_ratios(
    comparisons: Mapping[int, BinnedComparison],
    best: int,
    *,
    family: str,
    nyquist: float | None = None,
    name: str = "checkpoints_power_spectrum",
) -> ReportFigure:
    """Spectra of all checkpoints (:func:`checkpoint_ratios_figure`).

    Args:
        comparisons: power spectra of one channel, by iteration of the checkpoint.
        best: iteration of the best one.
        family: sampler and evaluations that they have in common.
        nyquist: Nyquist wavenumber in the unit of the axis.
        name: of the files.
    """
    caption = (
        f"Ratio of the mean power spectra of {len(comparisons)} checkpoints to the reference's, all sampled with "
        f"{family}. In front, with standard errors, the first of the ranking. The range is that of the better half "
        "of the checkpoints; guide lines at ±5 and ±10 %."
    )
    figure = checkpoint_ratios_figure(comparisons, best, nyquist=nyquist)
    table = comparison_csv({f"checkpoint {iteration}": one for iteration, one in comparisons.items()})
    return ReportFigure(name, "Power spectra of all checkpoints", encode_curves(figure), caption, table)


def _points(table: RankingTable, position: int) -> list[_Point]:
    """Of one score, in the order of iterations."""
    points = [
        _Point(row.checkpoint, row.family, row.parts[position] if row.parts else row.score, row.rank == 1)
        for row in table.rows
    ]
    return sorted(points, key=lambda point: (point.family, point.iteration))


def _draw_scores(axes: Axes, points: Sequence[_Point], name: str, percent: bool) -> None:
    scale, unit = (100, " [%]") if percent else (1, "")
    values = [scale * point.score.value for point in points]
    floor = scale * points[0].score.floor
    axes.set_ylabel(f"{name}{unit}")
    if min(values) > 0 and max(values) > LOGARITHMIC_FROM * min(values):
        axes.set_yscale("log")
        mark_decades(axes.yaxis)
    families = sorted({point.family for point in points})
    for family, marker, (color, dash) in zip(families, cycle(MARKERS), line_styles(), strict=False):
        mine = [point for point in points if point.family == family]
        axes.errorbar(
            [point.iteration for point in mine],
            [scale * point.score.value for point in mine],
            [scale * point.score.error for point in mine],
            color=color,
            linestyle=dash,
            marker=marker,
            markersize=4,
            linewidth=0.9,
            capsize=2,
            label=family,
        )
    best = next(point for point in points if point.is_best)
    ring: dict[str, Any] = {
        "markersize": 11,
        "markerfacecolor": "none",
        "markeredgecolor": "black",
        "linestyle": "none",
    }
    axes.plot([best.iteration], [scale * best.score.value], "o", label="first of the ranking", **ring)
    low = axes.get_ylim()[0] if axes.get_yscale() == "log" else 0
    axes.set_ylim(min(low, floor / 2) if low else 0, None)
    axes.axhspan(axes.get_ylim()[0], floor, color="#000000", alpha=0.13, linewidth=0, label="no difference (floor)")
    for height, pattern in GUIDES if percent else ():
        axes.axhline(height, color="#666666", linewidth=0.6, linestyle=(0, pattern))
    mark_axes(axes)


def _iteration_map() -> LinearSegmentedColormap:
    """Late checkpoints dark; a map of even lightness without the colours that are lost on white."""
    return LinearSegmentedColormap.from_list("iterations", mpl.colormaps["cividis_r"](np.linspace(0.15, 1, 64)))


def _spread_csv(table: RankingTable) -> str:
    rows = table.rows
    columns: dict[str, ArrayLike] = {
        "rank": [row.rank for row in rows],
        "iteration": [row.checkpoint for row in rows],
        "family": [row.family for row in rows],
    }
    scores = {table.score: [row.score for row in rows]}
    scores |= {part: [row.parts[position] for row in rows] for position, part in enumerate(table.parts)}
    for name, estimates in scores.items():
        columns |= {
            name: [one.value for one in estimates],
            f"{name}: error": [one.error for one in estimates],
            f"{name}: floor": [one.floor for one in estimates],
        }
    columns["probability_best"] = [row.probability_best for row in rows]
    columns["may_be_best"] = [row.may_be_best for row in rows]
    return columns_to_csv(columns)
