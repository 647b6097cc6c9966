"""What generated fields are made to obey, whatever the network made of them."""

from typing import Literal

from pydantic import model_validator

from rhodiff.config.section import Section

__all__ = ["Constraints"]


class Constraints(Section):
    """Lower bound and mean (total mass) of each generated field, set at the end of sampling, in physical units."""

    lower: float | None = None
    """Values below are raised to it: 0 keeps densities positive. null: none."""
    mean: str | None = None
    """What the mean over the cells of a field is made to be (its total mass over the number of cells): ``training``
    for the mean of the training split, by channel, or the name of a parameter that the network is told and that holds
    it. null: as generated. For fields whose total is conserved; where it scatters, that scatter is lost."""
    by: Literal["scale", "shift"] | None = None
    """How the mean is set: ``scale`` multiplies what is above ``lower`` (above 0 without one), ``shift`` makes the
    smallest change in L2 that keeps ``lower``. None: ``scale``."""

    @model_validator(mode="after")
    def _by_has_an_effect(self) -> "Constraints":
        if self.by is not None and self.mean is None:
            raise ValueError(f"by '{self.by}' has no effect without a mean: set mean, or leave by out")
        return self

    @property
    def is_empty(self) -> bool:
        """Whether fields stay as they are."""
        return self.lower is None and self.mean is None
