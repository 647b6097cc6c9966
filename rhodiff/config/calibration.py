"""The calibration of a report: statistics of generated fields at each parameter vector against those of true ones."""

from typing import Annotated

from pydantic import Field

from rhodiff.config.section import Section

__all__ = ["CalibrationSettings"]


class CalibrationSettings(Section):
    """Which parameter vectors are compared one by one, and how many of them are listed."""

    fewest_fields: Annotated[int, Field(ge=2)] = 8
    """Vectors with fewer reference or generated fields are left out, as their means say little."""
    listed: Annotated[int, Field(ge=1, le=200)] = 24
    """Vectors in the table, evenly from the best to the worst; figures and files have all."""
