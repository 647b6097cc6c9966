"""Generated harmonics against the true ones: surface and volumes of one, and scores of all.

The surface is the analytic harmonic: in each direction at the distance |Y|, in the colour of Y. The volumes have the
same colours. Axes: volumes ``[x, y, z]``.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from mpl_toolkits.mplot3d.axes3d import Axes3D
from numpy.typing import NDArray

from rhodiff.report.content import Fact, ReportFigure
from rhodiff.report.cutaway import draw_cutaway, look_at_cube
from rhodiff.report.encoding import encode_curves, encode_fields
from rhodiff.report.harmonic_rows import HarmonicRow, harmonic_rows_to_csv
from rhodiff.report.style import DIFFERENCE_MAP, GENERATED_COLORS, mark_axes, new_figure, typography

__all__ = ["HarmonicVolumes", "harmonic_facts", "report_harmonic", "report_harmonic_scores"]

Float = NDArray[np.float64]
PLANES = {0: ("y", "z"), 1: ("x", "z"), 2: ("x", "y")}
"""Axes of the plane across an axis."""
AXES = "xyz"


@dataclass(frozen=True, eq=False)
class HarmonicVolumes:
    """One harmonic in three forms.

    Attributes:
        name: for people, e.g. ``l = 5, m = 2``.
        directions: Cartesian components of directions on a grid of two angles, ``[3, polar, azimuth]``.
        surface: the harmonic in these, ``[polar, azimuth]``.
        truth: ``[n, n, n]``.
        generated: ``[n, n, n]``.
    """

    name: str
    directions: Float
    surface: Float
    truth: Float
    generated: Float


def report_harmonic(shown: HarmonicVolumes, stores: tuple[str, ...]) -> ReportFigure:
    """Surface, true and generated volume, and a plane through both volumes, on one colour scale.

    Args:
        shown: the harmonic.
        stores: where the volumes are.
    """
    top = float(np.abs(shown.truth).max())
    norm, color_map = Normalize(-top, top), mpl.colormaps[DIFFERENCE_MAP]
    axis, depth = _fullest_plane(shown.truth)
    planes = [np.take(volume, depth, axis) for volume in (shown.truth, shown.generated)]
    with typography():
        figure = new_figure(4.7)
        grid = figure.add_gridspec(2, 3, height_ratios=[1.1, 1])
        solid = [figure.add_subplot(grid[0, column], projection="3d") for column in range(3)]
        _draw_surface(solid[0], shown, norm)
        for axes, volume in zip(solid[1:], (shown.truth, shown.generated), strict=True):
            draw_cutaway(axes, volume, norm, color_map)
        for axes, title in zip(solid, ("analytic", "true volume", "generated volume"), strict=True):
            axes.set_title(title, pad=0)
        flat = [figure.add_subplot(grid[1, column]) for column in range(3)]
        titles = ("truth", "generated", "generated - truth")
        for axes, plane, title in zip(flat, [*planes, planes[1] - planes[0]], titles, strict=True):
            axes.imshow(plane.T, origin="lower", extent=(-1, 1, -1, 1), norm=norm, cmap=color_map)
            axes.set(
                title=title, xlabel=PLANES[axis][0], ylabel=PLANES[axis][1], xticks=(-1, 0, 1), yticks=(-1, 0, 1)
            )
        bar = figure.colorbar(
            ScalarMappable(norm, color_map), ax=figure.axes, fraction=0.03, aspect=35, extend="both"
        )
        bar.set_label(f"$Y_{{lm}}$, {shown.name}")
    place = (2 * depth + 1) / len(shown.truth) - 1
    caption = (
        f"Real spherical harmonic, {shown.name}. Above: the analytic surface (distance and colour are the value), "
        "the true and the generated volume with the octant of positive x, y and z cut away. Below: the plane "
        f"{AXES[axis]} = {place:.2g} of both, and their difference. One colour scale for all; the generated volume "
        "is that of the middle relative L2 distance of its (l, m)."
    )
    title = f"Surface, true and generated volume, {shown.name}"
    return ReportFigure("harmonic", title, encode_fields(figure), caption, stores=stores)


def report_harmonic_scores(rows: Sequence[HarmonicRow], confusion: Float) -> ReportFigure:
    """Distances of all (l, m), and which harmonic each volume is nearest to.

    Args:
        rows: in order of l and m.
        confusion: share of the volumes that are to be row i and are nearest to j, ``[row, row]``.
    """
    with typography():
        figure = new_figure(3.5)
        left, right = figure.subplots(1, 2, width_ratios=[1.35, 1])
        _draw_distances(left, rows)
        _draw_confusion(figure, right, rows, confusion)
    caption = (
        "Left: mean and standard deviation over the generated volumes of each (l, m), from m = -l to l. Right: the "
        "true volume that is nearest in L2 to the generated ones; off the diagonal they are taken for another one."
    )
    return ReportFigure("harmonic_scores", "All (l, m)", encode_curves(figure), caption, harmonic_rows_to_csv(rows))


def harmonic_facts(rows: Sequence[HarmonicRow], equal_orders: int) -> tuple[Fact, ...]:
    """The headline numbers.

    Args:
        rows: of all (l, m).
        equal_orders: how many harmonics have a twin that is the same volume.
    """
    numbers = np.array([row.number for row in rows])
    w1, l2, identified = (np.array([getattr(row, name) for row in rows]) for name in ("w1", "l2", "identified"))
    names = [row.name for row in rows]
    twins = (
        f"; {equal_orders} of the true volumes have an equal one, which counts as the same" if equal_orders else ""
    )
    return (
        Fact("volumes", f"{numbers.sum()} of {len(rows)} (l, m)", "each from starting noise of its own"),
        Fact(
            "W₁ of the values", f"{w1.mean():.2g}", f"mean over (l, m); largest {w1.max():.2g} ({names[w1.argmax()]})"
        ),
        Fact("relative L2", f"{l2.mean():.2g}", f"mean over (l, m); largest {l2.max():.2g} ({names[l2.argmax()]})"),
        Fact(
            "identified",
            f"{100 * (identified * numbers).sum() / numbers.sum():.3g} %",
            f"of the volumes are nearer to their own true volume than to any other{twins}",
        ),
    )


def _fullest_plane(volume: Float) -> tuple[int, int]:
    """The plane just past the centre with the largest values: its axis and index."""
    depth = len(volume) // 2
    return int(np.argmax([np.square(np.take(volume, depth, axis)).sum() for axis in range(3)])), depth


def _draw_surface(axes: Axes3D, shown: HarmonicVolumes, norm: Normalize) -> None:
    place = shown.directions * np.abs(shown.surface) / np.abs(shown.surface).max()
    middle = (shown.surface[:-1, :-1] + shown.surface[1:, 1:]) / 2
    colors = mpl.colormaps[DIFFERENCE_MAP](norm(middle))
    axes.plot_surface(*place, facecolors=colors, rstride=1, cstride=1, linewidth=0, antialiased=False, shade=False)
    look_at_cube(axes)
    axes.set_box_aspect((1, 1, 1), zoom=1.3)


def _draw_distances(axes: Axes, rows: Sequence[HarmonicRow]) -> None:
    places = np.arange(len(rows))
    for name, text, color in (
        ("l2", "relative L2", GENERATED_COLORS[0]),
        ("w1", "W₁ of the values", GENERATED_COLORS[1]),
    ):
        values, spread = (np.array([getattr(row, key) for row in rows]) for key in (name, f"{name}_spread"))
        low = np.minimum(spread, 0.9 * values)  # the axis is logarithmic
        axes.errorbar(places, values, [low, spread], color=color, fmt=".", markersize=4, linewidth=0.8, label=text)
    axes.set(yscale="log", xlabel="l (m from -l to l)", ylabel="distance from the true volume")
    _mark_degrees(axes, rows, along="x")
    axes.legend(loc="upper left", ncols=2)
    axes.margins(y=0.18)
    mark_axes(axes)


def _draw_confusion(figure: Figure, axes: Axes, rows: Sequence[HarmonicRow], confusion: Float) -> None:
    image = axes.imshow(confusion, origin="lower", cmap="Greys", vmin=0, vmax=1)
    axes.set(xlabel="nearest true volume, l", ylabel="asked for, l")
    for along in "xy":
        _mark_degrees(axes, rows, along=along)
    figure.colorbar(image, ax=axes, label="share", fraction=0.046)


def _mark_degrees(axes: Axes, rows: Sequence[HarmonicRow], along: str) -> None:
    """The degree under the middle of its orders, and lines between degrees."""
    degrees = np.array([row.degree for row in rows])
    distinct = np.unique(degrees)
    middles = [float(np.flatnonzero(degrees == one).mean()) for one in distinct]
    edges = np.flatnonzero(np.diff(degrees)) + 0.5
    (axes.set_xticks if along == "x" else axes.set_yticks)(middles, [str(one) for one in distinct])
    for edge in edges:
        (axes.axvline if along == "x" else axes.axhline)(edge, color="0.8", linewidth=0.5, zorder=0)
