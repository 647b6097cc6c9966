r"""Lines of a spectrum: where they are and how strong, in a generated spectrum against the true one.

A line is a local maximum, at least ``floor`` of the spectrum's highest; its place is the vertex of the parabola
through the logarithms of the three bins around it, which for a Gaussian line far from others is its centre, exactly:

.. math:: p = i + \frac{1}{2} \frac{\ln s_{i-1} - \ln s_{i+1}}{\ln s_{i-1} - 2 \ln s_i + \ln s_{i+1}}

True lines and found ones are paired so that the sum of distances is least, each at most once and no further apart
than ``reach``. A true line without partner counts as infinitely far, and as of height 0: lines that are missing
cannot make a median or a correlation look better. Lines closer than about 2.4 widths are one maximum, in the truth
too.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from scipy.signal import find_peaks
from scipy.stats import spearmanr

from rhodiff.errors import DataError

__all__ = ["FoundLines", "LineComparison", "compare_lines", "find_lines"]

Floats = NDArray[np.float64]
LOWEST = 1e-12
"""Of the highest bin: below it logarithms are cut."""


@dataclass(frozen=True, eq=False)
class FoundLines:
    """Lines of one spectrum, in order of their place.

    Attributes:
        places: in bins, the middle of the first one at 0, float64 ``[line]``.
        heights: of the maxima, in the unit of the spectrum, float64 ``[line]``.
    """

    places: Floats
    heights: Floats


@dataclass(frozen=True, eq=False)
class LineComparison:
    """One generated spectrum against the true one.

    Attributes:
        offsets: generated minus true place of each true line, bins; infinite for lines that are missing, ``[line]``.
        true_heights: ``[line]``.
        heights: of the generated partners; 0 for lines that are missing, ``[line]``.
        num_spurious: generated lines without a true one.
    """

    offsets: Floats
    true_heights: Floats
    heights: Floats
    num_spurious: int

    @property
    def num_missing(self) -> int:
        """True lines without a generated one."""
        return int(np.isinf(self.offsets).sum())

    @property
    def median_offset(self) -> float:
        """Median of |offset|, bins."""
        return float(np.median(np.abs(self.offsets)))

    @property
    def rank_correlation(self) -> float:
        """Spearman's coefficient of the heights; nan for fewer than three lines."""
        if len(self.true_heights) < 3 or not np.ptp(self.heights) > 0:
            return float("nan")
        return float(spearmanr(self.true_heights, self.heights).statistic)


def find_lines(spectrum: Floats, floor: float = 0.02) -> FoundLines:
    """The lines of a spectrum.

    Args:
        spectrum: linear intensities, float ``[bin]``; negative values are no lines.
        floor: smallest height over the highest.

    Raises:
        DataError: if it is no single spectrum, or not finite, or the floor is not within (0, 1].
    """
    values = np.asarray(spectrum, np.float64)
    if values.ndim != 1 or len(values) < 3 or not np.isfinite(values).all() or not 0 < floor <= 1:
        raise DataError(
            f"lines are those of one spectrum of 3 or more finite values, with a floor in (0, 1]; got shape "
            f"{values.shape} and floor {floor}"
        )
    top = values.max()
    if top <= 0:
        return FoundLines(np.empty(0), np.empty(0))
    peaks, _ = find_peaks(values, height=floor * top)
    logs = np.log(np.maximum(values, LOWEST * top))
    left, middle, right = logs[peaks - 1], logs[peaks], logs[peaks + 1]
    curvature = left - 2 * middle + right
    vertex = np.divide(left - right, 2 * curvature, out=np.zeros_like(middle), where=curvature < 0)
    return FoundLines(peaks + np.clip(vertex, -0.5, 0.5), values[peaks])


def compare_lines(generated: Floats, truth: Floats, *, floor: float = 0.02, reach: float = 5.0) -> LineComparison:
    """Pair the lines of two spectra.

    Args:
        generated: float ``[bin]``.
        truth: float ``[bin]``.
        floor: smallest height of a line over the highest of its own spectrum. A generated line may be half as high,
            so that one at the floor is not missing by a hair; it counts as spurious from the floor on.
        reach: greatest distance of a pair, bins.

    Raises:
        DataError: if the spectra do not agree in size, the reach is not positive, or the truth has no line.
    """
    if np.shape(generated) != np.shape(truth) or not reach > 0:
        raise DataError(
            f"needed are spectra of one size and a reach > 0; got {np.shape(generated)}, {np.shape(truth)}, {reach}"
        )
    wanted, found = find_lines(truth, floor), find_lines(generated, floor / 2)
    if not len(wanted.places):
        raise DataError("the true spectrum has no line to compare with: it is zero or has no maximum inside")
    distances = np.abs(wanted.places[:, None] - found.places)
    rows, columns = linear_sum_assignment(np.minimum(distances, 2 * reach))
    is_pair = distances[rows, columns] <= reach
    rows, columns = rows[is_pair], columns[is_pair]
    offsets, heights = np.full(len(wanted.places), np.inf), np.zeros(len(wanted.places))
    offsets[rows] = found.places[columns] - wanted.places[rows]
    heights[rows] = found.heights[columns]
    alone = np.setdiff1d(np.arange(len(found.places)), columns)
    highest = found.heights.max(initial=0.0)
    num_spurious = int((found.heights[alone] >= floor * highest).sum())
    return LineComparison(offsets, wanted.heights, heights, num_spurious)
