"""Statistics of generated fields at each parameter vector against those of true fields: the figures.

Axes: V vector; bands ``[V, band]``.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike, NDArray

from rhodiff.report.calibration_numbers import VectorSet
from rhodiff.report.content import ReportFigure
from rhodiff.report.encoding import columns_to_csv, encode_curves
from rhodiff.report.style import GENERATED_COLORS, REFERENCE_COLOR, label, mark_axes, new_figure, typography
from rhodiff.statistics.comparison import BinnedComparison
from rhodiff.store.spec import FieldSpec

__all__ = ["report_calibration", "report_calibration_errors"]

Float = NDArray[np.float64]

BAND_NAMES = ("large", "middle", "small")
PANELS_IN_A_ROW = 3
INSIDE, OUTSIDE = "within the trained range", "extrapolated"

LOGARITHMIC_FROM = 8.0
"""Ratio of the largest to the smallest power above which their axes are logarithmic."""


@dataclass(frozen=True, eq=False)
class _Scalar:
    """One number of each vector: true, generated and the error of their difference, ``[V]`` each."""

    name: str
    true: Float
    generated: Float
    error: Float
    is_power: bool = False


def report_calibration(vectors: VectorSet, spec: FieldSpec) -> ReportFigure:
    """Generated against true statistics, a point for each vector, with the line of equality.

    Args:
        vectors: compared one by one.
        spec: of the compared fields.
    """
    scalars = [*_moments(vectors, spec), *_powers(vectors)]
    columns = _first_columns(vectors)
    with typography():
        figure = new_figure(5.0)
        panels = figure.subplots(2, PANELS_IN_A_ROW).ravel()
        for axes, one in zip(panels, scalars, strict=True):
            _draw_scalar(axes, one, vectors.is_inside)
            columns |= {
                f"{one.name}, true": one.true,
                f"{one.name}, generated": one.generated,
                f"{one.name}, error of the difference": one.error,
            }
        figure.supxlabel("true fields", fontsize=9)
        figure.supylabel("generated fields", fontsize=9)
        if not vectors.is_inside.all():
            figure.legend(*panels[0].get_legend_handles_labels(), loc="outside upper center", ncols=2)
    caption = (
        f"A point for each of {len(vectors.found)} parameter vectors; on the line generated and true fields agree. "
        "Bars are one standard error of the difference (bootstrap over the fields of the vector). Upper row: values "
        "of all cells together; lower row: mean power in three bands of equal width in ln k."
    )
    return ReportFigure(
        "calibration", "Predicted against true", encode_curves(figure), caption, columns_to_csv(columns)
    )


def report_calibration_errors(vectors: VectorSet, trained: Mapping[str, tuple[float, float]]) -> ReportFigure:
    """Error of the power in three bands over each parameter.

    Args:
        vectors: compared one by one.
        trained: smallest and largest trained value of continuous parameters, by name.
    """
    columns = _first_columns(vectors)
    difference, error = (_of_bands(vectors, name) for name in ("relative_difference", "relative_error"))
    for band, name in enumerate(_band_names(vectors)):
        columns |= {f"dP/P, {name}": difference[:, band], f"dP/P, {name}, error": error[:, band]}
    with typography():
        count = len(vectors.parameters)
        rows = -(-count // PANELS_IN_A_ROW)
        figure = new_figure(0.6 + 2.2 * rows)
        panels = figure.subplots(rows, min(count, PANELS_IN_A_ROW), sharey=True, squeeze=False).ravel()
        for axes, parameter, values in zip(panels, vectors.parameters, vectors.values.T, strict=False):
            if parameter.name in trained:
                axes.axvspan(*trained[parameter.name], color=REFERENCE_COLOR, alpha=0.07, linewidth=0)
            axes.axhline(0, color=REFERENCE_COLOR, linewidth=0.8)
            for band, name in enumerate(_band_names(vectors)):
                _draw_points(axes, values, 100 * difference[:, band], 100 * error[:, band], band, name)
            axes.set_xlabel(label(parameter.name, parameter.unit))
            mark_axes(axes)
        for axes in panels[count:]:
            axes.set_visible(False)
        panels[0].set_ylabel("generated / true − 1 [%]")
        figure.legend(*panels[0].get_legend_handles_labels(), loc="outside upper center", ncols=3)
    caption = (
        "Difference of the mean power in three bands of k at each parameter vector, over each parameter; a trend is "
        "an error that depends on the parameter. Tinted: the range of the training split."
    )
    title = "Errors over the parameters"
    return ReportFigure("calibration_errors", title, encode_curves(figure), caption, columns_to_csv(columns))


def _first_columns(vectors: VectorSet) -> dict[str, ArrayLike]:
    columns: dict[str, ArrayLike] = {
        label(one.name, one.unit): values for one, values in zip(vectors.parameters, vectors.values.T, strict=True)
    }
    return {**columns, "within the trained range": vectors.is_inside.astype(np.int64)}


def _moments(vectors: VectorSet, spec: FieldSpec) -> list[_Scalar]:
    values = [one.values for one in vectors.found]
    std = np.array([one.reference.std for one in values])
    errors = {
        "mean": std * [one.mean_difference.error for one in values],
        "std": std * [one.std_ratio.error for one in values],
        "skewness": np.array([one.skewness_difference.error for one in values]),
    }
    names = {
        "mean": label("mean", spec.unit),
        "std": label("standard deviation", spec.unit),
        "skewness": "skewness",
    }
    return [
        _Scalar(
            names[key],
            np.array([getattr(one.reference, key) for one in values]),
            np.array([getattr(one.generated, key) for one in values]),
            error,
        )
        for key, error in errors.items()
    ]


def _powers(vectors: VectorSet) -> list[_Scalar]:
    true, generated = (_band_means(vectors, name) for name in ("reference", "generated"))
    error = true * _of_bands(vectors, "relative_error")
    return [
        _Scalar(name, true[:, band], generated[:, band], error[:, band], is_power=True)
        for band, name in enumerate(_band_names(vectors))
    ]


def _band_names(vectors: VectorSet) -> list[str]:
    one: BinnedComparison = vectors.found[0].bands
    return [
        f"P, k = {low:.2g} to {high:.2g} {one.axis_unit}".strip()
        for low, high in zip(one.edges[:-1], one.edges[1:], strict=True)
    ]


def _band_means(vectors: VectorSet, which: str) -> Float:
    return np.array([getattr(one.bands, which).mean for one in vectors.found])


def _of_bands(vectors: VectorSet, name: str) -> Float:
    return np.array([getattr(one.bands, name) for one in vectors.found])


def _draw_scalar(axes: Axes, one: _Scalar, is_inside: NDArray[np.bool_]) -> None:
    for look, (chosen, name) in enumerate(((is_inside, INSIDE), (~is_inside, OUTSIDE))):
        if chosen.any():
            _draw_points(axes, one.true[chosen], one.generated[chosen], one.error[chosen], look, name)
    both = np.concatenate([one.true, one.generated])
    ends = [float(both.min()), float(both.max())]
    axes.plot(ends, ends, color=REFERENCE_COLOR, linewidth=0.8)
    if one.is_power and ends[0] > 0 and ends[1] > LOGARITHMIC_FROM * ends[0]:
        axes.set(xscale="log", yscale="log")
    axes.set_title(one.name, fontsize=8)
    mark_axes(axes)


def _draw_points(axes: Axes, x: Float, y: Float, error: Float, look: int, name: str) -> None:
    """Points with bars in one of three looks."""
    axes.errorbar(
        x, y, error, fmt="o^s"[look], color=GENERATED_COLORS[look], markersize=3, elinewidth=0.7, label=name
    )
