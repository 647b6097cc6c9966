"""A grid of fields on one scale: images with a colour bar and a length, or curves on common axes.

A grid is planned first (rows of panels, each a one- or two-dimensional array with a title), then drawn.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from numpy.typing import NDArray

from rhodiff.report.style import FIELD_MAP, PAGE_WIDTH, REFERENCE_COLOR, label, mark_axes, new_figure, typography
from rhodiff.store.spec import FieldSpec

__all__ = ["Panel", "Row", "Scale", "draw_grid", "draw_length", "nice_length"]

CENTRAL = (0.001, 0.999)
"""Quantiles of the values at the ends of a scale."""

COLOR_BAR_INCHES = 0.9
NAME_INCHES = 0.25


@dataclass(frozen=True, eq=False)
class Panel:
    """One field, or slice of one: ``[x]`` or ``[x, y]``, with a title above it."""

    values: NDArray[Any]
    title: str = ""


@dataclass(frozen=True, eq=False)
class Row:
    """Panels side by side under one name on the left."""

    name: str
    panels: tuple[Panel, ...]


@dataclass(frozen=True)
class Scale:
    """Range of values that all panels share, in units of the field."""

    low: float
    high: float

    @classmethod
    def of(cls, fields: NDArray[Any]) -> "Scale":
        """The central 99.8 per cent of the finite values."""
        finite = fields[np.isfinite(fields)]
        return cls._between(*np.quantile(finite, CENTRAL)) if finite.size else cls(0.0, 1.0)

    @classmethod
    def spanning(cls, *sets: NDArray[Any]) -> "Scale":
        """All finite values of several sets: curves must not be cut off."""
        finite = [fields[np.isfinite(fields)] for fields in sets if np.isfinite(fields).any()]
        if not finite:
            return cls(0.0, 1.0)
        return cls._between(min(values.min() for values in finite), max(values.max() for values in finite))

    @classmethod
    def _between(cls, low: float, high: float) -> "Scale":
        """Widened if the values do not vary."""
        return cls(float(low), float(high)) if high > low else cls(float(low) - 0.5, float(low) + 0.5)


def draw_grid(rows: Sequence[Row], spec: FieldSpec, scale: Scale, color_map: str = FIELD_MAP) -> Figure:
    """Draw a planned grid.

    Args:
        rows: at least one, each with at least one panel; all panels of one shape.
        spec: geometry and units of the fields that the panels were cut from.
        scale: range of values of every panel.
        color_map: of images.
    """
    with typography():
        if rows[0].panels[0].values.ndim == 1:
            return _draw_curves(rows, spec, scale)
        return _draw_images(rows, spec, scale, color_map)


def nice_length(extent: float) -> float:
    """The longest of 1, 2, 5 times a power of ten that is at most 40 per cent of an extent."""
    limit = 0.4 * extent
    decade = 10.0 ** np.floor(np.log10(limit))
    return float(max(step * decade for step in (1, 2, 5) if step * decade <= limit * (1 + 1e-9)))


def _draw_images(rows: Sequence[Row], spec: FieldSpec, scale: Scale, color_map: str) -> Figure:
    num_columns = max(len(row.panels) for row in rows)
    width = min((PAGE_WIDTH - COLOR_BAR_INCHES - NAME_INCHES) / num_columns, 2.2)
    height = width * spec.box_size[1] / spec.box_size[0]
    titles = sum(any(panel.title for panel in row.panels) for row in rows)
    figure = new_figure(
        len(rows) * height + 0.17 * titles + 0.35, width=num_columns * width + COLOR_BAR_INCHES + NAME_INCHES
    )
    figure.set_layout_engine("constrained", w_pad=0.02, h_pad=0.02, wspace=0.01, hspace=0.01)
    norm = Normalize(scale.low, scale.high)
    axes = figure.subplots(len(rows), num_columns, squeeze=False)
    for panel, ax in _placed(rows, axes):
        extent = (0, spec.box_size[0], 0, spec.box_size[1])
        ax.imshow(panel.values.T, origin="lower", extent=extent, norm=norm, cmap=color_map, interpolation="nearest")
        ax.set_xticks([])
        ax.set_yticks([])
    bar = figure.colorbar(
        ScalarMappable(norm, color_map), ax=axes, extend="both", pad=0.015, aspect=30, fraction=0.05
    )
    bar.set_label(label(spec.name, spec.unit))
    draw_length(axes[-1, 0], spec)
    return figure


def _draw_curves(rows: Sequence[Row], spec: FieldSpec, scale: Scale) -> Figure:
    num_columns = max(len(row.panels) for row in rows)
    figure = new_figure(1.15 * len(rows) + 0.5)
    axes = figure.subplots(len(rows), num_columns, squeeze=False, sharex=True, sharey=True)
    position = (np.arange(spec.shape[0]) + 0.5) * spec.spacing[0]
    margin = 0.08 * (scale.high - scale.low)
    for panel, ax in _placed(rows, axes):
        ax.plot(position, panel.values, color=REFERENCE_COLOR, linewidth=0.8)
        ax.set_ylim(scale.low - margin, scale.high + margin)
        ax.set_xlim(0, spec.box_size[0])
        mark_axes(ax)
    figure.supxlabel(label("position", spec.length_unit), fontsize=9)
    figure.supylabel(label(spec.name, spec.unit), fontsize=9)
    return figure


def _placed(rows: Sequence[Row], axes: NDArray[Any]) -> Iterator[tuple[Panel, Axes]]:
    """Each panel with its axes, named and titled; axes without a panel are switched off."""
    for row, row_axes in zip(rows, axes, strict=True):
        for ax in row_axes[len(row.panels) :]:
            ax.axis("off")
        if row.name:
            row_axes[0].set_ylabel(row.name)
        for panel, ax in zip(row.panels, row_axes, strict=False):
            if panel.title:
                ax.set_title(panel.title, fontsize=8, pad=3)
            yield panel, ax


def draw_length(ax: Axes, spec: FieldSpec) -> None:
    """A length below the first panel of the last row, with the extent of the box."""
    length, extent = nice_length(spec.box_size[0]), spec.box_size[0]
    line: dict[str, Any] = {"color": "black", "linewidth": 2, "solid_capstyle": "butt", "clip_on": False}
    ax.plot([0, length], [-0.07, -0.07], transform=ax.get_xaxis_transform(), **line)
    ax.set_xlim(0, extent)
    text = f"{length:g} {spec.length_unit}"
    ax.text(0, -0.12, text, transform=ax.get_xaxis_transform(), ha="left", va="top", fontsize=8)
