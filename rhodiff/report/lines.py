"""Lines of generated spectra against those of their truths: a few spectra, best to worst, and all lines."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike, NDArray

from rhodiff.report.content import Fact, ReportFigure
from rhodiff.report.encoding import columns_to_csv, encode_curves
from rhodiff.report.number_format import format_estimate, format_number
from rhodiff.report.style import GENERATED_COLORS, REFERENCE_COLOR, label, mark_axes, new_figure, typography
from rhodiff.statistics.line_set import LineSummary
from rhodiff.statistics.spectral_lines import LineComparison
from rhodiff.store.spec import FieldSpec

__all__ = ["SpectraPair", "line_facts", "report_line_scores", "report_lines"]

Float = NDArray[np.float64]
HEIGHT = 1.15
"""Of one spectrum, inches."""
MEDIAN_NOTE = "median over true lines; a missing one counts as the greatest distance of pairs"


@dataclass(frozen=True, eq=False)
class SpectraPair:
    """A spectrum and the generated one.

    Attributes:
        truth: ``[bin]``.
        generated: ``[bin]``.
        lines: of the two.
        parameters: at which, for people.
    """

    truth: Float
    generated: Float
    lines: LineComparison
    parameters: str

    def describe(self) -> str:
        """Parameters and how many lines are where they should be."""
        near = int((np.abs(self.lines.offsets) <= 1).sum())
        return f"{self.parameters}: {near} of {len(self.lines.offsets)} lines within a bin"


def report_lines(pairs: Sequence[SpectraPair], spec: FieldSpec) -> ReportFigure:
    """Spectra from the best to the worst, the true one upwards and the generated one downwards.

    Args:
        pairs: in that order.
        spec: geometry and units.
    """
    places = (np.arange(spec.shape[0]) + 0.5) * spec.spacing[0]
    place_name = label("place from the first bin", spec.length_unit)
    columns: dict[str, ArrayLike] = {place_name: places}
    with typography():
        figure = new_figure(0.5 + HEIGHT * len(pairs))
        for number, (axes, pair) in enumerate(
            zip(_rows(figure.subplots(len(pairs), sharex=True)), pairs, strict=True)
        ):
            top = max(float(pair.truth.max()), float(np.finfo(np.float64).tiny))
            axes.plot(places, pair.truth / top, color=REFERENCE_COLOR, linewidth=0.9, label="truth")
            axes.plot(places, -pair.generated / top, color=GENERATED_COLORS[0], linewidth=0.9, label="generated")
            axes.set_title(pair.describe(), fontsize=8, pad=3)
            axes.set_yticks([-1, 0, 1], ["1", "0", "1"])
            axes.set_ylim(-1.25, 1.25)
            mark_axes(axes)
            columns |= {f"truth {number + 1}": pair.truth, f"generated {number + 1}": pair.generated}
        figure.legend(*figure.axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=2)
        figure.axes[-1].set_xlabel(place_name)
        figure.supylabel("over the highest line of the truth", fontsize=9)
    caption = (
        "Spectra evenly from the best to the worst by the mean distance of their lines from the true ones; the true "
        "one upwards, the generated one of the same parameters downwards, both over the highest line of the truth."
    )
    return ReportFigure("lines", "Spectra, best to worst", encode_curves(figure), caption, columns_to_csv(columns))


def report_line_scores(found: Mapping[str, Sequence[LineComparison]], spec: FieldSpec) -> ReportFigure:
    """Distances and heights of all lines.

    Args:
        found: of each spectrum, by kind of estimate, the generated one first.
        spec: geometry and units.
    """
    columns: dict[str, ArrayLike] = {}
    with typography():
        figure = new_figure(3.0)
        left, right = figure.subplots(1, 2)
        for (name, lines), color in zip(found.items(), GENERATED_COLORS, strict=False):
            distances = np.sort(np.abs(np.concatenate([one.offsets for one in lines])))
            shares = (np.arange(len(distances)) + 1) / len(distances)
            is_found = np.isfinite(distances)
            left.plot(distances[is_found], shares[is_found], color=color, label=name, drawstyle="steps-post")
            columns |= {f"{name}: distance [bins]": distances, f"{name}: share of lines": shares}
        first = next(iter(found.values()))
        truth, heights = (
            np.concatenate([getattr(one, which) for one in first]) for which in ("true_heights", "heights")
        )
        paired = heights > 0
        right.plot(truth[paired], heights[paired], ".", color=GENERATED_COLORS[0], markersize=2, alpha=0.4)
        _draw_diagonal(right, truth)
        left.set(xlabel="distance from the true line [bins]", ylabel="share of true lines within", xlim=(0, None))
        left.set_ylim(0, 1.02)
        left.axvline(1, color=REFERENCE_COLOR, linewidth=0.6, linestyle=":")
        right.set(xscale="log", yscale="log")
        right.set(xlabel=label("height, truth", spec.unit), ylabel=label("height, generated", spec.unit))
        left.legend(loc="lower right")
        for axes in (left, right):
            mark_axes(axes)
    columns |= {"truth: height": truth, "generated: height (0: missing)": heights}
    caption = (
        f"All {len(truth)} true lines. Left: share that has a line within a distance; what is wanting to 1 at the "
        "right end is missing. Right: heights of the lines that are paired."
    )
    return ReportFigure("line_scores", "Lines", encode_curves(figure), caption, columns_to_csv(columns))


def line_facts(summaries: Mapping[str, LineSummary], spec: FieldSpec) -> tuple[Fact, ...]:
    """The headline numbers as a table.

    Args:
        summaries: by kind of estimate.
        spec: geometry and units.
    """
    first = next(iter(summaries.values()))
    width = f"a bin is {format_number(spec.spacing[0])} {spec.length_unit}"
    facts = [Fact("spectra", f"{first.num_spectra} with {first.num_lines} lines", width)]
    for name, one in summaries.items():
        facts += [
            Fact(
                f"distance, {name}",
                f"{format_estimate(one.offset)} bins",
                MEDIAN_NOTE,
            ),
            Fact(f"within a bin, {name}", format_estimate(one.within_bin, percent=True), "of the true lines"),
            Fact(f"missing, {name}", format_estimate(one.missing, percent=True), "of the true lines"),
            Fact(f"spurious, {name}", f"{100 * one.spurious:.2g} %", "lines without a true one, over the true lines"),
            Fact(
                f"order of heights, {name}",
                format_estimate(one.rank_correlation),
                "Spearman's coefficient, median over spectra; a missing line has height 0",
            ),
        ]
    return tuple(facts)


def _rows(axes: object) -> list[Axes]:
    """Axes of a column of panels, one of which is no array."""
    return [one for one in np.atleast_1d(np.asarray(axes, dtype=object)).tolist() if isinstance(one, Axes)]


def _draw_diagonal(axes: Axes, values: Float) -> None:
    ends = [float(values.min()), float(values.max())]
    axes.plot(ends, ends, color=REFERENCE_COLOR, linewidth=0.8)
