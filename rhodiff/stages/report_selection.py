"""The part of a report on the selection of checkpoints: which cell is shown, the rankings and their figures."""

from collections.abc import Mapping, Sequence

from rhodiff.report import (
    RankingTable,
    ReportFigure,
    report_checkpoint_ratios,
    report_spread,
    tabulate_ranking,
)
from rhodiff.stages.comparison_set import ComparisonSet
from rhodiff.stages.selection import CheckpointRanking, family_of
from rhodiff.stages.sweep import Cell
from rhodiff.stages.workspace import Workspace
from rhodiff.statistics import nyquist

__all__ = ["checkpoint_figures", "choose_shown", "optimism_warning", "ranking_tables"]

FLOOR_IS_LIMIT = (
    "The floor is an upper limit here: samples have the parameters of the reference fields, whose scatter drops out "
    "of the scores, but not out of the floor."
)

Found = Sequence[tuple[Cell, ComparisonSet]]


def choose_shown(workspace: Workspace, rankings: Sequence[CheckpointRanking], cells: Sequence[Cell]) -> Cell:
    """The cell of the figures and headline numbers: ``report.shown``, at the last condition of the sweep."""
    best = rankings[-1].best
    return cells[-1] if best is None or workspace.experiment.report.shown == "last" else best


def optimism_warning(workspace: Workspace, rankings: Sequence[CheckpointRanking], shown: Cell) -> tuple[str, ...]:
    """What a reader must know of numbers by which their own cell was picked."""
    best = rankings[-1].best
    if best is None or shown.identity != best.identity or workspace.experiment.report.shown == "last":
        return ()
    return (
        f"Figures and numbers are of the best of {len(rankings[-1].cells)} cells, that of iteration "
        f"{shown.checkpoint.iteration} with {family_of(workspace, shown)}. It was picked by these numbers, so they "
        "are too good on average: quote those of fresh samples (another sampling seed) of this checkpoint.",
    )


def ranking_tables(
    workspace: Workspace, rankings: Sequence[CheckpointRanking], shown: Cell
) -> tuple[RankingTable, ...]:
    """The rankings, or why there are none; a reason that all share is given once."""
    tables = tuple(_table(workspace, one, shown) for one in rankings)
    if len({table.sentences for table in tables}) == 1 and not tables[0].rows:
        return (RankingTable("", sentences=tables[0].sentences),)
    return tables


def checkpoint_figures(
    workspace: Workspace, rankings: Sequence[CheckpointRanking], found: Found, shown: Cell
) -> tuple[ReportFigure, ...]:
    """Spread of the scores over checkpoints, and their spectra, for each ranking."""
    comparisons = {cell.identity: one for cell, one in found}
    figures: list[ReportFigure] = []
    for number, one in enumerate(rankings):
        table, suffix = _table(workspace, one, shown), f"_{number}" if len(rankings) > 1 else ""
        if table.rows:
            figures.append(report_spread(table, name=f"checkpoints_spread{suffix}"))
            figures += _ratio_figures(workspace, one, comparisons, suffix)
    return tuple(figures)


def _table(workspace: Workspace, ranking: CheckpointRanking, shown: Cell) -> RankingTable:
    if isinstance(ranking.outcome, str):
        return RankingTable(ranking.condition, sentences=(f"There is no ranking: {ranking.outcome}.",))
    return tabulate_ranking(
        ranking.outcome,
        {name: cell.checkpoint.iteration for name, cell in ranking.cells.items()},
        condition=ranking.condition,
        percent=workspace.experiment.evaluation.selection.score != "cosmic_variance",
        shown=next((name for name, cell in ranking.cells.items() if cell.identity == shown.identity), ""),
        note=FLOOR_IS_LIMIT if ranking.floor_is_limit else "",
    )


def _ratio_figures(
    workspace: Workspace, ranking: CheckpointRanking, comparisons: Mapping[str, ComparisonSet], suffix: str
) -> list[ReportFigure]:
    """Spectra of the checkpoints that share sampler, evaluations and seed with the best, a figure a channel."""
    best, spec = ranking.best, workspace.store.spec
    assert best is not None, "a table with rows has a first one"
    family = family_of(workspace, best)
    same = [cell for cell in ranking.cells.values() if family_of(workspace, cell) == family]
    keys = [key for key in comparisons[best.identity].bins if key[0] == "power_spectrum"]
    return [
        report_checkpoint_ratios(
            {cell.checkpoint.iteration: comparisons[cell.identity].bins[key] for cell in same},
            best.checkpoint.iteration,
            family=family,
            nyquist=nyquist(spec.shape, spec.box_size),
            name=f"checkpoints_power_spectrum_{key[1]}{suffix}",
        )
        for key in keys
        if len(same) > 1
    ]
