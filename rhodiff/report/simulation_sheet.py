"""Pictures of one simulation: what its cameras see over time, and what its energy and its two galaxies do.

The contact sheet has one logarithmic colour scale for all panels: a stated number of decades below the brightest
pixel of the whole sheet. Fainter pixels, empty ones among them, take the lowest colour, as the pointed end of the
colour bar says. Nothing is normalised by image, so that panels can be compared.

Axes: images ``[time, camera, up, right]``, the first row at the bottom.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from numpy.typing import NDArray

from rhodiff.errors import DataError
from rhodiff.report.panels import nice_length
from rhodiff.report.style import (
    FIELD_MAP,
    GENERATED_COLORS,
    PAGE_WIDTH,
    REFERENCE_COLOR,
    label,
    mark_axes,
    new_figure,
    typography,
)

__all__ = ["SimulationHistory", "contact_sheet", "simulation_history"]

Float = NDArray[np.float64]

DECADES = 4.0
MOST_COLUMNS = 8
"""Panels side by side on a page; with more the sheet grows wider than a page."""
SMALLEST_PANEL, LARGEST_PANEL = 0.75, 1.7
PAGE_HEIGHT = 9.5
BAR_INCHES, NAME_INCHES, TITLE_INCHES = 0.9, 0.3, 0.45
"""Inches."""


def contact_sheet(
    images: NDArray[np.float32],
    times_myr: Sequence[float],
    cameras: Sequence[str],
    *,
    width_kpc: float,
    unit: str,
    title: str,
    quantity: str = "surface density",
    decades: float = DECADES,
) -> Figure:
    """Images of one simulation: a row for each camera and a column for each time.

    Times go down and cameras across where that is what fits on a page: more than eight times, and fewer cameras.

    Args:
        images: densities >= 0, float32 ``[time, camera, up, right]``, first row at the bottom.
        times_myr: ``[time]``.
        cameras: name of each, ``[camera]``.
        width_kpc: side of an image.
        unit: of the densities.
        title: above all.
        quantity: what the colour bar shows.
        decades: range of the colours below the largest value.

    Raises:
        DataError: if the shapes do not agree, or a value is negative or not finite, or none is above zero.
    """
    _check_images(images, times_myr, cameras, width_kpc, decades)
    top = float(images.max())
    floor = top * 10.0**-decades
    norm, shown = LogNorm(floor, top), images.clip(floor)  # zero has no logarithm
    across, down = [f"{time:.4g} Myr" for time in times_myr], list(cameras)
    rows = shown.swapaxes(0, 1)
    if len(across) > MOST_COLUMNS and len(down) < len(across):
        across, down, rows = down, across, shown
    with typography():
        figure, axes = _new_sheet(len(down), len(across))
        for row_axes, row in zip(axes, rows, strict=True):
            for ax, image in zip(row_axes, row, strict=True):
                _draw_image(ax, image, norm, width_kpc)
        for ax, name in zip(axes[0], across, strict=True):
            ax.set_title(name, fontsize=8, pad=3)
        for ax, name in zip(axes[:, 0], down, strict=True):
            ax.set_ylabel(name, fontsize=8)
        _draw_length(axes[0, 0], width_kpc)
        bar = figure.colorbar(
            ScalarMappable(norm, FIELD_MAP), ax=axes, extend="min", pad=0.015, aspect=30, fraction=0.05
        )
        bar.set_label(label(quantity, unit))
        figure.suptitle(title, fontsize=9)
    return figure


def _check_images(
    images: NDArray[Any], times_myr: Sequence[float], cameras: Sequence[str], width_kpc: float, decades: float
) -> None:
    if images.ndim != 4 or images.shape[:2] != (len(times_myr), len(cameras)) or images.size == 0:
        raise DataError(
            f"a contact sheet needs images [time, camera, up, right], here [{len(times_myr)}, {len(cameras)}, ...]; "
            f"got shape {images.shape}"
        )
    if not (np.isfinite(images).all() and images.min() >= 0 and images.max() > 0):
        raise DataError(
            f"a logarithmic scale needs finite values >= 0 with one above 0; got {np.nanmin(images):g} to "
            f"{np.nanmax(images):g}, {int((~np.isfinite(images)).sum())} not finite: show a density, not a velocity"
        )
    if not (0 < width_kpc < np.inf and 0 < decades < np.inf):
        raise DataError(f"width_kpc and decades must be > 0 and finite; got {width_kpc} and {decades}")


def _new_sheet(num_rows: int, num_columns: int) -> tuple[Figure, NDArray[Any]]:
    """Square panels: as large as a page allows, but not larger or smaller than is of use."""
    fits = min((PAGE_WIDTH - BAR_INCHES - NAME_INCHES) / num_columns, (PAGE_HEIGHT - TITLE_INCHES) / num_rows)
    panel = min(max(fits, SMALLEST_PANEL), LARGEST_PANEL)
    width = max(num_columns * panel + BAR_INCHES + NAME_INCHES, PAGE_WIDTH / 2)
    figure = new_figure(num_rows * panel + TITLE_INCHES, width=width)
    figure.set_layout_engine("compressed", w_pad=0.015, h_pad=0.015, wspace=0.01, hspace=0.01)
    return figure, figure.subplots(num_rows, num_columns, squeeze=False)


def _draw_image(ax: Axes, image: NDArray[Any], norm: LogNorm, width_kpc: float) -> None:
    half = width_kpc / 2
    ax.imshow(image, origin="lower", extent=(-half, half, -half, half), norm=norm, cmap=FIELD_MAP)
    ax.set_xticks([])
    ax.set_yticks([])


def _draw_length(ax: Axes, width_kpc: float) -> None:
    """A length in the lower left corner of a panel, white with a dark rim."""
    length, left = nice_length(width_kpc), -0.45 * width_kpc
    for color, thickness in (("black", 3.2), ("white", 1.8)):
        ax.plot([left, left + length], [left, left], color=color, linewidth=thickness, solid_capstyle="butt")
    box: dict[str, Any] = {"facecolor": "black", "alpha": 0.45, "linewidth": 0, "pad": 1}
    ax.text(left, left + 0.05 * width_kpc, f"{length:g} kpc", color="white", fontsize=7, va="bottom", bbox=box)


@dataclass(frozen=True, eq=False)
class SimulationHistory:
    """What a simulation tells of itself over time.

    Attributes:
        times_myr: of the steps, ``[step]``.
        relative_energy_error: (E - E_0) / |E_0| or its absolute value, ``[step]``.
        kinetic: energy, in any unit, ``[step]``.
        potential: energy, in the same unit, ``[step]``.
        snapshot_times_myr: of the snapshots, ``[snapshot]``.
        drift_kpc: of the centre of mass from its path, ``[snapshot]``.
        separation_kpc: of the two galaxies' stars (median positions), ``[snapshot]``.
        max_energy_error: limit of |relative_energy_error| of a good simulation.
        max_drift_kpc: limit of the drift of a good simulation.

    Raises:
        DataError: if the arrays differ in length, or one is empty.
    """

    times_myr: Float
    relative_energy_error: Float
    kinetic: Float
    potential: Float
    snapshot_times_myr: Float
    drift_kpc: Float
    separation_kpc: Float
    max_energy_error: float
    max_drift_kpc: float

    def __post_init__(self) -> None:
        sizes = {field.name: np.shape(getattr(self, field.name)) for field in fields(self)[:7]}
        steps, snapshots = set(list(sizes.values())[:4]), set(list(sizes.values())[4:])
        if any(len(found) > 1 or next(iter(found)) in {(), (0,)} for found in (steps, snapshots)):
            raise DataError(
                f"a history needs one value a step and one a snapshot, and at least one of each; got {sizes}"
            )


def simulation_history(history: SimulationHistory) -> Figure:
    """Energies, drift of the centre of mass and separation of the galaxies against time.

    Args:
        history: of one simulation.
    """
    with typography():
        figure = new_figure(6.4)
        errors, energies, drift, separation = figure.subplots(4, 1, sharex=True)
        _draw_limited(errors, history.times_myr, history.relative_energy_error, history.max_energy_error)
        errors.set_ylabel("|E − E₀| / |E₀|")
        _draw_energies(energies, history)
        _draw_limited(drift, history.snapshot_times_myr, history.drift_kpc, history.max_drift_kpc)
        drift.set_ylabel("drift of the\ncentre of mass [kpc]")
        separation.plot(
            history.snapshot_times_myr, history.separation_kpc, color=GENERATED_COLORS[1], **_points(history)
        )
        separation.set(ylabel="separation of\nthe galaxies [kpc]", xlabel="time [Myr]")
        separation.set_ylim(0, None)
        for axes in figure.axes:
            mark_axes(axes)
        figure.align_ylabels()
    return figure


def _draw_limited(axes: Axes, times: Float, values: Float, limit: float) -> None:
    """Absolute values on a logarithmic axis, with the limit of a good simulation; exact zeros are left out."""
    size = np.abs(np.asarray(values, np.float64))
    axes.plot(times, np.where(size > 0, size, np.nan), color=GENERATED_COLORS[0], marker=".", markersize=3)
    axes.axhline(limit, color=REFERENCE_COLOR, linewidth=0.9, linestyle=(0, (4, 3)), label=f"limit {limit:g}")
    axes.set_yscale("log")
    axes.legend(loc="lower right")


def _draw_energies(axes: Axes, history: SimulationHistory) -> None:
    """Kinetic, potential and total energy, over the size of the first total."""
    total = np.asarray(history.kinetic) + history.potential
    first = abs(float(total[0]))
    curves = {"kinetic": history.kinetic, "potential": history.potential, "total": total}
    for (name, values), color in zip(curves.items(), (*GENERATED_COLORS[1:3], REFERENCE_COLOR), strict=True):
        axes.plot(history.times_myr, np.asarray(values) / first, color=color, label=name)
    axes.set_ylabel("energy / |E₀|")
    axes.legend(loc="center right", ncols=3)


def _points(history: SimulationHistory) -> dict[str, Any]:
    """Points for the snapshots where these can be told apart."""
    return {"marker": "o", "markersize": 3} if len(history.snapshot_times_myr) <= 100 else {}
