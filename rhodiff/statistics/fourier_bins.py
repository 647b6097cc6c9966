"""Modes of a real field on a periodic grid, and bins of them in |k|.

A field of n_a cells over an extent L_a along axis a has the modes k_a = 2 pi m_a / L_a. ``rfftn`` stores one of each
pair k, -k, except where the last component is zero or Nyquist; each stored mode weighs as many modes of the full
plane as it stands for. A bin is lo <= |k| < hi and never holds k = 0. Spectra that share a :class:`FourierBins` share
their binning, whatever they are spectra of.

Three ways to bin: free edges; the default, bins of the fundamental mode's width k_f centred on its multiples up to
Nyquist; and the preset ``paper_a``, that of the code of Mudur & Finkbeiner 2022 (arXiv 2211.12444): about the
multiples of k_f below Nyquist, and of the modes there only those with -k_f/4 <= |k| - m k_f < k_f/4. (Their power is
P / V in our units, and their k = 0, the squared mean, is not counted here.)

Axes: ``[bin]``, ``[mode]`` in the order of a flattened ``rfftn`` (its zero mode first).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rhodiff.errors import ConfigError

__all__ = ["BinEdges", "FourierBins", "check_box", "default_bin_edges", "mode_weights", "nyquist", "wavenumbers"]

EDGE_TOLERANCE = 1e-12
"""Relative; a mode that lies on an edge belongs to the upper bin whatever the rounding of its |k|."""

PAPER_A = "paper_a"
PAPER_A_HALF_WIDTH = 0.25
"""In units of the fundamental."""

Float = NDArray[np.float64]
BinEdges = ArrayLike | Literal["paper_a"] | None


@dataclass(frozen=True, eq=False)
class FourierBins:
    """Which modes of ``rfftn`` lie in which bin, and with what weight.

    Attributes:
        edges: ``[bin + 1]``, inverse length units.
        k: mean |k| of the modes in each bin, ``[bin]``.
        num_modes: modes of the full plane (k and -k) in each bin, ``[bin]``.
        order: stored modes that lie in a bin, bin after bin, ``[kept mode]``.
        starts: where each bin begins in ``order``, ``[bin]``.
        shares: weight of each kept mode in the mean of its bin, ``[kept mode]``.
    """

    edges: Float
    k: Float
    num_modes: NDArray[np.int64]
    order: NDArray[np.intp]
    starts: NDArray[np.intp]
    shares: Float

    @classmethod
    def of(
        cls, shape: tuple[int, ...], box_size: float | Sequence[float], bin_edges: BinEdges = None
    ) -> "FourierBins":
        """Bins of a grid.

        Args:
            shape: cells along each axis.
            box_size: extent of the box in length units: a number for every axis, or one number an axis.
            bin_edges: rising |k| edges, ``[bin + 1]``; None: :func:`default_bin_edges`; or ``paper_a``.

        Raises:
            ConfigError: if the box or the edges make no sense, or a bin holds no mode.
        """
        edges = _edges(shape, box_size, bin_edges)
        k, weights = wavenumbers(shape, box_size).ravel(), mode_weights(shape).ravel()
        bin_of_mode = np.searchsorted(edges, k * (1 + EDGE_TOLERANCE), side="right") - 1
        inside = (bin_of_mode >= 0) & (bin_of_mode < len(edges) - 1) & (k > 0)
        if isinstance(bin_edges, str):
            inside &= _near_multiples(k, 2 * np.pi / max(check_box(box_size, len(shape))))
        kept = np.flatnonzero(inside)
        order = kept[np.argsort(bin_of_mode[kept], kind="stable")]
        bins = bin_of_mode[order]
        total = np.bincount(bins, weights[order], minlength=len(edges) - 1)
        _require_modes(total, edges, k)
        starts = np.searchsorted(bins, np.arange(len(total)))
        shares = weights[order] / total[bins]
        mean_k = np.add.reduceat(k[order] * shares, starts)
        return cls(edges, mean_k, np.rint(total).astype(np.int64), order, starts, shares)

    def mean(self, values: Float) -> Float:
        """Mean over the modes of each bin: ``[field, mode]`` to ``[field, bin]``."""
        kept = np.empty((len(values), len(self.order)))
        values.take(self.order, axis=1, out=kept, mode="clip")  # "raise" would go through one more buffer
        kept *= self.shares
        return np.add.reduceat(kept, self.starts, axis=1)


def default_bin_edges(shape: Sequence[int], box_size: float | Sequence[float]) -> Float:
    """Edges of bins of the fundamental mode's width, centred on its multiples up to the Nyquist wavenumber.

    With extents that differ the fundamental is that of the longest axis, the Nyquist wavenumber that of the coarsest.

    Args:
        shape: cells along each axis.
        box_size: extent of the box in length units: a number for every axis, or one number an axis.

    Returns:
        ``[bin + 1]`` in inverse length units: k_f/2, 3 k_f/2, ...

    Raises:
        ConfigError: if not even one such bin exists.
    """
    box = check_box(box_size, len(shape))
    fundamental = 2 * np.pi / max(box)
    num_bins = int(nyquist(shape, box) / fundamental * (1 + EDGE_TOLERANCE))
    if num_bins < 1:
        raise ConfigError(
            f"box {box} with {tuple(shape)} cells has no bin of width 2 pi / box below the Nyquist wavenumber; "
            "give bin_edges"
        )
    return np.asarray(fundamental * (np.arange(num_bins + 1) + 0.5), dtype=np.float64)


def _edges(shape: tuple[int, ...], box_size: float | Sequence[float], bin_edges: BinEdges) -> Float:
    if bin_edges is None:
        return default_bin_edges(shape, box_size)
    if not isinstance(bin_edges, str):
        return _check_edges(bin_edges)
    if bin_edges != PAPER_A:
        raise ConfigError(f"bins are given by their edges, or as the preset '{PAPER_A}'; got {bin_edges!r}")
    edges = default_bin_edges(shape, box_size)
    below = int(np.sum(edges[:-1] + edges[1:] < 2 * nyquist(shape, box_size) * (1 - EDGE_TOLERANCE)))
    if below == 0:
        raise ConfigError(f"{tuple(shape)} cells have no multiple of the fundamental below Nyquist; give bin_edges")
    return edges[: below + 1]


def _near_multiples(k: Float, fundamental: float) -> NDArray[np.bool_]:
    multiple = k * (1 + EDGE_TOLERANCE) / fundamental
    offset = multiple - np.floor(multiple + 0.5)
    return (offset >= -PAPER_A_HALF_WIDTH) & (offset < PAPER_A_HALF_WIDTH)


def nyquist(shape: Sequence[int], box_size: float | Sequence[float]) -> float:
    """Smallest Nyquist wavenumber pi / spacing of the axes with more than one cell, inverse length units."""
    box = check_box(box_size, len(shape))
    return min((np.pi * n / extent for n, extent in zip(shape, box, strict=True) if n > 1), default=0.0)


def wavenumbers(shape: Sequence[int], box_size: float | Sequence[float]) -> Float:
    """The |k| of each mode of ``rfftn``, in inverse length units and the shape of the transform."""
    box = check_box(box_size, len(shape))
    frequency = [np.fft.fftfreq(n, extent / n) for n, extent in zip(shape[:-1], box[:-1], strict=True)]
    frequency.append(np.fft.rfftfreq(shape[-1], box[-1] / shape[-1]))
    squares = np.meshgrid(*[f**2 for f in frequency], indexing="ij", sparse=True)
    return np.asarray(2 * np.pi * np.sqrt(sum(squares)))


def mode_weights(shape: Sequence[int]) -> Float:
    """How many modes of the full plane (1 or 2) each mode of ``rfftn`` stands for, in the shape of the transform."""
    last = np.full(shape[-1] // 2 + 1, 2.0)
    last[0] = 1.0
    if shape[-1] % 2 == 0:
        last[-1] = 1.0
    return np.broadcast_to(last, (*shape[:-1], len(last)))


def check_box(box_size: float | Sequence[float], ndim: int) -> tuple[float, ...]:
    """Extent of the box along each axis.

    Raises:
        ConfigError: if it is not positive, or has another number of entries.
    """
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


def _require_modes(total: NDArray[Any], edges: Float, k: Float) -> None:
    if not np.all(total):
        empty = int(np.argmin(total))
        raise ConfigError(
            f"bin {empty} ({edges[empty]:.6g} <= k < {edges[empty + 1]:.6g}) holds no mode of this grid, whose modes "
            f"have k from {k[k > 0].min(initial=np.inf):.6g} to {k.max():.6g}; widen bin_edges or leave them out"
        )
