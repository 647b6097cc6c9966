"""Does a model replay its training fields? Distance to the nearest of them, generated against test fields.

A model that draws from the true distribution is as far from its training set as test fields are; one that memorises
is nearer (Meehan, Chaudhuri & Dasgupta 2020, arXiv 2004.05675). With d the distance of
:mod:`rhodiff.statistics.nearest_field`, under all symmetries, four numbers tell them apart:

    ratio      <d_gen> / <d_test>, 1 for a true model, with a bootstrap error over independent groups;
    gap ratio  the same of d over the distance to the second nearest training field;
    copies     generated fields nearer than half the smallest distance of a test field;
    nearer     generated fields nearer than that of every test field. Of n generated and m test fields from one
               distribution k or more are so with probability product over i < k of (n - i) / (n + m - i).

Generated fields are *nearer* where the ratio lies more than 3 errors below 1, or that probability is below 0.001.
That alone is no proof: fields of too little variance are nearer to everything. The gap does not follow the amplitude
(Yoon et al. 2023 call a sample replayed below 1/3): a model is said to memorise where there is a copy, or where its
fields are nearer and the gap ratio lies more than 3 errors below 1 too, nearer to *one* training field each. Fields
replayed from near-duplicates in the training set have no gap, and are found as copies alone.

Test fields must be independent of the training set (no shared simulation or parameter vector), else the test fields
are near too and memorisation is missed. Fields of float32 that are copied are found at d of about 1e-7.

Axes: ``[field]``.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rhodiff.errors import DataError
from rhodiff.statistics.estimate import Estimate
from rhodiff.statistics.nearest_field import NearestFields, nearest_fields
from rhodiff.statistics.resampling import GENERATED, REFERENCE, Groups, GroupSums

__all__ = ["Memorisation", "compare_distances", "find_memorisation"]

COPY_SHARE = 0.5
ERRORS_BELOW = 3.0
CHANCE_BELOW = 1e-3
FEWEST = 8
"""Independent groups of either side below which neither error nor chance means anything."""

Float = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Memorisation:
    """Distances to the training set of generated and of test fields.

    Attributes:
        generated: nearest training field of each generated field.
        test: nearest training field of each test field.
        ratio: mean distance of generated over that of test fields; 1 for a true model.
        gap_ratio: the same of d over the distance to the second nearest; 1 for a true model.
        copies: generated fields nearer than half the smallest test distance, ``[copy]``.
        num_nearer: generated fields nearer than every test field.
        chance: probability of so many from a true model, fields taken as independent.
    """

    generated: NearestFields
    test: NearestFields
    ratio: Estimate
    gap_ratio: Estimate
    copies: NDArray[np.intp]
    num_nearer: int
    chance: float

    @property
    def is_nearer(self) -> bool:
        """Whether generated fields are nearer to the training fields than test fields, for whatever reason."""
        return bool(_is_low(self.ratio) or self.chance < CHANCE_BELOW)

    @property
    def memorises(self) -> bool:
        """Whether there is a copy, or generated fields are nearer, each to one training field (see the module)."""
        return bool(len(self.copies) or (self.is_nearer and _is_low(self.gap_ratio)))


def _is_low(ratio: Estimate) -> bool:
    return ratio.value < 1 - ERRORS_BELOW * ratio.error


def find_memorisation(
    generated: ArrayLike,
    test: ArrayLike,
    training: ArrayLike,
    *,
    periodic: bool | Sequence[bool],
    reflect: bool = True,
    generated_groups: ArrayLike | None = None,
    test_groups: ArrayLike | None = None,
    resamples: int = 1000,
    seed: int = 0,
) -> Memorisation:
    """Compare how near generated and test fields lie to the training set (see the module for the criteria).

    Args:
        generated: ``[field, *space]``.
        test: ``[field, *space]``, independent of the training fields.
        training: ``[field, *space]``; augmented copies are not needed, symmetries are tried.
        periodic: whether fields wrap around: one answer, or one an axis.
        reflect: try reflections and exchanges of axes too.
        generated_groups: independent group of each generated field; None: each is its own.
        test_groups: the same of each test field.
        resamples: bootstrap resamples.
        seed: seed of the bootstrap.

    Raises:
        DataError: if sets are empty, not finite, of different shapes, or of fewer than 8 independent groups.
    """
    near = nearest_fields(generated, training, periodic=periodic, reflect=reflect)
    near_test = nearest_fields(test, training, periodic=periodic, reflect=reflect)
    groups = Groups.of(generated_groups, len(near.distance), "generated")
    other_groups = Groups.of(test_groups, len(near_test.distance), "test")
    return compare_distances(near, near_test, groups, other_groups, resamples=resamples, seed=seed)


def compare_distances(
    generated: NearestFields,
    test: NearestFields,
    generated_groups: Groups,
    test_groups: Groups,
    *,
    resamples: int = 1000,
    seed: int = 0,
) -> Memorisation:
    """The same from distances that are known, e.g. computed in parts and joined.

    Raises:
        DataError: if either side has fewer than 8 independent groups, or a test field is in the training set.
    """
    for name, groups in (("generated", generated_groups), ("test", test_groups)):
        if groups.count < FEWEST:
            raise DataError(
                f"the {name} set has {groups.count} independent groups; to tell memorisation needs {FEWEST} or more"
            )
    smallest = float(test.distance.min())
    if smallest < 1e-5:
        raise DataError(f"test field {int(test.distance.argmin())} is one of the training fields: split again")
    nearer = int(np.sum(generated.distance < smallest))
    counts = len(generated.distance), len(test.distance)

    def ratio(mine: Float, theirs: Float) -> Estimate:
        return _ratio(mine, generated_groups, theirs, test_groups, resamples, seed)

    return Memorisation(
        generated=generated,
        test=test,
        ratio=ratio(generated.distance, test.distance),
        gap_ratio=ratio(_gap(generated), _gap(test)),
        copies=np.flatnonzero(generated.distance < COPY_SHARE * smallest),
        num_nearer=nearer,
        chance=_chance(nearer, *counts),
    )


def _gap(found: NearestFields) -> Float:
    positive = found.second_distance > 0
    return np.divide(found.distance, found.second_distance, out=np.ones_like(found.distance), where=positive)


def _ratio(mine: Float, groups: Groups, theirs: Float, other: Groups, resamples: int, seed: int) -> Estimate:
    above = GroupSums(groups.sum(mine[:, None]), np.bincount(groups.index).astype(np.float64))
    below = GroupSums(other.sum(theirs[:, None]), np.bincount(other.index).astype(np.float64))
    drawn = above.resampled_means(resamples, seed, GENERATED) / below.resampled_means(resamples, seed, REFERENCE)
    return Estimate(float(above.mean()[0] / below.mean()[0]), float(drawn.std()))


def _chance(nearer: int, num_generated: int, num_test: int) -> float:
    drawn = np.arange(nearer)
    return float(np.prod((num_generated - drawn) / (num_generated + num_test - drawn)))
