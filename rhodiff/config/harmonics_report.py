"""The harmonics of a report: generated volumes against the one that (l, m) stands for."""

from typing import Annotated

from pydantic import Field, model_validator

from rhodiff.config.section import Section

__all__ = ["HarmonicsReport"]


class HarmonicsReport(Section):
    """Which harmonic the figure of surface, true and generated volume shows; the table has all."""

    degree: Annotated[int, Field(ge=0)] = 5
    """l of the harmonic shown."""
    order: int = 2
    """m of the harmonic shown, from -l to l."""

    @model_validator(mode="after")
    def _exists(self) -> "HarmonicsReport":
        if abs(self.order) > self.degree:
            raise ValueError(f"there is no order m = {self.order} of degree l = {self.degree}: take |m| <= l")
        return self
