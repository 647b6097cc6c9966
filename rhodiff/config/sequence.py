"""The sequence of a report: generated fields beside the fields that they are to be, along one parameter."""

from typing import Annotated

from pydantic import Field, PositiveFloat

from rhodiff.config.section import Section

__all__ = ["CentresSettings", "SequenceSettings"]


class CentresSettings(Section):
    """The two brightest centres of an image, e.g. of two galaxies that merge; their distance is the separation."""

    smoothing: PositiveFloat | None = None
    """Standard deviation of the Gaussian that images are smoothed by, in the data's unit of length; null: 1/60 of the
    shorter side."""
    apart: PositiveFloat | None = None
    """Smallest distance of the second centre from the first, in the same unit; null: 2.5 times ``smoothing``."""
    share: Annotated[float, Field(gt=0, le=1)] = 0.1
    """Smallest height of the second centre over the first, after smoothing."""


class SequenceSettings(Section):
    """Generated fields beside the reference fields of the same parameters, along one of them."""

    along: str
    """Parameter that changes from left to right, e.g. ``t_myr``."""
    at: dict[str, float] = Field(default_factory=dict)
    """Values of other parameters of the fields shown, e.g. {camera: 0, mass_ratio: 0.5}; the nearest value of the
    data within 1 % of its range. Parameters that are not named: the combination with most fields, of these the
    first."""
    between: str | None = None
    """Parameter in which the training fields on both sides of a field are looked for, all others equal, that
    the model is compared with; null: ``along``. Where a mass ratio is held out, e.g. ``mass_ratio``."""
    shown: Annotated[int, Field(ge=2, le=8)] = 6
    """Fields side by side, evenly over those there are."""
    separation: CentresSettings | None = None
    """Compare the distance of the two brightest centres (2D); null: do not. ``{}`` takes the defaults."""

    @property
    def neighbour_parameter(self) -> str:
        """Parameter in which training neighbours are looked for."""
        return self.between or self.along
