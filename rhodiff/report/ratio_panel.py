"""The lower panel of a figure of binned statistics: relative differences from the reference, in per cent.

Bars are the standard error of the difference (both sets); the band is the reference's share of it; guide lines are at
5 and 10 per cent. A point outside the range of the panel is drawn as a triangle on its border. The range gives room
to the bins that are measured well enough to say something.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from rhodiff.report.style import REFERENCE_COLOR, TRAINING_COLOR, line_styles, mark_axes
from rhodiff.statistics.comparison import BinnedComparison

__all__ = ["draw_guides", "draw_ratio", "draw_ratios", "half_range", "point_style"]

Float = NDArray[np.float64]

WELL_MEASURED = 0.1
"""Relative error of the bins that set the range of a ratio panel, beside those that differ by 3σ."""

NARROWEST, WIDEST = 12.0, 100.0
"""Smallest and largest half-range of a panel, per cent."""

GUIDES = ((5, (4, 3)), (10, (1, 2)))
"""Per cent, and dashes of the line."""


def draw_ratios(axes: Axes, comparisons: Mapping[str, BinnedComparison], training: BinnedComparison | None) -> None:
    """All of a panel: guides, band, the line of training fields and the sets, in the order of their colours."""
    first = next(iter(comparisons.values()))
    draw_guides(axes)
    error = 100 * first.reference.error / np.where(first.reference.mean > 0, first.reference.mean, np.nan)
    axes.fill_between(first.axis, -error, error, color=REFERENCE_COLOR, alpha=0.2, linewidth=0)
    half = half_range(comparisons.values())
    if training is not None:
        difference = 100 * training.relative_difference
        axes.plot(training.axis, difference, color=TRAINING_COLOR, linewidth=1.1)
    for one, (color, dash) in zip(comparisons.values(), line_styles(), strict=False):
        draw_ratio(axes, one, color, dash, half)
    axes.set(ylim=(-half, half), ylabel="generated /\nreference − 1 [%]")
    mark_axes(axes)


def draw_guides(axes: Axes) -> None:
    """Lines at zero, ±5 and ±10 per cent."""
    for percent, pattern in GUIDES:
        for height in (-percent, percent):
            axes.axhline(height, color="#666666", linewidth=0.6, linestyle=(0, pattern))
    axes.axhline(0, color=REFERENCE_COLOR, linewidth=0.8)


def draw_ratio(axes: Axes, one: BinnedComparison, color: str, dash: str, half: float, **style: Any) -> None:
    """One set with its bars, and triangles where it leaves a panel of this half-range."""
    difference, error = 100 * one.relative_difference, 100 * one.relative_error
    inside = np.abs(difference) <= half
    drawn = {**point_style(one.axis), "color": color, "linestyle": dash, **style}
    axes.errorbar(one.axis, np.where(inside, difference, np.nan), error, **drawn)
    for outside, border, marker in ((difference > half, half, "^"), (difference < -half, -half, "v")):
        if np.any(outside):
            position = one.axis[outside]
            axes.plot(position, np.full_like(position, border), marker, color=color, markersize=4, clip_on=False)


def point_style(axis: Float) -> dict[str, Any]:
    """Size of points with bars; small where there are many."""
    return {"marker": "o", "markersize": 2.8 if len(axis) <= 40 else 1.6, "elinewidth": 0.9, "linewidth": 0.9}


def half_range(comparisons: Iterable[BinnedComparison]) -> float:
    """Half of the range of a panel in per cent: room for the better measured half of the bins."""
    largest = NARROWEST
    for one in comparisons:
        known = np.isfinite(one.relative_difference) & np.isfinite(one.relative_error) & _known_error(one)
        error = np.where(np.isfinite(one.relative_error), one.relative_error, 0)
        usual = float(np.median(error[known])) if known.any() else 0.0
        small = error <= np.fmax(max(WELL_MEASURED, 1.2 * usual), np.abs(one.relative_difference) / 3)
        sure = np.isfinite(one.relative_difference) & small & _known_error(one)
        reach = np.abs(one.relative_difference[sure]) + error[sure]
        largest = max(largest, 110 * float(np.max(reach, initial=0)))
    return min(largest, WIDEST)


def _known_error(one: BinnedComparison) -> NDArray[np.bool_]:
    """Bins whose error is known; all of them where none is, as in a set of a single group."""
    known = np.isfinite(one.relative_error)
    return known if np.any(known) else ~known
