"""What a stage needs submitted: what is live is left alone, the rest is submitted, contradictions are refused."""

from dataclasses import replace

import pytest
from standings import standing
from submitted import make_plan

from rhodiff.errors import RunBusyError
from rhodiff.jobs.packing import PackingWishes, QueueRoom, pack_elements
from rhodiff.jobs.standing import describe_live, differing_settings, judge_need, refuse_other_settings
from rhodiff.jobs.submission_plan import Allocation

WANTED = make_plan(num_elements=8)


def test_without_earlier_submissions_all_that_is_to_be_done_is_submitted():
    assert judge_need(WANTED, (1, 5), []).to_submit == (1, 5)


def test_what_a_live_submission_covers_is_left_to_it_even_if_it_failed_there():
    live = standing({0: "done", 1: "failed", 2: "running"})
    need = judge_need(WANTED, (1, 2, 3), [live])
    assert need.to_submit == (3,)
    assert need.live == (live,)


@pytest.mark.parametrize("state", ["pending", "unknown", "not_submitted"])
def test_what_may_still_go_on_is_live(state):
    assert judge_need(WANTED, (2,), [standing({2: state})]).to_submit == ()


def test_ended_submissions_do_not_count():
    ended = standing({1: "failed", 2: "cancelled", 3: "stopped", 4: "done"}, num_parts=77)
    assert judge_need(WANTED, (1, 2, 3), [ended]).to_submit == (1, 2, 3)


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"allocation": Allocation(walltime_min=120)}, "walltime_min 120 there, 60 now"),
        ({"allocation": Allocation(partition="big")}, "partition big there, None now"),
        ({"num_parts": 9}, "parts 9 there, 8 now"),
        ({"cluster": "other"}, "cluster other there, testbed now"),
    ],
)
def test_a_live_submission_with_other_resources_is_refused_with_both_and_the_way_out(changed, named):
    with pytest.raises(RunBusyError, match=named) as refused:
        judge_need(WANTED, (1,), [standing({1: "running"}, number=3, **changed)])
    assert "submission 3 (job 12: 1 running)" in str(refused.value)
    assert "rhodiff-hpc cancel demo-12345678 3" in str(refused.value)


def test_what_limits_made_of_a_request_is_no_difference():
    pieces = pack_elements(8, PackingWishes(side_by_side=2), QueueRoom(max_submitted_jobs=2)).pieces
    lanes = Allocation(cpus_per_task=2, exclude=("bad1",))
    live = standing(dict.fromkeys(range(8), "running"), pack=4, side_by_side=2, allocation=lanes, pieces=pieces)
    assert judge_need(WANTED, (1,), [live]).to_submit == ()


def test_a_chain_is_a_difference():
    chained = pack_elements(8, PackingWishes(chain=2), QueueRoom()).pieces
    with pytest.raises(RunBusyError, match="chain 2 there, 1 now"):
        judge_need(WANTED, (1,), [standing(dict.fromkeys(range(8), "running"), pieces=chained)])


def test_a_live_submission_with_other_settings_is_refused_as_far_as_the_stage_reads_them():
    theirs = {"data": {"shard_length": 5}, "training": {"iterations": 4}, "report": {"title": "a"}, "jobs": {}}
    ours = {"data": {"shard_length": 5}, "training": {"iterations": 9}, "report": {"title": "b"}, "jobs": {"x": 1}}
    assert differing_settings("prepare", ours, theirs) == []
    assert differing_settings("train", ours, theirs) == ["training.iterations 4 there, 9 now"]
    assert differing_settings("report", ours, theirs) == [
        "training.iterations 4 there, 9 now",
        "report.title 'a' there, 'b' now",
    ]
    live = standing({0: "running"}, stage="train")
    refuse_other_settings("train", [], live)
    with pytest.raises(RunBusyError, match=r"training\.iterations 4 there, 9 now"):
        refuse_other_settings("train", differing_settings("train", ours, theirs), live)


def test_a_live_submission_is_described_by_number_job_and_counts():
    live = standing({0: "done", 1: "running", 2: "running"})
    assert describe_live(live) == "submission 1 (job 12: 1 done, 2 running)"
    assert "not in the queue yet" in describe_live(replace(live, jobs={}))
