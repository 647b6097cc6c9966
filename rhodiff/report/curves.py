"""Figures of binned statistics: spectra and distributions of the values, each with its ratio below.

Bands and bars, everywhere: the wide light band holds the central 68 per cent of single reference fields (cosmic
variance; percentiles, as the power of few modes is far from normal), the narrow one the standard error of the
reference mean; bars of generated points are the standard error of the plotted number. Ratios:
:mod:`rhodiff.report.ratio_panel`.

Comparisons are given by name, in the order of the legend; all share one reference.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from rhodiff.errors import DataError
from rhodiff.report.ratio_panel import draw_ratios, point_style
from rhodiff.report.style import (
    REFERENCE_COLOR,
    TRAINING_COLOR,
    label,
    line_styles,
    mark_axes,
    mark_decades,
    new_figure,
    typography,
)
from rhodiff.statistics.comparison import BinnedComparison
from rhodiff.statistics.value_comparison import ValueComparison

__all__ = ["distribution_figure", "spectrum_figure"]

Float = NDArray[np.float64]

DECADES = 1e10
"""Largest range of a logarithmic axis; what lies below is rounding."""


def spectrum_figure(
    comparisons: Mapping[str, BinnedComparison],
    *,
    nyquist: float | None = None,
    training: BinnedComparison | None = None,
) -> Figure:
    """Spectra of reference and generated fields, on logarithmic axes, and their ratio.

    Args:
        comparisons: of one channel, by name.
        nyquist: Nyquist wavenumber in the unit of the axis; marked if given.
        training: training against reference fields; a grey line in the ratio.

    Raises:
        DataError: if there is no comparison.
    """
    first = _first(comparisons)
    with typography():
        figure = new_figure(5.2)
        top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=[2, 1])
        top.set(xscale="log", yscale="log", ylabel=label(first.value_name, first.value_unit))
        _draw_sets(top, comparisons)
        draw_ratios(bottom, comparisons, training)
        bottom.set_xlabel(label(first.axis_name, first.axis_unit))
        _limit_spectrum(top, comparisons)
        if nyquist is not None:
            _mark_nyquist((top, bottom), nyquist)
        _name_training(top, training)
        top.legend(loc="lower left")
    return figure


def distribution_figure(
    densities: Mapping[str, BinnedComparison],
    values: Mapping[str, ValueComparison],
    *,
    training: BinnedComparison | None = None,
) -> Figure:
    """Densities of the values, their ratio, and the differences of quantiles.

    Args:
        densities: of one channel, by name.
        values: of the same sets, by the same names.
        training: training against reference fields; a grey line in the ratio.

    Raises:
        DataError: if there is no comparison.
    """
    first = _first(densities)
    with typography():
        figure = new_figure(5.0)
        grid = figure.add_gridspec(2, 2, width_ratios=[2, 1], height_ratios=[2, 1])
        top = figure.add_subplot(grid[0, 0])
        bottom = figure.add_subplot(grid[1, 0], sharex=top)
        top.set(yscale="log", ylabel=label(first.value_name, first.value_unit))
        top.tick_params(labelbottom=False)
        _draw_sets(top, densities)
        draw_ratios(bottom, densities, training)
        bottom.set_xlabel(label(first.axis_name, first.axis_unit))
        _limit_density(top, densities)
        _name_training(top, training)
        figure.legend(*top.get_legend_handles_labels(), loc="outside upper left", ncols=2)
        _draw_quantiles(figure.add_subplot(grid[:, 1]), values)
    return figure


def _first(comparisons: Mapping[str, BinnedComparison]) -> BinnedComparison:
    if not comparisons:
        raise DataError("a figure needs one comparison or more, got none")
    return next(iter(comparisons.values()))


def _draw_sets(axes: Axes, comparisons: Mapping[str, BinnedComparison]) -> None:
    first = _first(comparisons)
    axis, reference = first.axis, first.reference
    smallest = np.min(reference.mean[reference.mean > 0], initial=np.inf) * 1e-3
    _band(axes, axis, (reference.low, reference.high), smallest, 0.13, "68 % of single reference fields")
    error = (reference.mean - reference.error, reference.mean + reference.error)
    _band(axes, axis, error, smallest, 0.35, None)
    positive = np.where(reference.mean > 0, reference.mean, np.nan)
    axes.plot(axis, positive, color=REFERENCE_COLOR, label="reference mean, standard error")
    for (name, one), (color, dash) in zip(comparisons.items(), line_styles(), strict=False):
        mean = np.where(one.generated.mean > 0, one.generated.mean, np.nan)
        style = point_style(axis) | {"color": color, "linestyle": dash}
        axes.errorbar(axis, mean, one.generated.error, label=f"{name}: mean, standard error", **style)
    mark_axes(axes)


def _band(
    axes: Axes, axis: Float, limits: tuple[Float, Float], smallest: float, alpha: float, name: str | None
) -> None:
    low, high = limits
    axes.fill_between(
        axis, np.maximum(low, smallest), high, color=REFERENCE_COLOR, alpha=alpha, linewidth=0, label=name
    )


def _name_training(axes: Axes, training: BinnedComparison | None) -> None:
    """Put the line of the ratio panel into the legend above it."""
    if training is not None:
        axes.plot([], [], color=TRAINING_COLOR, linewidth=1.1, label="training fields (below)")


def _limit_spectrum(axes: Axes, comparisons: Mapping[str, BinnedComparison]) -> None:
    first = _first(comparisons)
    means = np.stack([first.reference.mean, *(one.generated.mean for one in comparisons.values())])
    positive = means[means > 0]
    if len(positive):
        axes.set_ylim(max(positive.min(), positive.max() / DECADES) / 4, positive.max() * 4)
    axes.set_xlim(first.axis[0] / 1.15, first.axis[-1] * 1.15)
    if first.axis[-1] < 300 * first.axis[0]:
        mark_decades(axes.xaxis)


def _limit_density(axes: Axes, densities: Mapping[str, BinnedComparison]) -> None:
    first = _first(densities)
    means = np.stack([first.reference.mean, *(one.generated.mean for one in densities.values())])
    filled = np.flatnonzero(np.any(means > 0, axis=0))
    if len(filled):
        axes.set_ylim(means[means > 0].min() / 2, means.max() * 3)
        axes.set_xlim(first.edges[filled[0]], first.edges[filled[-1] + 1])


def _mark_nyquist(panels: tuple[Axes, Axes], nyquist: float) -> None:
    for axes in panels:
        axes.axvline(nyquist, color="#666666", linewidth=0.8, linestyle="-.")
    place: dict[str, Any] = {"xycoords": panels[0].get_xaxis_transform(), "textcoords": "offset points"}
    style: dict[str, Any] = {"rotation": 90, "ha": "right", "va": "top", "fontsize": 8, "color": "#666666"}
    panels[0].annotate("Nyquist", (nyquist, 0.97), (-4, 0), **place, **style)


def _draw_quantiles(axes: Axes, values: Mapping[str, ValueComparison]) -> None:
    """Differences of quantiles, one row a probability, in reference standard deviations."""
    count = max(len(values), 1)
    for i, ((_, one), (color, _dash)) in enumerate(zip(values.items(), line_styles(), strict=False)):
        rows = np.arange(len(one.probabilities)) + 0.3 * (i - (count - 1) / 2) / count
        axes.errorbar(
            one.quantile_difference, rows, xerr=one.quantile_error, fmt="o", color=color, markersize=3.5, capsize=2
        )
        axes.set_yticks(np.arange(len(one.probabilities)), [f"{100 * p:g} %" for p in one.probabilities])
    axes.axvline(0, color=REFERENCE_COLOR, linewidth=0.8)
    low, high = axes.get_xlim()
    half = max(abs(low), abs(high), 0.05)
    axes.set(xlim=(-half, half), xlabel="generated − reference\n[reference std]", title="quantiles")
    mark_axes(axes)
