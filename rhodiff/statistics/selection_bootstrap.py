"""Resampled scores of several candidates against one reference.

Whole groups are resampled (:mod:`rhodiff.statistics.resampling`), all statistics of a set together. Resample b holds
one draw of the reference for *all* candidates: its noise is common to their scores and mostly drops out of their
differences. ``pairing`` says what else is drawn together:

    reference    candidates were generated independently of each other;
    candidates   the same groups in each candidate (the same initial noise, or parameters);
    all          the same groups in the reference too (samples at the parameters of the reference fields).

Groups that are not paired are put in the order of their values and drawn by the candidate's name, so that neither the
order of fields nor that of candidates matters.

The *floor* of a score is that of two sets of the reference's distribution: the reference is cut at random into halves
A and B of its groups, once for each resample, and <A> - <B>, scaled from the sizes of the halves to those of the
candidate and reference, stands for the difference. A candidate's groups are taken to scatter as the reference's do;
with ``all``, where the scatter of the groups is common, the floor is an upper limit.

Axes: scores ``[resample, score, candidate]``.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rhodiff.errors import ConfigError, DataError
from rhodiff.statistics.measurement import Measurement
from rhodiff.statistics.resampling import GENERATED, REFERENCE, Groups, GroupSums, require_matched
from rhodiff.statistics.selection_score import Means, Score

__all__ = ["MeasuredSet", "Pairing", "ResampledScores", "resample_scores"]

MIN_GROUPS = 8
"""Fewer groups have too few distinct resamples for the tail of their distribution."""

HALVES = 3
"""Purpose of the random halves; see :data:`rhodiff.statistics.resampling.REFERENCE`."""

Float = NDArray[np.float64]
Pairing = Literal["reference", "candidates", "all"]


@dataclass(frozen=True, eq=False)
class MeasuredSet:
    """What was measured on each field of a set.

    Attributes:
        name: e.g. that of the checkpoint.
        values: ``[field, bin]`` by the name of the statistic; axes of measurements are compared, bare arrays cannot
            be.
        groups: independent group of each field, ``[field]``; None: each is its own.
        family: what it belongs to, e.g. the seed of a checkpoint.
    """

    name: str
    values: Mapping[str, Measurement | ArrayLike]
    groups: ArrayLike | None = None
    family: str = ""

    @classmethod
    def of(
        cls, name: str, measurements: Sequence[Measurement], groups: ArrayLike | None = None, family: str = ""
    ) -> "MeasuredSet":
        """Name each measurement ``statistic/channel``."""
        return cls(name, {f"{one.statistic}/{one.channel}": one for one in measurements}, groups, family)

    def array(self, statistic: str) -> Float:
        """Values of one statistic, ``[field, bin]``.

        Raises:
            DataError: if it is absent, not finite or no table.
        """
        if statistic not in self.values:
            raise DataError(f"{self.name} lacks {statistic!r}; it has {', '.join(sorted(self.values))}")
        given = self.values[statistic]
        values = np.asarray(given.values if isinstance(given, Measurement) else given, dtype=np.float64)
        if values.ndim != 2 or 0 in values.shape:
            raise DataError(f"{self.name}: {statistic} has shape {values.shape}; it must be [field, bin], not empty")
        if not np.isfinite(values).all():
            bad = int(np.argmin(np.isfinite(values).all(axis=1)))
            raise DataError(f"{self.name}: {statistic} is not finite, first in field {bad}; leave such fields out")
        return values

    def table(self, statistics: Sequence[str]) -> Float:
        """Several statistics side by side.

        Raises:
            DataError: as :meth:`array`, or if their numbers of fields differ.
        """
        arrays = [self.array(statistic) for statistic in statistics]
        if len({len(array) for array in arrays}) > 1:
            counts = ", ".join(f"{s} {len(a)}" for s, a in zip(statistics, arrays, strict=True))
            raise DataError(
                f"{self.name}: statistics of one set need the same fields, but their numbers are {counts}"
            )
        return np.concatenate(arrays, axis=1)

    def require_comparable(self, other: "MeasuredSet", statistic: str) -> None:
        """Refuse another binning.

        Raises:
            DataError: naming what differs.
        """
        mine, theirs = self.values.get(statistic), other.values.get(statistic)
        if isinstance(mine, Measurement) and isinstance(theirs, Measurement):
            mine.require_comparable(theirs)
        bins, others = self.array(statistic).shape[1], other.array(statistic).shape[1]
        if bins != others:
            raise DataError(f"{statistic}: {self.name} has {bins} bins, {other.name} {others}; use one binning")


@dataclass(frozen=True, eq=False)
class ResampledScores:
    """Scores of all candidates.

    Attributes:
        values: of the sets themselves, ``[score, candidate]``.
        resampled: ``[resample, score, candidate]``.
        floors: ``[score]``.
    """

    values: Float
    resampled: Float
    floors: Float


@dataclass(frozen=True)
class _Layout:
    """Where each statistic lies in a table of all."""

    limits: tuple[tuple[str, int, int], ...]

    @classmethod
    def of(cls, given: MeasuredSet, statistics: Sequence[str]) -> "_Layout":
        stops = np.cumsum([given.array(statistic).shape[1] for statistic in statistics]).tolist()
        return cls(tuple(zip(statistics, [0, *stops[:-1]], stops, strict=True)))

    def split(self, table: Float) -> Means:
        return {name: table[..., start:stop] for name, start, stop in self.limits}


def resample_scores(
    scores: Sequence[Score],
    reference: MeasuredSet,
    candidates: Sequence[MeasuredSet],
    *,
    pairing: Pairing = "reference",
    resamples: int = 1000,
    seed: int = 0,
) -> ResampledScores:
    """Score all candidates, and resamples of them (see the module).

    Args:
        scores: what to measure.
        reference: the reference fields.
        candidates: of equal numbers of fields and groups, with distinct names.
        pairing: what is drawn together.
        resamples: bootstrap resamples.
        seed: seed of the draws.

    Raises:
        ConfigError: if the request cannot be met.
        DataError: if sets are not comparable, too small or not finite.
    """
    if pairing not in ("reference", "candidates", "all"):
        raise ConfigError(f"pairing is {pairing!r}; allowed are 'reference', 'candidates' and 'all'")
    statistics = sorted({statistic for score in scores for statistic in score.statistics})
    _require_sets(reference, candidates, statistics, pairing)
    layout = _Layout.of(reference, statistics)
    scatter = layout.split(reference.table(statistics).std(axis=0, ddof=1))

    def evaluate(generated: Float, against: Float) -> Float:
        means = layout.split(generated), layout.split(against)
        return np.stack([score.evaluate(*means, scatter) for score in scores], axis=-1)

    sums = _group_sums(reference, statistics, ordered=pairing == "all")
    mean, means = sums.mean(), sums.resampled_means(resamples, seed, REFERENCE)
    values, resampled = [], []
    for candidate in candidates:
        own = _group_sums(candidate, statistics, ordered=pairing != "reference")
        values.append(evaluate(own.mean(), mean))
        drawn = own.resampled_means(resamples, seed, _purpose(candidate, pairing))
        resampled.append(evaluate(drawn, means))
    noise = _halves_noise(sums, len(own.weights), resamples, seed)
    floors = evaluate(mean + noise, mean).mean(axis=0)
    _require_floors(scores, floors)
    return ResampledScores(np.stack(values, axis=-1), np.stack(resampled, axis=-1), floors)


def _groups(given: MeasuredSet, statistics: Sequence[str]) -> Groups:
    return Groups.of(given.groups, len(given.table(statistics)), given.name)


def _require_sets(
    reference: MeasuredSet, candidates: Sequence[MeasuredSet], statistics: Sequence[str], pairing: Pairing
) -> None:
    names = [candidate.name for candidate in candidates]
    if len(names) < 2 or len(set(names)) < len(names):
        raise DataError(f"a ranking needs two or more candidates of distinct names, got {', '.join(names) or 'none'}")
    grouped = [_groups(one, statistics) for one in (reference, *candidates)]
    for one, groups in zip((reference, *candidates), grouped, strict=True):
        if groups.count < MIN_GROUPS:
            raise DataError(f"{one.name} has {groups.count} independent groups; errors need {MIN_GROUPS} or more")
    for candidate, groups in zip(candidates, grouped[1:], strict=True):
        for statistic in statistics:
            reference.require_comparable(candidate, statistic)
        _require_equal_sizes(candidates[0], candidate, grouped[1], groups)
        if pairing != "reference":
            require_matched(grouped[0] if pairing == "all" else grouped[1], groups)


def _require_equal_sizes(first: MeasuredSet, other: MeasuredSet, groups: Groups, others: Groups) -> None:
    sizes, other_sizes = (len(groups.index), groups.count), (len(others.index), others.count)
    if sizes != other_sizes:
        raise DataError(
            f"{first.name} has {sizes[0]} fields in {sizes[1]} groups, {other.name} {other_sizes[0]} in "
            f"{other_sizes[1]}: the smaller set would score worse by noise alone; keep equal numbers of each"
        )


def _require_floors(scores: Sequence[Score], floors: Float) -> None:
    for score, floor in zip(scores, floors, strict=True):
        if not floor > 0:
            raise DataError(f"{score.name}: the reference's groups do not differ, so no floor can be had from them")


def _group_sums(given: MeasuredSet, statistics: Sequence[str], *, ordered: bool) -> GroupSums:
    """Sums over groups, in the order of their labels, or of their values."""
    table, groups = given.table(statistics), _groups(given, statistics)
    sums, weights = groups.sum(table), np.bincount(groups.index).astype(np.float64)
    order = np.arange(groups.count) if ordered else np.lexsort((*sums.T[::-1], weights))
    return GroupSums(sums[order], weights[order])


def _purpose(candidate: MeasuredSet, pairing: Pairing) -> int:
    if pairing == "all":
        return REFERENCE
    if pairing == "candidates":
        return GENERATED
    return int.from_bytes(hashlib.sha256(candidate.name.encode()).digest()[:8], "little")


def _halves_noise(sums: GroupSums, num_groups: int, splits: int, seed: int) -> Float:
    """Difference of two sets of the reference's distribution, ``[split, bin]``, scaled to the sizes at hand."""
    count = len(sums.weights)
    half = count // 2
    random = np.random.Generator(np.random.Philox(key=np.array([seed % 2**64, HALVES], dtype=np.uint64)))
    first = np.zeros((splits, count))
    for row in first:
        row[random.permutation(count)[:half]] = 1
    means = [(chosen @ sums.sums) / (chosen @ sums.weights)[:, None] for chosen in (first, 1 - first)]
    scale = np.sqrt((1 / num_groups + 1 / count) / (1 / half + 1 / (count - half)))
    return np.asarray((means[0] - means[1]) * scale)
