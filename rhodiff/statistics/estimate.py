"""A number with its standard error."""

import math
from dataclasses import dataclass

__all__ = ["Estimate"]


@dataclass(frozen=True)
class Estimate:
    """A number with its standard error.

    Attributes:
        value: the number.
        error: one standard error, same unit; NaN where it cannot be known (a set of a single independent group).
        floor: what two finite sets of one distribution would show on average for a number that cannot be negative,
            at the sizes of these sets; NaN where it is not defined.
    """

    value: float
    error: float
    floor: float = math.nan
