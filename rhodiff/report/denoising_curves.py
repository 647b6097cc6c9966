"""Curves of denoised fields: spectra and coherence, residual correlations, calibration of the posterior.

Spectra and ratios are of means over all fields; bars are standard errors from a bootstrap over independent groups.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike, NDArray

from rhodiff.report.content import ReportFigure
from rhodiff.report.denoising import ESTIMATE_NAMES
from rhodiff.report.encoding import columns_to_csv, encode_curves
from rhodiff.report.number_format import format_estimate
from rhodiff.report.style import (
    GENERATED_COLORS,
    REFERENCE_COLOR,
    TRAINING_COLOR,
    label,
    mark_axes,
    new_figure,
    typography,
)
from rhodiff.statistics.denoised_set import DenoisedSet, DenoisingSummary
from rhodiff.statistics.posterior_spread import coverage
from rhodiff.statistics.resampling import REFERENCE, Groups, GroupSums
from rhodiff.store.spec import FieldSpec

__all__ = ["report_denoised_calibration", "report_denoised_correlations", "report_denoised_spectra"]

Float = NDArray[np.float64]
Curve = tuple[Float, Float]
"""Values and their standard errors."""

CURVES = {
    "noisy": (TRAINING_COLOR, "-"),
    "posterior_mean": (GENERATED_COLORS[0], "-"),
    "draw": (GENERATED_COLORS[3], "-"),
    "filter_as_mean": (GENERATED_COLORS[1], "--"),
    "wiener": (GENERATED_COLORS[2], "-."),
}
"""Colour and dash of each kind of estimate that is drawn."""
DOTS = (0, (1, 1))
HISTOGRAM_BINS = 40
PROBABILITIES = np.linspace(0.05, 0.95, 19)


def report_denoised_spectra(found: DenoisedSet, spec: FieldSpec, *, resamples: int, seed: int) -> ReportFigure:
    """Spectra of truth, estimates and residuals, their ratio to the truth's, and the coherence with the truth.

    Args:
        found: the scores.
        spec: geometry and units.
        resamples: bootstrap resamples.
        seed: of the bootstrap.
    """
    boot = _Bootstrap(found.groups, resamples, seed)
    truth = found.truth_power.mean(axis=0)
    columns: dict[str, ArrayLike] = {f"k [1/({spec.length_unit})]": found.k, "truth: power": truth}
    with typography():
        figure = new_figure(6.2)
        top, middle, bottom = figure.subplots(3, 1, sharex=True, height_ratios=[2, 1, 1])
        top.plot(found.k, truth, color=REFERENCE_COLOR, linewidth=2, label="truth")
        for name, (color, dash) in CURVES.items():
            style: dict[str, Any] = {"color": color, "linestyle": dash, "linewidth": 1.1}
            power, residual = (found.spectrum(kind, name).mean(axis=0) for kind in ("power", "residual_power"))
            ratio, coherence = _ratio_to_truth(found, name, boot), _coherence(found, name, boot)
            top.plot(found.k, power, label=ESTIMATE_NAMES[name], **style)
            if name in {"noisy", "posterior_mean", "filter_as_mean"}:
                top.plot(found.k, residual, **{**style, "linestyle": DOTS})
            middle.errorbar(found.k, *ratio, **style)
            bottom.errorbar(found.k, *coherence, **style)
            columns |= _named(name, power=(power,), residual=(residual,), ratio=ratio, coherence=coherence)
        top.plot([], [], color=REFERENCE_COLOR, linestyle=DOTS, label="dotted: residual of that colour")
        top.set(xscale="log", yscale="log", ylabel=_power_label(spec))
        top.legend(loc="lower left", ncols=2)
        middle.axhline(1, color=REFERENCE_COLOR, linewidth=0.8)
        middle.set(ylabel="P / P of truth", ylim=(0, 1.6))
        bottom.set(ylabel="coherence", ylim=(0, 1.02), xlabel=label("k", f"1/({spec.length_unit})"))
        for axes in (top, middle, bottom):
            mark_axes(axes)
    caption = (
        f"{_sizes(found)} Top: mean power spectra. Middle: power over that of the truth: an estimate of least "
        "squared error has less, a draw from the posterior as much. Bottom: coherence with the truth, which no "
        "isotropic linear filter changes: what lies above the line of the noisy field is more than such a filter can "
        "do. Bars: standard errors, bootstrap over independent groups."
    )
    table = columns_to_csv(columns)
    return ReportFigure("denoised_spectra", "Spectra of denoised fields", encode_curves(figure), caption, table)


def report_denoised_correlations(found: DenoisedSet, summary: DenoisingSummary) -> ReportFigure:
    """Histograms of the residual-structure correlation of the network's estimates and their matched filters.

    Args:
        found: the scores.
        summary: their headline numbers.
    """
    with typography():
        figure = new_figure(2.9)
        panels = figure.subplots(1, len(found.matched), squeeze=False)[0]
        for axes, (ours, other) in zip(panels, found.matched.items(), strict=True):
            _draw_correlations(axes, found, ours, other)
            won = format_estimate(summary.contests[ours].won, percent=True)
            axes.set_title(f"{ESTIMATE_NAMES[ours]}: {won} won")
        panels[0].set_ylabel("fields")
    columns: dict[str, ArrayLike] = {"group": found.groups}
    columns |= {name: found.score("correlation", name) for name in found.estimates}
    caption = (
        f"{_sizes(found)} Correlation of the residual (estimate − truth) with the truth, one value a field: zero "
        "where nothing of the structure went with the noise. Each estimate stands against the Gaussian filter of "
        "the smallest width that has the same error in the low-signal part of the field, or else the nearest to it. "
        "The error of a draw is up to √2 times that of the mean: a filter of that error hardly smooths and leaves "
        "the noise, which correlates with nothing."
    )
    title = "Residual-structure correlation"
    return ReportFigure("denoised_correlations", title, encode_curves(figure), caption, columns_to_csv(columns))


def report_denoised_calibration(found: DenoisedSet, spec: FieldSpec, *, resamples: int, seed: int) -> ReportFigure:
    """Coverage expected against found, ranks of the truth, and spread over error by scale.

    Args:
        found: the scores.
        spec: geometry and units.
        resamples: bootstrap resamples.
        seed: of the bootstrap.
    """
    boot = _Bootstrap(found.groups, resamples, seed)
    shares = found.ranks / found.ranks.sum(axis=1, keepdims=True) * found.ranks.shape[1]
    ranks = np.arange(shares.shape[1], dtype=np.float64)
    ratio = boot.of((found.spread_power, found.error_power), lambda above, below: np.sqrt(above / below))
    curves = {
        "coverage": (PROBABILITIES, boot.of((coverage(found.ranks, PROBABILITIES.tolist()),), _same)),
        "rank": (ranks, boot.of((shares,), _same)),
        "spread_over_error": (found.k, ratio),
    }
    with typography():
        figure = new_figure(2.6)
        for axes, (name, (x, curve)) in zip(figure.subplots(1, 3), curves.items(), strict=True):
            expected = x if name == "coverage" else np.ones(len(x))
            axes.plot(x, expected, color=REFERENCE_COLOR, linewidth=0.9)
            axes.errorbar(x, *curve, color=GENERATED_COLORS[0], marker="o", markersize=2.5, linewidth=0.9)
            mark_axes(axes)
        left, middle, right = figure.axes
        left.set(xlabel="probability of the interval", ylabel="truths inside")
        middle.set(xlabel="rank of the truth", ylabel="over expected", ylim=_around_one(curves["rank"][1]))
        right.set(xlabel=label("k", f"1/({spec.length_unit})"), ylabel="spread / error", xscale="log")
        right.set_ylim(_around_one(ratio))
    caption = (
        f"{_sizes(found)} {found.ranks.shape[1] - 1} draws a field. Left: share of the cells whose truth lies in the "
        "central interval of the draws, against its probability. Middle: how often the truth has each rank among the "
        "draws of its cell, over the mean: high at both ends if the draws are too narrow, in the middle if too wide. "
        "Right: spread of the draws over the error of their mean, by scale. Black: a calibrated posterior. Bars: "
        "standard errors, bootstrap over independent groups."
    )
    title = "Calibration of the posterior"
    return ReportFigure("denoised_calibration", title, encode_curves(figure), caption, _long_table(curves))


class _Bootstrap:
    """Errors of functions of means over fields.

    Args:
        groups: independent group of each field, ``[field]``.
        resamples: bootstrap resamples.
        seed: of the bootstrap.
    """

    def __init__(self, groups: NDArray[np.int64], resamples: int, seed: int) -> None:
        self._groups = Groups.of(groups, len(groups), "denoised")
        self._weights = np.bincount(self._groups.index).astype(np.float64)
        self._resamples, self._seed = resamples, seed

    def of(self, values: Sequence[Float], function: Any) -> Curve:
        """A function of the means of several ``[field, bin]``, with its standard error."""
        sums = [GroupSums(self._groups.sum(one), self._weights) for one in values]
        drawn = function(*(one.resampled_means(self._resamples, self._seed, REFERENCE) for one in sums))
        return np.asarray(function(*(one.mean() for one in sums))), np.asarray(drawn.std(axis=0, ddof=1))


def _ratio_to_truth(found: DenoisedSet, name: str, boot: _Bootstrap) -> Curve:
    return boot.of((found.spectrum("power", name), found.truth_power), lambda one, truth: one / truth)


def _coherence(found: DenoisedSet, name: str, boot: _Bootstrap) -> Curve:
    spectra = (found.spectrum("cross", name), found.spectrum("power", name), found.truth_power)
    return boot.of(spectra, lambda cross, one, truth: cross / np.sqrt(one * truth))


def _same(values: Float) -> Float:
    return values


def _draw_correlations(axes: Axes, found: DenoisedSet, ours: str, other: str) -> None:
    both = [found.score("correlation", name) for name in (ours, other)]
    edges = np.linspace(min(map(np.min, both)), max(map(np.max, both)), HISTOGRAM_BINS + 1).tolist()
    for values, color, name in zip(both, GENERATED_COLORS[:2], ("network", "matched filter"), strict=True):
        axes.hist(values, edges, histtype="stepfilled", color=color, alpha=0.25)
        axes.hist(values, edges, histtype="step", color=color, label=name)
    axes.axvline(0, color=REFERENCE_COLOR, linewidth=0.8)
    axes.set_xlabel("corr(estimate − truth, truth)")
    axes.legend(loc="upper left")
    mark_axes(axes)


def _around_one(curve: Curve) -> tuple[float, float]:
    """Limits that hold a curve and its bars, symmetric around one, at least 10 per cent to each side."""
    values, errors = curve
    reach = np.nanmax(np.abs(values - 1) + np.nan_to_num(errors))
    half = max(0.1, 1.1 * float(reach))
    return 1 - half, 1 + half


def _power_label(spec: FieldSpec) -> str:
    return label("P(k)", f"{spec.unit + '^2 ' if spec.unit else ''}({spec.length_unit})^{spec.ndim}")


def _sizes(found: DenoisedSet) -> str:
    fields, groups = len(found.groups), len(np.unique(found.groups))
    inside = "" if fields == groups else f" in {groups} independent groups"
    return f"{fields} fields{inside}."


def _named(name: str, **curves: tuple[Float, ...]) -> dict[str, Float]:
    """Columns of a table: each curve of one estimate, and its error where it has one."""
    found = {}
    for kind, (values, *errors) in curves.items():
        found[f"{name}: {kind}"] = values
        found |= {f"{name}: {kind} error": error for error in errors}
    return found


def _long_table(curves: Mapping[str, tuple[Float, Curve]]) -> str:
    """One row a point: which curve, where, value and standard error."""
    names = [name for name, (x, _) in curves.items() for _ in x]
    x = np.concatenate([x for x, _ in curves.values()])
    values, errors = (np.concatenate([curve[part] for _, curve in curves.values()]) for part in (0, 1))
    return columns_to_csv({"curve": names, "x": x, "value": values, "error": errors})
