"""Fourier transforms of a set of real fields, a few at a time through buffers that are used again.

The transform is the unnormalised ``rfftn`` in float64. What is subtracted first is not the mean but the mean of the
field's first line: the transforms differ in the mode k = 0 alone, which no statistic here counts, rounding is as
small, and the field is read once. Buffers of :data:`CELLS_AT_ONCE` stay in a core's cache; fresh memory for each
field costs more than its arithmetic.

Axes: ``fields [field, *space]``, transforms ``[field, *half space]``.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import scipy.fft
from numpy.typing import ArrayLike, NDArray

from rhodiff.errors import DataError

__all__ = ["check_fields", "constant_fields", "require_variation", "transforms"]

CELLS_AT_ONCE = 1 << 16
"""Cells that are transformed together; one field at least."""

Complex = NDArray[np.complex128]


def check_fields(fields: ArrayLike) -> NDArray[Any]:
    """The fields as an array.

    Raises:
        DataError: if they are empty, not real, or not ``[field, *space]`` with one to three axes of space.
    """
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


def require_variation(fields: NDArray[Any], name: str) -> None:
    """Refuse fields of one value: what is divided by their power would be rounding.

    Raises:
        DataError: naming the first constant field.
    """
    constant = np.flatnonzero(constant_fields(fields))
    if len(constant):
        value = fields[constant[0]].flat[0]
        raise DataError(f"field {constant[0]} of {name} is constant ({value:g}): leave such fields out")


def constant_fields(fields: NDArray[Any]) -> NDArray[np.bool_]:
    """Which fields have one value everywhere, ``[field]``: their power is zero, but for rounding."""
    flat = fields.reshape(len(fields), -1)
    return np.asarray((flat == flat[:, :1]).all(axis=1))


def transforms(fields: NDArray[Any]) -> Iterator[tuple[slice, Complex]]:
    """Transform all fields, part by part.

    Args:
        fields: checked by :func:`check_fields`.

    Yields:
        Which fields, and their transforms; these are overwritten by the next part.

    Raises:
        DataError: naming the first field that holds NaN or infinite values.
    """
    shape = fields.shape[1:]
    count = max(1, CELLS_AT_ONCE // int(np.prod(shape)))
    count = min(count, len(fields))
    delta = np.empty((count, *shape))
    half = np.empty((count, *shape[:-1], shape[-1] // 2 + 1), dtype=np.complex128)
    for start in range(0, len(fields), count):
        part = slice(start, min(start + count, len(fields)))
        size = part.stop - start
        yield part, _transform(fields[part], start, delta[:size], half[:size])


def _transform(part: NDArray[Any], start: int, delta: NDArray[np.float64], half: Complex) -> Complex:
    axes = tuple(range(1, part.ndim))
    first_line = part.reshape(len(part), -1, part.shape[-1])[:, 0]
    with np.errstate(invalid="ignore", over="ignore"):
        offset = first_line.mean(axis=-1, dtype=np.float64)
        np.subtract(part, offset.reshape(-1, *(1,) * len(axes)), out=delta)
        np.fft.rfft(delta, axis=-1, out=half)
        found: Complex = scipy.fft.fftn(half, axes=axes[:-1], overwrite_x=True) if len(axes) > 1 else half
    zero_mode = found.reshape(len(part), -1)[:, 0]
    if not np.all(np.isfinite(zero_mode)):
        bad = start + int(np.flatnonzero(~np.isfinite(zero_mode))[0])
        raise DataError(f"field {bad} holds NaN or infinite values; mask or repair it before measuring")
    return found
