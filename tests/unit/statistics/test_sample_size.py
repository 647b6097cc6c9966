"""Numbers of fields needed: textbook values, power found by simulation, refusals."""

import numpy as np
import pytest

from rhodiff.errors import DataError
from rhodiff.statistics import MeanCovariance, compare_vectors, hotelling, power_spectrum, samples_needed


@pytest.mark.parametrize(("effect", "each"), [(0.2, 394), (0.5, 64), (0.8, 26)])
def test_one_bin_needs_what_textbooks_say(effect, each):
    """Two-sided t-test at 5 % with power 80 % (Cohen 1988, table 2.4.1, to the rounding of the table)."""
    assert samples_needed(effect, 1.0, power=0.8) == each
    assert samples_needed(-0.1 * effect, 0.1, power=0.8) == each


def test_the_power_at_the_needed_size_is_the_asked_one():
    scatter = np.array([0.3, 0.2, 0.1])
    size = samples_needed(0.06, scatter, power=0.8)
    found = 0
    for s in range(1500):
        random = np.random.default_rng(s)
        first, second = (1 + scatter * random.normal(size=(size, 3)) for _ in range(2))
        found += hotelling(MeanCovariance.of(first), MeanCovariance.of(second + 0.06)).p_value < 0.05
    assert found / 1500 == pytest.approx(0.8, abs=0.045)


def test_a_model_with_3_percent_too_much_power_is_told_with_the_needed_number():
    modes = np.array([20, 60, 120])
    size = samples_needed(0.03, np.sqrt(2 / modes), significance=0.01, power=0.99)
    found = 0
    for s in range(20):
        random = np.random.default_rng(s)
        first, second = (random.chisquare(modes, size=(size, 3)) / modes for _ in range(2))
        found += compare_vectors(first, 1.03 * second, num_rearrangements=99).p_value < 0.01
    assert found >= 18


def red_spectra(number, seed):
    """Power spectra of Gaussian fields with P ~ k^-2, and modes in a bin."""
    k = np.hypot(*np.meshgrid(np.fft.fftfreq(12), np.fft.rfftfreq(12), indexing="ij"))
    amplitude = np.divide(1, k, out=np.zeros_like(k), where=k > 0)
    white = np.random.default_rng(seed).normal(size=(number, 12, 12))
    fields = np.fft.irfft2(np.fft.rfft2(white) * amplitude, s=(12, 12))
    found = power_spectrum(fields, box_size=1.0)
    return found.power, found.num_modes


def test_fields_with_3_percent_too_much_power_are_found_and_perfect_ones_accused_as_often_as_stated():
    modes = red_spectra(1, 0)[1]
    size, repeats = samples_needed(0.03, np.sqrt(2 / modes), significance=0.05, power=0.9), 150
    found = accused = 0
    for s in range(repeats):
        one, two = (red_spectra(size, (s, i))[0] for i in (0, 1))
        reference, perfect, louder = (MeanCovariance.of(values) for values in (one, two, 1.03 * two))
        accused += hotelling(reference, perfect).p_value < 0.05
        found += hotelling(reference, louder).p_value < 0.05
    assert abs(found / repeats - 0.9) < 4 * np.sqrt(0.9 * 0.1 / repeats)
    assert abs(accused / repeats - 0.05) < 4 * np.sqrt(0.05 * 0.95 / repeats)


def test_correlated_bins_need_more():
    scatter = np.full(4, 0.1)
    correlated = np.outer(scatter, scatter) * (0.5 + 0.5 * np.eye(4))
    assert samples_needed(0.02, correlated) > samples_needed(0.02, scatter)
    assert samples_needed(0.02, np.diag(scatter**2)) == samples_needed(0.02, scatter)


def test_many_fields_follow_the_normal_approximation():
    expected = 2 * (0.7 / 0.0025) ** 2 * (3.290527 + 2.326348) ** 2
    assert samples_needed(0.0025, 0.7, power=0.99, significance=1e-3) == pytest.approx(expected, rel=1e-4)


def test_a_larger_reference_needs_fewer_generated_fields():
    equal = samples_needed(0.03, 0.2)
    assert samples_needed(0.03, 0.2, reference_fields=equal) == equal
    assert equal / 2 < samples_needed(0.03, 0.2, reference_fields=20 * equal) < 0.6 * equal


def test_a_reference_too_small_for_the_difference_is_refused():
    with pytest.raises(DataError, match="and 50 reference fields; take a larger reference"):
        samples_needed(0.03, 0.2, reference_fields=50)


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        ((0.0, 0.1), {}, "other than zero"),
        ((np.nan, 0.1), {}, "finite difference"),
        ((0.1, -0.1), {}, "positive in every bin"),
        ((0.1, [0.1, np.inf]), {}, "must be finite"),
        ((0.1, np.ones((2, 3))), {}, "got shape"),
        ((0.1, []), {}, "got shape"),
        ((0.1, np.ones((2, 2))), {}, "degenerate"),
        ((0.1, [[0.01, 0.005], [0.0, 0.01]]), {}, "not symmetric"),
        ((1e-5, 1.0), {}, "up to 10000000 generated fields and any reference"),
        ((0.1, 0.1), {"power": 0.01}, "significance < power"),
        ((0.1, 0.1), {"significance": 0.0}, "0 < significance"),
        ((0.1, 0.1), {"reference_fields": 1}, "two fields or more"),
    ],
)
def test_bad_requests_are_refused(arguments, options, message):
    with pytest.raises(DataError, match=message):
        samples_needed(*arguments, **options)
