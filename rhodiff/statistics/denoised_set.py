"""Scores of a set of denoised fields put together: who wins, by how much, and whether the spread can be believed.

All errors are bootstrap errors over independent groups; all numbers of one summary share their resamples, so that
differences between them are paired.

Axes: ``[field]``, ``[field, estimate]``, ``[field, estimate, bin]``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rhodiff.statistics.denoised import Contest, compare_correlations, mean_estimate, rms_ratio, share_estimate
from rhodiff.statistics.estimate import Estimate
from rhodiff.statistics.posterior_spread import coverage

__all__ = ["COVERAGES", "DenoisedSet", "DenoisingSummary", "summarise_denoising"]

Float = NDArray[np.float64]

COVERAGES = (0.68, 0.95)
"""Intervals whose coverage is a headline number."""


@dataclass(frozen=True, eq=False)
class DenoisedSet:
    """What was measured of the fields that one network denoised; those that came out not finite are left out.

    Attributes:
        estimates: names of the kinds of estimate, ``noisy`` the first.
        matched: the filter that each of the network's estimates stands against.
        groups: independent group of each field, ``[field]``.
        scores: ``rmse``, ``rmse_low`` and ``correlation``, each ``[field, estimate]``.
        spectra: ``power``, ``cross`` and ``residual_power``, each ``[field, estimate, bin]``.
        truth_power: P of the truth, ``[field, bin]``.
        spread_power: P of the draws about their mean, ``[field, bin]``.
        error_power: what a calibrated posterior has for that, from the truth, ``[field, bin]``.
        ranks: cells by the rank of the truth among the draws, ``[field, K + 1]``.
        reached: by filter, in which fields it reached the error asked for, ``[field]``.
        k: wave numbers of the bins, ``[bin]``.
        num_lost: fields that were left out.
    """

    estimates: tuple[str, ...]
    matched: Mapping[str, str]
    groups: NDArray[np.int64]
    scores: Mapping[str, Float]
    spectra: Mapping[str, Float]
    truth_power: Float
    spread_power: Float
    error_power: Float
    ranks: NDArray[np.int64]
    reached: Mapping[str, NDArray[np.bool_]]
    k: Float
    num_lost: int

    def score(self, name: str, estimate: str) -> Float:
        """One score of one kind of estimate, ``[field]``."""
        return np.asarray(self.scores[name][:, self.estimates.index(estimate)])

    def spectrum(self, name: str, estimate: str) -> Float:
        """One spectrum of one kind of estimate, ``[field, bin]``."""
        return np.asarray(self.spectra[name][:, self.estimates.index(estimate)])


@dataclass(frozen=True)
class DenoisingSummary:
    """The headline numbers of a set of denoised fields.

    Attributes:
        contests: each of the network's estimates against its matched filter.
        reached: share of the fields in which that filter reached the same error.
        error: root-mean-square error over that of the noise, by estimate.
        correlation: mean residual-structure correlation, by estimate.
        beats_wiener: share of the fields in which the posterior mean has a smaller error than the Wiener filter.
        low_reduction: error of the noise over that of the posterior mean in the low-signal region, all fields.
        coverage: share of the truths in the central intervals of :data:`COVERAGES`.
        spread_ratio: root of the draws' variance over what the truth asks for; one if calibrated.
        num_fields: fields that count.
        num_groups: independent groups of them.
        num_draws: draws a field.
    """

    contests: Mapping[str, Contest]
    reached: Mapping[str, float]
    error: Mapping[str, Estimate]
    correlation: Mapping[str, Estimate]
    beats_wiener: Estimate
    low_reduction: Estimate
    coverage: tuple[Estimate, ...]
    spread_ratio: Estimate
    num_fields: int
    num_groups: int
    num_draws: int


def summarise_denoising(found: DenoisedSet, *, resamples: int, seed: int) -> DenoisingSummary:
    """The headline numbers, with bootstrap errors over groups.

    Args:
        found: the scores.
        resamples: bootstrap resamples.
        seed: of the bootstrap.
    """

    def means(columns: Sequence[NDArray[np.generic]]) -> list[Estimate]:
        values = np.stack([np.asarray(column, dtype=np.float64) for column in columns], axis=1)
        return mean_estimate(values, found.groups, resamples=resamples, seed=seed)

    def ratio(numerator: Float, denominator: Float) -> Estimate:
        return rms_ratio(numerator, denominator, found.groups, resamples=resamples, seed=seed)

    correlation = {name: found.score("correlation", name) for name in found.estimates}
    error = {name: found.score("rmse", name) for name in found.estimates}
    contests = {
        ours: compare_correlations(
            correlation[ours], correlation[other], found.groups, resamples=resamples, seed=seed
        )
        for ours, other in found.matched.items()
    }
    low = {name: found.score("rmse_low", name) for name in ("noisy", "posterior_mean")}
    return DenoisingSummary(
        contests=contests,
        reached={ours: float(found.reached[other].mean()) for ours, other in found.matched.items()},
        error={name: ratio(values, error["noisy"]) for name, values in error.items()},
        correlation=dict(zip(correlation, means(list(correlation.values())), strict=True)),
        beats_wiener=share_estimate(
            error["posterior_mean"] < error["wiener"], found.groups, resamples=resamples, seed=seed
        ),
        low_reduction=ratio(low["noisy"], low["posterior_mean"]),
        coverage=tuple(means(list(coverage(found.ranks, COVERAGES).T))),
        spread_ratio=ratio(_total(found.spread_power), _total(found.error_power)),
        num_fields=len(found.groups),
        num_groups=next(iter(contests.values())).num_groups,
        num_draws=found.ranks.shape[1] - 1,
    )


def _total(power: Float) -> Float:
    """Root of the power summed over bins, ``[field]``."""
    return np.asarray(np.sqrt(power.sum(axis=1)))
