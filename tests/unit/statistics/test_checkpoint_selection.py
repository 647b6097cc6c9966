"""A ranking finds what differs, does not find what does not, and knows how sure it is."""

import numpy as np
import pytest

from rhodiff.errors import ConfigError, DataError
from rhodiff.statistics.measurement import Measurement
from rhodiff.statistics.selection import rank_candidates
from rhodiff.statistics.selection_bootstrap import MeasuredSet, resample_scores
from rhodiff.statistics.selection_score import (
    CosmicVarianceDistance,
    MeanRank,
    PeakDifference,
    RelativeDifference,
    SumInFloors,
    paper_a,
)

RELATIVE = RelativeDifference("mean |dP/P|", ("p",))
PEAK = PeakDifference("peak", ("m",))
MODES = np.array([4, 8, 16, 32])


def spectra(random, count, amplitude=1.0):
    """Band powers: chi-squared of 2 x 4 ... 32 degrees of freedom about a power law."""
    return amplitude * random.gamma(MODES, 1 / MODES, size=(count, 4)) * MODES**-1.5


def curves(random, count, offset=0.0):
    return np.sin(np.arange(6)) + offset + random.normal(scale=0.2, size=(count, 6))


def equal_sets(seed, num=5, count=60, reference=120, amplitudes=None, **given):
    random = np.random.default_rng(seed)
    whole = MeasuredSet("reference", {"p": spectra(random, reference), "m": curves(random, reference)})
    amplitudes = amplitudes or [1.0] * num
    return whole, [
        MeasuredSet(f"step_{i}", {"p": spectra(random, count, a), "m": curves(random, count)}, **given)
        for i, a in enumerate(amplitudes)
    ]


def constant(*values):
    return {"p": np.array(values, dtype=float)}


# what the scores are


def test_scores_are_their_formulas():
    reference, generated = {"p": np.array([2.0, -4.0])}, {"p": np.array([3.0, -3.0])}
    scatter = {"p": np.array([0.5, 2.0])}
    found = [
        kind("s", ("p",)).evaluate(generated, reference, scatter)
        for kind in (RelativeDifference, PeakDifference, CosmicVarianceDistance)
    ]
    np.testing.assert_allclose(found, [(0.5 + 0.25) / 2, (0.25 + 0.25) / 2, (4 + 0.25) / 2])


def test_score_of_several_statistics_is_the_mean_over_them():
    reference, generated = {"a": np.array([1.0]), "b": np.ones(3)}, {"a": np.array([2.0]), "b": np.full(3, 1.5)}
    assert RelativeDifference("s", ("a", "b")).evaluate(generated, reference, reference) == 0.75


def test_paper_a_is_the_spectrum_and_all_three_functionals():
    first, second = paper_a()
    assert isinstance(first, RelativeDifference) and first.statistics == ("power_spectrum/value",)
    assert isinstance(second, PeakDifference)
    assert [name.split("_")[1] for name in second.statistics] == ["area/value", "perimeter/value", "euler/value"]


# the floor


@pytest.mark.parametrize(("count", "reference"), [(50, 400), (200, 101)])
def test_floor_is_that_of_a_normal_mean(count, reference):
    """E|N(0, s)| = s sqrt(2 / pi), s^2 = scatter^2 (1 / n + 1 / m); s_sample, so no luck of the draw is in it."""
    random = np.random.default_rng(3)
    values = random.normal(10, 1, size=(reference, 1))
    given = [MeasuredSet(name, {"p": random.normal(10, 1, size=(count, 1))}) for name in "ab"]
    scores = [RELATIVE, CosmicVarianceDistance("chi2", ("p",))]
    found = resample_scores(scores, MeasuredSet("r", {"p": values}), given, resamples=4000)
    s = values.std(ddof=1) / values.mean() * np.sqrt(1 / count + 1 / reference)
    relative, squared = found.floors
    assert relative == pytest.approx(s * np.sqrt(2 / np.pi), rel=4 * 0.76 / np.sqrt(4000))
    assert squared == pytest.approx(1 / count + 1 / reference, rel=4 * np.sqrt(2 / 4000))


