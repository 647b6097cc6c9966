r"""Generated fields against the very fields they are to be: pairs of the same parameters.

Where the parameters fix a field, as initial conditions, time and camera fix the image of a simulation, a generated
field can be compared with its truth cell by cell. With a generated field g and its truth t,

.. math:: L_2 = |g - t| / |t|, \qquad R(k) = P_g(k) / P_t(k),

norms over all cells, spectra as :mod:`rhodiff.statistics.spectrum` has them. An estimate that is zero everywhere has
L_2 = 1, an independent field of the same distribution and zero mean sqrt(2): a small L_2 says that things are in
their places, and R(k) near one at all k that they are as sharp. A blurred mean has the first without the second.

Where the parameters leave a field open (a draw of a random field), no model can have a small L_2.

Axes: fields are ``[field, *space]``, results ``[field]`` and ``[field, bin]``.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rhodiff.errors import DataError
from rhodiff.statistics.estimate import Estimate
from rhodiff.statistics.resampling import REFERENCE, Groups, draw_groups
from rhodiff.statistics.spectrum import power_spectrum
from rhodiff.statistics.transform import check_fields, constant_fields

__all__ = ["PowerRatio", "median_estimate", "power_ratio", "relative_l2", "resampled_medians"]

Float = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class PowerRatio:
    """Power of generated fields over that of their truths.

    Attributes:
        k: mean |k| of the modes in each bin, ``[bin]``, inverse length units.
        ratio: ``[field, bin]``; NaN in bins in which a truth has no power.
    """

    k: Float
    ratio: Float


def relative_l2(generated: ArrayLike, truth: ArrayLike) -> Float:
    """|g - t| / |t| over all cells of each field (see the module).

    Args:
        generated: ``[field, *space]``.
        truth: ``[field, *space]``.

    Returns:
        ``[field]``.

    Raises:
        DataError: if the shapes differ, a value is not finite, or a truth is zero everywhere.
    """
    ours, theirs = _pairs(generated, truth)
    flat = theirs.reshape(len(theirs), -1)
    size = np.linalg.norm(flat, axis=1)
    if not size.all():
        raise DataError(f"truth {int(np.argmin(size))} is zero everywhere: no difference is relative to it")
    return np.asarray(np.linalg.norm(ours.reshape(flat.shape) - flat, axis=1) / size)


def power_ratio(generated: ArrayLike, truth: ArrayLike, *, box_size: float | Sequence[float]) -> PowerRatio:
    """P_g / P_t of each pair by k (see the module).

    Args:
        generated: ``[field, *space]``.
        truth: ``[field, *space]``.
        box_size: extent of the box in length units: a number for every axis, or one number an axis.

    Raises:
        DataError: if the shapes differ, or a value is not finite.
        ConfigError: if the box makes no sense.
    """
    ours, theirs = _pairs(generated, truth)
    of_ours, of_theirs = (power_spectrum(fields, box_size=box_size) for fields in (ours, theirs))
    power = of_theirs.power
    has_power = (power > 0) & ~constant_fields(theirs)[:, None]
    ratio = np.divide(of_ours.power, power, out=np.full_like(power, np.nan), where=has_power)
    return PowerRatio(of_theirs.k, ratio)


def median_estimate(values: ArrayLike, groups: ArrayLike, *, resamples: int, seed: int) -> Estimate:
    """Median over fields with its bootstrap error over independent groups.

    Args:
        values: ``[field]``; NaN where a field has no value: it does not count.
        groups: independent group of each field, ``[field]``.
        resamples: bootstrap resamples.
        seed: of the bootstrap.

    Returns:
        The median, NaN of no values; its error is NaN for a single group.
    """
    given = np.asarray(values, np.float64)
    known = given[np.isfinite(given)]
    if not known.size:
        return Estimate(float("nan"), float("nan"))
    drawn = resampled_medians(given, groups, resamples=resamples, seed=seed)
    return Estimate(float(np.median(known)), float(drawn.std(ddof=1)))


def resampled_medians(values: ArrayLike, groups: ArrayLike, *, resamples: int, seed: int) -> Float:
    """Median over the fields of each bootstrap resample of groups.

    Args:
        values: ``[field]``, one at least not NaN; those that are NaN do not count.
        groups: independent group of each field, ``[field]``.
        resamples: bootstrap resamples.
        seed: of the bootstrap.

    Returns:
        ``[resample]``; NaN for a single group.
    """
    given = np.asarray(values, np.float64)
    known = np.isfinite(given)
    order = np.argsort(given[known], kind="stable")
    rising = given[known][order]
    found = Groups.of(np.asarray(groups)[known], len(rising), "paired")
    if found.count < 2:
        return np.full(resamples, np.nan)
    drawn = draw_groups(found.count, 0, resamples, seed=seed, purpose=REFERENCE)
    reached = np.cumsum(drawn[:, found.index[order]], axis=1)
    return np.asarray(rising[np.argmax(reached >= reached[:, -1:] / 2, axis=1)])


def _pairs(generated: ArrayLike, truth: ArrayLike) -> tuple[Float, Float]:
    ours, theirs = (check_fields(fields).astype(np.float64) for fields in (generated, truth))
    if ours.shape != theirs.shape:
        raise DataError(f"pairs need equal shapes; got generated {ours.shape} and truth {theirs.shape}")
    for name, values in (("generated", ours), ("truth", theirs)):
        if not np.isfinite(values).all():
            raise DataError(f"{name} fields hold NaN or infinite values: leave such pairs out")
    return ours, theirs
