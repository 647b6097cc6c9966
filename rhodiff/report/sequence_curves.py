"""Curves and headline numbers of generated fields against their truths: difference, power, separation of two centres.

Beside the model stand what needs none: the nearest training field, and the interpolation between two of them
(:mod:`rhodiff.statistics.paired_set`). Lines are medians over fields, bands the central 68 per cent of them.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike, NDArray

from rhodiff.report.content import Fact, ReportFigure
from rhodiff.report.encoding import columns_to_csv, encode_curves
from rhodiff.report.number_format import format_estimate
from rhodiff.report.style import (
    GENERATED_COLORS,
    REFERENCE_COLOR,
    label,
    mark_axes,
    mark_decades,
    new_figure,
    typography,
)
from rhodiff.statistics.paired_set import GENERATED, INTERPOLATED, NEAREST, TRUTH, PairedSet, PairedSummary
from rhodiff.statistics.statistic import inverse_unit
from rhodiff.store.spec import FieldSpec, Parameter

__all__ = ["KIND_NAMES", "report_pair_differences", "report_pair_power", "report_separations", "sequence_facts"]

Float = NDArray[np.float64]

KIND_NAMES = {
    GENERATED: "generated",
    NEAREST: "nearest training field",
    INTERPOLATED: "interpolated training fields",
    TRUTH: "truth",
}
"""Kinds of estimate in words."""
STYLES: Mapping[str, dict[str, Any]] = {
    GENERATED: {"color": GENERATED_COLORS[0], "linestyle": "-"},
    NEAREST: {"color": GENERATED_COLORS[1], "linestyle": ":"},
    INTERPOLATED: {"color": GENERATED_COLORS[2], "linestyle": "--"},
    TRUTH: {"color": REFERENCE_COLOR, "linestyle": "-"},
}
MOST_VALUES, NUM_BINS = 60, 20
"""More values of the parameter than this are put into so many bins of equal numbers of fields."""
PERCENTILES = (50, 16, 84)


def report_pair_differences(pairs: PairedSet, along: Parameter) -> ReportFigure:
    """Relative difference from the truth against the parameter.

    Args:
        pairs: the scores.
        along: the parameter.
    """
    chosen = pairs.is_compared
    bins = _bins(pairs.along[chosen])
    values = np.array([pairs.along[chosen][one].mean() for one in bins])
    columns: dict[str, ArrayLike] = {
        label(along.name, along.unit): values,
        "fields": [int(one.sum()) for one in bins],
    }
    with typography():
        figure = new_figure(2.8)
        axes = figure.subplots()
        for name in pairs.compared_kinds:
            curve = np.array([np.percentile(pairs.l2[name][chosen][one], PERCENTILES) for one in bins]).T
            _draw_band(axes, values, curve, name)
            columns |= _named(name, curve)
        axes.set(xlabel=label(along.name, along.unit), ylabel="|estimate − truth| / |truth|", ylim=(0, None))
        axes.legend(loc="best")
        mark_axes(axes)
    caption = (
        f"Relative difference over all cells of {int(chosen.sum())} fields that have an estimate of each kind: "
        "medians and central 68 %. An estimate that is zero everywhere has 1."
    )
    title = "Difference from the truth"
    return ReportFigure("sequence_difference", title, encode_curves(figure), caption, columns_to_csv(columns))


def report_pair_power(pairs: PairedSet, spec: FieldSpec) -> ReportFigure:
    """Power over that of the truth against k.

    Args:
        pairs: the scores.
        spec: geometry and units.
    """
    chosen = pairs.is_compared
    unit = inverse_unit(spec.length_unit)
    known = np.isfinite(pairs.ratio[GENERATED][chosen]).any(axis=0)
    k = pairs.k[known]
    columns: dict[str, ArrayLike] = {label("k", unit): k}
    with typography():
        figure = new_figure(2.8)
        axes = figure.subplots()
        axes.axhline(1, color=REFERENCE_COLOR, linewidth=0.8)
        for name in pairs.compared_kinds:
            curve = np.nanpercentile(pairs.ratio[name][chosen][:, known], PERCENTILES, axis=0)
            _draw_band(axes, k, curve, name)
            columns |= _named(name, curve)
        axes.set(xscale="log", yscale="log", xlabel=label("k", unit), ylabel="P / P of truth")
        for axis in (axes.xaxis, axes.yaxis):
            mark_decades(axis)
        axes.legend(loc="best")
        mark_axes(axes)
    caption = (
        f"Power of each of {int(chosen.sum())} fields over that of its truth: medians and central 68 %. A blurred "
        "estimate loses power at large k, where a sharp one in the wrong place does not."
    )
    title = "Power over that of the truth"
    return ReportFigure("sequence_power", title, encode_curves(figure), caption, columns_to_csv(columns))


def report_separations(
    pairs: PairedSet, along: Parameter, shown: NDArray[np.int64], spec: FieldSpec, *, note: str = ""
) -> ReportFigure:
    """Separation of the two centres: along the sequence, and of all fields against that of their truths.

    Args:
        pairs: the scores.
        along: the parameter.
        shown: fields of the sequence, in order of the parameter.
        spec: geometry and units.
        note: further sentences, e.g. what counts as a centre.
    """
    truth, unit, names = pairs.separation[TRUTH], spec.length_unit, (TRUTH, *pairs.kinds)
    with typography():
        figure = new_figure(3.1)
        left, right = figure.subplots(1, 2, width_ratios=[1.6, 1])
        for name in names:
            values = pairs.separation[name]
            if np.isfinite(values[shown]).any():
                left.plot(
                    pairs.along[shown],
                    values[shown],
                    label=KIND_NAMES[name],
                    marker=".",
                    markersize=4,
                    **STYLES[name],
                )
            if name in (INTERPOLATED, GENERATED):
                right.plot(truth, values, ".", color=STYLES[name]["color"], markersize=3, alpha=0.6)
        left.set(xlabel=label(along.name, along.unit), ylabel=label("separation", unit), ylim=(0, None))
        largest = 1.05 * max(float(np.nanmax(values)) for values in (pairs.separation[name] for name in names)) or 1.0
        right.plot([0, largest], [0, largest], color=REFERENCE_COLOR, linewidth=0.8)
        right.set(xlabel=label("of the truth", unit), ylabel=label("of the estimate", unit))
        right.set(xlim=(0, largest), ylim=(0, largest), aspect="equal")
        figure.legend(*left.get_legend_handles_labels(), loc="outside upper center", ncols=4)
        for axes in (left, right):
            mark_axes(axes)
    columns: dict[str, ArrayLike] = {label(along.name, along.unit): pairs.along, "group": pairs.groups}
    columns |= {f"{name}: separation [{unit}]": pairs.separation[name] for name in names}
    columns |= {"in the sequence": np.isin(np.arange(len(truth)), shown).astype(int)}
    caption = (
        "Distance of the two brightest centres in the plane of the image, 0 where there is one alone. Left: along "
        f"the sequence. Right: all {len(truth)} fields. {note}"
    )
    title = "Separation of the two centres"
    return ReportFigure("sequence_separation", title, encode_curves(figure), caption.strip(), columns_to_csv(columns))


def sequence_facts(summary: PairedSummary, spec: FieldSpec, between: str) -> tuple[Fact, ...]:
    """The headline numbers as a table.

    Args:
        summary: the numbers.
        spec: geometry and units.
        between: parameter in which training fields stand on both sides.
    """
    groups = f"{summary.num_common} in {summary.num_groups} independent groups"
    facts = [Fact("fields", groups, _describe_neighbours(summary, between))]
    facts += [
        Fact(f"difference, {KIND_NAMES[name]}", format_estimate(one), "median of |estimate − truth| / |truth|")
        for name, one in summary.l2.items()
    ]
    facts += [
        Fact(
            f"difference as seen, {KIND_NAMES[name]}",
            format_estimate(one),
            "that median of the fields after fields.transform, as the network sees them",
        )
        for name, one in summary.l2_seen.items()
    ]
    facts += [
        Fact(
            f"better than {KIND_NAMES[name]}",
            f"{format_estimate(one, percent=True)} of the fields",
            "by that difference",
        )
        for name, one in summary.better.items()
    ]
    facts += [
        Fact(
            f"power, {KIND_NAMES[name]}",
            format_estimate(one, percent=True),
            "mean over bins of |median P / P of truth − 1|",
        )
        for name, one in summary.power.items()
    ]
    return (*facts, *_separation_facts(summary, spec))


def _describe_neighbours(summary: PairedSummary, between: str) -> str:
    """Which fields the numbers are of."""
    without = summary.num_fields - summary.num_common
    left_out = f"; the {without} others have not and are left out" if without else ""
    if INTERPOLATED in summary.l2:
        repeated = f", {summary.num_repeated} of them one of the very same parameters" if summary.num_repeated else ""
        return f"have training fields on both sides in {between}, all other parameters equal{repeated}{left_out}"
    if NEAREST in summary.l2:
        return f"have training fields on one side in {between}, all other parameters equal{left_out}; none on both"
    return f"no training field differs from them in {between} alone: there is nothing to compare the model with"


def _separation_facts(summary: PairedSummary, spec: FieldSpec) -> list[Fact]:
    return [
        Fact(
            f"separation off, {KIND_NAMES[name]}",
            f"{format_estimate(one)} {spec.length_unit}",
            f"median over the {summary.num_resolved} fields whose truth has two centres; as many centres as the "
            f"truth in {format_estimate(summary.same_centres[name], percent=True)} of all",
        )
        for name, one in summary.separation.items()
    ]


def _bins(along: Float) -> list[NDArray[np.bool_]]:
    """Which fields have each value of the parameter, or lie in each bin of it."""
    values = np.unique(along)
    if len(values) <= MOST_VALUES:
        return [along == value for value in values]
    edges = np.quantile(along, np.linspace(0, 1, NUM_BINS + 1))
    number = np.clip(np.searchsorted(edges, along, "right") - 1, 0, NUM_BINS - 1)
    return [number == one for one in np.unique(number)]


def _draw_band(axes: Axes, x: Float, curve: Float, name: str) -> None:
    middle, low, high = curve
    axes.plot(x, middle, label=KIND_NAMES[name], marker=".", markersize=3, **STYLES[name])
    axes.fill_between(x, low, high, color=STYLES[name]["color"], alpha=0.13, linewidth=0)


def _named(name: str, curve: Float) -> dict[str, Float]:
    return {f"{name}: {kind}": values for kind, values in zip(("median", "16 %", "84 %"), curve, strict=True)}