def test_equal_candidates_score_their_floor():
    """Mean over independent references and candidates."""
    ratios = []
    for seed in range(40):
        found = resample_scores([RELATIVE], *equal_sets(seed, num=2), resamples=100)
        ratios.append(found.values.mean() / found.floors[0])
    assert np.mean(ratios) == pytest.approx(1, abs=4 * np.std(ratios) / np.sqrt(40))


# what can be told apart


@pytest.mark.parametrize("combination", [None, MeanRank()])
def test_equal_candidates_are_not_told_apart_at_the_stated_rate(combination):
    """All equal ones are kept in at least 1 - level of cases: 120 trials, 4 sigma of the binomial above 10 %."""
    scores = [RELATIVE] if combination is None else [RELATIVE, PEAK]
    wrong = 0
    for seed in range(120):
        given = equal_sets(seed, num=4, count=40, reference=80)
        found = rank_candidates(scores, *given, combination=combination, level=0.1, resamples=200)
        wrong += len(found.not_distinguishable) < 3
    assert wrong <= 120 * 0.1 + 4 * np.sqrt(120 * 0.1 * 0.9)


def test_rate_is_not_empty_caution():
    """Far from 0, where the bootstrap of |.| is exact, equal candidates are told apart about as often as stated."""
    wrong = 0
    for seed in range(200):
        given = equal_sets(seed, count=40, reference=80, amplitudes=[2.0] * 3)
        wrong += len(rank_candidates([RELATIVE], *given, level=0.2, resamples=200).not_distinguishable) < 2
    assert abs(wrong - 200 * 0.2) <= 4 * np.sqrt(200 * 0.2 * 0.8)


@pytest.mark.parametrize("combination", [SumInFloors(), MeanRank()])
def test_ten_per_cent_too_much_power_is_found(combination):
    given = equal_sets(1, count=400, reference=800, amplitudes=[1.0, 1.0, 1.1, 1.0])
    found = rank_candidates([RELATIVE, PEAK], *given, combination=combination)
    worst = {row.name: row for row in found.rows}["step_2"]
    assert worst.distinguishable and found.rows[-1] is worst
    assert found.sentence().startswith(f"By the {combination.title} of ")
    assert worst.probability_best < (0.01 if isinstance(combination, SumInFloors) else 1 / 4)
    assert worst.parts[0].value == pytest.approx(0.1, abs=4 * worst.parts[0].error)
    assert set(found.not_distinguishable) | {found.best.name} == {"step_0", "step_1", "step_3"}


def test_paired_errors_are_smaller_than_unpaired_ones():
    """A small reference: its noise is in every score, and in no difference."""
    given = equal_sets(2, count=400, reference=40, amplitudes=[1.5, 1.52])
    best, other = rank_candidates([RELATIVE], *given).rows
    assert other.difference.error < 0.5 * np.hypot(best.score.error, other.score.error)


def test_paired_error_is_that_of_repeated_experiments():
    """Both far above the reference: S_2 - S_1 is the difference of two ratios of means."""
    differences, errors = [], []
    for seed in range(100):
        found = rank_candidates([RELATIVE], *equal_sets(seed, amplitudes=[1.5, 2.0]), resamples=200)
        differences.append(found.rows[1].difference.value)
        errors.append(found.rows[1].difference.error)
    assert np.mean(errors) == pytest.approx(np.std(differences), rel=4 / np.sqrt(200))


def test_candidates_of_common_noise_are_told_apart_where_independent_ones_are_not():
    random = np.random.default_rng(5)
    base = spectra(random, 100, 1.3)
    sets = [MeasuredSet("a", {"p": base}), MeasuredSet("b", {"p": base * 1.01})]
    reference = MeasuredSet("r", {"p": spectra(random, 200)})
    assert rank_candidates([RELATIVE], reference, sets, pairing="candidates").rows[1].distinguishable
    assert not rank_candidates([RELATIVE], reference, sets).rows[1].distinguishable


