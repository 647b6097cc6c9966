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

Axes: ``fields [field, *space]``, results ``[bin]`` and ``[field, bin]``.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.fft
import scipy.sparse
from numpy.typing import ArrayLike, NDArray

from rhodiff.errors import ConfigError, DataError

__all__ = ["BinnedSpectrum", "default_bin_edges", "nyquist", "power_spectrum"]

CELLS_AT_ONCE = 1 << 21
"""Cells that are transformed together: 16 MiB of float64, whatever the number of fields."""

EDGE_TOLERANCE = 1e-12
"""Relative; a mode that lies on an edge belongs to the upper bin whatever the rounding of its |k|."""

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
    fields: ArrayLike, *, box_size: float | Sequence[float], bin_edges: ArrayLike | None = None
) -> BinnedSpectrum:
    """Power spectrum of each field, its mean removed (see the module for the definition).

    Args:
        fields: real, ``[field, *space]`` with one to three spatial axes; any number of cells along each.
        box_size: extent of the box in length units: a number for every axis, or one number an axis.
        bin_edges: rising |k| edges, ``[bin + 1]``, inverse length units; None: :func:`default_bin_edges`. The mode
            k = 0 is never counted.

    Returns:
        Spectra in float64.

    Raises:
        DataError: if the fields are empty, not real, not finite, or have another number of axes.
        ConfigError: if the box or the edges make no sense, or a bin holds no mode.
    """
    array = _check_fields(fields)
    box = _check_box(box_size, array.ndim - 1)
    shape = array.shape[1:]
    edges = default_bin_edges(shape, box) if bin_edges is None else _check_edges(bin_edges)
    k, weights = _modes(shape, box)
    binning, num_modes = _binning(k, weights, edges)
    power = np.empty((len(array), len(num_modes)))
    scale = np.prod(box) / np.prod(shape, dtype=np.float64) ** 2
    for part in _parts(len(array), int(np.prod(shape))):
        power[part] = scale * (binning @ _mode_power(array, part)).T
    return BinnedSpectrum(k=binning @ k, power=power, num_modes=num_modes, bin_edges=edges)


def default_bin_edges(shape: Sequence[int], box_size: float | Sequence[float]) -> Float:
    """Edges of bins of the fundamental mode's width, centred on its multiples up to the Nyquist wavenumber.

    With extents that differ the fundamental is that of the longest axis, the Nyquist wavenumber that of the coarsest.

    Args:
        shape: cells along each axis.
        box_size: as in :func:`power_spectrum`.

    Returns:
        ``[bin + 1]`` in inverse length units: k_f/2, 3 k_f/2, ...

    Raises:
        ConfigError: if not even one such bin exists.
    """
    box = _check_box(box_size, len(shape))
    fundamental = 2 * np.pi / max(box)
    num_bins = int(nyquist(shape, box) / fundamental * (1 + EDGE_TOLERANCE))
    if num_bins < 1:
        raise ConfigError(
            f"box {box} with {tuple(shape)} cells has no bin of width 2 pi / box below the Nyquist wavenumber; "
            "give bin_edges"
        )
    return np.asarray(fundamental * (np.arange(num_bins + 1) + 0.5), dtype=np.float64)


def nyquist(shape: Sequence[int], box_size: float | Sequence[float]) -> float:
    """Smallest Nyquist wavenumber pi / spacing of the axes with more than one cell, inverse length units."""
    box = _check_box(box_size, len(shape))
    return min((np.pi * n / extent for n, extent in zip(shape, box, strict=True) if n > 1), default=0.0)


def _check_fields(fields: ArrayLike) -> NDArray[Any]:
    array = np.asarray(fields)
    if not 2 <= array.ndim <= 4:
        raise DataError(
            f"fields must be [field, *space] with one to three spatial axes, got shape {array.shape}; "
            "take one channel at a time"
        )
    if array.size == 0:
        raise DataError(f"no fields to measure: got an array of shape {array.shape}")
    if array.dtype.kind not in "fiu":
        raise DataError(f"fields must be real numbers, got {array.dtype}")
    return array


