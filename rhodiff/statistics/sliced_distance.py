"""Sliced Wasserstein distance between two sets of fields.

The sets are clouds of points in a space of D features. Along a direction t on its unit sphere the projections have
the one-dimensional distance W_p(t)^p = integral over u of |Q_a(u) - Q_b(u)|^p, Q the quantile functions, and

    SW_p = ( mean over directions of W_p(t)^p )^(1/p),   p = 1 or 2

(Rabin et al. 2012; Bonneel et al. 2015, J. Math. Imaging Vis. 51, 22). W_p(t) is exact for the given points, also of
sets of different size; directions come from a seed, and the same seed gives the same directions for the same D.

Features of fields (:func:`field_features`), in standard deviations of the reference about its mean:

    ``cells``     a field is one point, D its number of cells. Most random directions see large scales.
    ``patches``   each point is the p^ndim neighbourhood of a cell, at places drawn from the seed, wrapped around:
                  sees the joint distribution of neighbouring values. Points of one field are not independent.

Two finite sets of one distribution have SW_p > 0. The *floor* is the mean distance of two random halves of the
reference (halves of its groups), times sqrt((1/n + 1/m) / (4/n)) for the numbers n, m of fields in the two sets, the
scaling of a distance of empirical distributions. The *error* is the standard error from the finite number of
directions; that from the finite sets is about the floor.

Axes: points ``[point, feature]``, projections ``[point, direction]``.
"""

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rhodiff.errors import ConfigError, DataError
from rhodiff.statistics.estimate import Estimate
from rhodiff.statistics.resampling import Groups
from rhodiff.statistics.transform import check_fields

__all__ = ["FeatureSpace", "compare_sliced", "field_features", "sliced_wasserstein"]

FeatureSpace = Literal["cells", "patches"]

DIRECTIONS_AT_ONCE = 32
DIRECTIONS, SPLITS, PLACES = 11, 12, 13
"""Purposes of random numbers."""

Float = NDArray[np.float64]


def sliced_wasserstein(
    a: ArrayLike, b: ArrayLike, *, order: int = 1, directions: int = 256, seed: int = 0
) -> tuple[float, float]:
    """SW_p between two clouds of points, and its standard error from the finite number of directions.

    Args:
        a: ``[point, feature]``.
        b: ``[point, feature]``, any number of points.
        order: p, 1 or 2.
        directions: number of random directions, two or more.
        seed: of the directions.

    Raises:
        DataError: if a set is empty, not finite, or has another number of features.
        ConfigError: if order or directions make no sense.
    """
    if order not in (1, 2) or directions < 2:
        raise ConfigError(f"order is 1 or 2 and directions two or more, got {order} and {directions}")
    first, second = _points(a, "the first set"), _points(b, "the second set")
    if first.shape[1] != second.shape[1]:
        raise DataError(f"sets of {first.shape[1]} and {second.shape[1]} features cannot be compared")
    powers = np.empty(directions)
    for start in range(0, directions, DIRECTIONS_AT_ONCE):
        part = slice(start, min(start + DIRECTIONS_AT_ONCE, directions))
        towards = np.stack([_direction(first.shape[1], seed, i) for i in range(part.start, part.stop)], axis=1)
        powers[part] = _distances(np.sort(first @ towards, axis=0), np.sort(second @ towards, axis=0), order)
    mean, error = float(powers.mean()), float(powers.std(ddof=1) / np.sqrt(directions))
    distance = mean ** (1 / order)
    return distance, error / (order * distance ** (order - 1)) if distance > 0 else 0.0


