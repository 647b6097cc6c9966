"""The base of every configuration section, and the mark for settings that do not change a result.

Sections are frozen pydantic models that refuse unknown keys. A field annotated with :data:`Operational` (device,
threads, how often something is logged) is left out of identity hashes, one annotated with :data:`Neutral` as long as
it has its default; everything else belongs to the identity of what is computed (:mod:`rhodiff.config.identity`).
"""

from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ConfigDict, model_validator

__all__ = ["Neutral", "Operational", "Section", "result_settings"]

Operational = "operational"
"""Put into ``Annotated[T, Operational]``: the setting changes how, never what, is computed."""

Neutral = "neutral"
"""Put into ``Annotated[T, Neutral]``: the setting came when there were results already, and its default means what
was done before it: results that do not use it keep their identity."""


class Section(BaseModel):
    """One mapping of the experiment file: frozen, typed, and closed to unknown keys."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", use_attribute_docstrings=True, validate_default=True, allow_inf_nan=False
    )

    @model_validator(mode="before")
    @classmethod
    def _no_truth_for_numbers(cls, settings: Any) -> Any:
        """YAML reads ``off`` as false, which pydantic would take for the number 0 (``ema_gamma: off``)."""
        for name, value in settings.items() if isinstance(settings, dict) else ():
            field = cls.model_fields.get(name)
            if isinstance(value, bool) and field is not None and not _admits_bool(field.annotation):
                raise ValueError(
                    f"'{name}' is {str(value).lower()} (YAML reads yes, no, on and off so too), but it is no switch; "
                    "where a setting can be left empty, say null"
                )
        return settings


def _admits_bool(annotation: Any) -> bool:
    return annotation in (bool, Any) or any(_admits_bool(part) for part in get_args(annotation))


def result_settings(section: Section) -> dict[str, Any]:
    """The settings of a section that change what is computed, as plain JSON values.

    Args:
        section: Any section, nested ones included.

    Returns:
        A dict without the fields marked :data:`Operational`, without those marked :data:`Neutral` that have their
        default, and without paths: a path says where something lies, its content counts through a fingerprint.
    """
    plain = section.model_dump(mode="json")
    for name, field in type(section).model_fields.items():
        value = getattr(section, name)
        is_unused = Neutral in field.metadata and value == field.get_default(call_default_factory=True)
        if Operational in field.metadata or is_unused or isinstance(value, Path):
            del plain[name]
        elif isinstance(value, Section):
            plain[name] = result_settings(value)
        elif isinstance(value, tuple):
            plain[name] = [
                result_settings(item) if isinstance(item, Section) else stored
                for item, stored in zip(value, plain[name], strict=True)
            ]
    return plain
