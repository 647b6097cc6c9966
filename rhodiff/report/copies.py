"""Whether generated fields are copies of training fields: distances to the nearest one, and what follows from them.

The criteria are those of :mod:`rhodiff.statistics.memorisation`.
"""

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from rhodiff.report.content import Fact, ReportFigure
from rhodiff.report.encoding import columns_to_csv, encode_curves
from rhodiff.report.number_format import format_estimate, format_number
from rhodiff.report.style import GENERATED_COLORS, REFERENCE_COLOR, mark_axes, new_figure, typography
from rhodiff.statistics.memorisation import COPY_SHARE, Memorisation

__all__ = ["copies_facts", "copies_figure", "copies_verdict", "report_copies"]

FEWEST_BINS, MOST_BINS = 8, 40


def copies_figure(found: Memorisation) -> Figure:
    """Histograms of the distance to the nearest training field, of generated and of test fields."""
    distances = (found.generated.distance, found.test.distance)
    number = int(np.clip(np.sqrt(min(map(len, distances))) * 1.5, FEWEST_BINS, MOST_BINS))
    together = np.concatenate(distances)
    edges = np.linspace(0.98 * together.min(), 1.02 * together.max(), number + 1)
    with typography():
        figure = new_figure(2.9)
        axes = figure.subplots()
        styles = ((REFERENCE_COLOR, "--", "test fields"), (GENERATED_COLORS[0], "-", "generated fields"))
        for values, (color, dash, name) in zip(reversed(distances), styles, strict=True):
            counts = np.histogram(values, edges)[0] / len(values)
            axes.stairs(counts, edges, color=color, linestyle=dash, linewidth=1.4, label=f"{name} ({len(values)})")
        limit = COPY_SHARE * found.test.distance.min()
        if together.min() < 1.5 * limit:
            axes.axvline(limit, color="#666666", linewidth=0.9, linestyle=":", label="copies lie to the left")
        axes.set(xlabel="distance to the nearest training field [std of the training fields]")
        axes.set(ylabel="share of fields a bin", ylim=(0, None))
        axes.legend(loc="best")
        mark_axes(axes)
    return figure


def report_copies(found: Memorisation) -> ReportFigure:
    """The histograms (:func:`copies_figure`) with every distance as data."""
    caption = (
        "Root mean squared difference from the nearest training field under all shifts, reflections and turns that "
        "are symmetries of the data. Generated fields of a model that replays training fields lie left of the test "
        "fields, which it has never seen."
    )
    sets = (("generated", found.generated), ("test", found.test))
    columns: dict[str, ArrayLike] = {
        "set": np.repeat([name for name, _ in sets], [len(one.distance) for _, one in sets]),
        "distance": np.concatenate([one.distance for _, one in sets]),
        "second_distance": np.concatenate([one.second_distance for _, one in sets]),
        "nearest_training_field": np.concatenate([one.index for _, one in sets]),
    }
    pictures = encode_curves(copies_figure(found))
    return ReportFigure(
        "memorisation", "Distance to the nearest training field", pictures, caption, columns_to_csv(columns)
    )


def copies_verdict(found: Memorisation) -> str:
    """The result in one sentence."""
    if found.memorises:
        return "Generated fields lie nearer to single training fields than test fields do: the model replays them."
    if found.is_nearer:
        return (
            "No sign of replayed training fields. Generated fields are nearer to the training set than test fields "
            "are, but to no single field of it: that is what too little variance does."
        )
    return "No sign of replayed training fields: generated fields lie no nearer to them than test fields do."


def copies_facts(found: Memorisation | str) -> tuple[Fact, ...]:
    """Verdict and numbers, or why there are none."""
    if isinstance(found, str):
        return (Fact("verdict", "not given", found),)
    generated, test = len(found.generated.distance), len(found.test.distance)
    return (
        Fact("verdict", copies_verdict(found), f"{generated} generated and {test} test fields"),
        Fact("ratio of mean distances", format_estimate(found.ratio), "generated over test; 1 for a true model"),
        Fact(
            "ratio of gaps",
            format_estimate(found.gap_ratio),
            "the same of distance over that to the second nearest; 1 for a true model, whatever the amplitude",
        ),
        Fact(
            "copies",
            str(len(found.copies)),
            "generated fields nearer than half the smallest distance of a test field",
        ),
        Fact(
            "nearer than any test field",
            str(found.num_nearer),
            f"of a true model so many or more have probability {format_number(found.chance, 2)}",
        ),
    )