def compare_sliced(
    reference: ArrayLike,
    generated: ArrayLike,
    *,
    space: FeatureSpace = "patches",
    order: int = 1,
    directions: int = 256,
    splits: int = 8,
    reference_groups: ArrayLike | None = None,
    seed: int = 0,
) -> Estimate:
    """SW_p between two sets of fields, in standard deviations of the reference, with error and floor.

    Args:
        reference: ``[field, *space]``, four or more independent groups.
        generated: ``[field, *space]``.
        space: of the features.
        order: p, 1 or 2.
        directions: number of random directions.
        splits: random halvings of the reference behind the floor.
        reference_groups: independent group of each reference field; None: each is its own.
        seed: of directions, places of patches and halvings.

    Raises:
        DataError: if sets are empty, not finite, constant, of different shapes, or the reference has too few groups.
        ConfigError: if an option makes no sense.
    """
    first, second = check_fields(reference), check_fields(generated)
    if first.shape[1:] != second.shape[1:]:
        raise DataError(f"cannot compare fields of {first.shape[1:]} and of {second.shape[1:]} cells")
    groups = Groups.of(reference_groups, len(first), "reference")
    if groups.count < 4 or splits < 1:
        raise DataError(f"the floor needs 4 groups and a halving at least, got {groups.count} and {splits}")
    mean, std = float(first.mean(dtype=np.float64)), float(first.std(dtype=np.float64))
    if not std > 1e-15 * abs(mean):
        raise DataError(f"the reference is constant or not finite (std {std:g}): no scale to give distances in")
    one, two = (field_features((x - mean) / std, space, seed=seed) for x in (first, second))
    options = {"order": order, "directions": directions, "seed": seed}
    value, error = sliced_wasserstein(_flat(one), _flat(two), **options)
    halves = [sliced_wasserstein(*_halves(one, groups, seed, i), **options)[0] for i in range(splits)]
    scale = np.sqrt((1 / len(first) + 1 / len(second)) / (4 / len(first)))
    return Estimate(value, error, float(np.mean(halves) * scale))


def field_features(
    fields: ArrayLike, space: FeatureSpace, *, width: int = 5, per_field: int = 64, seed: int = 0
) -> Float:
    """Points of each field in a feature space, ``[field, point, feature]``.

    Args:
        fields: ``[field, *space]``.
        space: ``cells`` or ``patches``.
        width: cells along the side of a patch.
        per_field: patches of each field.
        seed: of the places of the patches; the i-th field of any set has them at the same places.

    Raises:
        ConfigError: if the space is unknown or a patch larger than the field.
    """
    array = check_fields(fields)
    if space == "cells":
        return np.asarray(array.reshape(len(array), 1, -1), dtype=np.float64)
    if space != "patches":
        raise ConfigError(f"features are 'cells' or 'patches', got {space!r}")
    shape = array.shape[1:]
    if not 1 <= width <= min(shape) or per_field < 1:
        raise ConfigError(f"{per_field} patches of {width} cells cannot be taken from fields of {shape} cells")
    offsets = np.stack(np.meshgrid(*[np.arange(width)] * len(shape), indexing="ij"), axis=-1).reshape(-1, len(shape))
    found = np.empty((len(array), per_field, len(offsets)))
    for index, field in enumerate(array):
        corners = _random(seed, PLACES, index).integers(shape, size=(per_field, len(shape)))
        cells = (corners[:, None] + offsets) % np.array(shape)
        found[index] = field[tuple(np.moveaxis(cells, -1, 0))]
    return found


def _distances(a: Float, b: Float, order: int) -> Float:
    """W_p^p of sorted projections, ``[direction]``: quantile functions are constant between the steps of either."""
    n, m = len(a), len(b)
    steps = np.union1d(np.arange(1, n + 1) * m, np.arange(1, m + 1) * n)
    widths = np.diff(steps, prepend=0) / (n * m)
    gaps = np.abs(a[(steps - 1) // m] - b[(steps - 1) // n])
    return np.asarray(widths @ (gaps if order == 1 else gaps**2))


def _direction(num_features: int, seed: int, index: int) -> Float:
    towards = _random(seed, DIRECTIONS, index).normal(size=num_features)
    return np.asarray(towards / np.linalg.norm(towards))


def _halves(features: Float, groups: Groups, seed: int, split: int) -> tuple[Float, Float]:
    drawn = _random(seed, SPLITS, split).permutation(groups.count) < groups.count // 2
    chosen = drawn[groups.index]
    return _flat(features[chosen]), _flat(features[~chosen])


def _random(seed: int, purpose: int, index: int) -> np.random.Generator:
    key = np.array([seed % 2**64, purpose], dtype=np.uint64)
    return np.random.Generator(np.random.Philox(key=key, counter=[0, 0, index, 0]))


def _flat(features: Float) -> Float:
    return features.reshape(-1, features.shape[-1])


def _points(points: ArrayLike | Sequence[Any], name: str) -> Float:
    array = np.asarray(points, dtype=np.float64)
    if array.ndim != 2 or array.size == 0 or not np.all(np.isfinite(array)):
        raise DataError(f"{name} must be finite points [point, feature], got shape {array.shape} or NaN/inf in it")
    return array
