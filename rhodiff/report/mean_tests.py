"""Differences over all bins of a statistic: a table of tests, and each bin in units of cosmic variance and per cent.

The comparisons are those of :mod:`rhodiff.statistics.chi_squared`; a text instead of one says why it is not given.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray

from rhodiff.errors import DataError
from rhodiff.report.content import MeanTestRow, ReportFigure
from rhodiff.report.encoding import columns_to_csv, encode_curves
from rhodiff.report.headline import sizes_sentence
from rhodiff.report.ratio_panel import draw_guides, point_style
from rhodiff.report.style import (
    GENERATED_COLORS,
    REFERENCE_COLOR,
    label,
    mark_axes,
    mark_decades,
    new_figure,
    typography,
)
from rhodiff.statistics.chi_squared import VectorComparison
from rhodiff.statistics.comparison import BinnedComparison

__all__ = ["differences_figure", "report_differences", "tabulate_tests"]

SIGNIFICANCE = 0.01
"""Chance of a mark beside a bin, or of "differ", where there is no difference."""

MOST_ROWS = 5
"""Statistics in one figure."""

Key = tuple[str, str]
Vectors = Mapping[Key, VectorComparison | str]


def tabulate_tests(vectors: Vectors, training: Vectors, needed: Mapping[Key, int | str]) -> tuple[MeanTestRow, ...]:
    """One row a statistic.

    Args:
        vectors: generated against reference, by statistic and channel.
        training: training against reference.
        needed: independent groups of generated fields that it takes to tell 3 per cent in every bin from none.
    """
    return tuple(_row(key, one, training.get(key, ""), needed.get(key)) for key, one in vectors.items())


def _row(
    key: Key, one: VectorComparison | str, same: VectorComparison | str, needed: int | str | None
) -> MeanTestRow:
    statistic = key[0].replace("_", " ") + (f", {key[1]}" if key[1] != "value" else "")
    enough = "" if needed is None else _needed_sentence(needed)
    if isinstance(one, str):
        return MeanTestRow(statistic, sentence=" ".join(f"Not given: {one}. {enough}".split()))
    return MeanTestRow(
        statistic=statistic,
        reduced_chi_squared=one.reduced_chi_squared,
        p_value=one.p_value,
        method=one.method,
        num_bins=one.num_bins,
        bins_off=int(np.sum(one.bin_p_value <= SIGNIFICANCE)),
        scatter_ratio=float(np.nanmedian(one.scatter_ratio)),
        training_p_value=None if isinstance(same, str) else same.p_value,
        sentence=f"{one.sentence(SIGNIFICANCE)} {enough}".strip(),
    )


def _needed_sentence(needed: int | str) -> str:
    if isinstance(needed, str):
        return f"How many it takes to tell 3 % is not given: {needed}."
    return (
        f"To tell 3 % in every bin from none takes {needed} independent groups of generated fields and as many of "
        "the reference (chance to find it 90 %, to be wrong 5 %)."
    )


def differences_figure(compared: Sequence[tuple[BinnedComparison, VectorComparison]]) -> Figure:
    """Each bin's difference, over the scatter of one reference field, and in per cent; one row a statistic.

    Args:
        compared: both comparisons of each statistic.

    Raises:
        DataError: if there is none.
    """
    if not compared:
        raise DataError("a figure of differences needs one comparison or more, got none")
    with typography():
        figure = new_figure(0.3 + 1.75 * len(compared))
        panels = figure.subplots(len(compared), 2, squeeze=False, sharex="row")
        for (left, right), (one, vector) in zip(panels, compared, strict=True):
            _draw(left, one, vector, vector.in_cosmic_variance, _error_in_cosmic_variance(vector))
            left.set_ylabel(f"Δ {one.value_name}\n[scatter of a field]", fontsize=8)
            draw_guides(right)
            _draw(right, one, vector, 100 * one.relative_difference, 100 * one.relative_error)
            right.set_ylabel("of the peak [%]" if one.relative_to == "peak" else "of the reference [%]", fontsize=8)
            for axes in (left, right):
                axes.set_xlabel(label(one.axis_name, one.axis_unit), fontsize=8)
                if _spans_decade(one):
                    axes.set_xscale("log")
                    mark_decades(axes.xaxis)
    return figure


def report_differences(
    compared: Sequence[tuple[BinnedComparison, VectorComparison]], *, name: str = "differences"
) -> tuple[ReportFigure, ...]:
    """Differences in each bin (:func:`differences_figure`), some statistics a figure, all bins with axes of several.

    Args:
        compared: both comparisons of each statistic.
        name: of the files.
    """
    parts = [compared[start : start + MOST_ROWS] for start in range(0, len(compared), MOST_ROWS)]
    return tuple(
        ReportFigure(
            f"{name}_{number}" if len(parts) > 1 else name,
            "Differences in each bin",
            encode_curves(differences_figure(part)),
            _caption(part),
            _differences_csv(part),
        )
        for number, part in enumerate(parts, 1)
    )


def _draw(
    axes: Axes, one: BinnedComparison, vector: VectorComparison, difference: ArrayLike, error: ArrayLike
) -> None:
    values, bars = np.asarray(difference), np.abs(np.asarray(error))
    axes.axhline(0, color=REFERENCE_COLOR, linewidth=0.8)
    axes.errorbar(one.axis, values, bars, color=GENERATED_COLORS[0], **point_style(one.axis))
    off = vector.bin_p_value <= SIGNIFICANCE
    axes.plot(one.axis[off], values[off], "*", color=GENERATED_COLORS[1], markersize=8, zorder=4)
    half = 1.1 * float(np.nanmax(np.abs(values) + np.nan_to_num(bars), initial=0)) or 1.0
    axes.set_ylim(-half, half)
    mark_axes(axes)


def _error_in_cosmic_variance(vector: VectorComparison) -> NDArray[np.float64]:
    """Error of the difference in the unit of ``in_cosmic_variance``; NaN where the two do not differ at all."""
    ratio = np.full(vector.in_error.shape, np.nan)
    np.divide(vector.in_cosmic_variance, vector.in_error, out=ratio, where=vector.in_error != 0)
    return ratio


def _spans_decade(one: BinnedComparison) -> bool:
    return bool(one.axis[0] > 0 and one.axis[-1] >= 10 * one.axis[0])


def _caption(compared: Sequence[tuple[BinnedComparison, VectorComparison]]) -> str:
    one = compared[0][0]
    counts = ", ".join(f"{c.statistic.replace('_', ' ')} {_counts(c)}" for c, _ in compared)
    return (
        f"{sizes_sentence(one.sizes)} Left: difference of the means over the scatter of one reference field (cosmic "
        "variance; means over groups where fields share parameters). Right: the same in per cent. Bars are standard "
        "errors. Stars: bins off on their own, with at most 1 % chance of any star where there is no difference. "
        f"Modes or cells behind a bin of one field: {counts}."
    )


def _counts(one: BinnedComparison) -> str:
    low, high = int(one.counts.min()), int(one.counts.max())
    return str(low) if low == high else f"{low} to {high}"


def _differences_csv(compared: Sequence[tuple[BinnedComparison, VectorComparison]]) -> str:
    """One row a bin of a statistic."""
    names = ("difference", "error", "percent", "in_cosmic_variance", "in_error", "scatter_ratio", "bin_p_value")
    sizes = [len(one.axis) for one, _ in compared]
    columns: dict[str, ArrayLike] = {
        "statistic": np.repeat([one.statistic for one, _ in compared], sizes),
        "channel": np.repeat([one.channel for one, _ in compared], sizes),
        "axis": np.concatenate([one.axis for one, _ in compared]),
        "counts_per_field": np.concatenate([one.counts for one, _ in compared]),
    }
    columns |= {name: np.concatenate([getattr(vector, name) for _, vector in compared]) for name in names}
    return columns_to_csv(columns)
