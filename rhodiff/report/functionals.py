"""The figure of functionals over thresholds, ready for the report: each with its difference below, and as CSV.

Functionals change sign and vanish, so that differences are shown in per cent of the reference's peak (see
``relative_to`` in :mod:`rhodiff.statistics.measurement`), not of the value at each threshold.

All functionals are of one channel on one axis; comparisons are given by name, in the order of the legend.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray

from rhodiff.errors import DataError
from rhodiff.report.content import KeyNumber, ReportFigure
from rhodiff.report.encoding import columns_to_csv, encode_curves
from rhodiff.report.headline import sizes_sentence
from rhodiff.report.ratio_panel import draw_guides
from rhodiff.report.style import (
    REFERENCE_COLOR,
    TRAINING_COLOR,
    label,
    line_styles,
    mark_axes,
    new_figure,
    typography,
)
from rhodiff.statistics.comparison import BinnedComparison

__all__ = ["functional_csv", "functional_figure", "functional_numbers", "report_functionals"]

Float = NDArray[np.float64]
Functionals = Sequence[Mapping[str, BinnedComparison]]

MOST_COLUMNS = 3
LEAST_HALF_RANGE = 5.0
"""Of a panel of differences, per cent."""


def functional_figure(functionals: Functionals, *, training: Sequence[BinnedComparison | None] = ()) -> Figure:
    """Functionals of reference and generated fields over thresholds, and their differences.

    Args:
        functionals: comparisons by name, one mapping a functional.
        training: training against reference fields, of each functional; a grey line in its lower panel.

    Raises:
        DataError: if there is no functional or no comparison.
    """
    if not functionals or not all(functionals):
        raise DataError("a figure of functionals needs one comparison or more of each, got none")
    columns = min(len(functionals), MOST_COLUMNS) if len(functionals) != 4 else 2
    blocks = -(-len(functionals) // columns)
    own = [*training, *[None] * (len(functionals) - len(training))]
    with typography():
        figure = new_figure(0.5 + 3.4 * blocks)
        panels = figure.subplots(2 * blocks, columns, squeeze=False, sharex=True, height_ratios=[2, 1] * blocks)
        for i, (comparisons, same) in enumerate(zip(functionals, own, strict=True)):
            block, column = divmod(i, columns)
            _draw_functional(panels[2 * block, column], comparisons)
            _draw_differences(panels[2 * block + 1, column], comparisons, same)
        for rest in range(len(functionals), blocks * columns):
            for row in (0, 1):
                panels[2 * (rest // columns) + row, rest % columns].set_visible(False)
        handles, names = panels[0, 0].get_legend_handles_labels()
        if any(one is not None for one in own):
            handles.append(panels[1, 0].plot([], [], color=TRAINING_COLOR, linewidth=1.1)[0])
            names.append("training fields (below)")
        figure.legend(handles, names, loc="outside upper center", ncols=2)
        one = next(iter(functionals[0].values()))
        figure.supxlabel(label(one.axis_name, one.axis_unit), fontsize=9)
    return figure


def report_functionals(
    functionals: Functionals, *, training: Sequence[BinnedComparison | None] = (), note: str = ""
) -> ReportFigure:
    """Minkowski functionals with differences (:func:`functional_figure`).

    Args:
        functionals: comparisons by name, one mapping a functional.
        training: training against reference fields, of each functional.
        note: further sentence of the caption.
    """
    pictures = encode_curves(functional_figure(functionals, training=training))
    one = next(iter(functionals[0].values()))
    windows = int(one.counts[0])
    caption = (
        f"Minkowski functionals of the sets of cells at or above each threshold, as densities over {windows} windows "
        f"of neighbouring cells a field. {sizes_sentence(one.sizes)} Light band: central 68 % of single reference "
        "fields (cosmic variance); dark band: standard error of the reference mean. Lower panels: difference of the "
        "means in per cent of the largest absolute reference mean; bars are its standard error (both sets, bootstrap "
        f"over independent groups), the band is the reference's share; guide lines at ±5 and ±10 %. {note}"
    )
    channel = "" if one.channel == "value" else f": {one.channel}"
    title = f"Minkowski functionals{channel}"
    table = functional_csv(functionals, training)
    return ReportFigure(f"minkowski_{one.channel}", title, pictures, " ".join(caption.split()), table)


def functional_numbers(
    functionals: Sequence[BinnedComparison], training: Sequence[BinnedComparison | None] = ()
) -> tuple[KeyNumber, ...]:
    """One headline number a functional: its mean absolute difference over its peak.

    Args:
        functionals: generated against reference.
        training: training against reference, of each functional.
    """
    own = [*training, *[None] * (len(functionals) - len(training))]
    return tuple(
        KeyNumber(
            f"mean |ΔM| / peak, {one.statistic.partition('_')[2]}",
            one.mean_absolute,
            percent=True,
            training=same.mean_absolute if same else None,
            meaning=f"{one.value_name}: mean over {len(one.axis)} thresholds, over the largest reference mean",
        )
        for one, same in zip(functionals, own, strict=True)
    )


def _draw_functional(axes: Axes, comparisons: Mapping[str, BinnedComparison]) -> None:
    first = next(iter(comparisons.values()))
    axis, reference = first.axis, first.reference
    fill: dict[str, Any] = {"color": REFERENCE_COLOR, "linewidth": 0}
    axes.fill_between(
        axis, reference.low, reference.high, alpha=0.13, label="68 % of single reference fields", **fill
    )
    axes.fill_between(axis, reference.mean - reference.error, reference.mean + reference.error, alpha=0.35, **fill)
    axes.plot(axis, reference.mean, color=REFERENCE_COLOR, label="reference mean, standard error")
    for (name, one), (color, dash) in zip(comparisons.items(), line_styles(), strict=False):
        style = _bars(color, dash)
        axes.errorbar(axis, one.generated.mean, one.generated.error, label=f"{name}: mean, standard error", **style)
    axes.set_title(first.value_name)
    axes.set_ylabel(label("", first.value_unit).strip())
    axes.ticklabel_format(axis="y", scilimits=(-2, 3), useMathText=True)
    mark_axes(axes)


def _draw_differences(
    axes: Axes, comparisons: Mapping[str, BinnedComparison], training: BinnedComparison | None
) -> None:
    first = next(iter(comparisons.values()))
    mean = np.abs(first.reference.mean)
    scale = np.full_like(mean, mean.max(initial=0)) if first.relative_to == "peak" else mean
    share = np.divide(100 * first.reference.error, scale, out=np.zeros_like(mean), where=scale > 0)
    axes.fill_between(first.axis, -share, share, color=REFERENCE_COLOR, alpha=0.2, linewidth=0)
    draw_guides(axes)
    if training is not None:
        axes.plot(training.axis, 100 * training.relative_difference, color=TRAINING_COLOR, linewidth=1.1)
    for one, (color, dash) in zip(comparisons.values(), line_styles(), strict=False):
        axes.errorbar(one.axis, 100 * one.relative_difference, 100 * one.relative_error, **_bars(color, dash))
    half = max(LEAST_HALF_RANGE, *(_reach(one) for one in comparisons.values()))
    relative = "Δ / peak [%]" if first.relative_to == "peak" else "Δ [%]"
    axes.set(ylim=(-half, half), ylabel=relative)
    mark_axes(axes)


def _reach(one: BinnedComparison) -> float:
    """How far a set's points with their bars are from zero, per cent, and a little more."""
    return 110 * float(np.nanmax(np.abs(one.relative_difference) + np.nan_to_num(one.relative_error), initial=0))


