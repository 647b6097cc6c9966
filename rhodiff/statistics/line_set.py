"""Lines of many generated spectra against those of their truths, and headline numbers of them.

Everything is counted by true lines, so that spectra of many lines count more; errors are from a bootstrap over
independent groups of spectra. A line that is missing counts as one that is as far off as lines are paired.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rhodiff.statistics.denoised import share_estimate
from rhodiff.statistics.estimate import Estimate
from rhodiff.statistics.paired import median_estimate
from rhodiff.statistics.spectral_lines import LineComparison, compare_lines

__all__ = ["LineSummary", "compare_spectra", "summarise_lines"]

Float = NDArray[np.float64]


@dataclass(frozen=True)
class LineSummary:
    """Headline numbers of a set of spectra.

    Attributes:
        num_spectra: how many.
        num_lines: true lines in them.
        offset: median |offset| of the true lines, bins; the greatest distance of pairs if most are missing.
        within_bin: share of the true lines with a generated one within a bin.
        missing: share of the true lines without a generated one.
        spurious: generated lines without a true one, over the number of true lines.
        rank_correlation: median over spectra of Spearman's coefficient of the heights.
    """

    num_spectra: int
    num_lines: int
    offset: Estimate
    within_bin: Estimate
    missing: Estimate
    spurious: float
    rank_correlation: Estimate


def compare_spectra(generated: Float, truth: Float, *, floor: float, reach: float) -> list[LineComparison]:
    """Pair the lines of each spectrum.

    Args:
        generated: ``[field, bin]``.
        truth: ``[field, bin]``.
        floor: smallest height of a line over the highest of its spectrum.
        reach: greatest distance of a pair, bins.

    Raises:
        DataError: as :func:`rhodiff.statistics.spectral_lines.compare_lines`.
    """
    return [
        compare_lines(ours, theirs, floor=floor, reach=reach) for ours, theirs in zip(generated, truth, strict=True)
    ]


def summarise_lines(
    found: Sequence[LineComparison], groups: NDArray[np.int64], *, reach: float, resamples: int, seed: int
) -> LineSummary:
    """Headline numbers.

    Args:
        found: one a spectrum.
        groups: independent group of each, ``[field]``.
        reach: greatest distance of a pair, bins.
        resamples: bootstrap resamples.
        seed: of the bootstrap.
    """
    offsets = np.abs(np.concatenate([one.offsets for one in found]))
    of_line = np.repeat(groups, [len(one.offsets) for one in found])
    drawn: dict[str, int] = {"resamples": resamples, "seed": seed}
    correlations = np.array([one.rank_correlation for one in found])
    return LineSummary(
        num_spectra=len(found),
        num_lines=len(offsets),
        offset=median_estimate(np.minimum(offsets, reach), of_line, **drawn),
        within_bin=share_estimate(offsets <= 1, of_line, **drawn),
        missing=share_estimate(np.isinf(offsets), of_line, **drawn),
        spurious=sum(one.num_spurious for one in found) / len(offsets),
        rank_correlation=median_estimate(correlations, groups, **drawn),
    )
