"""Headline numbers of pairs, on scores that were made up to have them."""

import numpy as np
import pytest

from rhodiff.statistics.paired_set import GENERATED, INTERPOLATED, NEAREST, TRUTH, PairedSet, summarise_pairs

BOOTSTRAP = {"resamples": 300, "seed": 2}
N, BINS = 90, 4


def pairs_of(separation=True, **l2):
    ones = np.ones(N)
    found = {GENERATED: 0.2 * ones, NEAREST: 0.5 * ones, INTERPOLATED: 0.3 * ones, **l2}
    factors = {GENERATED: (1.1, 0.9, 1.0, np.nan), NEAREST: (1, 1, 1, np.nan), INTERPOLATED: (1, 0.8, 0.4, np.nan)}
    truth = np.where(np.arange(N) < 30, 0.0, 20.0)
    apart = {TRUTH: truth, GENERATED: truth + 1, NEAREST: truth - 3 * (truth > 0), INTERPOLATED: np.zeros(N)}
    return PairedSet(
        along=np.repeat(np.arange(9.0), 10),
        groups=np.arange(N) // 3,
        is_repeated=np.arange(N) < 6,
        l2=found,
        l2_seen={name: 2 * values for name, values in found.items()},
        k=np.arange(1.0, BINS + 1),
        ratio={
            name: np.where(np.isnan(found[name])[:, None], np.nan, factors[name] * ones[:, None]) for name in found
        },
        separation=apart if separation else {},
    )


def test_medians_and_shares_are_those_of_the_scores():
    found = summarise_pairs(pairs_of(), **BOOTSTRAP)
    assert (found.num_fields, found.num_common, found.num_groups) == (N, N, 30)
    assert found.num_repeated == 6
    assert {name: one.value for name, one in found.l2.items()} == {GENERATED: 0.2, NEAREST: 0.5, INTERPOLATED: 0.3}
    assert {name: one.value for name, one in found.better.items()} == {NEAREST: 1.0, INTERPOLATED: 1.0}
    assert {name: one.value for name, one in found.l2_seen.items()} == {
        GENERATED: 0.4,
        NEAREST: 1.0,
        INTERPOLATED: 0.6,
    }
    power = {name: one.value for name, one in found.power.items()}
    assert power == pytest.approx({GENERATED: 0.2 / 3, NEAREST: 0.0, INTERPOLATED: 0.8 / 3})


def test_separations_count_where_the_truth_has_two_centres():
    found = summarise_pairs(pairs_of(), **BOOTSTRAP)
    assert found.num_resolved == 60
    off = {name: one.value for name, one in found.separation.items()}
    assert off == {GENERATED: 1.0, NEAREST: 3.0, INTERPOLATED: 20.0}
    same = {name: one.value for name, one in found.same_centres.items()}
    assert same == pytest.approx({GENERATED: 2 / 3, NEAREST: 1.0, INTERPOLATED: 1 / 3})


def test_all_kinds_are_measured_on_the_fields_that_have_them_all():
    l2 = np.where(np.arange(N) % 2, np.nan, 0.3)
    ours = np.where(np.arange(N) % 2, 9.0, 0.2)
    found = summarise_pairs(pairs_of(**{INTERPOLATED: l2, GENERATED: ours}), **BOOTSTRAP)
    assert (found.num_fields, found.num_common) == (N, 45)
    assert found.l2[GENERATED].value == 0.2


def test_without_training_neighbours_the_numbers_are_the_models_alone():
    nothing = np.full(N, np.nan)
    found = summarise_pairs(pairs_of(**{INTERPOLATED: nothing, NEAREST: nothing}), **BOOTSTRAP)
    assert (list(found.l2), found.better, found.num_common) == ([GENERATED], {}, N)


def test_kinds_that_no_field_has_together_leave_the_model_alone():
    first, second = (np.where(np.arange(N) % 2 == part, 0.4, np.nan) for part in (0, 1))
    pairs = pairs_of(**{INTERPOLATED: first, NEAREST: second})
    assert pairs.compared_kinds == (GENERATED,)
    assert summarise_pairs(pairs, **BOOTSTRAP).num_common == N


def test_pairs_without_centres_have_no_separation():
    found = summarise_pairs(pairs_of(separation=False), **BOOTSTRAP)
    assert (found.separation, found.same_centres, found.num_resolved) == ({}, {}, 0)
