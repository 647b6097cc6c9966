"""Comparison over all bins of a statistic that has bins without information of their own.

The density of a histogram sums to one, the area above the lowest threshold is one in every field: such bins have no
covariance to be inverted. They are left out, and the comparison is over the others: bins without scatter, and bins
that are linear combinations of those kept (pivoted QR: the bins of most scatter of their own stay). With fewer
degrees of freedom than bins all combinations are, and only bins that are multiples of another are left out.

Axes: ``[unit, bin]``, results ``[bin]`` with NaN in bins left out.
"""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.linalg import qr

from rhodiff.errors import DataError
from rhodiff.statistics.bin_covariance import NEW_SHARE
from rhodiff.statistics.chi_squared import VectorComparison, compare_vectors
from rhodiff.statistics.comparison import NEGLIGIBLE
from rhodiff.statistics.measurement import Measurement
from rhodiff.statistics.resampling import Groups

__all__ = ["compare_independent_bins", "independent_bins"]

Float = NDArray[np.float64]


def compare_independent_bins(
    reference: Measurement,
    generated: Measurement,
    *,
    reference_groups: ArrayLike,
    generated_groups: ArrayLike,
    **options: Any,
) -> VectorComparison:
    """:func:`~rhodiff.statistics.chi_squared.compare_vectors` over the bins that have scatter of their own.

    Args:
        reference: of the reference fields.
        generated: of the generated fields, on the same axis.
        reference_groups: independent group of each reference field, ``[field]``.
        generated_groups: the same of each generated field.
        options: of :func:`~rhodiff.statistics.chi_squared.compare_vectors`.

    Returns:
        The comparison; its ``num_bins`` counts the bins kept.

    Raises:
        DataError: as there, and if no bin is left.
    """
    reference.require_comparable(generated)
    one = Groups.of(reference_groups, len(reference.values), "reference")
    two = Groups.of(generated_groups, len(generated.values), "generated")
    means = [_means(reference.values, one), _means(generated.values, two)]
    kept = independent_bins(np.concatenate([m - m.mean(axis=0) for m in means]), np.abs(means[0]).max(axis=0))
    if not kept.any():
        raise DataError(f"{reference.statistic}: every bin has the same value in all fields of a set")
    found = compare_vectors(
        reference.values[:, kept],
        generated.values[:, kept],
        reference_groups=reference_groups,
        generated_groups=generated_groups,
        **options,
    )
    arrays = {name: value for name, value in vars(found).items() if isinstance(value, np.ndarray)}
    spread_out: dict[str, Any] = {name: _spread_out(array, kept) for name, array in arrays.items()}
    return replace(found, **spread_out)


def independent_bins(residuals: Float, scale: Float) -> NDArray[np.bool_]:
    """Bins to keep, ``[bin]``.

    Args:
        residuals: centred values of the units of both sets, ``[unit, bin]``.
        scale: size of the values, ``[bin]``: scatter below their rounding is none.
    """
    scatter = np.abs(residuals).max(axis=0)
    kept: NDArray[np.bool_] = scatter > NEGLIGIBLE * np.maximum(scale, scatter)
    numbers = np.flatnonzero(kept)
    scaled = residuals[:, kept] / np.sqrt(np.sum(residuals[:, kept] ** 2, axis=0))
    chosen = _spanning(scaled) if len(residuals) - 2 >= len(numbers) else _distinct(scaled)
    kept[:] = False
    kept[numbers[chosen]] = True
    return kept


def _spanning(scaled: Float) -> NDArray[np.intp]:
    """Bins that all others are combinations of."""
    if not scaled.shape[1]:
        return np.empty(0, dtype=np.intp)
    triangle, order = qr(scaled, mode="r", pivoting=True)
    rank = int(np.sum(np.abs(np.diagonal(triangle)) > NEW_SHARE))
    return np.asarray(order[:rank], dtype=np.intp)


def _distinct(scaled: Float) -> NDArray[np.intp]:
    """Bins without those that are multiples of one before."""
    multiple = np.triu(np.abs(scaled.T @ scaled) >= 1 - NEW_SHARE**2, 1)
    return np.flatnonzero(~multiple.any(axis=0))


def _means(values: Float, groups: Groups) -> Float:
    return np.asarray(groups.sum(values) / np.bincount(groups.index)[:, None])


def _spread_out(array: Float, kept: NDArray[np.bool_]) -> Float:
    full = np.full(len(kept), np.nan)
    full[kept] = array
    return full
