"""Frozen dataclasses of numbers and arrays as plain JSON values, and back, NaN included."""

import dataclasses
import math
from typing import Any, TypeVar, get_origin, get_type_hints

import numpy as np

__all__ = ["from_plain", "to_plain"]

Record = TypeVar("Record")


def to_plain(value: Any) -> Any:
    """JSON values of a dataclass, a mapping of them, an array or a number; NaN becomes None, and so do infinities.

    Args:
        value: what to encode.
    """
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: to_plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {name: to_plain(entry) for name, entry in value.items()}
    if isinstance(value, np.ndarray | list | tuple):
        return [to_plain(entry) for entry in value]
    if isinstance(value, np.generic):
        return to_plain(value.item())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def from_plain(record: type[Record], plain: dict[str, Any]) -> Record:
    """The dataclass that :func:`to_plain` encoded.

    Args:
        record: its class; fields are dataclasses, arrays, numbers or strings.
        plain: the JSON values.
    """
    hints = get_type_hints(record)
    return record(**{name: _decoded(hints[name], value) for name, value in plain.items()})


def _decoded(hint: Any, value: Any) -> Any:
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        return from_plain(hint, value)
    if get_origin(hint) is np.ndarray:
        return np.array(_numbers(value))
    return math.nan if hint is float and value is None else value


def _numbers(value: Any) -> Any:
    """Nested lists with NaN where None stands."""
    if isinstance(value, list):
        return [_numbers(entry) for entry in value]
    return math.nan if value is None else value
