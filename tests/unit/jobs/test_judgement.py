"""How elements are judged: markers before the scheduler, doubt before a wrong word."""

from datetime import UTC, datetime, timedelta

import pytest
from submitted import make_plan

from rhodiff.jobs.element_state import ElementState
from rhodiff.jobs.judgement import Evidence, has_settled, judge
from rhodiff.jobs.marks import Marks
from rhodiff.jobs.scheduler import JobRecord
from rhodiff.jobs.submission_plan import Piece

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)


def record(plan, state, index=0, *, job="12", piece=0, **more):
    return JobRecord(job, plan.job_name(piece), index, state, **more)


def judged(plan, *, final=None, heartbeats=(), attempted=(), records=(), element=0, **more):
    marks = Marks(
        final or {}, frozenset(heartbeats), frozenset(attempted), is_cancelled=more.pop("is_cancelled", False)
    )
    evidence = Evidence(marks, **{"jobs": {0: "12"}, "records": records, "now": NOW, **more})
    (status,) = judge(plan, [element], evidence)
    return status


@pytest.fixture
def plan():
    return make_plan(num_elements=3)


@pytest.fixture
def chain():
    links = [Piece(k, 0, 1, is_array=False, link=k, after=(k - 1,) * (k > 0)) for k in range(3)]
    return make_plan(num_elements=1, pieces=links, stage="train")


@pytest.mark.parametrize("state", ["PENDING", "RUNNING", "FAILED", "CANCELLED", "NONSENSE"])
def test_a_done_marker_is_true_whatever_the_scheduler_says(plan, state):
    assert judged(plan, final={0: "done"}, records=[record(plan, state)]).state is ElementState.DONE
    assert judged(plan, final={0: "done"}, silence="down").state is ElementState.DONE


@pytest.mark.parametrize(
    ("word", "state"),
    [
        ("PENDING", ElementState.PENDING),
        ("CONFIGURING", ElementState.PENDING),
        ("REQUEUE_HOLD", ElementState.PENDING),
        ("RUNNING", ElementState.RUNNING),
        ("COMPLETING", ElementState.RUNNING),
        ("CANCELLED by 1000", ElementState.CANCELLED),
        ("CANCELLED+", ElementState.CANCELLED),
        ("NODE_FAIL", ElementState.FAILED),
        ("OUT_OF_MEMORY", ElementState.FAILED),
        ("TIMEOUT", ElementState.FAILED),
        ("SOMETHING_NEW", ElementState.UNKNOWN),
        ("", ElementState.UNKNOWN),
    ],
)
def test_without_a_marker_the_schedulers_word_counts_where_it_is_known(plan, word, state):
    status = judged(plan, records=[record(plan, word)])
    assert status.state is state
    assert status.job == "12_0"


def test_each_element_has_the_record_of_its_own_task(plan):
    records = [record(plan, "RUNNING", 0), record(plan, "PENDING", 1), record(plan, "FAILED", 2)]
    statuses = judge(plan, plan.elements, Evidence(Marks(), {0: "12"}, records=records, now=NOW))
    assert [status.state.value for status in statuses] == ["running", "pending", "failed"]
    assert [status.job for status in statuses] == ["12_0", "12_1", "12_2"]


def test_pieces_that_begin_later_count_their_tasks_from_zero():
    plan = make_plan(num_elements=5, pieces=[Piece(0, 0, 3, is_array=True), Piece(1, 3, 2, is_array=True)])
    evidence = Evidence(Marks(), {0: "12", 1: "16"}, records=[record(plan, "RUNNING", 1, job="16", piece=1)], now=NOW)
    assert judge(plan, [4], evidence)[0].job == "16_1"
    assert judge(plan, [4], evidence)[0].state is ElementState.RUNNING


@pytest.mark.parametrize("mark", ["failed", "stopped"])
def test_a_marked_element_whose_job_runs_again_is_running(plan, mark):
    assert judged(plan, final={0: mark}, records=[record(plan, "RUNNING")]).state is ElementState.RUNNING
    assert judged(plan, final={0: mark}, records=[record(plan, "PENDING")]).state is ElementState.PENDING


@pytest.mark.parametrize("mark", ["failed", "stopped", "cancelled"])
def test_markers_stand_once_the_job_ends(plan, mark):
    for word in ("COMPLETING", "FAILED", "COMPLETED", "TIMEOUT"):
        assert judged(plan, final={0: mark}, records=[record(plan, word)]).state == mark
    assert judged(plan, final={0: mark}, silence="down").state == mark


def test_a_stopped_element_with_a_later_member_of_its_chain_is_pending(chain):
    records = [record(chain, "COMPLETED", None), record(chain, "PENDING", None, job="13", piece=1)]
    status = judged(chain, final={0: "stopped"}, jobs={0: "12", 1: "13"}, records=records)
    assert status.state is ElementState.PENDING
    assert status.job == "13"


