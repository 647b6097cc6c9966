"""The steps that a transform is made of: each a strictly increasing function with its inverse.

    log10        y = log10(max(x, floor) + offset)          x = 10^y - offset          (x >= floor)
    asinh        y = asinh(x / scale)                       x = scale sinh(y)
    power        y = sign(x) |x|^p                          x = sign(y) |y|^(1/p)
    standardise  y = (x - mean) / std                       x = mean + std y
    gaussianise  y = normal score of x                      see rhodiff.fields.gaussianisation
    min_max      y = low + (high - low) (x - a) / (b - a)   x = a + (b - a) (y - low) / (high - low)

A step is its settings (:mod:`rhodiff.config.fields`) with the constants that were fitted, so it is stored as one JSON
mapping. The steps work in float64 and check their own domain; :class:`~rhodiff.fields.transforms.Transform` checks
dtype, channels and finiteness. No step clips: values that a network makes below ``floor`` stay below it.

Axes: n sample, C channel; arrays are float64 ``[n, C, *space]``.
"""

from abc import ABC, abstractmethod
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from rhodiff.config.fields import Asinh, Log10, MinMax, Power, Standardise
from rhodiff.errors import ConfigError, DataError

__all__ = [
    "AsinhStep",
    "ImageMinMaxStep",
    "LogStep",
    "PowerStep",
    "SetMinMaxStep",
    "StandardiseStep",
    "Step",
]

Array = NDArray[np.float64]


class Step(ABC):
    """A strictly increasing function of the values, by channel."""

    @property
    def num_channels(self) -> int | None:
        """Channels that the constants are for; None: any number."""
        return None

    @abstractmethod
    def forward(self, x: Array) -> Array:
        """Towards the network, float64 ``[n, C, *space]``."""

    @abstractmethod
    def inverse(self, y: Array) -> Array:
        """Back towards physical units, float64 ``[n, C, *space]``."""

    @abstractmethod
    def describe(self, label: str, unit: str) -> tuple[str, str]:
        """The label and the unit of the values after this step, given those before it."""


def _by_channel(constants: tuple[float, ...], like: Array) -> Array:
    """Constants ``[C]`` shaped to broadcast against ``[n, C, *space]``."""
    return np.asarray(constants, dtype=np.float64).reshape(-1, *[1] * (like.ndim - 2))


def _over(label: str, unit: str) -> str:
    """The label divided by its unit."""
    return f"{label} / {unit}" if unit else label


class LogStep(Log10, Step):
    """y = log10(max(x, floor) + offset)."""

    def forward(self, x: Array) -> Array:
        """See :class:`Step`.

        Raises:
            DataError: if the logarithm of a value does not exist.
        """
        argument = (x if self.floor is None else np.maximum(x, self.floor)) + self.offset
        outside = int(np.count_nonzero(argument <= 0))
        if outside:
            shifted = f" + offset {self.offset:g}" if self.offset else ""
            raise DataError(
                f"log10: {outside} of {x.size} values{shifted} are not positive (minimum {x.min():g}); "
                "set a 'floor' or a larger 'offset' in the log10 step of 'fields.transform'"
            )
        y: Array = np.log10(argument)
        return y

    def inverse(self, y: Array) -> Array:
        """See :class:`Step`; every value is above ``-offset``."""
        x: Array = np.power(10.0, y) - self.offset
        return x

    def describe(self, label: str, unit: str) -> tuple[str, str]:
        """See :class:`Step`."""
        if self.offset:
            label = f"({label} + {self.offset:g} {unit}".rstrip() + ")"
        return f"log10({_over(label, unit)})", ""


class AsinhStep(Asinh, Step):
    """y = asinh(x / scale)."""

    def forward(self, x: Array) -> Array:
        """See :class:`Step`."""
        y: Array = np.arcsinh(x / self.scale)
        return y

    def inverse(self, y: Array) -> Array:
        """See :class:`Step`."""
        x: Array = self.scale * np.sinh(y)
        return x

    def describe(self, label: str, unit: str) -> tuple[str, str]:
        """See :class:`Step`."""
        return f"asinh({label} / {self.scale:g} {unit}".rstrip() + ")", ""


class PowerStep(Power, Step):
    """y = sign(x) |x|^exponent."""

    def forward(self, x: Array) -> Array:
        """See :class:`Step`."""
        y: Array = np.sign(x) * np.power(np.abs(x), self.exponent)
        return y

    def inverse(self, y: Array) -> Array:
        """See :class:`Step`."""
        x: Array = np.sign(y) * np.power(np.abs(y), 1.0 / self.exponent)
        return x

    def describe(self, label: str, unit: str) -> tuple[str, str]:
        """See :class:`Step`."""
        return f"({_over(label, unit)})^{self.exponent:g}", ""


