"""Isotropically binned power spectrum of periodic fields in one, two and three dimensions.

With delta(x) = f(x) - <f> on N_cells cells of a periodic box of volume V = product of its extents L_a, and the
unnormalised transform delta_k = sum over cells of delta(x) exp(-i k x), k_a = 2 pi n_a / L_a,

    P(k) = |delta_k|^2 V / N_cells^2        (units of f squared times length**ndim),

so that the variance of a field is the sum of P / V over all modes (Parseval), and white noise of variance s^2 has
P = s^2 V / N_cells. A bin is the mean over the modes with lo <= |k| < hi; real fields are transformed with ``rfftn``
and each stored mode weighs as many modes of the full plane as it stands for. Convention as in Feldman, Kaiser &
Peacock 1994 (astro-ph/9304022) without a window; no shot noise is subtracted and no assignment window divided out.

Fields that are not periodic are treated as if they were: their edges leak power to large k. Compare such fields only
with fields cut out in the same way.

All arithmetic is in float64, also for fields of float32.

Axes: ``fields [field, *space]``, results ``[bin]`` and ``[field, bin]``.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rhodiff.statistics.fourier_bins import BinEdges, FourierBins, check_box, default_bin_edges, nyquist
from rhodiff.statistics.transform import check_fields, transforms

__all__ = ["BinnedSpectrum", "default_bin_edges", "nyquist", "power_spectrum"]

Float = NDArray[np.float64]


@dataclass(frozen=True)
class BinnedSpectrum:
    """Power spectra of a set of fields.

    Attributes:
        k: mean |k| of the modes in each bin, ``[bin]``, inverse length units.
        power: ``[field, bin]``, units of the field squared times length**ndim.
        num_modes: modes of the full plane (k and -k) in each bin, ``[bin]``.
        bin_edges: ``[bin + 1]``, inverse length units.
    """

    k: Float
    power: Float
    num_modes: NDArray[np.int64]
    bin_edges: Float


def power_spectrum(
    fields: ArrayLike, *, box_size: float | Sequence[float], bin_edges: BinEdges = None
) -> BinnedSpectrum:
    """Power spectrum of each field, its mean removed (see the module for the definition).

    Args:
        fields: real, ``[field, *space]`` with one to three spatial axes; any number of cells along each.
        box_size: extent of the box in length units: a number for every axis, or one number an axis.
        bin_edges: rising |k| edges, ``[bin + 1]``, inverse length units; None: :func:`default_bin_edges`;
            ``paper_a``: the preset of :mod:`rhodiff.statistics.fourier_bins`. The mode k = 0 is never counted.

    Returns:
        Spectra in float64.

    Raises:
        DataError: if the fields are empty, not real, not finite, or have another number of axes.
        ConfigError: if the box or the edges make no sense, or a bin holds no mode.
    """
    array = check_fields(fields)
    shape = array.shape[1:]
    box = check_box(box_size, len(shape))
    bins = FourierBins.of(shape, box, bin_edges)
    power = np.empty((len(array), len(bins.k)))
    scratch: Float | None = None
    for part, modes in transforms(array):
        scratch = np.empty((2, *modes.shape)) if scratch is None else scratch[:, : len(modes)]
        square, other = np.square(modes.real, out=scratch[0]), np.square(modes.imag, out=scratch[1])
        square += other
        power[part] = bins.mean(square.reshape(len(modes), -1))
    power *= np.prod(box) / np.prod(shape, dtype=np.float64) ** 2
    return BinnedSpectrum(k=bins.k, power=power, num_modes=bins.num_modes, bin_edges=bins.edges)
