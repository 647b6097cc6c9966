"""Lines of many spectra: shares and medians are those of counting by hand."""

import numpy as np
import pytest

from rhodiff.statistics.line_set import compare_spectra, summarise_lines

BINS = np.arange(120.0)
DRAWN = {"reach": 5.0, "resamples": 200, "seed": 0}


def lines(*places):
    return sum((1 - 0.1 * n) * np.exp(-((BINS - place) ** 2) / 4.5) for n, place in enumerate(places))


def test_shares_and_medians_are_those_of_all_true_lines():
    truth = np.stack([lines(20, 50, 80), lines(30, 60, 90), lines(25, 55, 100)])
    generated = np.stack([lines(20.4, 50.4, 80.4), lines(32, 62), lines(25, 55, 100) + 0.3 * lines(75)])
    found = compare_spectra(generated, truth, floor=0.02, reach=5.0)
    summary = summarise_lines(found, np.arange(3), **DRAWN)
    assert (summary.num_spectra, summary.num_lines) == (3, 9)
    # distances: 0.4 three times, 2 twice and one missing (5), 0 three times: the fifth of nine is 0.4
    assert summary.offset.value == pytest.approx(0.4, abs=1e-3)
    assert summary.within_bin.value == pytest.approx(6 / 9)
    assert summary.missing.value == pytest.approx(1 / 9)
    assert summary.spurious == pytest.approx(1 / 9)
    assert summary.rank_correlation.value == pytest.approx(1)
    assert summary.offset.error > 0


def test_spectra_without_their_lines_are_as_far_off_as_lines_are_paired():
    truth = np.stack([lines(20, 50, 80)] * 4)
    found = compare_spectra(np.stack([lines(110)] * 4), truth, floor=0.02, reach=5.0)
    summary = summarise_lines(found, np.arange(4), **DRAWN)
    assert summary.offset.value == 5.0
    assert summary.missing.value == 1
    assert np.isnan(summary.rank_correlation.value)


def test_errors_are_over_groups():
    truth = np.stack([lines(20, 50, 80)] * 6)
    generated = np.stack([lines(20, 50, 80)] * 3 + [lines(22, 52, 82)] * 3)
    found = compare_spectra(generated, truth, floor=0.02, reach=5.0)
    apart = summarise_lines(found, np.arange(6), **DRAWN).within_bin
    together = summarise_lines(found, np.array([0, 0, 0, 1, 1, 1]), **DRAWN).within_bin
    assert apart.value == together.value == 0.5
    assert together.error == pytest.approx(apart.error * np.sqrt(3), rel=0.35)  # 2 groups in place of 6
