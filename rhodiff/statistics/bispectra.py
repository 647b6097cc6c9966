"""Bispectrum of periodic fields over triangles of shells, equilateral and squeezed among them.

With delta_k, V and N_cells of :mod:`rhodiff.statistics.spectrum`, and shells s of modes with lo <= |k| < hi,

    B(s1, s2, s3) = <Re delta_k1 delta_k2 delta_k3> V^2 / N_cells^3      (units of f cubed times length**(2 ndim)),

the mean over all triples with k1 + k2 + k3 = 0 and k_i in shell s_i, in any order within a shell. They are summed by
FFT (Scoccimarro 2000, ApJ 544, 597; Sefusatti et al. 2016, arXiv 1512.07295): with I_s(x) the field of shell s alone,

    sum over triangles = sum over x of I_s1 I_s2 I_s3 / N_cells,  I_s(x) = sum over k in s of delta_k exp(i k x),

their number by the same with delta_k = 1. Sums of three wavevectors alias at the sampling wavenumber: triangles whose
components could add up to it, about those beyond two thirds of Nyquist on average, are refused.

``equilateral`` are the shells (i, i, i); in one dimension there are none. ``squeezed`` are (0, i, i) with the lowest
shell as long mode, in one dimension (0, i, i + 1). The reduced bispectrum is

    Q = B / (P1 P2 + P2 P3 + P3 P1),

with the powers of the shells, in units of 1 / f; it is 2 F for f = g + F (g^2 - <g^2>), g Gaussian and F small
(Komatsu & Spergel 2001, astro-ph/0005036). Of a Gaussian field B is 0 in the mean. Of a set of fields take Q from
mean B and mean P (:meth:`BinnedBispectrum.mean`), not as a mean of ratios.

Axes: ``fields [field, *space]``, results ``[field, triangle]`` and ``[triangle, 3]``.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import scipy.fft
from numpy.typing import ArrayLike, NDArray

from rhodiff.errors import ConfigError
from rhodiff.statistics.fourier_bins import BinEdges, FourierBins, check_box
from rhodiff.statistics.transform import check_fields, transforms

__all__ = ["BinnedBispectrum", "TriangleShape", "bispectrum"]

Float = NDArray[np.float64]
Complex = NDArray[np.complex128]
Triangle = tuple[int, int, int]
TriangleShape = Literal["equilateral", "squeezed"]


@dataclass(frozen=True, eq=False)
class BinnedBispectrum:
    """Bispectra of a set of fields.

    Attributes:
        shells: of each triangle, as bins of ``bin_edges``, ``[triangle, 3]``.
        k: mean |k| of the modes of those shells, ``[triangle, 3]``, inverse length units.
        bispectrum: B, ``[field, triangle]``, units of the field cubed times length**(2 ndim).
        power: P of those shells, ``[field, triangle, 3]``, units of the field squared times length**ndim.
        num_triangles: ordered triples of modes of the full plane, ``[triangle]``.
        bin_edges: of the shells, ``[shell + 1]``, inverse length units.
    """

    shells: NDArray[np.intp]
    k: Float
    bispectrum: Float
    power: Float
    num_triangles: NDArray[np.int64]
    bin_edges: Float

    @property
    def reduced(self) -> Float:
        """Q, ``[field, triangle]``, inverse units of the field; NaN where there is no power."""
        first, second, third = np.moveaxis(self.power, -1, 0)
        products = first * second + second * third + third * first
        unknown = np.full_like(products, np.nan)
        return np.asarray(np.divide(self.bispectrum, products, out=unknown, where=products > 0))

    def mean(self) -> "BinnedBispectrum":
        """The mean over all fields as that of a single one."""
        return replace(self, bispectrum=self.bispectrum.mean(axis=0)[None], power=self.power.mean(axis=0)[None])

    def vectors(self) -> Float:
        """B and the powers side by side, ``[field, 4 triangle]``, to be accumulated."""
        return np.concatenate([self.bispectrum, self.power.reshape(len(self.power), -1)], axis=1)


def bispectrum(
    fields: ArrayLike,
    *,
    box_size: float | Sequence[float],
    triangles: TriangleShape | Sequence[Triangle] = "equilateral",
    bin_edges: BinEdges = None,
) -> BinnedBispectrum:
    """Bispectrum of each field, its mean removed (see the module for the definition).

    Args:
        fields: real, ``[field, *space]`` with one to three spatial axes.
        box_size: extent of the box in length units: a number for every axis, or one number an axis.
        triangles: a named shape, all of it that does not alias; or the shells of each triangle.
        bin_edges: of the shells, as in :func:`~rhodiff.statistics.spectrum.power_spectrum`.

    Returns:
        Bispectra in float64.

    Raises:
        DataError: if the fields are empty, not real, or not finite.
        ConfigError: if box, edges or triangles make no sense, alias, or hold no closed triple of modes.
    """
    array = check_fields(fields)
    shape = array.shape[1:]
    box = check_box(box_size, len(shape))
    bins = FourierBins.of(shape, box, bin_edges)
    chosen = _choose(triangles, bins, shape)
    ones = np.ones((1, *shape[:-1], shape[-1] // 2 + 1), dtype=np.complex128)
    counts = np.rint(_sums(ones, shape, bins, chosen)[0])
    if not np.all(counts > 0):
        empty = chosen[int(np.argmin(counts))]
        raise ConfigError(f"no three modes of the shells {empty} add up to zero; choose others, or widen bin_edges")
    found, power = np.empty((len(array), len(chosen))), np.empty((len(array), len(bins.k)))
    for part, modes in transforms(array):
        power[part] = bins.mean((modes.real**2 + modes.imag**2).reshape(len(modes), -1))
        found[part] = _sums(modes, shape, bins, chosen)
    volume, cells = np.prod(box), np.prod(shape, dtype=np.float64)
    shells = np.array(chosen, dtype=np.intp)
    return BinnedBispectrum(
        shells=shells,
        k=bins.k[shells],
        bispectrum=found / counts * (volume**2 / cells**3),
        power=power[:, shells] * (volume / cells**2),
        num_triangles=counts.astype(np.int64),
        bin_edges=bins.edges,
    )


def _choose(
    triangles: TriangleShape | Sequence[Triangle], bins: FourierBins, shape: tuple[int, ...]
) -> list[Triangle]:
    largest = _largest_components(shape, bins)
    if isinstance(triangles, str):
        chosen = [one for one in _named(triangles, len(bins.k), len(shape)) if _is_free(one, largest, shape)]
    else:
        chosen = [(int(a), int(b), int(c)) for a, b, c in triangles]
    if not chosen:
        raise ConfigError("none of the triangles asked for is free of aliases; take shells below 2/3 of Nyquist")
    for one in chosen:
        if not all(0 <= shell < len(bins.k) for shell in one):
            raise ConfigError(f"triangle {one} is not of the shells 0 ... {len(bins.k) - 1}")
        if not _is_free(one, largest, shape):
            raise ConfigError(
                f"triangle {one} aliases on {shape} cells: its wavevectors, up to {largest[list(one)].max(axis=1)} "
                "fundamental modes long along an axis, can add up to the sampling wavenumber; take smaller k"
            )
    return chosen


def _named(name: str, num_shells: int, ndim: int) -> list[Triangle]:
    if name == "equilateral" and ndim == 1:
        raise ConfigError("no three modes of one line are equilateral; ask for 'squeezed', or give triangles")
    if name == "equilateral":
        return [(i, i, i) for i in range(num_shells)]
    if name == "squeezed" and ndim == 1:
        return [(0, i, i + 1) for i in range(1, num_shells - 1)]
    if name == "squeezed":
        return [(0, i, i) for i in range(1, num_shells)]
    raise ConfigError(f"triangles are 'equilateral', 'squeezed', or given by their shells; got {name!r}")


def _largest_components(shape: tuple[int, ...], bins: FourierBins) -> NDArray[np.int64]:
    """Largest |component| of the modes of each shell, in fundamental modes, ``[shell, axis]``."""
    frequencies = [np.abs(np.fft.fftfreq(n, 1 / n)) for n in shape[:-1]] + [np.fft.rfftfreq(shape[-1], 1 / shape[-1])]
    components = np.stack([axis.ravel() for axis in np.meshgrid(*frequencies, indexing="ij")], axis=1)
    return np.rint(np.maximum.reduceat(components[bins.order], bins.starts)).astype(np.int64)


def _is_free(triangle: Triangle, largest: NDArray[np.int64], shape: tuple[int, ...]) -> bool:
    return bool(np.all(largest[list(triangle)].sum(axis=0) < np.array(shape)))


def _sums(modes: Complex, shape: tuple[int, ...], bins: FourierBins, chosen: Sequence[Triangle]) -> Float:
    """Sum over the closed triples of each triangle of the product of their modes, ``[field, triangle]``."""
    shells: dict[int, Float] = {}
    sums = np.empty((len(modes), len(chosen)))
    for number, triangle in enumerate(chosen):
        for shell in set(triangle) - set(shells):
            shells[shell] = _shell_field(modes, shape, bins, shell)
        one, two, three = (shells[shell] for shell in triangle)
        sums[:, number] = np.einsum("nc,nc,nc->n", one, two, three)
        later = {shell for other in chosen[number + 1 :] for shell in other}
        shells = {shell: field for shell, field in shells.items() if shell in later}
    return sums * np.prod(shape, dtype=np.float64) ** 2  # irfftn divides each factor by the cells, the sum once more


def _shell_field(modes: Complex, shape: tuple[int, ...], bins: FourierBins, shell: int) -> Float:
    """The fields of one shell, ``[field, cell]``, over the number of cells."""
    stop = bins.starts[shell + 1] if shell + 1 < len(bins.starts) else len(bins.order)
    kept = bins.order[bins.starts[shell] : stop]
    alone = np.zeros((len(modes), modes[0].size), dtype=np.complex128)
    alone[:, kept] = modes.reshape(len(modes), -1)[:, kept]
    field = scipy.fft.irfftn(alone.reshape(modes.shape), s=shape, axes=range(1, modes.ndim), overwrite_x=True)
    return np.asarray(field).reshape(len(modes), -1)
