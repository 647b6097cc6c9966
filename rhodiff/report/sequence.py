"""The paper's figure: truths above generated fields of the same parameters above their difference, along a parameter.

All fields share one colour scale, all differences another. Fields of values >= 0 that are mostly near zero and have
peaks far above (densities of galaxies) get a logarithmic scale, a stated number of decades below the largest truth;
their differences are then logarithmic on both sides of zero, and linear within a thousandth of the largest truth. All
others get the central 99.8 per cent of the truths, and a linear scale around zero. In 1D truth and generated field
are curves of one panel, with the difference below. Volumes are shown as slices at a quarter of their depth.

Axes: fields ``[field, *space]``.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LogNorm, Normalize, SymLogNorm
from matplotlib.figure import Figure
from numpy.typing import NDArray

from rhodiff.errors import DataError
from rhodiff.report.content import ReportFigure
from rhodiff.report.encoding import encode_fields
from rhodiff.report.panels import Scale, draw_length
from rhodiff.report.sheets import middle_plane
from rhodiff.report.style import (
    DIFFERENCE_MAP,
    FIELD_MAP,
    GENERATED_COLORS,
    PAGE_WIDTH,
    REFERENCE_COLOR,
    label,
    mark_axes,
    new_figure,
    typography,
)
from rhodiff.store.spec import FieldSpec

__all__ = ["report_sequence", "sequence_figure"]

Fields = NDArray[Any]

DECADES = 4.0
STEEP = 100.0
"""Ratio of the 99.9 per cent quantile to the median above which values >= 0 get a logarithmic scale."""
CENTRAL = 0.998
BAR_INCHES, NAME_INCHES = 0.95, 0.3


def sequence_figure(shown: Mapping[str, Fields], spec: FieldSpec, titles: Sequence[str]) -> Figure:
    """Rows of fields and the difference of the second row from the first.

    Args:
        shown: ``[field, *space]`` by name of the row: truths first, generated ones second, any others after.
        spec: geometry and units.
        titles: one for each field.

    Raises:
        DataError: if the rows do not fit the spec or each other, or there are fewer than two.
    """
    if len(shown) < 2 or any(fields.shape != (len(titles), *spec.shape) for fields in shown.values()):
        raise DataError(
            f"a sequence needs two or more rows [{len(titles)}, *{spec.shape}]; got "
            f"{ {name: fields.shape for name, fields in shown.items()} }"
        )
    with typography():
        if spec.ndim == 1:
            return _draw_curves(shown, spec, titles)
        planes = {name: np.stack([middle_plane(field) for field in fields]) for name, fields in shown.items()}
        return _draw_images(planes, spec, titles, is_steep=_is_steep(next(iter(shown.values()))))


def report_sequence(
    shown: Mapping[str, Fields],
    spec: FieldSpec,
    titles: Sequence[str],
    *,
    note: str = "",
    stores: Sequence[str] = (),
) -> ReportFigure:
    """The sequence (:func:`sequence_figure`) with its caption.

    Args:
        shown: ``[field, *space]`` by name of the row.
        spec: geometry and units.
        titles: one for each field.
        note: further sentences, e.g. the parameters that all fields share.
        stores: where the fields are.
    """
    figure = sequence_figure(shown, spec, titles)
    truth, generated, *_ = shown
    if spec.ndim == 1:
        scale = "All panels of a row share their axes."
    elif _is_steep(shown[truth]):
        scale = (
            f"One logarithmic scale for all fields, {DECADES:g} decades below the largest value; differences are "
            "logarithmic on both sides of zero, and linear within a thousandth of that value."
        )
    else:
        scale = (
            "One scale for all fields, the central 99.8 % of the values of the first row; one for all differences."
        )
    plane = " Slices across the last axis at a quarter of its depth." if spec.ndim == 3 else ""
    caption = (
        f"Fields of equal parameters one above the other; last row: {generated} − {truth}. {scale}{plane} {note}"
    )
    return ReportFigure("sequence", "Sequence", encode_fields(figure), caption.strip(), stores=tuple(stores))


def _is_steep(truth: Fields) -> bool:
    return bool(truth.min() >= 0 and truth.max() > 0 and np.quantile(truth, 0.999) > STEEP * np.median(truth))


def _scales(truth: Fields, difference: Fields, *, is_steep: bool) -> tuple[Normalize, Normalize]:
    """Colours of fields and of differences."""
    if is_steep:
        top = float(truth.max())
        return LogNorm(top * 10.0**-DECADES, top), SymLogNorm(top * 1e-3, vmin=-top, vmax=top)
    scale, largest = Scale.of(truth), float(np.quantile(np.abs(difference), CENTRAL))
    half = largest if largest > 0 else 1.0
    return Normalize(scale.low, scale.high), Normalize(-half, half)


def _draw_images(planes: Mapping[str, Fields], spec: FieldSpec, titles: Sequence[str], *, is_steep: bool) -> Figure:
    truth, generated, *_ = planes.values()
    field_norm, difference_norm = _scales(truth, generated - truth, is_steep=is_steep)
    names = [*planes, "difference"]
    width = min((PAGE_WIDTH - BAR_INCHES - NAME_INCHES) / len(titles), 2.0)
    height = width * spec.box_size[1] / spec.box_size[0]
    figure = new_figure(
        max(len(names) * height + 0.5, 2.4), width=max(len(titles) * width + BAR_INCHES + NAME_INCHES, PAGE_WIDTH / 2)
    )
    figure.set_layout_engine("compressed", w_pad=0.02, h_pad=0.02, wspace=0.01, hspace=0.01)
    axes = figure.subplots(len(names), len(titles), squeeze=False)
    for row, fields in zip(axes, planes.values(), strict=False):
        for ax, field in zip(row, fields, strict=True):
            low = field_norm.vmin if is_steep else None
            _draw_image(ax, field if low is None else field.clip(low), spec, field_norm, FIELD_MAP)
    for ax, difference in zip(axes[-1], generated - truth, strict=True):
        _draw_image(ax, difference, spec, difference_norm, DIFFERENCE_MAP)
    for ax, title in zip(axes[0], titles, strict=True):
        ax.set_title(title, fontsize=8, pad=3)
    for ax, name in zip(axes[:, 0], names, strict=True):
        ax.set_ylabel(name, fontsize=8)
    ends = "min" if is_steep else "both"
    bars = (
        (axes[:-1], field_norm, FIELD_MAP, spec.name, ends),
        (axes[-1:], difference_norm, DIFFERENCE_MAP, "difference", "both"),
    )
    for rows, norm, color_map, name, ends in bars:
        bar = figure.colorbar(ScalarMappable(norm, color_map), ax=rows, extend=ends, pad=0.015, fraction=0.05)
        bar.set_label(label(name, spec.unit), fontsize=8)
        if isinstance(norm, SymLogNorm):
            bar.set_ticks(_signed_decades(norm))
    draw_length(axes[-1, 0], spec)
    return figure


def _signed_decades(norm: SymLogNorm) -> list[float]:
    """Zero, and every other power of ten on both sides of it, from the largest down to where the scale is linear."""
    assert norm.vmax is not None
    largest = np.floor(np.log10(norm.vmax))
    powers = [float(10.0**one) for one in (largest, largest - 2)]
    return [-powers[0], -powers[1], 0.0, powers[1], powers[0]]


def _draw_image(ax: Axes, field: Fields, spec: FieldSpec, norm: Normalize, color_map: str) -> None:
    extent = (0, spec.box_size[0], 0, spec.box_size[1])
    ax.imshow(field.T, origin="lower", extent=extent, norm=norm, cmap=color_map, interpolation="nearest")
    ax.set_xticks([])
    ax.set_yticks([])


def _draw_curves(shown: Mapping[str, Fields], spec: FieldSpec, titles: Sequence[str]) -> Figure:
    truth, generated, *_ = shown.values()
    position = (np.arange(spec.shape[0]) + 0.5) * spec.spacing[0]
    figure = new_figure(3.4)
    axes = figure.subplots(2, len(titles), squeeze=False, sharex=True, sharey="row")
    colors = (REFERENCE_COLOR, *GENERATED_COLORS)
    for column, title in enumerate(titles):
        top, bottom = axes[:, column]
        for (name, fields), color in zip(shown.items(), colors, strict=False):
            top.plot(position, fields[column], color=color, linewidth=0.9, label=name)
        bottom.plot(position, (generated - truth)[column], color=colors[1], linewidth=0.9)
        bottom.axhline(0, color=REFERENCE_COLOR, linewidth=0.6)
        top.set_title(title, fontsize=8, pad=3)
        for ax in (top, bottom):
            mark_axes(ax)
    axes[0, 0].set_ylabel(label(spec.name, spec.unit))
    axes[1, 0].set_ylabel("difference")
    figure.supxlabel(label("position", spec.length_unit), fontsize=9)
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside upper center", ncols=len(shown))
    return figure
