"""Pairs of generated fields and their truths measured, a few at a time, with what training fields alone would give.

Axes: fields ``[field, channel, *space]``, of which the first channel is measured; results ``[field]`` and
``[field, bin]``, NaN where there is no estimate.
"""

from collections.abc import Mapping, Sequence

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
    k = FourierBins.of(pairs.spec.shape, pairs.spec.box_size).k
    parts = []
    for start in range(0, pairs.count, FIELDS_AT_ONCE):
        positions = np.arange(start, min(start + FIELDS_AT_ONCE, pairs.count))
        truth, estimates = pairs.read_truths(positions), pairs.read_estimates(positions)
        scores = {kind: _score(pairs, truth, fields, centres) for kind, fields in estimates.items()}
        if centres is not None:
            scores[TRUTH] = {"separation": _separations(pairs, truth, centres)}
        parts.append(scores)
    l2, l2_seen, ratio, separation = (_joined(parts, name) for name in ("l2", "l2_seen", "ratio", "separation"))
    return PairedSet(along, pairs.groups, pairs.neighbours.is_repeated, l2, l2_seen, k, ratio, separation)


def _score(pairs: PairedFields, truth: Fields, fields: Fields, centres: Centres | None) -> dict[str, Fields]:
    """Scores of one kind of estimate of a few truths, by name; NaN relative to a truth of zeros."""
    is_known = np.isfinite(fields).reshape(len(fields), -1).all(axis=1)
    stand_in = np.where(is_known.reshape(-1, *[1] * (fields.ndim - 1)), fields, truth)
    ours, theirs = stand_in[:, 0], truth[:, 0]
    found = {"l2": _l2(ours, theirs), "ratio": power_ratio(ours, theirs, box_size=pairs.spec.box_size).ratio}
    if pairs.space.is_physical:
        found["l2_seen"] = _l2(pairs.as_seen(stand_in)[:, 0], pairs.as_seen(truth)[:, 0])
    if centres is not None:
        found["separation"] = _separations(pairs, stand_in, centres)
    return {name: np.where(is_known.reshape(-1, *[1] * (one.ndim - 1)), one, np.nan) for name, one in found.items()}


def _l2(ours: Fields, theirs: Fields) -> Fields:
    found, has_size = np.full(len(theirs), np.nan), theirs.reshape(len(theirs), -1).any(axis=1)
    if has_size.any():
        found[has_size] = relative_l2(ours[has_size], theirs[has_size])
    return found


def _separations(pairs: PairedFields, fields: Fields, centres: Centres) -> Fields:
    return find_separations(fields[:, 0], pairs.spec.spacing, centres, pairs.spec.periodic)


def _joined(parts: Sequence[Mapping[str, dict[str, Fields]]], name: str) -> dict[str, Fields]:
    """One score of all pairs by kind, of the kinds that have it."""
    return {kind: np.concatenate([part[kind][name] for part in parts]) for kind in parts[0] if name in parts[0][kind]}
