r"""Fields made to obey a lower bound and a given mean, that is positivity and total mass.

With a field x of N cells, a bound b (0 for ``scale`` where there is none) and a mean m > b:

- ``scale``: :math:`x' = b + (x_b - b) (m - b) / (\bar x_b - b)` with :math:`x_b = \max(x, b)`: what lies above the
  bound is multiplied, so empty cells stay empty and ratios of what is above the bound stay;
- ``shift``: the Euclidean projection onto the fields of that mean and bound,
  :math:`x' = \max(x + \lambda, b)` with the one :math:`\lambda` that gives the mean (Held, Wolfe & Crowder 1974,
  Math. Program. 6, 62): no other field with these properties is nearer in L2. Without a bound it adds a constant.

Computed in float64, so a mean is met to the rounding of float32.

Axes: n field, C channel.
"""

import numpy as np
from numpy.typing import NDArray

from rhodiff.config.constraints import Constraints
from rhodiff.errors import DataError

__all__ = ["constrain", "require_reachable"]

Float = NDArray[np.float64]


def constrain(fields: NDArray[np.float32], settings: Constraints, means: Float | None) -> NDArray[np.float32]:
    """The nearest fields, in the sense of the settings, that obey them.

    Args:
        fields: float32 ``[n, C, *space]``, finite, in the unit of the bound.
        settings: bound, and how a mean is set.
        means: mean wanted of each field and channel, ``[n, C]``; None exactly if ``settings.mean`` is.

    Raises:
        DataError: if a mean is not above the bound, or ``scale`` would need a factor that is not positive.
    """
    assert (means is None) == (settings.mean is None), "means are given exactly where they are to be kept"
    values = fields.astype(np.float64)
    if means is None:
        return np.maximum(values, -np.inf if settings.lower is None else settings.lower).astype(np.float32)
    require_reachable(means, settings)
    change = _shift if settings.by == "shift" else _scale
    flat = values.reshape(-1, values[0, 0].size)
    changed = [change(one, float(mean), settings.lower) for one, mean in zip(flat, means.ravel(), strict=True)]
    return np.array(changed).reshape(fields.shape).astype(np.float32)


def require_reachable(means: Float, settings: Constraints) -> None:
    """Refuse means that no field above the bound has.

    Args:
        means: wanted, any shape.
        settings: with the bound.

    Raises:
        DataError: if one is not above it.
    """
    if settings.lower is not None and not (means > settings.lower).all():
        raise DataError(
            f"sampling.constraints: the mean {means.min():g} is not above the lower bound {settings.lower:g}: no "
            "field has both"
        )


def _scale(values: Float, mean: float, lower: float | None) -> Float:
    base = 0.0 if lower is None else lower
    above = values - base if lower is None else np.maximum(values - base, 0.0)
    present = float(above.mean())
    if not present * (mean - base) > 0:
        raise DataError(
            f"sampling.constraints: a field of mean {present + base:g} cannot be scaled to the mean {mean:g} about "
            f"{base:g}: take by 'shift'"
        )
    return np.asarray(base + above * ((mean - base) / present))


def _shift(values: Float, mean: float, lower: float | None) -> Float:
    if lower is None:
        return np.asarray(values + (mean - values.mean()))
    falling = np.sort(values - lower)[::-1]
    ranks = np.arange(1, len(falling) + 1)
    shifts = (len(falling) * (mean - lower) - np.cumsum(falling)) / ranks
    last = int(np.flatnonzero(falling + shifts > 0)[-1])
    return np.asarray(np.maximum(values + shifts[last], lower))
