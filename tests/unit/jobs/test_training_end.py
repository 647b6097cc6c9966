"""Whether a training goes on by itself, read from marks alone."""

import pytest
from submitted import make_plan, submitted

from rhodiff.jobs.submission_plan import Piece
from rhodiff.jobs.training_end import why_training_ended
from rhodiff.store.files import write_json
from rhodiff.store.layout import RunFolder

CHAIN = (Piece(0, 0, 1, is_array=False), Piece(1, 0, 1, is_array=False, link=1, after=(0,)))


@pytest.fixture
def submit(tmp_path):
    def one(number=1, **changes):
        plan = make_plan(num_elements=1, **{"stage": "train", "number": number, **changes})
        return submitted(tmp_path, plan)

    return one


@pytest.fixture
def run(tmp_path):
    return RunFolder(tmp_path / "demo-12345678")


def test_a_run_without_submissions_tells_nothing(run):
    assert why_training_ended(run) is None


@pytest.mark.parametrize(
    ("marker", "words"), [("failed", "it failed"), ("stopped", "did not go back"), ("cancelled_element", "cancelled")]
)
def test_a_final_mark_ends_it(submit, run, marker, words):
    folder = submit()
    assert why_training_ended(run) is None
    write_json(getattr(folder, marker)(0), {})
    assert words in why_training_ended(run)


def test_a_cancelled_submission_ends_it(submit, run):
    write_json(submit().cancelled, {})
    assert why_training_ended(run) == "submission 1: it was cancelled"


def test_a_done_one_needs_no_reason(submit, run):
    write_json(submit().done(0), {})
    assert why_training_ended(run) is None


def test_the_next_member_of_a_chain_goes_on_after_a_stop(submit, run):
    write_json(submit(pieces=CHAIN).stopped(0), {})
    assert why_training_ended(run) is None


def test_the_newest_submission_counts(submit, run):
    write_json(submit(1).failed(0), {})
    submit(2)
    assert why_training_ended(run) is None


@pytest.mark.parametrize("changes", [{"is_trial": True}, {"stage": "sample"}])
def test_trials_and_other_stages_do_not_count(submit, run, changes):
    write_json(submit(**changes).failed(0), {})
    assert why_training_ended(run) is None
