"""From physical fields to what a network sees, and back.

A transform is a chain of the steps of :mod:`rhodiff.fields.steps`; its constants are fitted on the training split
alone, each in one streaming pass over the fields as the steps before leave them. Arrays go in and come out as
float32; between, all steps are computed in float64, so that only two roundings lose anything: with y the transformed
value and x'(y) the slope of the inverse,

    |inverse(forward(x)) - x| <= 2^-24 (|x| + |y| |x'(y)|)

to first order, e.g. relative 2^-24 (1 + ln(10) |log10 x - mean|) for a standardised logarithm. Values that leave the
range of float32 on either way (overflow) are refused, not clipped; a value that underflows becomes 0. A non-finite
value is an error at either end.

A per-image min-max removes the physical scale of each field. Such a transform is inverted only with the extremes of
the field it came from (:meth:`Transform.image_extremes`); generated fields have none and are compared with the real
ones in the space of :attr:`Transform.comparison`.

Axes: n sample, C channel; arrays are ``[n, C, *space]``.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from rhodiff.config.fields import Asinh, Gaussianise, Log10, MinMax, Power, Standardise, TransformStep
from rhodiff.config.section import Section
from rhodiff.errors import DataError
from rhodiff.fields.gaussianisation import GaussianiseStep, fit_gaussianisation
from rhodiff.fields.moments import RunningMoments
from rhodiff.fields.steps import (
    AsinhStep,
    ImageMinMaxStep,
    LogStep,
    PowerStep,
    SetMinMaxStep,
    StandardiseStep,
)
from rhodiff.store.spec import FieldSpec

__all__ = ["Batches", "Transform", "fit_transform"]

Batches = Callable[[], Iterable[NDArray[np.float32]]]
"""Called once a pass: the fields of the training split, ``[n, C, *space]`` a batch, in any order."""

FittedStep = LogStep | AsinhStep | PowerStep | StandardiseStep | SetMinMaxStep | ImageMinMaxStep | GaussianiseStep


class Transform(Section):
    """A fitted chain of steps; the empty chain is the identity."""

    schema_version: Literal[1] = 1
    """Version of the stored record."""
    steps: tuple[FittedStep, ...] = ()
    """The steps in the order towards the network."""

    def forward(self, fields: NDArray[np.float32]) -> NDArray[np.float32]:
        """Physical fields to what the network sees.

        Args:
            fields: ``[n, C, *space]``, in the unit of the store.

        Returns:
            float32 ``[n, C, *space]``.

        Raises:
            DataError: for values that are not finite, outside a step's domain, or too large for float32, and for
                a number of channels that the constants do not have.
        """
        return _to_float32(self._forward64(fields), "transforming")

    def inverse(
        self, fields: NDArray[np.float32], image_extremes: NDArray[np.float64] | None = None
    ) -> NDArray[np.float32]:
        """What the network sees to physical fields.

        Args:
            fields: ``[n, C, *space]``, as :meth:`forward` gives.
            image_extremes: of the same fields, from :meth:`image_extremes`; needed for a per-image min-max only.

        Returns:
            float32 ``[n, C, *space]``, in the unit of the store.

        Raises:
            ConfigError: without the extremes that a per-image min-max needs.
            DataError: for values that are not finite or whose inverse is too large for float32.
        """
        values = self._accept(fields)
        known = list(image_extremes) if image_extremes is not None else []
        with np.errstate(over="ignore", invalid="ignore"):
            for step in reversed(self.steps):
                if isinstance(step, ImageMinMaxStep) and known:
                    values = step.inverse_with(values, known.pop())
                else:
                    values = step.inverse(values)
        return _to_float32(values, "inverting the transform of")

    def image_extremes(self, fields: NDArray[np.float32]) -> NDArray[np.float64]:
        """Extremes that the per-image min-max steps take from physical fields.

        Args:
            fields: ``[n, C, *space]``, in the unit of the store.

        Returns:
            float64 ``[step, n, C, 2]``: minimum and maximum before each per-image step, in order.
        """
        found = []
        values = self._accept(fields)
        for step in self.steps:
            if isinstance(step, ImageMinMaxStep):
                found.append(step.extremes(values))
            values = step.forward(values)
        return np.array(found).reshape(len(found), *fields.shape[:2], 2)

    @property
    def invertible_for_generated(self) -> bool:
        """Whether a generated field can be brought back to physical units."""
        return not any(isinstance(step, ImageMinMaxStep) for step in self.steps)

    @property
    def comparison(self) -> "Transform":
        """The steps that real fields go through before they are compared with generated ones.

        The identity (physical units) when :attr:`invertible_for_generated`, else all up to the last per-image step.
        """
        return Transform(steps=self.steps[: self._num_steps_to_comparison])

    @property
    def generation(self) -> "Transform":
        """The steps after :attr:`comparison`; its inverse brings generated fields there."""
        return Transform(steps=self.steps[self._num_steps_to_comparison :])

    @property
    def lower_bound(self) -> float:
        """No inverse is below this value, whatever the network makes (unit of the store); -inf: no bound.

        A logarithm as the first step bounds the fields by ``-offset``: densities stay positive.
        """
        limit = np.full((1, 1, 1), -np.inf)
        for step in reversed(self.steps):
            limit = np.full((1, 1, 1), -np.inf) if isinstance(step, ImageMinMaxStep) else step.inverse(limit)
        return float(limit.min())

    @property
    def is_positive(self) -> bool:
        """Whether no inverse can be negative."""
        return self.lower_bound >= 0

    def describe(self, spec: FieldSpec) -> str:
        """Label of the transformed values for an axis, e.g. ``log10(E(B-V) / mag), standardised``.

        Args:
            spec: name and unit of the physical field.
        """
        label, unit = spec.name, spec.unit
        for step in self.steps:
            if isinstance(step, Log10 | Asinh | Power | Gaussianise) and ", " in label:
                label = f"[{label}]"
            label, unit = step.describe(label, unit)
        return f"{label} / {unit}" if unit else label

    def to_record(self) -> dict[str, Any]:
        """The transform as plain JSON values; floats survive JSON bit by bit."""
        return self.model_dump(mode="json")

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> "Transform":
        """The transform that :meth:`to_record` wrote.

        Raises:
            DataError: if the record is none of ours.
        """
        try:
            return cls.model_validate(dict(record))
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            raise DataError(f"stored transform: '{where}': {first['msg']}; the store is damaged or newer") from None

    @property
    def _num_steps_to_comparison(self) -> int:
        by_image = [rank for rank, step in enumerate(self.steps, 1) if isinstance(step, ImageMinMaxStep)]
        return max(by_image, default=0)

    def _forward64(self, fields: NDArray[np.float32]) -> NDArray[np.float64]:
        values = self._accept(fields)
        with np.errstate(over="ignore", invalid="ignore"):
            for step in self.steps:
                values = step.forward(values)
        return values

    def _accept(self, fields: NDArray[np.float32]) -> NDArray[np.float64]:
        """The fields in float64, after their shape and values are checked."""
        if fields.ndim < 3:
            raise DataError(f"a transform takes [sample, channel, *space], got the shape {fields.shape}")
        expected = {step.num_channels for step in self.steps} - {None, fields.shape[1]}
        if expected:
            raise DataError(
                f"the transform was fitted for {expected.pop()} channels, got {fields.shape[1]} in {fields.shape}; "
                "take the transform of this data set"
            )
        broken = ~np.isfinite(fields)
        if broken.any():
            raise DataError(
                f"{np.count_nonzero(broken)} of {fields.size} values are NaN or infinite, the first in field "
                f"{np.argwhere(broken)[0, 0]} of the batch; leave out the fields that are not valid"
            )
        return fields.astype(np.float64)


def fit_transform(steps: Sequence[TransformStep], batches: Batches) -> Transform:
    """Fit the constants of a chain of steps.

    Each step that needs constants (standardise, min-max by set) takes one pass, gaussianise two. If a step
    with a limited domain comes after the last of those, one more pass checks it, so that the error comes before
    training does.

    Args:
        steps: settings, in the order towards the network.
        batches: the valid fields of the training split, and of no other; see :data:`Batches`.

    Returns:
        The fitted transform.

    Raises:
        DataError: if a channel is constant, a value is outside a step's domain or not finite, or there is no field.
    """
    fitted = Transform()
    num_checked = 0
    for rank, settings in enumerate(steps, 1):
        if _needs_constants(settings):
            step = _with_constants(settings, fitted, batches)
            num_checked = rank
        else:
            step = _without_constants(settings)
        fitted = Transform(steps=(*fitted.steps, step))
    if any(isinstance(step, LogStep | ImageMinMaxStep) for step in fitted.steps[num_checked:]):
        _gather(fitted, batches)
    return fitted


def _needs_constants(settings: TransformStep) -> bool:
    by_set = isinstance(settings, MinMax) and settings.scope == "set"
    return isinstance(settings, Standardise | Gaussianise) or by_set


def _gather(transform: Transform, batches: Batches) -> RunningMoments:
    """Moments of the fields after ``transform``."""
    moments = RunningMoments()
    for batch in batches():
        moments.add(transform._forward64(batch))
    if moments.count == 0:
        raise DataError("the training split holds no valid field to fit 'fields.transform' on; see 'data.split'")
    return moments


def _with_constants(settings: TransformStep, before: Transform, batches: Batches) -> FittedStep:
    if isinstance(settings, Gaussianise):
        return fit_gaussianisation(settings, lambda: (before._forward64(batch) for batch in batches()))
    moments = _gather(before, batches)
    constant = np.flatnonzero(moments.minimum == moments.maximum)
    if len(constant):
        raise DataError(
            f"{settings.kind}: channel {constant[0]} is constant over the training split "
            f"(every value is {moments.minimum[constant[0]]:g} at this step of 'fields.transform'); "
            "check the source, or leave the step out"
        )
    if isinstance(settings, Standardise):
        return StandardiseStep(mean=tuple(moments.mean.tolist()), std=tuple(moments.std.tolist()))
    extremes = {"minimum": tuple(moments.minimum.tolist()), "maximum": tuple(moments.maximum.tolist())}
    return SetMinMaxStep.model_validate(settings.model_dump() | extremes)


def _without_constants(settings: TransformStep) -> FittedStep:
    kinds: dict[type[Section], type[LogStep | AsinhStep | PowerStep | ImageMinMaxStep]] = {
        Log10: LogStep,
        Asinh: AsinhStep,
        Power: PowerStep,
        MinMax: ImageMinMaxStep,
    }
    return kinds[type(settings)].model_validate(settings.model_dump())


def _to_float32(values: NDArray[np.float64], doing: str) -> NDArray[np.float32]:
    with np.errstate(over="ignore"):
        result = values.astype(np.float32)
    if not np.isfinite(result).all():
        outside = int(np.count_nonzero(~np.isfinite(result)))
        raise DataError(
            f"{doing} fields left the range of float32 in {outside} of {values.size} values; "
            "the fields are far outside what the transform was fitted on (a diverged sample?)"
        )
    return result
