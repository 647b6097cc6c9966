r"""How good denoised fields are: error, what is left of the structure in the residual, and spectra, field by field.

With the truth x and an estimate e of one field, the residual is e - x, and over the cells of the field

.. math:: \mathrm{rmse} = \sqrt{\langle (e - x)^2 \rangle}, \qquad \rho = \mathrm{corr}(e - x, x).

The residual-structure correlation rho (paper A, arXiv 2211.12444) is zero where nothing of the structure was taken
away with the noise, and negative where structure was smoothed out. No good estimate has rho = 0: that of least
squared error E[x | y] has cov(e - x, x) = -<(e - x)^2>, and so has a draw from the posterior, whose residual is
larger by sqrt(2). An estimate is therefore compared with a filter of the same error.

Spectra are those of :mod:`rhodiff.statistics.cross_spectrum`: of the estimate, of the residual, and the cross-power
of the estimate with the truth, from which transfer function and coherence follow.

Axes: fields are ``[field, *space]``, results ``[field]`` and ``[field, bin]``.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rhodiff.errors import DataError
from rhodiff.statistics.cross_spectrum import cross_power_spectrum
from rhodiff.statistics.estimate import Estimate
from rhodiff.statistics.resampling import REFERENCE, Groups, GroupSums
from rhodiff.statistics.smoothing import low_signal_region
from rhodiff.statistics.spectrum import power_spectrum

__all__ = [
    "Contest",
    "EstimateScores",
    "compare_correlations",
    "mean_estimate",
    "residual_correlation",
    "rms_ratio",
    "score_denoised",
    "share_estimate",
]

Float = NDArray[np.float64]

ROUNDING = 1e-13
"""Relative to the largest value: what varies less than this is constant."""


@dataclass(frozen=True, eq=False)
class EstimateScores:
    """What was measured of one kind of estimate.

    Attributes:
        rmse: root-mean-square error, ``[field]``, unit of the fields.
        rmse_low: the same in the low-signal region, ``[field]``.
        correlation: residual-structure correlation, ``[field]``.
        power: P of the estimate, ``[field, bin]``.
        cross: cross-power of estimate and truth, ``[field, bin]``.
        residual_power: P of the residual, ``[field, bin]``.
    """

    rmse: Float
    rmse_low: Float
    correlation: Float
    power: Float
    cross: Float
    residual_power: Float


@dataclass(frozen=True)
class Contest:
    """A denoiser against a filter, by the residual-structure correlation.

    Attributes:
        won: share of the fields in which the denoiser's is closer to zero.
        gain: mean of the filter's absolute correlation minus the denoiser's.
        num_fields: fields that took part.
        num_groups: independent groups of them.
    """

    won: Estimate
    gain: Estimate
    num_fields: int
    num_groups: int


def score_denoised(estimate: Float, truth: Float, box_size: Sequence[float]) -> EstimateScores:
    """Measure denoised fields against the truth.

    Args:
        estimate: ``[field, *space]``.
        truth: ``[field, *space]``.
        box_size: extent of the box along each axis, length units.

    Raises:
        DataError: if the shapes differ, or a field is constant or not finite.
    """
    spectra = cross_power_spectrum(estimate, truth, box_size=box_size)
    residual = estimate - truth
    lows = [float(np.mean(r[low_signal_region(t)] ** 2)) for r, t in zip(residual, truth, strict=True)]
    return EstimateScores(
        rmse=np.sqrt(np.mean(residual.reshape(len(residual), -1) ** 2, axis=1)),
        rmse_low=np.sqrt(lows),
        correlation=residual_correlation(estimate, truth),
        power=spectra.power_a,
        cross=spectra.cross,
        residual_power=power_spectrum(residual, box_size=box_size).power,
    )


def residual_correlation(estimate: Float, truth: Float) -> Float:
    """Pearson correlation of residual and truth over the cells of each field, ``[field]``.

    Raises:
        DataError: if a truth or a residual does not vary: the correlation is then not defined.
    """
    residual, structure = _centred(estimate - truth), _centred(truth)
    rounding = ROUNDING * np.abs(estimate).reshape(len(estimate), -1).max(axis=1) * np.sqrt(structure.shape[1])
    norms = [np.linalg.norm(cells, axis=1) for cells in (residual, structure)]
    for name, norm in zip(("residual", "truth"), norms, strict=True):
        if not (norm > rounding).all():
            raise DataError(
                f"field {int(np.argmin(norm - rounding))}: its {name} is constant, and correlates with nothing"
            )
    return np.asarray(np.sum(residual * structure, axis=1) / (norms[0] * norms[1]))


def compare_correlations(
    denoised: Float, filtered: Float, groups: NDArray[np.int64], *, resamples: int, seed: int
) -> Contest:
    """Compare residual-structure correlations of the same fields.

    Args:
        denoised: of the denoiser, ``[field]``.
        filtered: of the filter, ``[field]``.
        groups: independent group of each field, ``[field]``.
        resamples: bootstrap resamples (over groups) behind the errors.
        seed: of the bootstrap.
    """
    ours, theirs = np.abs(denoised), np.abs(filtered)
    won = share_estimate(ours < theirs, groups, resamples=resamples, seed=seed)
    (gain,) = mean_estimate((theirs - ours)[:, None], groups, resamples=resamples, seed=seed)
    return Contest(won, gain, len(ours), Groups.of(groups, len(ours), "denoised").count)


def share_estimate(holds: NDArray[np.bool_], groups: NDArray[np.int64], *, resamples: int, seed: int) -> Estimate:
    """Share of the fields of which something holds, with its bootstrap error over groups.

    If it holds of none or all of G groups, no resample shows anything else; the error is then 1 / (G + 1), a share
    that would hardly have been seen.

    Args:
        holds: ``[field]``.
        groups: independent group of each field, ``[field]``.
        resamples: bootstrap resamples.
        seed: of the bootstrap.
    """
    (share,) = mean_estimate(holds[:, None].astype(np.float64), groups, resamples=resamples, seed=seed)
    if share.value not in {0.0, 1.0}:
        return share
    return Estimate(share.value, 1 / (Groups.of(groups, len(holds), "denoised").count + 1))


def mean_estimate(values: Float, groups: NDArray[np.int64], *, resamples: int, seed: int) -> list[Estimate]:
    """Mean of each column over fields, with its bootstrap error over groups.

    Args:
        values: ``[field, column]``.
        groups: independent group of each field, ``[field]``.
        resamples: bootstrap resamples.
        seed: of the bootstrap.
    """
    sums = _group_sums(values, groups)
    errors = sums.resampled_means(resamples, seed, REFERENCE).std(axis=0, ddof=1)
    return [Estimate(float(mean), float(error)) for mean, error in zip(sums.mean(), errors, strict=True)]


def rms_ratio(
    numerator: Float, denominator: Float, groups: NDArray[np.int64], *, resamples: int, seed: int
) -> Estimate:
    """Root of the ratio of two mean squares over all fields, with its bootstrap error.

    Args:
        numerator: e.g. root-mean-square error of each field, ``[field]``.
        denominator: e.g. that of the noise, ``[field]``.
        groups: independent group of each field, ``[field]``.
        resamples: bootstrap resamples.
        seed: of the bootstrap.
    """
    sums = _group_sums(np.stack([numerator**2, denominator**2], axis=1), groups)
    drawn = sums.resampled_means(resamples, seed, REFERENCE)
    above, below = sums.mean()
    return Estimate(float(np.sqrt(above / below)), float(np.sqrt(drawn[:, 0] / drawn[:, 1]).std(ddof=1)))


def _group_sums(values: Float, groups: NDArray[np.int64]) -> GroupSums:
    found = Groups.of(groups, len(values), "denoised")
    return GroupSums(found.sum(values), np.bincount(found.index).astype(np.float64))


def _centred(fields: Float) -> Float:
    """Cells of each field without their mean, ``[field, cell]``."""
    flat = fields.reshape(len(fields), -1).astype(np.float64)
    return np.asarray(flat - flat.mean(axis=1, keepdims=True))