def _bars(color: str, dash: str) -> dict[str, Any]:
    return {"color": color, "linestyle": dash, "marker": "o", "markersize": 2.2, "elinewidth": 0.9, "linewidth": 0.9}


def functional_csv(functionals: Functionals, training: Sequence[BinnedComparison | None]) -> str:
    """Every number of the figure, one row a threshold."""
    first = next(iter(functionals[0].values()))
    columns: dict[str, ArrayLike] = {f"{first.axis_name} [{first.axis_unit}]": first.axis}
    own = [*training, *[None] * (len(functionals) - len(training))]
    for comparisons, same in zip(functionals, own, strict=True):
        one = next(iter(comparisons.values()))
        columns |= {
            f"{one.statistic}: reference_mean [{one.value_unit}]": one.reference.mean,
            f"{one.statistic}: reference_error": one.reference.error,
            f"{one.statistic}: reference_scatter": one.reference.scatter,
            f"{one.statistic}: reference_percentile_16": one.reference.low,
            f"{one.statistic}: reference_percentile_84": one.reference.high,
        }
        for name, compared in comparisons.items():
            columns[f"{one.statistic}: {name}: mean"] = compared.generated.mean
            columns[f"{one.statistic}: {name}: error"] = compared.generated.error
            columns |= _differences(f"{one.statistic}: {name}", compared)
        if same is not None:
            columns |= _differences(f"{one.statistic}: training", same)
    return columns_to_csv(columns)


def _differences(name: str, one: BinnedComparison) -> dict[str, Float]:
    return {
        f"{name}: difference_over_peak": one.relative_difference,
        f"{name}: error_over_peak": one.relative_error,
        f"{name}: difference_sigma": one.difference_sigma,
    }
