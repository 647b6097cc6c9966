"""Denoised fields in a report: the panel of paper A (arXiv 2211.12444), and the headline numbers.

Fields are in the unit of the values that noise was added to. The curves are in
:mod:`rhodiff.report.denoising_curves`.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rhodiff.report.content import Fact, ReportFigure
from rhodiff.report.encoding import encode_fields
from rhodiff.report.number_format import format_estimate, format_number
from rhodiff.report.panels import Panel, Row, Scale, draw_grid
from rhodiff.report.sheets import middle_plane
from rhodiff.report.style import DIFFERENCE_MAP
from rhodiff.statistics.denoised import Contest
from rhodiff.statistics.denoised_set import COVERAGES, DenoisingSummary
from rhodiff.store.spec import FieldSpec

__all__ = ["ESTIMATE_NAMES", "denoising_facts", "report_denoised_fields", "report_denoised_residuals"]

ESTIMATE_NAMES = {
    "noisy": "noisy",
    "posterior_mean": "posterior mean",
    "draw": "posterior draw",
    "filter_as_mean": "matched Gaussian filter",
    "filter_as_draw": "Gaussian filter matched to a draw",
    "filter_best": "best Gaussian filter",
    "wiener": "Wiener filter",
}
"""Kinds of estimate in words."""
MOST_ROWS = 3
CENTRAL = 0.998


def report_denoised_fields(
    shown: Mapping[str, NDArray[Any]], spec: FieldSpec, *, stores: Sequence[str] = ()
) -> ReportFigure:
    """Truth, noisy field and estimates side by side, on one scale.

    Args:
        shown: ``[field, *space]`` by kind, ``truth`` among them.
        spec: geometry and units.
        stores: where the fields are.
    """
    scale = Scale.spanning(*shown.values()) if spec.ndim == 1 else Scale.of(shown["truth"])
    figure = draw_grid(_rows(shown), spec, scale)
    caption = (
        "The first denoised fields, none chosen, one a row, on one scale. The matched filter has the error of the "
        f"posterior mean in the {_corner(spec)} of lowest mean, or else the nearest to it."
    )
    return ReportFigure("denoised_fields", "Denoised fields", encode_fields(figure), caption, stores=tuple(stores))


def report_denoised_residuals(
    shown: Mapping[str, NDArray[Any]], spec: FieldSpec, *, stores: Sequence[str] = ()
) -> ReportFigure:
    """Residuals (estimate - truth) of the same fields, on one scale around zero.

    Args:
        shown: ``[field, *space]`` by kind, ``truth`` among them.
        spec: geometry and units.
        stores: where the fields are.
    """
    residuals = {name: values - shown["truth"] for name, values in shown.items() if name != "truth"}
    absolute = np.abs(np.stack(list(residuals.values())))
    largest = float(absolute.max() if spec.ndim == 1 else np.quantile(absolute, CENTRAL))
    named = spec.model_copy(update={"name": f"estimate − truth: {spec.name}"})
    figure = draw_grid(_rows(residuals), named, Scale(-largest, largest), DIFFERENCE_MAP)
    caption = (
        "Residuals of the fields above on one scale around zero. What looks like the truth was taken away with the "
        "noise; what looks like the noise was left."
    )
    return ReportFigure("denoised_residuals", "Residuals", encode_fields(figure), caption, stores=tuple(stores))


def denoising_facts(summary: DenoisingSummary, noise: str) -> tuple[Fact, ...]:
    """The headline numbers as a table.

    Args:
        summary: the numbers.
        noise: what noise was added to what, for people.
    """
    groups = f"in {summary.num_groups} independent groups, which the errors are made from"
    return (
        Fact("noise", noise),
        Fact("fields", str(summary.num_fields), groups),
        *(fact for ours, contest in summary.contests.items() for fact in _contest(summary, ours, contest)),
        *(
            Fact(
                f"error, {ESTIMATE_NAMES[name]}",
                f"{format_estimate(error)} of the noise",
                f"mean residual-structure correlation {format_estimate(summary.correlation[name])}",
            )
            for name, error in summary.error.items()
            if name != "noisy"
        ),
        Fact(
            "noise reduced, low signal",
            f"{format_estimate(summary.low_reduction)} times",
            "by the posterior mean, in the part of each field with the lowest mean (paper A, dust: 3.3 times)",
        ),
        Fact(
            "better than Wiener",
            f"{format_estimate(summary.beats_wiener, percent=True)} of the fields",
            "in which the posterior mean has a smaller error than the Wiener filter of the training power",
        ),
        *(
            Fact(
                f"coverage of {100 * probability:g} %",
                format_estimate(found, percent=True),
                f"truths inside the central interval of {summary.num_draws} draws",
            )
            for probability, found in zip(COVERAGES, summary.coverage, strict=True)
        ),
        Fact(
            "spread over error",
            format_estimate(summary.spread_ratio),
            "of the draws; 1 if calibrated, below: too narrow",
        ),
    )


def _contest(summary: DenoisingSummary, ours: str, contest: Contest) -> tuple[Fact, Fact]:
    reached = f"{format_number(100 * summary.reached[ours])} % of the fields"
    return (
        Fact(
            f"fields won, {ESTIMATE_NAMES[ours]}",
            format_estimate(contest.won, percent=True),
            "in which its residual correlates less with the structure than that of the matched Gaussian filter, "
            f"which reaches the same error in {reached} and comes as near as it can in the others",
        ),
        Fact(
            f"gain, {ESTIMATE_NAMES[ours]}",
            format_estimate(contest.gain),
            "mean absolute correlation of the filter minus its own",
        ),
    )


def _rows(shown: Mapping[str, NDArray[Any]]) -> list[Row]:
    """One row a field, one panel a kind, titled in the first row."""
    count = min(MOST_ROWS, len(next(iter(shown.values()))))
    return [
        Row(
            "",
            tuple(
                Panel(middle_plane(values[row]), ESTIMATE_NAMES.get(name, name) if row == 0 else "")
                for name, values in shown.items()
            ),
        )
        for row in range(count)
    ]


def _corner(spec: FieldSpec) -> str:
    return {1: "half", 2: "quadrant", 3: "octant"}[spec.ndim]
