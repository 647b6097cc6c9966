r"""Generated against true fields at each of many parameter vectors, and what holds on average over vectors.

At a vector v the fields of both sets are compared as any two sets are (:mod:`rhodiff.statistics.comparison`,
:mod:`rhodiff.statistics.value_comparison`), each field being a group of its own: fields of one vector that share a
simulation are not independent, and errors of one vector are then too small.

Over vectors, which are independent, a score x_v that cannot be negative (mean |dP/P|, W_1) is given as its mean with
an error from a bootstrap over vectors, and a floor, the mean of the vectors' floors. A difference d_v with a sign is
given as its mean, which shows a bias common to all, and as its scatter about zero,

.. math:: \left( \overline{d_v^2} \right)^{1/2}, \qquad \text{floor} \; \left( \overline{\epsilon_v^2} \right)^{1/2},

with the errors :math:`\epsilon_v` of single vectors: what finite sets would show if no vector differed.

Axes: V vector; bands ``[band]`` from large scales to small.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rhodiff.errors import DataError
from rhodiff.statistics.comparison import BinnedComparison, compare_bins
from rhodiff.statistics.estimate import Estimate
from rhodiff.statistics.measurement import Measurement
from rhodiff.statistics.resampling import GENERATED, GroupSums
from rhodiff.statistics.value_comparison import ValueComparison, compare_values
from rhodiff.statistics.value_rows import ValueGrid, ValueRows

__all__ = [
    "CalibratedVector",
    "CalibrationSummary",
    "MeasuredFields",
    "calibrate_vector",
    "over_vectors",
    "power_bands",
    "summarise_calibration",
]

NUM_BANDS = 3
"""Bands of equal width in ln k."""

Float = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class MeasuredFields:
    """What was measured of fields of one vector.

    Attributes:
        spectra: their power spectra.
        values: the distributions of their values.
    """

    spectra: Measurement
    values: ValueRows


@dataclass(frozen=True, eq=False)
class CalibratedVector:
    """Generated against true fields of one parameter vector.

    Attributes:
        spectrum: power spectra, bin by bin.
        bands: the same in bands.
        values: distributions of the values.
    """

    spectrum: BinnedComparison
    bands: BinnedComparison
    values: ValueComparison


@dataclass(frozen=True)
class CalibrationSummary:
    """What holds on average over vectors.

    Attributes:
        num_vectors: how many.
        spectrum: mean over vectors of mean |dP/P|.
        worst_spectrum: largest mean |dP/P| of a vector, with its own error and floor.
        w1_over_std: mean over vectors of W_1 over the true standard deviation.
        mean: differences of means over the true standard deviation: their mean.
        mean_scatter: their scatter about zero, with its floor.
        std: ratios of standard deviations minus one: their mean.
        std_scatter: their scatter about zero.
        skewness: differences of skewness: their mean.
        skewness_scatter: their scatter about zero.
    """

    num_vectors: int
    spectrum: Estimate
    worst_spectrum: Estimate
    w1_over_std: Estimate
    mean: Estimate
    mean_scatter: Estimate
    std: Estimate
    std_scatter: Estimate
    skewness: Estimate
    skewness_scatter: Estimate


def calibrate_vector(
    true: MeasuredFields, generated: MeasuredFields, grid: ValueGrid, *, resamples: int, seed: int
) -> CalibratedVector:
    """Compare the fields of one vector.

    Args:
        true: of the true fields.
        generated: of the generated fields.
        grid: that both sets' values were measured on.
        resamples: bootstrap resamples, over fields.
        seed: seed of the bootstrap.
    """
    bands = power_bands(true.spectra), power_bands(generated.spectra)
    return CalibratedVector(
        compare_bins(true.spectra, generated.spectra, resamples=resamples, seed=seed),
        compare_bins(*bands, resamples=resamples, seed=seed),
        compare_values(true.values, generated.values, grid, resamples=resamples, seed=seed),
    )


def power_bands(spectra: Measurement) -> Measurement:
    """Mean power over the modes of three bands of equal width in ln k.

    Args:
        spectra: power spectra; bins without a mode or at k = 0 belong to no band.

    Raises:
        DataError: if there are fewer bins than bands.
    """
    used = np.flatnonzero((spectra.axis > 0) & (spectra.counts > 0))
    if len(used) < NUM_BANDS:
        raise DataError(f"a power spectrum of {len(used)} bins has no {NUM_BANDS} bands: take finer bins")
    position = np.log(spectra.axis[used])
    place = NUM_BANDS * (position - position[0]) / (position[-1] - position[0])
    band = np.clip(place.astype(np.int64), 0, NUM_BANDS - 1)
    band[-1] = NUM_BANDS - 1
    members = [used[band == one] for one in range(NUM_BANDS)]
    if not all(len(one) for one in members):
        members = np.array_split(used, NUM_BANDS)
    modes = [spectra.counts[one] for one in members]
    return Measurement.from_arrays(
        {
            "axis": np.array([np.average(spectra.axis[i], weights=n) for i, n in zip(members, modes, strict=True)]),
            "edges": np.array([spectra.edges[members[0][0]], *(spectra.edges[one[-1] + 1] for one in members)]),
            "values": np.stack(
                [np.average(spectra.values[:, i], weights=n, axis=1) for i, n in zip(members, modes, strict=True)],
                axis=1,
            ),
            "counts": np.array([n.sum() for n in modes]),
        },
        spectra.attributes(),
    )


def summarise_calibration(vectors: Sequence[CalibratedVector], *, resamples: int, seed: int) -> CalibrationSummary:
    """Average over vectors.

    Args:
        vectors: one or more.
        resamples: bootstrap resamples, over vectors.
        seed: seed of the bootstrap.
    """

    def mean(of: Callable[[CalibratedVector], Estimate]) -> Estimate:
        return over_vectors([of(one) for one in vectors], resamples=resamples, seed=seed)

    def scatter(of: Callable[[CalibratedVector], Estimate]) -> Estimate:
        return _scatter([of(one) for one in vectors], resamples=resamples, seed=seed)

    spectra = [one.spectrum.mean_absolute for one in vectors]
    return CalibrationSummary(
        num_vectors=len(vectors),
        spectrum=over_vectors(spectra, resamples=resamples, seed=seed),
        worst_spectrum=max(spectra, key=lambda one: one.value),
        w1_over_std=mean(lambda one: one.values.w1_over_std),
        mean=mean(lambda one: one.values.mean_difference),
        mean_scatter=scatter(lambda one: one.values.mean_difference),
        std=mean(_std_difference),
        std_scatter=scatter(_std_difference),
        skewness=mean(lambda one: one.values.skewness_difference),
        skewness_scatter=scatter(lambda one: one.values.skewness_difference),
    )


def over_vectors(scores: Sequence[Estimate], *, resamples: int, seed: int) -> Estimate:
    """Mean of a score with its error from a bootstrap over vectors (NaN for a single one), and mean floor."""
    values = np.array([one.value for one in scores])
    floors = np.array([one.floor for one in scores])
    return Estimate(float(values.mean()), _error(values, resamples, seed), float(floors.mean()))


def _scatter(scores: Sequence[Estimate], *, resamples: int, seed: int) -> Estimate:
    """Root mean square of a difference; its error by the chain rule from that of the mean square."""
    squares = np.array([one.value**2 for one in scores])
    floor = float(np.mean([one.error**2 for one in scores]) ** 0.5)
    value = float(squares.mean() ** 0.5)
    return Estimate(value, _error(squares, resamples, seed) / (2 * value) if value else 0.0, floor)


def _error(values: Float, resamples: int, seed: int) -> float:
    sums = GroupSums(values[:, None], np.ones(len(values)))
    return float(sums.resampled_means(resamples, seed, GENERATED).std())


def _std_difference(one: CalibratedVector) -> Estimate:
    ratio = one.values.std_ratio
    return Estimate(ratio.value - 1, ratio.error)
