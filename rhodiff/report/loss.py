"""The course of a training: loss and learning rate against iteration."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter
from numpy.typing import NDArray

from rhodiff.errors import DataError
from rhodiff.report.style import GENERATED_COLORS, TRAINING_COLOR, mark_axes, new_figure, typography

__all__ = ["TrainingCurve", "loss_figure", "running_median"]

Float = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class TrainingCurve:
    """What was logged while training.

    Attributes:
        iteration: ``[log]``.
        loss: training loss, ``[log]``.
        learning_rate: ``[log]``, or None.
        validation_iteration: ``[validation]``, or None.
        validation_loss: ``[validation]``, or None.
    """

    iteration: Float
    loss: Float
    learning_rate: Float | None = None
    validation_iteration: Float | None = None
    validation_loss: Float | None = None


def loss_figure(curve: TrainingCurve) -> Figure:
    """Loss against iteration, both logarithmic, with a running median; the learning rate below.

    Raises:
        DataError: if nothing was logged, or lengths differ.
    """
    if len(curve.iteration) == 0 or len(curve.iteration) != len(curve.loss):
        raise DataError(f"a loss curve needs one loss an iteration, got {len(curve.loss)} and {len(curve.iteration)}")
    with typography():
        with_rate = curve.learning_rate is not None
        figure = new_figure(3.9 if with_rate else 2.8)
        panels = figure.subplots(
            1 + with_rate, 1, sharex=True, squeeze=False, height_ratios=[2.5, 1][: 1 + with_rate]
        )
        _draw_loss(panels[0, 0], curve)
        if curve.learning_rate is not None:
            panels[1, 0].plot(curve.iteration, curve.learning_rate, color=GENERATED_COLORS[2])
            panels[1, 0].set(ylabel="learning rate", ylim=(0, None))
            mark_axes(panels[1, 0])
        panels[-1, 0].set_xlabel("iteration")
    return figure


def running_median(values: Float, width: int) -> Float:
    """Median over ``width`` neighbours; NaN nearer to an end than half of that, ``[log]``."""
    half = width // 2
    median = np.full(len(values), np.nan)
    windows = np.lib.stride_tricks.sliding_window_view(values, 2 * half + 1)
    median[half : len(values) - half] = np.median(windows, axis=1)
    return median


def _draw_loss(axes: Axes, curve: TrainingCurve) -> None:
    axes.plot(curve.iteration, curve.loss, color=TRAINING_COLOR, linewidth=0.5, label="training loss, as logged")
    width = max(5, len(curve.loss) // 40 | 1)
    if len(curve.loss) > 2 * width:
        median = running_median(curve.loss, width)
        axes.plot(curve.iteration, median, color=GENERATED_COLORS[1], label=f"running median of {width} entries")
    if curve.validation_loss is not None and curve.validation_iteration is not None:
        marks: dict[str, Any] = {"marker": "o", "markersize": 3, "linestyle": "-", "linewidth": 0.9}
        axes.plot(
            curve.validation_iteration,
            curve.validation_loss,
            color=GENERATED_COLORS[0],
            label="validation loss",
            **marks,
        )
    axes.set(xscale="log", ylabel="loss")
    if np.min(curve.loss) > 0:
        axes.set_yscale("log")
        if np.max(curve.loss) < 10 * np.min(curve.loss):
            plain = FuncFormatter(lambda value, _: f"{value:g}")
            axes.yaxis.set_major_formatter(plain)
            axes.yaxis.set_minor_formatter(plain)
    axes.legend(loc="best")
    mark_axes(axes)
