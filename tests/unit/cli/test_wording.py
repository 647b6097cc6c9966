"""Durations, times and lists of elements as people read them."""

from datetime import datetime, timedelta

import pytest

from rhodiff.cli.wording import WIDTH, amount, counts_text, duration, elements_text, moment, plural, wrapped
from rhodiff.jobs.element_state import ElementState

NOW = datetime(2026, 1, 7, 12).astimezone()


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (89, "89 s"),
        (90, "2 min"),
        (3569, "59 min"),
        (3571, "1 h"),
        (3900, "1 h 05 min"),
        (86400, "1 d"),
        (97200, "1 d 3 h"),
        (86399, "1 d"),
    ],
)
def test_durations_have_two_units_at_most(seconds, text):
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("hours", "text"), [(2, "14:00"), (24, "Thu 12:00"), (-24, "Tue 12:00"), (24 * 30, "2026-02-06 12:00")]
)
def test_times_are_the_readers_own(hours, text):
    assert moment((NOW + timedelta(hours=hours)).isoformat(), NOW) == text


def test_times_in_utc_are_taken_for_that():
    assert (
        moment("2026-01-07T12:00:00Z", NOW)
        == f"{datetime.fromisoformat('2026-01-07T12:00:00+00:00').astimezone():%H:%M}"
    )


def test_counts_are_words_for_one_element_and_numbers_for_more():
    assert counts_text({ElementState.NOT_SUBMITTED: 1}) == "not submitted"
    assert counts_text({ElementState.DONE: 1200, ElementState.FAILED: 1}) == "1,200 done, 1 failed"
    assert plural(1, "job") == "1 job"
    assert plural(2500, "job") == "2,500 jobs"


def test_few_elements_are_a_selector_and_many_are_broken_or_left_out():
    assert elements_text([0, 1, 2, 7]) == "0-2,7"
    assert elements_text(range(0, 20, 2)) == "0, 2, 4, 6, 8, 10, 12, 14, 16, 18"
    assert elements_text(range(0, 2000, 2)).endswith("40, 42, ..., 1998")


def test_wrapped_lines_have_their_margin_and_fit():
    lines = wrapped("word " * 60, 10, "  first")
    assert lines[0].startswith("  first   word")
    assert all(line.startswith(" " * 10) for line in lines[1:])
    assert max(map(len, lines)) <= WIDTH


@pytest.mark.parametrize(
    ("value", "text"), [(0, "0"), (0.001, "<0.01"), (1 / 60, "0.02"), (8, "8.00"), (191808, "191,808")]
)
def test_amounts_pretend_to_no_more_digits_than_count(value, text):
    assert amount(value) == text
