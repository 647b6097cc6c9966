"""The part of a report on what is compared over all bins together, and on copies of training fields."""

from rhodiff.report import (
    Fact,
    MeanTestRow,
    ReportFigure,
    copies_facts,
    copies_verdict,
    report_copies,
    report_differences,
    tabulate_tests,
)
from rhodiff.stages.report_curves import ShownCell, in_order

__all__ = ["copies_warning", "difference_figures", "mean_test_rows", "memorisation_facts", "memorisation_figures"]


def mean_test_rows(shown: ShownCell) -> tuple[MeanTestRow, ...]:
    """One row a statistic and channel."""
    found = shown.found
    vectors = {key: found.vectors[key] for key in in_order(found.vectors)}
    return tabulate_tests(vectors, shown.training.vectors, found.needed)


def difference_figures(shown: ShownCell) -> tuple[ReportFigure, ...]:
    """Differences in each bin of the statistics that are curves, where their comparison is given."""
    found = shown.found
    return report_differences(
        [
            (found.bins[key], vector)
            for key in in_order(found.vectors)
            if not isinstance(vector := found.vectors[key], str) and len(found.bins[key].axis) > 1
        ]
    )


def memorisation_facts(shown: ShownCell) -> tuple[Fact, ...]:
    """Verdict and numbers, or why there are none."""
    return copies_facts(shown.found.memorisation)


def memorisation_figures(shown: ShownCell) -> tuple[ReportFigure, ...]:
    """Distances to the training fields, where they were looked for."""
    found = shown.found.memorisation
    return () if isinstance(found, str) else (report_copies(found),)


def copies_warning(shown: ShownCell) -> tuple[str, ...]:
    """A model that replays its training fields may have perfect statistics: it is said before them."""
    found = shown.found.memorisation
    return () if isinstance(found, str) or not found.memorises else (copies_verdict(found),)
