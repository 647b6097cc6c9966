"""Ranking of checkpoints, or seeds, by a stated score with its uncertainty.

Scores, floors and resamples are those of :mod:`rhodiff.statistics.selection_score` and
:mod:`rhodiff.statistics.selection_bootstrap`. For the combined score S of each candidate the table gives

* the error of S, and that of S - S_best, paired: noise of the reference is common to both and mostly drops out;
* the share of resamples in which the candidate is best. Resampling adds noise to noise: of equal candidates the one
  in front gets more than its share 1 / C;
* whether it is *distinguishable* from the best: worse than some candidate by more than c paired errors.

**The level.** The best is picked among C by the same numbers, so that any pair may be the one that is compared: c is
the (1 - level) quantile over resamples of the largest |D_b - <D>| / sigma over *all* pairs (a studentised range, as
in Tukey's test, with correlations from the bootstrap; Hsu 1996, Multiple Comparisons). Then equal candidates are all
called not distinguishable in at least 1 - level of cases, and the truly best candidate is among those kept at that
rate whatever the others are. Near 0 the bootstrap overstates the scatter of |.|, which errs to the same side. With
several criteria (mean rank) c covers all of them, and a candidate is distinguishable when some other is better in one
and worse in none; it then stands behind those that are not, even where luck in the ranks put it in front.

The score of the candidate in front is too low on average, since it was picked by it: quote a score measured on fresh
samples of that candidate.

**Spread.** Over the candidates of one family (checkpoints of a seed), and over the families' means (seeds): mean and
standard deviation of each score as in paper A, and beside it the deviation that finite samples alone give.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rhodiff.errors import ConfigError
from rhodiff.statistics.estimate import Estimate
from rhodiff.statistics.selection_bootstrap import MeasuredSet, Pairing, ResampledScores, resample_scores
from rhodiff.statistics.selection_score import Combination, Score, SumInFloors

__all__ = ["CandidateRow", "Ranking", "Spread", "rank_candidates"]

MIN_RESAMPLES = 100

Float = NDArray[np.float64]


@dataclass(frozen=True)
class CandidateRow:
    """One candidate of a ranking.

    Attributes:
        name: of the candidate.
        family: what it belongs to.
        score: the combined score, with error and floor.
        parts: each score in the order of :attr:`Ranking.scores`, with error and floor.
        difference: score minus that of the first row, with its paired error.
        probability_best: share of resamples in which it has the lowest score; ties share.
        distinguishable: whether it is worse than another at the stated level, so not the best.
    """

    name: str
    family: str
    score: Estimate
    parts: tuple[Estimate, ...]
    difference: Estimate
    probability_best: float
    distinguishable: bool


@dataclass(frozen=True)
class Spread:
    """How much a score differs among candidates.

    Attributes:
        score: which.
        over: what it is taken over: ``candidates of <family>``, or ``families``.
        count: how many.
        mean: over them.
        deviation: standard deviation among them.
        noise: the part of the deviation that finite samples alone give.
        low: the lowest.
        high: the highest.
    """

    score: str
    over: str
    count: int
    mean: float
    deviation: float
    noise: float
    low: float
    high: float

    @property
    def intrinsic(self) -> float:
        """Deviation without the noise; 0 where noise explains all of it."""
        return float(np.sqrt(max(self.deviation**2 - self.noise**2, 0)))


@dataclass(frozen=True)
class Ranking:
    """Candidates: those that may be the best first, each part in rising order of the score.

    Attributes:
        rows: the table.
        scores: names of the scores.
        combination: how they were combined, in words; empty for a single one.
        level: chance that equal candidates are not all called equal.
        critical: c, in paired errors.
        spreads: over checkpoints and seeds, each score.
    """

    rows: tuple[CandidateRow, ...]
    scores: tuple[str, ...]
    combination: str
    level: float
    critical: float
    spreads: tuple[Spread, ...]

    @property
    def best(self) -> CandidateRow:
        """The row in front."""
        return self.rows[0]

    @property
    def not_distinguishable(self) -> tuple[str, ...]:
        """Names of the others that may as well be the best."""
        return tuple(row.name for row in self.rows[1:] if not row.distinguishable)

    def sentence(self) -> str:
        """The result in one sentence."""
        best, equal, others = self.best, self.not_distinguishable, len(self.rows) - 1
        what = f"the {self.combination} of " * bool(self.combination) + " and ".join(self.scores)
        numbers = f"{best.score.value:.3g} ± {best.score.error:.2g}, floor {best.score.floor:.3g}"
        if not equal:
            verdict = f"told apart from all {others} others"
        else:
            number = f"all {others}" if len(equal) == others else f"{len(equal)} of {others}"
            verdict = f"not distinguishable from {number} others ({', '.join(equal)})"
        return f"By {what}, {best.name} comes first ({numbers}), {verdict} at {1 - self.level:.4g} confidence."


def rank_candidates(
    scores: Sequence[Score],
    reference: MeasuredSet,
    candidates: Sequence[MeasuredSet],
    *,
    combination: Combination | None = None,
    pairing: Pairing = "reference",
    level: float = 0.05,
    resamples: int = 1000,
    seed: int = 0,
) -> Ranking:
    """Rank candidates (see the module).

    Args:
        scores: one or several, e.g. :func:`~rhodiff.statistics.selection_score.paper_a`.
        reference: the reference fields.
        candidates: two or more, of equal numbers of fields and groups.
        combination: of several scores; None: the sum in units of their floors. A single score stays as it is.
        pairing: what is resampled together.
        level: chance that equal candidates are not all called equal.
        resamples: bootstrap resamples; at least 100, and 10 / level.
        seed: seed of the resamples.

    Raises:
        ConfigError: if the request is wrong.
        DataError: if the sets do not fit each other or the scores.
    """
    _require_request(scores, combination, level, resamples)
    found = resample_scores(scores, reference, candidates, pairing=pairing, resamples=resamples, seed=seed)
    how = None if len(scores) == 1 else combination or SumInFloors()
    total, drawn = _combined(how, found)
    distinguishable, critical = _tell_apart(how, found, level)
    order = np.lexsort((np.array([one.name for one in candidates]), total, distinguishable))
    first = int(order[0])
    lowest = drawn == drawn.min(axis=1, keepdims=True)
    chance = (lowest / lowest.sum(axis=1, keepdims=True)).mean(axis=0)
    parts, errors = found.values, found.resampled.std(axis=0)
    floor = how.floor(len(scores), len(candidates)) if how else float(found.floors[0])

    def row(i: int) -> CandidateRow:
        each = zip(parts[:, i], errors[:, i], found.floors, strict=True)
        return CandidateRow(
            name=candidates[i].name,
            family=candidates[i].family,
            score=Estimate(float(total[i]), float(drawn[:, i].std()), floor),
            parts=tuple(Estimate(*map(float, one)) for one in each),
            difference=Estimate(float(total[i] - total[first]), float((drawn[:, i] - drawn[:, first]).std())),
            probability_best=float(chance[i]),
            distinguishable=bool(distinguishable[i]),
        )

    return Ranking(
        rows=tuple(row(int(i)) for i in order),
        scores=tuple(score.name for score in scores),
        combination=how.title if how else "",
        level=level,
        critical=critical,
        spreads=_spreads(scores, candidates, found),
    )


def _require_request(scores: Sequence[Score], combination: Combination | None, level: float, resamples: int) -> None:
    names = [score.name for score in scores]
    if not names or len(set(names)) < len(names):
        raise ConfigError(f"a ranking needs one or more scores of distinct names, got {', '.join(names) or 'none'}")
    if combination is not None and len(names) == 1:
        raise ConfigError(f"a combination of the single score {names[0]!r} has no effect; leave it out")
    if not 0 < level < 1:
        raise ConfigError(f"level is {level}; it must lie between 0 and 1, e.g. 0.05")
    if resamples < max(MIN_RESAMPLES, 10 / level):
        raise ConfigError(f"{resamples} resamples are too few for level {level}; use {MIN_RESAMPLES} and 10 / level")


def _combined(how: Combination | None, found: ResampledScores) -> tuple[Float, Float]:
    if how is None:
        return found.values[0], found.resampled[:, 0]
    return how.combine(found.values, found.floors), how.combine(found.resampled, found.floors)


def _tell_apart(how: Combination | None, found: ResampledScores, level: float) -> tuple[NDArray[np.bool_], float]:
    """Which candidates are worse than some other, ``[candidate]``, and the critical number of paired errors."""
    values, drawn = found.values, found.resampled
    if how is not None:
        values, drawn = how.criteria(values, found.floors), how.criteria(drawn, found.floors)
    largest = np.zeros(len(drawn))
    errors = np.empty((*values.shape, values.shape[-1]))
    for j in range(values.shape[-1]):
        difference = drawn - drawn[..., j : j + 1]
        errors[..., j] = difference.std(axis=0)
        fluctuation = np.abs(_in_errors(difference - difference.mean(axis=0), errors[..., j]))
        largest = np.maximum(largest, fluctuation.max(axis=(1, 2)))
    critical = float(np.quantile(largest, 1 - level))
    apart = _in_errors(values[:, :, None] - values[:, None, :], errors)
    worse = np.any(apart > critical, axis=0) & ~np.any(apart < -critical, axis=0)
    return np.asarray(np.any(worse, axis=1)), critical


def _in_errors(difference: Float, error: Float) -> Float:
    """Difference over error; 0 where there is neither, as between copies."""
    known = np.broadcast_to(error > 0, difference.shape)
    return np.divide(difference, error, out=np.zeros_like(difference), where=known)


def _spreads(
    scores: Sequence[Score], candidates: Sequence[MeasuredSet], found: ResampledScores
) -> tuple[Spread, ...]:
    families = sorted({one.family for one in candidates})
    members = {name: [i for i, one in enumerate(candidates) if one.family == name] for name in families}
    spreads = []
    for s, score in enumerate(scores):
        values, drawn = found.values[s], found.resampled[:, s]
        spreads += [
            _spread(score.name, f"candidates of {name}" if name else "candidates", values[at], drawn[:, at])
            for name, at in members.items()
            if len(at) > 1
        ]
        if len(families) > 1:
            means = np.array([values[at].mean() for at in members.values()])
            drawn_means = np.stack([drawn[:, at].mean(axis=1) for at in members.values()], axis=1)
            spreads.append(_spread(score.name, "families", means, drawn_means))
    return tuple(spreads)


def _spread(score: str, over: str, values: Float, drawn: Float) -> Spread:
    noise = np.sqrt((drawn - drawn.mean(axis=0)).var(axis=1, ddof=1).mean())
    return Spread(
        score=score,
        over=over,
        count=len(values),
        mean=float(values.mean()),
        deviation=float(values.std(ddof=1)),
        noise=float(noise),
        low=float(values.min()),
        high=float(values.max()),
    )
