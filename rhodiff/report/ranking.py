"""A ranking of checkpoints as a table, and in sentences the spread over them that paper A quotes."""

from collections.abc import Mapping
from dataclasses import dataclass

from rhodiff.report.number_format import format_number
from rhodiff.statistics.estimate import Estimate
from rhodiff.statistics.selection import Ranking, Spread

__all__ = ["RankedRow", "RankingTable", "tabulate_ranking"]

GOOD = 0.05
"""Of mean |dP/P|: what paper A's best checkpoints reach."""


@dataclass(frozen=True)
class RankedRow:
    """One candidate.

    Attributes:
        rank: from 1.
        checkpoint: its iteration.
        family: sampler, evaluations and seed.
        score: what it was ranked by.
        parts: each score, where several were combined.
        difference: score minus that of the first row, with its paired error.
        probability_best: share of resamples in which it is the best.
        may_be_best: it cannot be told apart from the best.
        shown: figures and headline numbers are of this one.
    """

    rank: int
    checkpoint: int
    family: str
    score: Estimate
    parts: tuple[Estimate, ...]
    difference: Estimate
    probability_best: float
    may_be_best: bool
    shown: bool


@dataclass(frozen=True)
class RankingTable:
    """The candidates at one condition.

    Attributes:
        condition: parameters, as text; empty where there are none.
        score: name of what they were ranked by.
        score_percent: show it as per cent.
        parts: names of the scores that were combined; empty for a single one.
        parts_percent: show them as per cent.
        rows: the table, first rank first; empty without a ranking.
        sentences: the result, or why there is no ranking.
    """

    condition: str
    score: str = ""
    score_percent: bool = False
    parts: tuple[str, ...] = ()
    parts_percent: bool = False
    rows: tuple[RankedRow, ...] = ()
    sentences: tuple[str, ...] = ()


def tabulate_ranking(
    ranking: Ranking, iterations: Mapping[str, int], *, condition: str = "", percent: bool = True, shown: str = ""
) -> RankingTable:
    """A ranking for readers.

    Args:
        ranking: of the checkpoints.
        iterations: of each candidate's checkpoint, by its name.
        condition: parameters of the samples, as text.
        percent: whether single scores are relative differences.
        shown: name of the candidate of the figures.
    """
    several = len(ranking.scores) > 1
    rows = tuple(
        RankedRow(
            rank=rank,
            checkpoint=iterations[row.name],
            family=row.family,
            score=row.score,
            parts=row.parts if several else (),
            difference=row.difference,
            probability_best=row.probability_best,
            may_be_best=not row.distinguishable,
            shown=row.name == shown,
        )
        for rank, row in enumerate(ranking.rows, 1)
    )
    return RankingTable(
        condition=condition,
        score=ranking.combination if several else ranking.scores[0],
        score_percent=percent and not several,
        parts=ranking.scores if several else (),
        parts_percent=percent,
        rows=rows,
        sentences=(ranking.sentence(), *(_spread_sentence(ranking, one, percent) for one in ranking.spreads)),
    )


def _spread_sentence(ranking: Ranking, spread: Spread, percent: bool) -> str:
    over = spread.over.replace("candidates", "checkpoints")
    over = f"the means of the {spread.count} families" if over == "families" else f"the {spread.count} {over}"
    mean, deviation, noise, low, high = (
        _number(value, percent) for value in (spread.mean, spread.deviation, spread.noise, spread.low, spread.high)
    )
    return (
        f"{spread.score} over {over}: {mean} on average with a standard deviation of {deviation}, of which finite "
        f"samples alone give {noise}; from {low} to {high}.{_good_ones(ranking, spread, percent)}"
    )


def _good_ones(ranking: Ranking, spread: Spread, percent: bool) -> str:
    """How many of a family's checkpoints are as good as paper A's best."""
    if not percent or spread.over == "families" or "dP" not in spread.score:
        return ""
    family, position = spread.over.partition(" of ")[2], ranking.scores.index(spread.score)
    good = sum(row.parts[position].value < GOOD for row in ranking.rows if row.family == family)
    return f" {good or 'None'} of them {'lie' if good != 1 else 'lies'} below {100 * GOOD:g} %."


def _number(value: float, percent: bool) -> str:
    return f"{format_number(100 * value)} %" if percent else format_number(value)