class StandardiseStep(Standardise, Step):
    """y = (x - mean) / std, by channel."""

    mean: tuple[float, ...]
    """Mean of the training split, by channel, in the unit before this step."""
    std: tuple[float, ...]
    """Standard deviation of the training split, by channel, in the unit before this step."""

    @property
    def num_channels(self) -> int | None:
        """Channels that the constants are for."""
        return len(self.mean)

    def forward(self, x: Array) -> Array:
        """See :class:`Step`."""
        return (x - _by_channel(self.mean, x)) / _by_channel(self.std, x)

    def inverse(self, y: Array) -> Array:
        """See :class:`Step`."""
        return _by_channel(self.mean, y) + _by_channel(self.std, y) * y

    def describe(self, label: str, unit: str) -> tuple[str, str]:
        """See :class:`Step`."""
        return f"{label}, standardised", ""


class SetMinMaxStep(MinMax, Step):
    """y = low + (high - low) (x - minimum) / (maximum - minimum), by channel, with the extremes of the set."""

    scope: Literal["set"] = "set"
    """One pair of extremes a channel for all fields."""
    minimum: tuple[float, ...]
    """Smallest value of the training split, by channel, in the unit before this step."""
    maximum: tuple[float, ...]
    """Largest value of the training split, by channel, in the unit before this step."""

    @property
    def num_channels(self) -> int | None:
        """Channels that the constants are for."""
        return len(self.minimum)

    def forward(self, x: Array) -> Array:
        """See :class:`Step`."""
        least = _by_channel(self.minimum, x)
        return self.low + (self.high - self.low) * ((x - least) / (_by_channel(self.maximum, x) - least))

    def inverse(self, y: Array) -> Array:
        """See :class:`Step`."""
        least = _by_channel(self.minimum, y)
        return least + (_by_channel(self.maximum, y) - least) * ((y - self.low) / (self.high - self.low))

    def describe(self, label: str, unit: str) -> tuple[str, str]:
        """See :class:`Step`."""
        return f"{label}, scaled to [{self.low:g}, {self.high:g}]", ""


class ImageMinMaxStep(MinMax, Step):
    """y = low + (high - low) (x - a) / (b - a), with the extremes a, b of each field and channel."""

    scope: Literal["image"] = "image"
    """Each field and channel has its own extremes, which a generated field lacks."""

    def extremes(self, x: Array) -> Array:
        """Minimum and maximum of each field and channel, float64 ``[n, C, 2]``.

        Raises:
            DataError: if a field is constant.
        """
        space = tuple(range(2, x.ndim))
        least, most = x.min(axis=space), x.max(axis=space)
        constant = np.argwhere(least == most)
        if len(constant):
            sample, channel = constant[0]
            raise DataError(
                f"min_max by image: {len(constant)} constant fields, the first is field {sample} of the batch, "
                f"channel {channel}, with the value {least[sample, channel]:g}; leave it out or take scope 'set'"
            )
        return np.stack([least, most], axis=-1)

    def forward(self, x: Array) -> Array:
        """See :class:`Step`; raises like :meth:`extremes`."""
        least, most = self._broadcast(self.extremes(x), x)
        return self.low + (self.high - self.low) * ((x - least) / (most - least))

    def inverse(self, y: Array) -> Array:
        """Refused: the extremes are not known.

        Raises:
            ConfigError: always; :meth:`inverse_with` takes the extremes.
        """
        raise ConfigError(
            "min_max by image cannot be inverted without the extremes of each field: a generated field has no "
            "physical scale; pass 'image_extremes', compare through Transform.comparison, or take scope 'set'"
        )

    def inverse_with(self, y: Array, extremes: Array) -> Array:
        """Back to the unit of the extremes ``[n, C, 2]``."""
        least, most = self._broadcast(extremes, y)
        return least + (most - least) * ((y - self.low) / (self.high - self.low))

    def describe(self, label: str, unit: str) -> tuple[str, str]:
        """See :class:`Step`."""
        return f"{label}, each scaled to [{self.low:g}, {self.high:g}]", ""

    @staticmethod
    def _broadcast(extremes: Array, like: Array) -> tuple[Array, Array]:
        shaped = extremes.reshape(*extremes.shape[:2], 2, *[1] * (like.ndim - 2))
        return shaped[:, :, 0], shaped[:, :, 1]