def test_copies_of_one_candidate_are_never_told_apart():
    random = np.random.default_rng(6)
    base, reference = spectra(random, 50, 1.5), MeasuredSet("r", {"p": spectra(random, 50)})
    found = rank_candidates([RELATIVE], reference, [MeasuredSet(n, {"p": base}) for n in "ab"], pairing="all")
    assert found.not_distinguishable == ("b",)
    assert [row.probability_best for row in found.rows] == [0.5, 0.5]
    assert found.rows[1].difference.error == 0


def test_groups_widen_errors_as_copies_of_fields_do():
    """Four copies of each field in a group are one field: same errors; taken for independent, half of them."""
    random = np.random.default_rng(7)
    reference = MeasuredSet("r", {"p": spectra(random, 4000)})
    once = [spectra(random, 50, 1.5) for _ in range(2)]

    def error(copies, groups):
        sets = [MeasuredSet(n, {"p": np.repeat(v, copies, axis=0)}, groups) for n, v in zip("ab", once, strict=True)]
        return rank_candidates([RELATIVE], reference, sets, resamples=2000).rows[0].score.error

    assert error(4, np.repeat(np.arange(50), 4)) == pytest.approx(error(1, None), rel=1e-9)
    assert error(4, None) == pytest.approx(error(1, None) / 2, rel=0.1)


# invariance


def test_order_of_candidates_and_fields_changes_nothing():
    reference, sets = equal_sets(8)
    random = np.random.default_rng(0)

    def shuffled(one):
        at = random.permutation(len(one.values["p"]))
        return MeasuredSet(one.name, {name: values[at] for name, values in one.values.items()})

    found = rank_candidates([RELATIVE, PEAK], reference, sets)
    again = rank_candidates([RELATIVE, PEAK], shuffled(reference), [shuffled(one) for one in sets[::-1]])
    for one, other in zip(found.rows, again.rows, strict=True):
        assert one.name == other.name and one.distinguishable == other.distinguishable
        assert one.score.value == pytest.approx(other.score.value, rel=1e-12)
        assert one.score.error == pytest.approx(other.score.error, rel=1e-9)
        assert one.difference.error == pytest.approx(other.difference.error, rel=1e-9)
        assert one.probability_best == other.probability_best
    # the halves of the reference too are drawn from its canonical order
    assert found.best.parts[0].floor == pytest.approx(again.best.parts[0].floor, rel=1e-9)


# the result


def test_rows_are_in_rising_order_and_chances_sum_to_one():
    found = rank_candidates([RELATIVE, PEAK], *equal_sets(9))
    assert [row.score.value for row in found.rows] == sorted(row.score.value for row in found.rows)
    assert sum(row.probability_best for row in found.rows) == pytest.approx(1)
    assert found.best.score.floor == 2 and found.best.difference.value == 0 and not found.best.distinguishable
    total = sum(part.value / part.floor for part in found.best.parts)
    assert found.best.score.value == pytest.approx(total)


def test_mean_rank_is_the_mean_of_ranks():
    scores = np.array([[0.1, 0.2, 0.3], [5.0, 5.0, 1.0]])
    np.testing.assert_allclose(MeanRank().combine(scores, np.ones(2)), [(1 + 2.5) / 2, (2 + 2.5) / 2, (3 + 1) / 2])


def test_sentence_names_the_best_and_its_equals():
    found = rank_candidates([RELATIVE], *equal_sets(10, count=200, amplitudes=[1.0, 1.0, 1.5]))
    text = found.sentence()
    assert text.startswith(f"By mean |dP/P|, {found.best.name} comes first (")
    assert f"not distinguishable from 1 of 2 others ({found.rows[1].name}) at 0.95 confidence" in text


