"""Cross-power spectrum of two sets of fields, their transfer function and coherence.

With the transforms and bins of :mod:`rhodiff.statistics.spectrum` (periodic box, mean removed, no window),

    P_ab(k) = <Re(a_k b_k*)> V / N_cells^2,   T(k) = sqrt(P_aa / P_bb),   r(k) = P_ab / sqrt(P_aa P_bb),

where <> is the mean over the modes of a bin; the imaginary part vanishes, since a bin holds k and -k. P_ab has the
unit of a times that of b times length**ndim, T that of a over b, r is between -1 and 1 and does not change when a or
b is filtered isotropically within a bin. 1 - r^2 is the share of the power of a that no linear filter of b explains
(Tegmark & Bromley 1999, astro-ph/9809324; Pen 1998, astro-ph/9711180).

Of a set of fields, T and r are to be had from the mean powers (:meth:`CrossSpectrum.mean`), not as means of
ratios, which are biased where a bin holds few modes. Parts are combined as :class:`MeanCovariance
<rhodiff.statistics.accumulator.MeanCovariance>` of :meth:`CrossSpectrum.vectors`.

Axes: ``a, b [field, *space]``, results ``[field, bin]``.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rhodiff.errors import DataError
from rhodiff.statistics.fourier_bins import BinEdges, FourierBins, check_box
from rhodiff.statistics.transform import check_fields, require_variation, transforms

__all__ = ["CrossSpectrum", "cross_power_spectrum"]

Float = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class CrossSpectrum:
    """Auto- and cross-power spectra of pairs of fields.

    Attributes:
        k: mean |k| of the modes in each bin, ``[bin]``, inverse length units.
        cross: P_ab, ``[field, bin]``.
        power_a: P_aa, ``[field, bin]``.
        power_b: P_bb, ``[field, bin]``.
        num_modes: modes of the full plane (k and -k) in each bin, ``[bin]``.
        bin_edges: ``[bin + 1]``, inverse length units.
    """

    k: Float
    cross: Float
    power_a: Float
    power_b: Float
    num_modes: NDArray[np.int64]
    bin_edges: Float

    @property
    def transfer(self) -> Float:
        """T = sqrt(P_aa / P_bb), ``[field, bin]``; NaN where b has no power."""
        return np.sqrt(_ratio(self.power_a, self.power_b))

    @property
    def coherence(self) -> Float:
        """The correlation coefficient r, ``[field, bin]``, in [-1, 1]; NaN where a or b has no power."""
        return np.clip(_ratio(self.cross, np.sqrt(self.power_a) * np.sqrt(self.power_b)), -1, 1)

    def mean(self) -> "CrossSpectrum":
        """The mean spectra of all pairs as those of a single one."""
        cross, power_a, power_b = (x.mean(axis=0)[None] for x in (self.cross, self.power_a, self.power_b))
        return replace(self, cross=cross, power_a=power_a, power_b=power_b)

    def vectors(self) -> Float:
        """P_ab, P_aa and P_bb side by side, ``[field, 3 bin]``, to be accumulated."""
        return np.concatenate([self.cross, self.power_a, self.power_b], axis=1)


def cross_power_spectrum(
    a: ArrayLike, b: ArrayLike, *, box_size: float | Sequence[float], bin_edges: BinEdges = None
) -> CrossSpectrum:
    """Spectra of each pair ``a[i], b[i]`` (see the module for the definitions).

    Args:
        a: real, ``[field, *space]`` with one to three spatial axes.
        b: of the same shape.
        box_size: extent of the box in length units: a number for every axis, or one number an axis.
        bin_edges: as in :func:`~rhodiff.statistics.spectrum.power_spectrum`.

    Returns:
        Spectra in float64.

    Raises:
        DataError: if the shapes differ, or fields are empty, not real, not finite, or constant.
        ConfigError: if the box or the edges make no sense, or a bin holds no mode.
    """
    first, second = check_fields(a), check_fields(b)
    if first.shape != second.shape:
        raise DataError(f"fields are paired one to one, but a has shape {first.shape} and b {second.shape}")
    require_variation(first, "a")
    require_variation(second, "b")
    shape = first.shape[1:]
    box = check_box(box_size, len(shape))
    bins = FourierBins.of(shape, box, bin_edges)
    found = np.empty((3, len(first), len(bins.k)))
    for (part, one), (_, two) in zip(transforms(first), transforms(second), strict=True):
        for row, (x, y) in zip(found, ((one, two), (one, one), (two, two)), strict=True):
            row[part] = bins.mean((x.real * y.real + x.imag * y.imag).reshape(len(x), -1))
    found *= np.prod(box) / np.prod(shape, dtype=np.float64) ** 2
    cross, power_a, power_b = found
    return CrossSpectrum(bins.k, cross, power_a, power_b, bins.num_modes, bins.edges)


def _ratio(numerator: Float, denominator: Float) -> Float:
    unknown = np.full_like(numerator, np.nan)
    return np.divide(numerator, denominator, out=unknown, where=denominator > 0)
