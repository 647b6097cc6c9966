"""Checks run side by side; one that hangs, fails or breaks does not keep the others from answering."""

import threading
import time

import pytest

from rhodiff.errors import ConfigError
from rhodiff.runtime.health.checks import Check, Result, Section, run_checks

FINE = Result("fine", "ok", "there")


def only(sections):
    assert len(sections) == 1
    return sections[0].results


def test_results_keep_the_order_of_checks_and_are_gathered_by_title():
    def slow():
        time.sleep(0.05)
        yield FINE

    late = Check("a", "fine", slow)
    early = Check("b", "other", lambda: (Result("other", "absent", "none"),))
    assert run_checks([late, early, late]) == [
        Section("a", (FINE, FINE)),
        Section("b", (Result("other", "absent", "none"),)),
    ]


def test_a_check_that_hangs_is_left_behind_as_a_fault():
    release = threading.Event()

    def hang():
        release.wait(60)
        yield FINE

    began = time.monotonic()
    stuck, fine = only(run_checks([Check("t", "home", hang, limit_s=0.2), Check("t", "fine", lambda: (FINE,))]))
    release.set()
    assert time.monotonic() - began < 30
    assert (stuck.name, stuck.state) == ("home", "fault")
    assert "0.2 s" in stuck.found
    assert fine == FINE


@pytest.mark.parametrize("error", [OSError(5, "Input/output error"), ConfigError("the key x is wrong")])
def test_an_error_is_a_fault_in_its_own_words(error):
    def fail():
        raise error

    (result,) = only(run_checks([Check("t", "x", fail)]))
    assert result.state == "fault"
    assert str(error) in result.found


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_bug_in_a_check_is_told_as_one():
    (result,) = only(run_checks([Check("t", "x", lambda: 1 // 0)]))
    assert result.state == "fault"
    assert "the check itself failed" in result.found


def test_a_section_survives_json():
    section = Section("t", (FINE, Result("b", "fault", "broken", "mend it")))
    assert Section.from_plain(section.to_plain()) == section
