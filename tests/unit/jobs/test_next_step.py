"""One line of advice for how a submission stands, or none."""

import pytest
from submitted import make_plan, submitted

from rhodiff.jobs.element_state import ElementState, ElementStatus
from rhodiff.jobs.marks import Marks
from rhodiff.jobs.next_step import advise, names_of, taken_on
from rhodiff.jobs.scheduler import JobRecord
from rhodiff.jobs.selection import Selected
from rhodiff.jobs.state import SubmissionState


def standing(tmp_path, *states, silence="", reason="", **plan_values):
    plan = make_plan(**{"num_elements": len(states), **plan_values})
    record = JobRecord("12", "x", None, "PENDING", reason)
    statuses = [ElementStatus(k, state, record=record) for k, state in zip(plan.elements, states, strict=True)]
    selected = Selected(submitted(tmp_path, plan), plan, plan.elements)
    return SubmissionState(selected, tuple(statuses), Marks(), silence=silence)


@pytest.mark.parametrize(
    ("states", "advice"),
    [
        (["done", "done"], ""),
        (["done", "running", "pending"], ""),
        (["done", "failed", "running"], "rhodiff-hpc why 1   then   rhodiff-hpc retry 1"),
        (["stopped", "done"], "rhodiff-hpc retry 1   goes on with what is not done"),
        (["stopped", "running"], ""),
        (["cancelled"], ""),
        (["unknown"], "rhodiff-hpc why 1"),
        (["pending", "not_submitted"], "rhodiff-hpc submit prepare   hands over the rest"),
    ],
)
def test_each_standing_has_its_next_step(tmp_path, states, advice):
    assert advise(standing(tmp_path, *map(ElementState, states)), "1", {}) == advice


def test_what_never_starts_needs_a_look(tmp_path):
    state = standing(tmp_path, ElementState.PENDING, reason="DependencyNeverSatisfied")
    assert advise(state, "1", {}) == "rhodiff-hpc why 1"


def test_in_silence_nothing_is_advised(tmp_path):
    assert advise(standing(tmp_path, ElementState.UNKNOWN, silence="down"), "1", {}) == ""


def test_what_a_later_submission_took_on_needs_nothing(tmp_path):
    states = [ElementState.FAILED, ElementState.FAILED, ElementState.DONE]
    first = standing(tmp_path, *states)
    retry = standing(tmp_path, ElementState.PENDING, number=2, elements=(1,), num_parts=3)
    trial = standing(tmp_path, ElementState.PENDING, number=3, elements=(0,), num_parts=3, is_trial=True)
    elsewhere = standing(tmp_path, ElementState.PENDING, number=4, elements=(0,), num_parts=3, run="other-1")
    assert taken_on([first, retry, trial, elsewhere]) == [{1: 2}, {}, {}, {}]
    assert "retry" in advise(first, "1", {1: 2})
    assert advise(first, "1", {0: 2, 1: 2}) == ""


def test_submissions_are_named_with_the_run_where_numbers_are_shared(tmp_path):
    one = standing(tmp_path, ElementState.DONE)
    two = standing(tmp_path, ElementState.DONE, number=2)
    other = standing(tmp_path, ElementState.DONE, run="other-1")
    assert names_of([one, two]) == ["1", "2"]
    assert names_of([one, two], with_run=True) == ["demo-12345678 1", "demo-12345678 2"]
    assert names_of([one, other]) == ["demo-12345678 1", "other-1 1"]
