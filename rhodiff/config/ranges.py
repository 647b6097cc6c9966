"""A range of a physical parameter."""

from typing import Any

from pydantic import model_validator

from rhodiff.config.section import Section

__all__ = ["ParameterRange"]


class ParameterRange(Section):
    """A physical parameter that is drawn uniformly from [low, high]; equal ends fix it."""

    low: float
    """Lower end, in the parameter's unit."""
    high: float
    """Upper end, in the parameter's unit."""

    @model_validator(mode="after")
    def _ordered(self) -> "ParameterRange":
        if self.low > self.high:
            raise ValueError(f"low {self.low} is above high {self.high}")
        return self

    @model_validator(mode="before")
    @classmethod
    def _from_number(cls, value: Any) -> Any:
        return {"low": value, "high": value} if isinstance(value, int | float) else value
