"""Scores of denoised fields where they are known: shrunken waves, Wiener-filtered Gaussian numbers."""

import numpy as np
import pytest

from rhodiff.errors import DataError
from rhodiff.statistics import (
    DenoisedSet,
    compare_correlations,
    mean_estimate,
    residual_correlation,
    rms_ratio,
    score_denoised,
    summarise_denoising,
)

BOX = (2 * np.pi, 2 * np.pi)


def white(number, size, seed=0):
    return np.random.default_rng(seed).normal(size=(number, size, size))


def test_shrunken_truth_has_a_correlation_of_minus_one_and_a_blown_up_one_of_plus_one():
    truth = white(3, 8)
    np.testing.assert_allclose(residual_correlation(0.7 * truth, truth), -1)
    np.testing.assert_allclose(residual_correlation(1.2 * truth + 5, truth), 1)


def test_noise_that_is_left_correlates_with_nothing():
    truth = white(50, 32)
    found = residual_correlation(truth + 0.5 * white(50, 32, seed=1), truth)
    assert abs(found.mean()) < 5 / np.sqrt(50 * 32**2)
    assert found.std() == pytest.approx(1 / 32, rel=0.4)


def test_least_squared_error_and_draws_have_the_correlations_that_theory_gives():
    """S = 1, sigma = 1: error 1/2 of the mean, corr -sqrt(1/2); a draw has error 1 and corr -1/2."""
    truth = white(20, 64)
    noisy = truth + white(20, 64, seed=1)
    mean = noisy / 2
    draw = mean + np.sqrt(0.5) * white(20, 64, seed=2)
    cells = 20 * 64**2
    for estimate, correlation, square in ((mean, -np.sqrt(0.5), 0.5), (draw, -0.5, 1.0)):
        scores = score_denoised(estimate, truth, BOX)
        assert scores.correlation.mean() == pytest.approx(correlation, abs=5 / np.sqrt(cells))
        assert np.mean(scores.rmse**2) == pytest.approx(square, rel=5 * np.sqrt(2 / cells))
        assert np.mean(scores.rmse_low**2) == pytest.approx(square, rel=5 * np.sqrt(8 / cells))


def test_spectra_are_those_of_estimate_residual_and_both():
    truth = white(2, 16)
    scores = score_denoised(0.6 * truth, truth, BOX)
    np.testing.assert_allclose(scores.residual_power, 0.16 / 0.36 * scores.power)
    np.testing.assert_allclose(scores.cross, scores.power / 0.6)


def test_constant_truth_or_residual_is_refused():
    truth = white(2, 4)
    with pytest.raises(DataError, match="field 1: its residual is constant"):
        residual_correlation(np.stack([truth[0] * 2, truth[1] + 1]), truth)
    with pytest.raises(DataError, match="field 0: its truth is constant"):
        residual_correlation(truth, np.ones_like(truth))
    with pytest.raises(DataError, match="constant"):
        score_denoised(truth, np.ones_like(truth), BOX)


def test_contest_counts_fields_and_resamples_groups():
    denoised, filtered = np.array([0.1, -0.1, 0.3, 0.2]), np.array([-0.2, 0.3, 0.1, -0.4])
    found = compare_correlations(denoised, filtered, np.array([0, 0, 1, 1]), resamples=2000, seed=0)
    assert (found.won.value, found.num_fields, found.num_groups) == (0.75, 4, 2)
    assert found.gain.value == pytest.approx((0.1 + 0.2 - 0.2 + 0.2) / 4)
    # one of the two groups (shares won 1 and 1/2) is drawn each time: the spread is half of their difference
    assert found.won.error == pytest.approx(0.25, rel=0.05)


def test_contest_that_is_won_everywhere_is_not_free_of_error():
    found = compare_correlations(np.full(8, 0.1), np.full(8, 0.2), np.arange(8) // 2, resamples=100, seed=0)
    assert (found.won.value, found.won.error) == (1.0, 0.2)


def test_error_of_a_mean_is_that_of_independent_groups():
    """Ten fields of a group that are all alike weigh like one: the error is that of the group means."""
    random = np.random.default_rng(5)
    means = random.normal(size=200)
    values = np.repeat(means, 10)[:, None]
    (found,) = mean_estimate(values, np.repeat(np.arange(200), 10), resamples=4000, seed=1)
    assert found.value == pytest.approx(means.mean())
    assert found.error == pytest.approx(means.std(ddof=1) / np.sqrt(200), rel=0.05)


def test_rms_ratio_is_that_of_all_fields_together():
    found = rms_ratio(np.array([1.0, 3.0]), np.array([2.0, 4.0]), np.array([0, 1]), resamples=100, seed=0)
    assert found.value == pytest.approx(np.sqrt(10 / 20))


def denoised_set(noise=1.0):
    """Calibrated draws of Gaussian numbers with S = 1 and the noise 1, whatever the truth's own noise was."""
    fields, draws, size = 60, 19, 16
    truth = white(fields, size)
    noisy = truth + noise * white(fields, size, seed=1)
    random = np.random.default_rng(2)
    drawn = noisy / 2 + np.sqrt(0.5) * random.normal(size=(draws, *truth.shape))
    names = ("noisy", "posterior_mean", "draw", "filter", "wiener")
    estimates = (noisy, noisy / 2, drawn[0], 0.9 * noisy, 0.51 * noisy)
    scores = [score_denoised(one, truth, BOX) for one in estimates]
    ranks = np.sum(drawn < truth, axis=0).reshape(fields, -1)
    power = np.full((fields, 1), 1.0)
    return DenoisedSet(
        estimates=names,
        matched={"posterior_mean": "filter"},
        groups=np.arange(fields),
        scores={
            name: np.stack([getattr(s, name) for s in scores], axis=1) for name in ("rmse", "rmse_low", "correlation")
        },
        spectra={},
        truth_power=power,
        spread_power=4 * power,
        error_power=power,
        ranks=np.stack([np.bincount(row, minlength=draws + 1) for row in ranks]),
        reached={"filter": np.arange(fields) < 15},
        k=np.ones(1),
        num_lost=0,
    )


def test_summary_of_a_calibrated_denoiser():
    found = summarise_denoising(denoised_set(), resamples=500, seed=0)
    assert found.error["noisy"].value == 1
    assert found.error["posterior_mean"].value == pytest.approx(np.sqrt(0.5), rel=0.03)
    assert found.low_reduction.value == pytest.approx(np.sqrt(2), rel=0.03)
    assert found.reached == {"posterior_mean": 0.25}
    assert found.contests["posterior_mean"].won.value == 0  # 0.9 of the noisy field keeps nearly all structure
    assert found.spread_ratio.value == pytest.approx(2)
    for estimate, expected in zip(found.coverage, (0.68, 0.95), strict=True):
        assert abs(estimate.value - expected) < 5 * estimate.error
        assert estimate.error < 0.01
    assert (found.num_fields, found.num_groups, found.num_draws) == (60, 60, 19)


def test_draws_for_less_noise_than_there_was_do_not_cover():
    found = summarise_denoising(denoised_set(noise=2.0), resamples=500, seed=0)
    assert found.coverage[1].value < 0.95 - 10 * found.coverage[1].error