def _check_box(box_size: float | Sequence[float], ndim: int) -> tuple[float, ...]:
    box = tuple(float(extent) for extent in np.atleast_1d(np.asarray(box_size, dtype=np.float64)))
    if np.ndim(box_size) == 0:
        box *= ndim
    if len(box) != ndim:
        raise ConfigError(f"box_size has {len(box)} entries for {ndim} spatial axes; give one number or {ndim}")
    if not all(np.isfinite(extent) and extent > 0 for extent in box):
        raise ConfigError(f"box_size must be positive, got {box_size}")
    return box


def _check_edges(bin_edges: ArrayLike) -> Float:
    edges = np.array(bin_edges, dtype=np.float64)
    if edges.ndim != 1 or len(edges) < 2 or not np.all(np.isfinite(edges)):
        raise ConfigError(f"bin_edges must be two or more finite numbers, got {bin_edges!r}")
    if edges[0] < 0 or np.any(np.diff(edges) <= 0):
        raise ConfigError(f"bin_edges must rise from zero or more, got {edges.tolist()}")
    return edges


def _modes(shape: tuple[int, ...], box: tuple[float, ...]) -> tuple[Float, Float]:
    """The |k| of each mode of ``rfftn`` and how many modes of the full plane it stands for, both flat."""
    frequency = [np.fft.fftfreq(n, extent / n) for n, extent in zip(shape[:-1], box[:-1], strict=True)]
    frequency.append(np.fft.rfftfreq(shape[-1], box[-1] / shape[-1]))
    squares = np.meshgrid(*[f**2 for f in frequency], indexing="ij", sparse=True)
    k = 2 * np.pi * np.sqrt(sum(squares))
    last = np.full(shape[-1] // 2 + 1, 2.0)
    last[0] = 1.0
    if shape[-1] % 2 == 0:
        last[-1] = 1.0
    return k.ravel(), np.broadcast_to(last, k.shape).ravel()


def _binning(k: Float, weights: Float, edges: Float) -> tuple[Any, NDArray[np.int64]]:
    """Sparse ``[bin, mode]`` matrix that averages over the modes of a bin, and the number of modes in each."""
    num_bins = len(edges) - 1
    bin_of_mode = np.searchsorted(edges, k * (1 + EDGE_TOLERANCE), side="right") - 1
    modes = np.flatnonzero((bin_of_mode >= 0) & (bin_of_mode < num_bins) & (k > 0))
    bins = bin_of_mode[modes]
    total = np.bincount(bins, weights[modes], minlength=num_bins)
    if not np.all(total):
        empty = int(np.argmin(total))
        raise ConfigError(
            f"bin {empty} ({edges[empty]:.6g} <= k < {edges[empty + 1]:.6g}) holds no mode of this grid, whose modes "
            f"have k from {k[k > 0].min(initial=np.inf):.6g} to {k.max():.6g}; widen bin_edges or leave them out"
        )
    matrix = scipy.sparse.csr_array((weights[modes] / total[bins], (bins, modes)), shape=(num_bins, len(k)))
    return matrix, np.rint(total).astype(np.int64)


def _parts(num_fields: int, num_cells: int) -> Iterator[slice]:
    step = max(1, CELLS_AT_ONCE // num_cells)
    for start in range(0, num_fields, step):
        yield slice(start, min(start + step, num_fields))


def _mode_power(array: NDArray[Any], part: slice) -> Float:
    """|delta_k|^2 of some fields, ``[mode, field]``."""
    axes = tuple(range(1, array.ndim))
    delta = array[part].astype(np.float64)
    with np.errstate(invalid="ignore"):
        mean = delta.mean(axis=axes, keepdims=True)
    if not np.all(np.isfinite(mean)):
        bad = part.start + int(np.flatnonzero(~np.isfinite(mean.ravel()))[0])
        raise DataError(f"field {bad} holds NaN or infinite values; mask or repair it before measuring")
    delta -= mean
    transform = scipy.fft.rfftn(delta, axes=axes, overwrite_x=True).reshape(len(delta), -1)
    return np.ascontiguousarray((transform.real**2 + transform.imag**2).T)
