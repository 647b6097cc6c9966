"""The lines of a report: generated spectra against true ones, line by line."""

from typing import Annotated

from pydantic import Field, PositiveFloat

from rhodiff.config.section import Section

__all__ = ["LinesSettings"]


class LinesSettings(Section):
    """What counts as a line of a spectrum, and which lines are the same."""

    floor: Annotated[float, Field(gt=0, le=1)] = 0.02
    """Smallest height of a line over the highest of its spectrum."""
    reach_bins: PositiveFloat = 5.0
    """Greatest distance between a line and the generated one that it is paired with."""
    shown: Annotated[int, Field(ge=2, le=8)] = 5
    """Spectra in the figure: evenly from the best to the worst."""
