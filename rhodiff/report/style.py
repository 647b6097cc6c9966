"""Colours, sizes and labels that all figures share.

Lines take the colours of Okabe & Ito (2008, Color Universal Design), which readers with colour vision deficiencies
can tell apart; fields take a map whose lightness rises evenly. Sizes are in inches of a page 7.2 wide, on which
text is 9 points.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import product
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

__all__ = [
    "DIFFERENCE_MAP",
    "FIELD_MAP",
    "GENERATED_COLORS",
    "PAGE_WIDTH",
    "REFERENCE_COLOR",
    "TRAINING_COLOR",
    "label",
    "line_styles",
    "mark_axes",
    "mark_decades",
    "new_figure",
    "raise_powers",
    "typography",
]

PAGE_WIDTH = 7.2
"""Width of a figure, inches."""

REFERENCE_COLOR = "#000000"
TRAINING_COLOR = "#999999"
GENERATED_COLORS = ("#D55E00", "#0072B2", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
"""Okabe-Ito, without black and the yellow that is lost on white."""

FIELD_MAP = "magma"
DIFFERENCE_MAP = "RdBu_r"
"""For fields around zero: both ends are told apart by readers with colour vision deficiencies."""

SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")

SETTINGS: Any = {
    "font.size": 9,
    "axes.labelsize": 9,
    "axes.titlesize": 9,
    "legend.fontsize": 8,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "axes.linewidth": 0.7,
    "lines.linewidth": 1.3,
    "mathtext.fontset": "dejavusans",
    "legend.frameon": False,
    "axes.unicode_minus": True,
}


@contextmanager
def typography() -> Iterator[None]:
    """Set type and lines for the figures that are built inside, and nothing outside."""
    with mpl.rc_context(SETTINGS):
        yield


def new_figure(height: float, width: float = PAGE_WIDTH) -> Figure:
    """An empty figure, inches, laid out without overlaps."""
    return Figure(figsize=(width, height), layout="constrained")


def label(name: str, unit: str) -> str:
    """Axis label ``name [unit]``, powers raised; dimensionless quantities have no brackets."""
    return f"{name} [{raise_powers(unit)}]" if unit else name


def raise_powers(text: str) -> str:
    """Integer powers as superscripts: ``(Mpc/h)^2`` to ``(Mpc/h)²``."""
    return re.sub(r"\^(-?\d+)", lambda match: match[1].translate(SUPERSCRIPTS), text)


def line_styles() -> Iterator[tuple[str, str]]:
    """Colour and dash of one curve after another, all different for the first 18."""
    while True:
        for dash, color in product(("-", "--", ":"), GENERATED_COLORS):
            yield color, dash


def mark_decades(axis: Axis) -> None:
    """Plain numbers at 1, 2 and 5 of each decade, for a logarithmic axis of few decades."""
    axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())


def mark_axes(axes: Axes) -> None:
    """Ticks inside on all sides, as journals of the field have them."""
    axes.tick_params(which="both", direction="in", top=True, right=True)
