"""Numbers are shown with the digits that their errors support."""

import math

import pytest

from rhodiff.report import format_estimate, format_number, format_seconds
from rhodiff.statistics import Estimate


@pytest.mark.parametrize(
    ("value", "error", "percent", "text"),
    [
        (0.01943, 0.00123, True, "1.94 ± 0.12 %"),
        (0.01943, 0.0062, True, "1.9 ± 0.6 %"),
        (0.123, 0.31, False, "0.12 ± 0.31"),
        (-0.0512, 0.0049, False, "−0.051 ± 0.005"),
        (1234.5, 61.0, False, "1234 ± 61"),
        (0.5, math.nan, True, "50 % (error unknown)"),
        (0.5, 0.0, False, "0.5 (error unknown)"),
        (math.nan, 1.0, False, "–"),
        (15142.8, 130257.57, True, "1.51e+06 ± 1.3e+07 %"),
        (1.0, 2e-9, False, "1 ± 2e−09"),
    ],
)
def test_estimates(value, error, percent, text):
    assert format_estimate(Estimate(value, error), percent=percent) == text


@pytest.mark.parametrize(
    ("value", "text"), [(0.0, "0"), (1234.5678, "1.23e+03"), (-0.012345, "−0.0123"), (math.nan, "–")]
)
def test_numbers(value, text):
    assert format_number(value) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0312, "0.0312 s"),
        (45.21, "45.2 s"),
        (59.99, "60 s"),
        (725, "12 min 5 s"),
        (12_000, "3 h 20 min"),
        (math.nan, "–"),
    ],
)
def test_durations(seconds, text):
    assert format_seconds(seconds) == text
