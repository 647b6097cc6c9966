"""Scores by which sets of generated fields are ranked against a reference, and their combination into one.

With means g_i and r_i over the fields of two sets in bin i, and the scatter s_i of a single reference field (cosmic
variance), a score is the mean over the bins of one statistic, then over its statistics, of

    RelativeDifference         |g_i / r_i - 1|                 first criterion of paper A, of the power spectrum
    PeakDifference             |g_i - r_i| / max_j |r_j|       its second, of the Minkowski functionals
    CosmicVarianceDistance     (g_i - r_i)^2 / s_i^2           chi-squared a bin, as if bins were uncorrelated

Lower is better, 0 is perfect. None can be negative, so noise alone lifts each above 0: to its *floor*, what two sets
of the reference's own distribution show at the sizes at hand (:mod:`rhodiff.statistics.selection_bootstrap`). For one
bin of normal means it is E|N(0, s)| = s sqrt(2 / pi). The floor is stated and not taken off: away from 0 the noise of
|.| averages out, so that score - floor would be too low there. It is common to sets of one size and drops out of
their differences.

Axes: means ``[..., bin]`` for each statistic, scores ``[..., candidate]``.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from rhodiff.errors import ConfigError, DataError

__all__ = [
    "Combination",
    "CosmicVarianceDistance",
    "MeanRank",
    "PeakDifference",
    "RelativeDifference",
    "Score",
    "SumInFloors",
    "paper_a",
]

NEGLIGIBLE = 1e-14
"""Share of the largest value below which a denominator is rounding."""

Float = NDArray[np.float64]
Means = Mapping[str, Float]


@dataclass(frozen=True)
class Score(ABC):
    """A distance of two sets, from the means of one or several of their statistics.

    Attributes:
        name: how it is called in tables.
        statistics: names of the statistics it averages over.
    """

    name: str
    statistics: tuple[str, ...]

    def __post_init__(self) -> None:
        if not self.statistics:
            raise ConfigError(f"the score {self.name!r} names no statistic; name at least one")

    def evaluate(self, generated: Means, reference: Means, scatter: Means) -> Float:
        """The score, ``[...]``, of means of each statistic, ``[..., bin]``.

        Raises:
            DataError: if what it divides by vanishes.
        """
        parts = []
        for statistic in self.statistics:
            difference = generated[statistic] - reference[statistic]
            unit = self.unit(reference[statistic], scatter[statistic])
            self._require_unit(unit, statistic)
            parts.append(self.size(difference / unit).mean(axis=-1))
        return np.asarray(np.mean(parts, axis=0))

    @abstractmethod
    def unit(self, reference: Float, scatter: Float) -> Float:
        """What differences are divided by, ``[..., bin]``."""

    def size(self, difference: Float) -> Float:
        """How a difference in that unit counts."""
        return np.abs(difference)

    def _require_unit(self, unit: Float, statistic: str) -> None:
        largest = np.max(unit, axis=-1, keepdims=True)
        lost = ~(unit > NEGLIGIBLE * largest)
        if lost.any():
            bin_ = int(np.argmax(lost.reshape(-1, lost.shape[-1]).any(axis=0)))
            raise DataError(
                f"{self.name}: {statistic} has nothing to divide by in bin {bin_}: it vanishes over the reference or "
                "over a resample of it; leave such bins out, or use PeakDifference"
            )


@dataclass(frozen=True)
class RelativeDifference(Score):
    """Mean over bins of |g / r - 1|; for values that do not vanish, like power spectra."""

    def unit(self, reference: Float, scatter: Float) -> Float:
        """The reference in the same bin."""
        return np.abs(reference)


@dataclass(frozen=True)
class PeakDifference(Score):
    """Mean over bins of |g - r| / max |r|; for values that vanish or change sign, like Minkowski functionals."""

    def unit(self, reference: Float, scatter: Float) -> Float:
        """Largest absolute value of the reference over the bins."""
        return np.broadcast_to(np.max(np.abs(reference), axis=-1, keepdims=True), reference.shape)


@dataclass(frozen=True)
class CosmicVarianceDistance(Score):
    """Mean over bins of (g - r)^2 / s^2; with n and m independent fields of one distribution, 1 / n + 1 / m."""

    def unit(self, reference: Float, scatter: Float) -> Float:
        """Standard deviation of a single field of the reference, the same in all resamples."""
        return scatter

    def size(self, difference: Float) -> Float:
        """Its square."""
        return np.square(difference)


class Combination(ABC):
    """How several scores become one, lower being better.

    Attributes:
        title: in words.
    """

    title: ClassVar[str]

    @abstractmethod
    def combine(self, scores: Float, floors: Float) -> Float:
        """One number each, ``[..., candidate]``, of scores ``[..., score, candidate]`` and floors ``[score]``."""

    @abstractmethod
    def floor(self, num_scores: int, num_candidates: int) -> float:
        """What candidates without fault show on average."""

    @abstractmethod
    def criteria(self, scores: Float, floors: Float) -> Float:
        """What is tested for differences, ``[..., criterion, candidate]``."""


@dataclass(frozen=True)
class SumInFloors(Combination):
    """Sum of the scores, each in units of its floor: keeps by how much a candidate fails."""

    title: ClassVar[str] = "sum in units of the floors"

    def combine(self, scores: Float, floors: Float) -> Float:
        """Sum over scores of score / floor."""
        return np.asarray((scores / floors[:, None]).sum(axis=-2))

    def floor(self, num_scores: int, num_candidates: int) -> float:
        """The number of scores."""
        return float(num_scores)

    def criteria(self, scores: Float, floors: Float) -> Float:
        """The sum itself."""
        return self.combine(scores, floors)[..., None, :]


@dataclass(frozen=True)
class MeanRank(Combination):
    """Mean over the scores of a candidate's rank, from 1; ties share theirs.

    Free of units, but blind to by how much: the ranks of equal candidates are noise. Whether candidates can be told
    apart is therefore tested on the scores themselves, all at once.
    """

    title: ClassVar[str] = "mean rank"

    def combine(self, scores: Float, floors: Float) -> Float:
        """Mean rank."""
        return np.asarray(rankdata(scores, axis=-1).mean(axis=-2))

    def floor(self, num_scores: int, num_candidates: int) -> float:
        """Mean rank of equal candidates."""
        return (num_candidates + 1) / 2

    def criteria(self, scores: Float, floors: Float) -> Float:
        """Each score."""
        return scores


def paper_a(
    spectra: Sequence[str] = ("power_spectrum/value",),
    functionals: Sequence[str] = ("minkowski_area/value", "minkowski_perimeter/value", "minkowski_euler/value"),
) -> tuple[Score, ...]:
    """The two criteria of paper A: mean |dP/P|, and mean difference of the functionals relative to their peaks.

    Args:
        spectra: names of the power spectra, one for each channel.
        functionals: names of the Minkowski functionals.
    """
    return (
        RelativeDifference("mean |dP/P|", tuple(spectra)),
        PeakDifference("mean |dM| / peak", tuple(functionals)),
    )