def test_a_chain_goes_on_after_a_member_that_died(chain):
    records = [record(chain, "NODE_FAIL", None), record(chain, "PENDING", None, job="13", piece=1)]
    assert judged(chain, jobs={0: "12", 1: "13"}, records=records).state is ElementState.PENDING


def test_members_that_will_leave_at_once_do_not_hide_a_failure(chain):
    records = [record(chain, "FAILED", None), record(chain, "PENDING", None, job="13", piece=1)]
    assert judged(chain, final={0: "failed"}, jobs={0: "12", 1: "13"}, records=records).state is ElementState.FAILED


def test_whether_a_chain_goes_on_is_unknown_in_silence(chain):
    assert judged(chain, final={0: "stopped"}, silence="down").state is ElementState.UNKNOWN


def test_silence_is_unknown_and_says_why(plan):
    status = judged(plan, silence="the scheduler does not answer")
    assert (status.state, status.reason) == (ElementState.UNKNOWN, "the scheduler does not answer")


def test_a_job_that_the_scheduler_does_not_know_is_unknown(plan):
    status = judged(plan)
    assert (status.state, status.reason) == (ElementState.UNKNOWN, "the scheduler no longer knows job 12_0")


def test_the_same_id_under_another_name_is_another_job(plan):
    """A cluster set up anew counts from 1 again, and so do two clusters."""
    stranger = JobRecord("12", "train-00000000-0", 0, "RUNNING")
    status = judged(plan, records=[stranger])
    assert (status.state, status.record) == (ElementState.UNKNOWN, None)


def test_a_task_that_left_its_array_before_it_began_was_cancelled(plan):
    others = [record(plan, "PENDING", 1), record(plan, "COMPLETED", 2, total_elapsed_s=3.0)]
    status = judged(plan, records=others)
    assert (status.state, status.job) == (ElementState.CANCELLED, "12_0")
    assert judged(plan, records=others[:1]).state is ElementState.UNKNOWN, "the queue forgets what has ended"
    assert judged(plan, records=others, attempted=[0]).state is ElementState.UNKNOWN, "it began, and its end may lag"
    stranger = JobRecord("12", "prepare-00000000-0", 1, "PENDING")
    assert judged(plan, records=[stranger]).state is ElementState.UNKNOWN, "another set-up's job of the same id"


def test_a_job_that_completed_without_a_marker_is_unknown_first_and_failed_later(plan):
    for seconds, state in [(-7200, "unknown"), (5, "unknown"), (59, "unknown"), (61, "failed"), (86400, "failed")]:
        ended = (NOW - timedelta(seconds=seconds)).isoformat()
        status = judged(plan, records=[record(plan, "COMPLETED", ended=ended)])
        assert status.state == state
    assert status.reason == "job 12_0 ended without a result"
    assert judged(plan, records=[record(plan, "COMPLETED")]).state is ElementState.UNKNOWN


def test_exit_code_75_is_stopped_and_not_failed(plan):
    assert judged(plan, records=[record(plan, "FAILED", exit_code="75:0")]).state is ElementState.STOPPED
    assert judged(plan, records=[record(plan, "FAILED", exit_code="1:0")]).state is ElementState.FAILED


def test_what_was_never_handed_over_is_told_apart_from_what_may_have_been(plan):
    assert judged(plan, jobs={}).state is ElementState.NOT_SUBMITTED
    doubtful = judged(plan, jobs={}, doubtful=frozenset({0}))
    assert doubtful.state is ElementState.UNKNOWN
    assert "may or may not" in doubtful.reason


def test_a_cancelled_submission_is_cancelled_as_soon_as_its_jobs_are_gone(plan):
    assert judged(plan, is_cancelled=True).state is ElementState.CANCELLED
    assert judged(plan, is_cancelled=True, records=[record(plan, "RUNNING")]).state is ElementState.RUNNING
    assert judged(plan, is_cancelled=True, silence="down").state is ElementState.UNKNOWN


def test_elements_that_share_a_job_stand_for_themselves():
    plan = make_plan(num_elements=4, pack=4)
    running = [record(plan, "RUNNING")]
    states = {
        element: judged(plan, element=element, final={0: "done", 1: "failed"}, heartbeats={2}, records=running)
        for element in range(4)
    }
    assert [states[k].state.value for k in range(4)] == ["done", "failed", "running", "pending"]
    assert states[3].reason == "waits for its turn in job 12_0, which runs"
    assert judged(plan, element=3, attempted={3}, records=running).state is ElementState.RUNNING


def test_markers_alone_settle_what_is_done_or_failed_for_good():
    assert has_settled(Marks({0: "done", 1: "failed", 2: "cancelled"}), [0, 1, 2])
    assert not has_settled(Marks({0: "done"}), [0, 1])
    assert not has_settled(Marks({0: "stopped"}), [0])
    assert not has_settled(Marks({0: "failed"}, heartbeats=frozenset({0})), [0])
