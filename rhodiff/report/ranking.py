"""A ranking of checkpoints, and the spread over them that paper A quotes, as tables."""

from collections.abc import Mapping
from dataclasses import dataclass

from rhodiff.statistics.estimate import Estimate
from rhodiff.statistics.selection import Ranking, Spread

__all__ = ["RankedRow", "RankingTable", "SpreadRow", "tabulate_ranking"]

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
class SpreadRow:
    """One score over the checkpoints of a family, or over the families' means.

    Attributes:
        over: what it is taken over.
        spread: the numbers.
        num_good: checkpoints whose mean |dP/P| is below 5 per cent; None for other scores and for families.
    """

    over: str
    spread: Spread
    num_good: int | None


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
        spreads: over checkpoints and families.
        sentences: the result, or why there is no ranking.
        note: what else must be known of it.
    """

    condition: str
    score: str = ""
    score_percent: bool = False
    parts: tuple[str, ...] = ()
    parts_percent: bool = False
    rows: tuple[RankedRow, ...] = ()
    spreads: tuple[SpreadRow, ...] = ()
    sentences: tuple[str, ...] = ()
    note: str = ""


def tabulate_ranking(
    ranking: Ranking,
    iterations: Mapping[str, int],
    *,
    condition: str = "",
    percent: bool = True,
    shown: str = "",
    note: str = "",
) -> RankingTable:
    """A ranking for readers.

    Args:
        ranking: of the checkpoints.
        iterations: of each candidate's checkpoint, by its name.
        condition: parameters of the samples, as text.
        percent: whether single scores are relative differences.
        shown: name of the candidate of the figures.
        note: what else must be known of it.
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
        spreads=tuple(_spread_row(ranking, one, percent) for one in ranking.spreads),
        sentences=(ranking.sentence(),),
        note=note,
    )


def _spread_row(ranking: Ranking, spread: Spread, percent: bool) -> SpreadRow:
    if spread.over == "families":
        return SpreadRow(f"means of the {spread.count} families", spread, None)
    over = f"{spread.count} {spread.over.replace('candidates', 'checkpoints')}"
    if not percent or "dP" not in spread.score:
        return SpreadRow(over, spread, None)
    family, position = spread.over.partition(" of ")[2], ranking.scores.index(spread.score)
    good = sum(row.parts[position].value < GOOD for row in ranking.rows if row.family == family)
    return SpreadRow(over, spread, good)
