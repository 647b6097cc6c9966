"""Pairs of generated fields and their truths measured, a few at a time, with what training fields alone would give.

Axes: fields ``[field, *space]``, results ``[field]`` and ``[field, bin]``, NaN where there is no estimate.
"""

import numpy as np
from numpy.typing import NDArray

from rhodiff.config.sequence import CentresSettings
from rhodiff.stages.paired_fields import PairedFields
from rhodiff.statistics.centres import Centres, find_separations
from rhodiff.statistics.fourier_bins import FourierBins
from rhodiff.statistics.paired import power_ratio, relative_l2
from rhodiff.statistics.paired_set import TRUTH, PairedSet
from rhodiff.store.spec import FieldSpec

__all__ = ["centres_of", "measure_pairs"]

FIELDS_AT_ONCE = 64
SMOOTHING, APART = 1 / 60, 2.5
"""Smoothing over the shorter side, and smallest distance over the smoothing, where they are not given."""

Fields = NDArray[np.float64]
Scores = dict[str, Fields]
"""By kind of estimate."""


def centres_of(settings: CentresSettings, spec: FieldSpec) -> Centres:
    """What counts as a centre, with what was left open filled in.

    Args:
        settings: of the experiment.
        spec: geometry of the images.
    """
    smoothing = SMOOTHING * min(spec.box_size) if settings.smoothing is None else settings.smoothing
    return Centres(smoothing, APART * smoothing if settings.apart is None else settings.apart, settings.share)


def measure_pairs(pairs: PairedFields, along: Fields, centres: Centres | None) -> PairedSet:
    """Measure all pairs.

    Args:
        pairs: which.
        along: value of the sequence's parameter, ``[pair]``.
        centres: what counts as a centre; None: separations are not measured.
    """
    bins = FourierBins.of(pairs.spec.shape, pairs.spec.box_size)
    parts = []
    for start in range(0, pairs.count, FIELDS_AT_ONCE):
        positions = np.arange(start, min(start + FIELDS_AT_ONCE, pairs.count))
        truth, estimates = pairs.read_truths(positions), pairs.read_estimates(positions)
        parts.append(_score(truth, estimates, pairs.spec, len(bins.k), centres))
    l2, ratio, separation = (
        {kind: np.concatenate([part[n][kind] for part in parts]) for kind in parts[0][n]} for n in range(3)
    )
    return PairedSet(along, pairs.groups, pairs.neighbours.is_repeated, l2, bins.k, ratio, separation)


def _score(
    truth: Fields, estimates: Scores, spec: FieldSpec, num_bins: int, centres: Centres | None
) -> tuple[Scores, Scores, Scores]:
    """Relative differences, power ratios and separations of a few pairs."""
    l2, ratio, separation = {}, {}, {}
    for kind, fields in estimates.items():
        known = _known(fields)
        l2[kind], ratio[kind] = np.full(len(truth), np.nan), np.full((len(truth), num_bins), np.nan)
        if len(known):
            l2[kind][known] = relative_l2(fields[known], truth[known])
            ratio[kind][known] = power_ratio(fields[known], truth[known], box_size=spec.box_size).ratio
    if centres is not None:
        separation = {kind: _separations(one, spec, centres) for kind, one in {TRUTH: truth, **estimates}.items()}
    return l2, ratio, separation


def _separations(fields: Fields, spec: FieldSpec, centres: Centres) -> Fields:
    separations, known = np.full(len(fields), np.nan), _known(fields)
    if len(known):
        separations[known] = find_separations(fields[known], spec.spacing, centres, spec.periodic)
    return separations


def _known(fields: Fields) -> NDArray[np.int64]:
    """Fields that are there."""
    return np.flatnonzero(np.isfinite(fields).reshape(len(fields), -1).all(axis=1))