def test_spread_over_checkpoints_is_noise_where_they_are_equal_and_more_where_not():
    amplitudes = [1.2, 1.2, 1.2, 1.2, 1.4, 1.6, 1.8, 2.0]
    reference, sets = equal_sets(11, count=400, reference=400, amplitudes=amplitudes)
    named = [MeasuredSet(one.name, one.values, family=f"seed {i // 4}") for i, one in enumerate(sets)]
    same, differ, seeds = rank_candidates([RELATIVE], reference, named).spreads
    assert (same.over, differ.over, seeds.over) == ("candidates of seed 0", "candidates of seed 1", "families")
    assert same.deviation == pytest.approx(same.noise, rel=4 / np.sqrt(6))
    assert differ.intrinsic == pytest.approx(np.std([0.4, 0.6, 0.8, 1.0], ddof=1), rel=0.1)
    assert seeds.deviation == pytest.approx((0.7 - 0.2) / np.sqrt(2), rel=0.1)
    assert same.count == 4 and seeds.count == 2 and differ.low < differ.mean < differ.high


def test_measurements_are_named_and_compared_with_their_axes():
    def measured(edges, seed):
        values = spectra(np.random.default_rng(seed), 20)
        axis = (edges[1:] + edges[:-1]) / 2
        return Measurement("power_spectrum", "k", "h/Mpc", "P", "", axis, edges, values, MODES)

    edges = np.arange(5.0)
    sets = [MeasuredSet.of(name, [measured(edges, i)]) for i, name in enumerate("rab")]
    assert len(rank_candidates(paper_a()[:1], sets[0], sets[1:]).rows) == 2
    other = MeasuredSet.of("c", [measured(2 * edges, 3)])
    with pytest.raises(DataError, match="different edges"):
        rank_candidates(paper_a()[:1], sets[0], [sets[1], other])


# bad input


def refused(kind, message, reference=None, candidates=None, scores=(RELATIVE,), **options):
    given, sets = equal_sets(12)
    with pytest.raises(kind, match=message):
        rank_candidates(scores, reference or given, sets if candidates is None else candidates, **options)


def test_sets_that_cannot_be_ranked_are_refused():
    whole, sets = equal_sets(13)
    values = np.ones((60, 4))
    values[7, 2] = np.nan
    refused(DataError, "field 7", candidates=[sets[0], MeasuredSet("x", {"p": values})])
    refused(DataError, "lacks 'p'", candidates=[sets[0], MeasuredSet("x", {"m": values})])
    refused(DataError, "x 3; use one binning", candidates=[sets[0], MeasuredSet("x", {"p": np.ones((60, 3))})])
    refused(DataError, "equal numbers", candidates=[sets[0], MeasuredSet("x", {"p": np.ones((59, 4))})])
    refused(
        DataError, "independent groups", candidates=[sets[0], MeasuredSet("x", sets[0].values, np.arange(60) % 7)]
    )
    refused(DataError, r"\[field, bin\]", candidates=[sets[0], MeasuredSet("x", {"p": np.ones(60)})])
    refused(
        DataError,
        "same fields",
        candidates=[sets[0], MeasuredSet("x", {"p": np.ones((60, 4)), "m": np.ones((9, 6))})],
        scores=(RELATIVE, PEAK),
    )
    refused(DataError, "distinct names", candidates=sets[:1])
    refused(DataError, "distinct names", candidates=[sets[0], sets[0]])
    refused(DataError, "do not differ", reference=MeasuredSet("r", {"p": np.ones((50, 4))}))
    refused(
        DataError,
        "nothing to divide by in bin 3",
        reference=MeasuredSet("r", {"p": np.eye(50, 4)[:, [0, 1, 2, 3]] * [1, 1, 1, 0]}),
    )
    refused(DataError, "same groups", reference=whole, candidates=sets, pairing="all")


def test_requests_that_make_no_sense_are_refused():
    refused(ConfigError, "distinct names", scores=())
    refused(ConfigError, "distinct names", scores=(RELATIVE, RELATIVE))
    refused(ConfigError, "no effect", combination=MeanRank())
    refused(ConfigError, "between 0 and 1", level=1.0)
    refused(ConfigError, "too few", resamples=100)
    refused(ConfigError, "pairing", pairing="none")
    with pytest.raises(ConfigError, match="no statistic"):
        RelativeDifference("x", ())
