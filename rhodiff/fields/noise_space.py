r"""Where noise is added to fields, so that it is white Gaussian noise of a known level for the network as well.

A transform is cut after its last step that is not affine: the values there, v (log10(E(B-V)) of a standardised
logarithm; the stored fields themselves where all steps are affine), go on to the network by an affine map,

.. math:: x = a v + b,

with one a and b for all fields (standardise, min-max of the set) or for each (min-max by image). Noise of standard
deviation s added to v has the standard deviation a s in the units of the network, and is Gaussian there; noise added
before a logarithm would be neither.

A min-max by image takes its extremes from the noisy field, which is all that an observer has: with values low..high
for min..max, :math:`a = (high - low) / (\max y - \min y)`, as in paper A (arXiv 2211.12444). The noise widens the
range of the field, so the network sees it fainter than the fields of its training, and its posterior comes out too
wide. A first denoised estimate gives better extremes (:meth:`NoiseSpace.to_network` with ``like``).

Axes: n field; arrays are of one channel, ``[n, *space]``.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rhodiff.config.fields import MinMax, Standardise
from rhodiff.errors import ConfigError, DataError
from rhodiff.fields.transforms import Transform
from rhodiff.store.spec import FieldSpec

__all__ = ["NetworkFields", "NoiseSpace", "noise_std"]

Float = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class NetworkFields:
    """Noisy fields as the network sees them, and the way back.

    Attributes:
        values: a y + b, float32 ``[n, *space]``.
        scale: a of each field, ``[n]``.
        offset: b of each field, ``[n]``.
    """

    values: NDArray[np.float32]
    scale: Float
    offset: Float

    def back(self, values: NDArray[np.floating[Any]]) -> Float:
        """From the network's units to where the noise was added, ``[n, *space]``."""
        return (values - _each(self.offset, values)) / _each(self.scale, values)


@dataclass(frozen=True)
class NoiseSpace:
    """A transform, cut where noise is added.

    Attributes:
        before: steps before the noise, up to the last that is not affine.
        after: the affine steps after it.
    """

    before: Transform
    after: Transform

    @classmethod
    def of(cls, transform: Transform) -> "NoiseSpace":
        """Cut a fitted transform."""
        bent = [rank for rank, step in enumerate(transform.steps, 1) if not isinstance(step, Standardise | MinMax)]
        cut = max(bent, default=0)
        return cls(Transform(steps=transform.steps[:cut]), Transform(steps=transform.steps[cut:]))

    def spec(self, stored: FieldSpec) -> FieldSpec:
        """Geometry of the fields, named after the values that noise is added to."""
        if not self.before.steps:
            return stored
        return stored.model_copy(update={"name": self.before.describe(stored), "unit": ""})

    @staticmethod
    def require_one_channel(number: int) -> None:
        """Refuse fields of several channels.

        Raises:
            ConfigError: if there are.
        """
        if number != 1:
            raise ConfigError(
                f"fields of {number} channels cannot be denoised: each channel would have a noise level of its own, "
                "and the network is told one"
            )

    def clean(self, fields: NDArray[np.float32]) -> Float:
        """Stored fields ``[n, 1, *space]`` to values v ``[n, *space]``.

        Raises:
            ConfigError: if the fields have more than one channel.
        """
        self.require_one_channel(fields.shape[1])
        return self.before.forward(fields)[:, 0].astype(np.float64)

    def to_network(self, noisy: Float, like: Float | None = None) -> NetworkFields:
        """Noisy values y to what the network sees.

        Args:
            noisy: ``[n, *space]``.
            like: fields whose extremes a min-max by image takes, ``[n, *space]``; None: the noisy ones.

        Raises:
            DataError: if a field is constant, or leaves the range of float32.
        """
        given = (noisy if like is None else like)[:, None]
        mapped = given
        for step in self.after.steps:
            mapped = step.forward(mapped)
        scale = _range(mapped) / _range(given)
        offset = _least(mapped) - scale * _least(given)
        values = (_each(scale, noisy) * noisy + _each(offset, noisy)).astype(np.float32)
        if not np.isfinite(values).all():
            raise DataError(
                "a noisy field leaves the range of float32 in the network's units: the noise is too large"
            )
        return NetworkFields(values, scale, offset)


def noise_std(clean: Float, sigma: float, of: str) -> Float:
    """Standard deviation of the noise of each field.

    Args:
        clean: ``[n, *space]``.
        sigma: in units of ``of``.
        of: ``mean`` or ``std`` of each field, or ``unit`` of the values.

    Returns:
        ``[n]``, in the unit of the values.

    Raises:
        DataError: if a field has no positive mean to take a share of, or does not vary.
    """
    flat = clean.reshape(len(clean), -1)
    if (flat == flat[:, :1]).all(axis=1).any():
        raise DataError("a field is constant: there is no structure that denoising could keep")
    if of == "unit":
        return np.full(len(clean), sigma)
    if of == "std":
        return np.asarray(sigma * flat.std(axis=1))
    mean = flat.mean(axis=1)
    if not (mean > 0).all():
        raise DataError(
            f"denoising.noise is a share of the mean of each field, but {np.count_nonzero(mean <= 0)} of {len(mean)} "
            f"fields have a mean of zero or below (the lowest {mean.min():.4g}): say 'of: std' or 'of: unit'"
        )
    return np.asarray(sigma * mean)


def _least(values: Float) -> Float:
    return np.asarray(values.reshape(len(values), -1).min(axis=1))


def _range(values: Float) -> Float:
    """Largest minus smallest value of each field, ``[n]``."""
    width = values.reshape(len(values), -1).max(axis=1) - _least(values)
    if not (width > 0).all():
        raise DataError(f"noisy field {int(np.argmin(width))} of the batch is constant: the noise vanishes beside it")
    return np.asarray(width)


def _each(numbers: Float, like: NDArray[np.floating[Any]]) -> Float:
    """``[n]`` to ``[n, 1, ...]``."""
    return numbers.reshape(-1, *[1] * (like.ndim - 1))
