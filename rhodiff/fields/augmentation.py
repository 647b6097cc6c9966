"""Symmetries that give further fields of the same statistics, exact on pixels.

The symmetry group of the cell grid of a d-cube is the hyperoctahedral group: a permutation of the axes and then a
flip of any of them, d! 2^d operations: 2 in one dimension, 8 (the dihedral group of the square) in two, 48 (the full
cubic group) in three. Only axes that agree in length, spacing and periodicity are exchanged, so a field keeps its
shape and its :class:`~rhodiff.store.spec.FieldSpec`; on a non-square field fewer operations remain (2^d flips for
lengths that all differ). A periodic shift rolls by whole cells along periodic axes. Nothing is interpolated: values
are moved, never changed.

Channels are taken as scalars: the components of a vector field would have to be exchanged with the axes, which is
not done here. A random operation depends on the generator alone, which the caller seeds by sample index.

Axes: C channel, d spatial axes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import permutations, product
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from rhodiff.errors import ConfigError

__all__ = ["Operation", "Symmetry", "augment", "check_augmentation", "keeping_symmetries", "symmetry_group"]

Operation = Literal["dihedral", "periodic_shift"]


@dataclass(frozen=True)
class Symmetry:
    """An element of the hyperoctahedral group: permute the axes, then flip some.

    Attributes:
        axes: spatial axis of the input that becomes each axis of the output, ``[d]``.
        flips: whether each axis of the output is reversed, ``[d]``.
    """

    axes: tuple[int, ...]
    flips: tuple[bool, ...]

    def apply(self, field: NDArray[Any]) -> NDArray[Any]:
        """The moved field, a view of ``[C, *space]``."""
        turned = field.transpose(0, *(axis + 1 for axis in self.axes))
        return turned[(slice(None), *(slice(None, None, -1 if flip else 1) for flip in self.flips))]

    def then(self, second: "Symmetry") -> "Symmetry":
        """The element that does this one and then ``second``."""
        return Symmetry(
            axes=tuple(self.axes[axis] for axis in second.axes),
            flips=tuple(self.flips[axis] != flip for axis, flip in zip(second.axes, second.flips, strict=True)),
        )

    def inverse(self) -> "Symmetry":
        """The element that undoes this one."""
        axes = tuple(self.axes.index(axis) for axis in range(len(self.axes)))
        return Symmetry(axes=axes, flips=tuple(self.flips[axis] for axis in axes))


@cache
def symmetry_group(ndim: int) -> tuple[Symmetry, ...]:
    """All symmetries of the grid of a cube: 2, 8 or 48 for 1, 2 or 3 axes; the first is the identity."""
    return tuple(
        Symmetry(axes, flips) for axes in permutations(range(ndim)) for flips in product((False, True), repeat=ndim)
    )


@cache
def keeping_symmetries(
    shape: tuple[int, ...], periodic: tuple[bool, ...], spacing: tuple[float, ...] | None = None
) -> tuple[Symmetry, ...]:
    """The symmetries that keep the geometry of a field; the whole group for a cube.

    Args:
        shape: cells along each axis.
        periodic: whether each axis wraps around.
        spacing: distance between cells along each axis, any one unit; None: equal.
    """
    axes = list(zip(shape, periodic, spacing or (1.0,) * len(shape), strict=True))
    return tuple(
        symmetry
        for symmetry in symmetry_group(len(shape))
        if all(axes[source] == axes[target] for target, source in enumerate(symmetry.axes))
    )


def check_augmentation(operations: Sequence[Operation], periodic: Sequence[bool]) -> None:
    """Refuse an operation that the fields do not allow.

    Args:
        operations: as in ``fields.augmentation``.
        periodic: whether each spatial axis wraps around.

    Raises:
        ConfigError: for a periodic shift of a field without a periodic axis.
    """
    if "periodic_shift" in operations and not any(periodic):
        raise ConfigError(
            "fields.augmentation: 'periodic_shift' needs a periodic axis, and this data set has none "
            f"(periodic: {list(periodic)}); remove it from the list"
        )


def augment(
    field: NDArray[Any],
    operations: Sequence[Operation],
    rng: np.random.Generator,
    periodic: Sequence[bool],
    spacing: Sequence[float] | None = None,
) -> NDArray[Any]:
    """One field moved by random symmetries, uniform over the allowed ones.

    The generator gives one integer for ``dihedral`` and one a periodic axis for ``periodic_shift``, in the order of
    ``operations``.

    Args:
        field: ``[C, *space]``, any dtype.
        operations: what may be done, in order; empty copies the field.
        rng: seeded by the caller from (seed, sample index).
        periodic: whether each spatial axis wraps around.
        spacing: distance between cells by axis, any one unit; None: equal.

    Returns:
        A new contiguous array of the same shape and dtype, with the same values in other places.

    Raises:
        ConfigError: see :func:`check_augmentation`.
    """
    check_augmentation(operations, periodic)
    moved = field
    for operation in operations:
        if operation == "dihedral":
            group = keeping_symmetries(field.shape[1:], tuple(periodic), tuple(spacing) if spacing else None)
            moved = group[int(rng.integers(len(group)))].apply(moved)
        else:
            moved = _shift(moved, rng, periodic)
    return moved.copy()


def _shift(field: NDArray[Any], rng: np.random.Generator, periodic: Sequence[bool]) -> NDArray[Any]:
    axes = [axis for axis, wraps in enumerate(periodic, 1) if wraps]
    shifts = [int(rng.integers(field.shape[axis])) for axis in axes]
    return np.roll(field, shifts, axes)
