"""What a retry runs again, and the submission that does."""

from dataclasses import replace

import pytest
from standings import RUN, standing

from rhodiff.jobs.packing import QueueRoom
from rhodiff.jobs.retrying import RetryNeed, RetryStamp, judge_retries, plan_retry
from rhodiff.jobs.submission_plan import Allocation, Piece

ALL = {
    0: "done",
    1: "failed",
    2: "running",
    3: "stopped",
    4: "pending",
    5: "cancelled",
    6: "unknown",
    7: "not_submitted",
}
STAMP = RetryStamp("89abcdef", 5)


def wanted(*states):
    return {state.folder.path: state.plan.elements for state in states}


def test_what_failed_stopped_or_was_cancelled_runs_again_and_nothing_else():
    state = standing(ALL)
    (need,) = judge_retries([state], wanted(state), force=False)
    assert need.elements == (1, 3, 5)
    assert need.unknown == {6: "a reason"}


def test_force_runs_the_unknown_again_too():
    state = standing(ALL)
    (need,) = judge_retries([state], wanted(state), force=True)
    assert (need.elements, need.unknown) == ((1, 3, 5, 6), {})


def test_only_the_elements_that_are_meant_run_again():
    state = standing({1: "failed", 2: "failed"})
    (need,) = judge_retries([state], {state.folder.path: (2,)}, force=False)
    assert need.elements == (2,)
    assert judge_retries([state], {}, force=False) == []


@pytest.mark.parametrize(("second", "again"), [("done", ()), ("running", ()), ("pending", ()), ("failed", (3,))])
def test_what_a_later_submission_took_on_counts_as_it_stands_there(second, again):
    first, later = standing({3: "failed"}), standing({3: second}, number=2)
    found = judge_retries([first, later], wanted(first), force=False)
    assert [need.elements for need in found] == ([again] if again else [])
    assert all(need.state is later for need in found)


def test_what_was_done_once_never_runs_again():
    first, later = standing({3: "done"}), standing({3: "cancelled"}, number=2)
    assert judge_retries([first, later], wanted(first, later), force=False) == []


def test_parts_of_another_cut_are_other_work():
    first, later = standing({3: "failed"}), standing({3: "done"}, number=2, num_parts=99)
    (need,) = judge_retries([first, later], wanted(first, later), force=False)
    assert need.state is first


def test_a_trial_is_not_run_again():
    state = standing({0: "failed"}, stage="train", num_parts=1, is_trial=True)
    assert judge_retries([state], wanted(state), force=False) == []


def again(state, elements, room=None, **allocation):
    need = RetryNeed(state, tuple(elements))
    return plan_retry(need, STAMP, room or QueueRoom(), replace(state.plan.allocation, **allocation))[0]


def test_the_new_submission_is_the_old_one_for_fewer_elements_with_its_own_settings_beside_it():
    config = "/where/it/was/jobs/testbed-01234567/config.yaml"
    command = ("python3", "-m", "rhodiff.cli", "run", "prepare", "-c", config, "--part", "{part}")
    old = standing(dict.fromkeys(range(8), "failed"), command=command, code="code-1.zip", token="01234567")
    plan = again(old, (2, 5), exclude=("bad1",))
    assert plan.element_command(5) == [
        *["python3", "-m", "rhodiff.cli", "run", "prepare"],
        *["-c", str(RUN.jobs.submission("testbed", "89abcdef").config), "--part", "5/8"],
    ]
    assert (plan.elements, plan.num_parts, plan.code, plan.number) == ((2, 5), 8, "code-1.zip", 5)
    assert plan.pieces == (Piece(0, 0, 2, is_array=True),)
    assert plan.allocation.exclude == ("bad1",)


def test_37_of_2500_that_shared_4_jobs_share_4_jobs():
    old = standing(dict.fromkeys(range(2500), "failed"), num_parts=2500, pack=625)
    plan = again(old, range(37), QueueRoom(max_submitted_jobs=4))
    assert (plan.pack, plan.num_jobs) == (10, 4)


def test_lanes_keep_their_cpus():
    lanes = {"pack": 4, "side_by_side": 4, "allocation": Allocation(cpus_per_task=8)}
    old = standing(dict.fromkeys(range(8), "failed"), **lanes)
    assert again(old, (1, 2)).allocation.cpus_per_task == 4  # two lanes of two CPUs
    assert again(old, range(8)).allocation.cpus_per_task == 8
