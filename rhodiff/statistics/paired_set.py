"""A set of pairs along one parameter: scores of a model and of what needs no model, and their headline numbers.

Kinds of estimate of a held-out field, all of the same parameters:

- ``generated``: the model's.
- ``nearest``: the training field that is nearest in the parameter, all other parameters equal. What a model that
  remembers its training fields would give.
- ``interpolated``: between the two training neighbours in the parameter, all others equal, linearly and cell by cell.
  What needs no model; it is blurred where things move.

A model that has learned how fields change lies below both in the difference and nearer to one in the power.

Axes: results ``[field]`` and ``[field, bin]``; NaN where a field has no such estimate.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rhodiff.statistics.denoised import share_estimate
from rhodiff.statistics.estimate import Estimate
from rhodiff.statistics.paired import median_estimate, resampled_medians

__all__ = ["GENERATED", "INTERPOLATED", "NEAREST", "TRUTH", "PairedSet", "PairedSummary", "summarise_pairs"]

Float = NDArray[np.float64]

GENERATED, NEAREST, INTERPOLATED, TRUTH = "generated", "nearest", "interpolated", "truth"


@dataclass(frozen=True, eq=False)
class PairedSet:
    """Scores of all pairs.

    Attributes:
        along: value of the parameter, ``[field]``.
        groups: independent group of each truth, ``[field]``.
        is_repeated: whether there is a training field of the very same parameters, ``[field]``; the baselines are
            then that field.
        l2: |estimate - truth| / |truth| by kind, ``[field]``.
        l2_seen: the same of the transformed fields, as the network sees them; empty if it was not measured.
        k: ``[bin]``, inverse length units.
        ratio: power over the truth's by kind, ``[field, bin]``.
        separation: distance of the two centres by kind, the truth among them, ``[field]``; empty if it was not
            measured.
    """

    along: Float
    groups: NDArray[np.int64]
    is_repeated: NDArray[np.bool_]
    l2: Mapping[str, Float]
    l2_seen: Mapping[str, Float]
    k: Float
    ratio: Mapping[str, Float]
    separation: Mapping[str, Float]

    @property
    def kinds(self) -> tuple[str, ...]:
        """Kinds of which at least one field has an estimate."""
        return tuple(name for name, values in self.l2.items() if np.isfinite(values).any())

    @property
    def is_compared(self) -> NDArray[np.bool_]:
        """Fields that have an estimate of each of these kinds, ``[field]``; all of the model's if there are none."""
        common = np.asarray(np.all([np.isfinite(self.l2[name]) for name in self.kinds], axis=0))
        return common if common.any() else np.isfinite(self.l2[GENERATED])

    @property
    def compared_kinds(self) -> tuple[str, ...]:
        """Kinds of which all of these fields have an estimate."""
        return tuple(name for name in self.kinds if np.isfinite(self.l2[name][self.is_compared]).all())


@dataclass(frozen=True)
class PairedSummary:
    """Headline numbers; all kinds on the same fields.

    Attributes:
        num_fields: pairs.
        num_common: of these, those that the numbers are of (:attr:`PairedSet.is_compared`).
        num_groups: independent groups of these.
        num_repeated: of these, fields of whose very parameters there is a training field.
        l2: median relative difference by kind.
        l2_seen: the same of the transformed fields; empty if it was not measured.
        power: mean over bins of |median of P / P of truth - 1| by kind.
        better: share of the fields in which the model differs less than a kind, by kind.
        separation: median |separation - that of the truth| by kind, over fields whose truth has two centres.
        same_centres: share of the fields with as many centres as the truth, by kind.
        num_resolved: common fields whose truth has two centres.
    """

    num_fields: int
    num_common: int
    num_groups: int
    num_repeated: int
    l2: Mapping[str, Estimate]
    l2_seen: Mapping[str, Estimate]
    power: Mapping[str, Estimate]
    better: Mapping[str, Estimate]
    separation: Mapping[str, Estimate]
    same_centres: Mapping[str, Estimate]
    num_resolved: int


def summarise_pairs(pairs: PairedSet, *, resamples: int, seed: int) -> PairedSummary:
    """Headline numbers of a set of pairs; errors from a bootstrap over independent groups.

    If no field has an estimate of each kind, the numbers are of all fields, and of the kinds that all of them have.

    Args:
        pairs: the scores.
        resamples: bootstrap resamples.
        seed: of the bootstrap.
    """
    common, kinds = pairs.is_compared, pairs.compared_kinds
    groups = pairs.groups[common]
    bootstrap = _Bootstrap(groups, resamples, seed)
    l2 = {name: pairs.l2[name][common] for name in kinds}
    apart = {name: values[common] for name, values in pairs.separation.items()}
    is_resolved = apart[TRUTH] > 0 if apart else np.zeros(len(groups), np.bool_)
    told = kinds if apart else ()
    off = {name: np.where(is_resolved, np.abs(apart[name] - apart[TRUTH]), np.nan) for name in told}
    return PairedSummary(
        num_fields=len(pairs.along),
        num_common=int(common.sum()),
        num_groups=len(np.unique(groups)),
        num_repeated=int(pairs.is_repeated[common].sum()),
        l2={name: bootstrap.median(values) for name, values in l2.items()},
        l2_seen={name: bootstrap.median(pairs.l2_seen[name][common]) for name in kinds if name in pairs.l2_seen},
        power={name: bootstrap.power_error(pairs.ratio[name][common]) for name in kinds},
        better={name: bootstrap.share(l2[GENERATED] < l2[name]) for name in kinds if name != GENERATED},
        separation={name: bootstrap.median(values) for name, values in off.items()},
        same_centres={name: bootstrap.share((apart[name] > 0) == is_resolved) for name in told},
        num_resolved=int(is_resolved.sum()),
    )


@dataclass(frozen=True, eq=False)
class _Bootstrap:
    """Errors over groups."""

    groups: NDArray[np.int64]
    resamples: int
    seed: int

    def median(self, values: Float) -> Estimate:
        return median_estimate(values, self.groups, resamples=self.resamples, seed=self.seed)

    def share(self, holds: NDArray[np.bool_]) -> Estimate:
        return share_estimate(holds, self.groups, resamples=self.resamples, seed=self.seed)

    def power_error(self, ratio: Float) -> Estimate:
        """Mean over bins of |median ratio - 1|; bins in which no truth has power do not count."""
        known = ratio[:, np.isfinite(ratio).any(axis=0)]
        drawn = [resampled_medians(one, self.groups, resamples=self.resamples, seed=self.seed) for one in known.T]
        if not drawn:
            return Estimate(float("nan"), float("nan"))
        value = np.mean(np.abs(np.nanmedian(known, axis=0) - 1))
        return Estimate(float(value), float(np.std(np.mean(np.abs(np.stack(drawn) - 1), axis=0), ddof=1)))
