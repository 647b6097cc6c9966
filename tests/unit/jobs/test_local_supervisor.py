"""Real supervisors with bodies of one line of bash."""

import os
import signal
import time

import pytest
from supervised import Supervision, wait_until

from rhodiff.jobs.local_processes import processes_of
from rhodiff.jobs.local_requests import request_cancel
from rhodiff.jobs.submission_plan import Allocation, BodyRules, Piece

STOPS_WHEN_TOLD = "trap 'echo told; exit 75' TERM USR1; echo ready; while :; do sleep 0.02; done"
DEAF = "trap 'echo told' TERM USR1; echo ready; while :; do sleep 0.02; done"


@pytest.fixture
def supervise(tmp_path):
    begun = []

    def begin(script, **changes):
        begun.append(Supervision(tmp_path / "runs", script, **changes))
        return begun[-1]

    yield begin
    for one in begun:
        one.end()


def test_every_job_runs_once_with_its_number_and_a_log_of_its_own(supervise):
    jobs = supervise('echo "$RHODIFF_JOB_ID $RHODIFF_JOB_INDEX $RHODIFF_RESTART"', num_elements=5)
    assert jobs.wait() == ["COMPLETED"] * 5
    assert [jobs.log(k) for k in range(5)] == [f"{jobs.job_id} {k} 0\n" for k in range(5)]


def test_the_log_of_a_single_job_has_no_number(supervise):
    jobs = supervise("echo hello", num_elements=1, pieces=[Piece(0, 0, 1, is_array=False)])
    jobs.wait()
    assert jobs.log(None) == "hello\n"


def test_ends_are_told_in_slurms_words(supervise):
    jobs = supervise(
        "[ $RHODIFF_JOB_INDEX = 0 ] && exit 0; [ $RHODIFF_JOB_INDEX = 1 ] && exit 3; kill -9 $$", num_elements=3
    )
    assert jobs.wait() == ["COMPLETED", "FAILED", "FAILED"]
    assert [task.exit_code for task in jobs.state.tasks] == ["0:0", "3:0", "0:9"]


def test_no_more_jobs_run_at_a_time_than_the_throttle_allows(supervise, tmp_path):
    script = f"mkdir {tmp_path}/only || echo two; sleep 0.1; rmdir {tmp_path}/only"
    jobs = supervise(script, num_elements=4, pieces=[Piece(0, 0, 4, is_array=True, throttle=1)])
    assert jobs.wait() == ["COMPLETED"] * 4
    assert [jobs.log(k) for k in range(4)] == [""] * 4


def test_a_job_has_the_cpus_that_it_asked_for(supervise):
    jobs = supervise("nproc", num_elements=2, allocation=Allocation(cpus_per_task=1))
    jobs.wait()
    assert [jobs.log(k) for k in range(2)] == ["1\n", "1\n"]


def test_a_body_that_leaves_with_75_runs_again_and_appends_to_its_log(supervise):
    jobs = supervise("echo attempt $RHODIFF_RESTART; [ $RHODIFF_RESTART = 2 ] || exit 75", num_elements=1)
    assert jobs.wait() == ["COMPLETED"]
    assert jobs.log(0).splitlines() == ["attempt 0", "attempt 1", "attempt 2"]
    assert jobs.state.tasks[0].restarts == 2


@pytest.mark.parametrize("marker", ["000000.stopped.json", "000000.cancelled.json", "../cancelled.json"])
def test_a_body_that_is_to_stay_stopped_does_not_run_again(supervise, marker):
    jobs = supervise(f"echo attempt; touch MARKERS/{marker}; exit 75", num_elements=1)
    assert jobs.wait() == ["FAILED"]
    assert jobs.log(0) == "attempt\n"
    assert jobs.state.tasks[0].exit_code == "75:0"


@pytest.mark.parametrize(
    ("rules", "attempts"),
    [(BodyRules(may_requeue=False), 1), (BodyRules(max_attempts=3), 3)],
    ids=["never", "bounded"],
)
def test_attempts_are_bounded_by_the_rules(supervise, rules, attempts):
    jobs = supervise("echo attempt; exit 75", num_elements=1, rules=rules)
    assert jobs.wait() == ["FAILED"]
    assert jobs.log(0).count("attempt") == attempts


def test_a_job_is_told_to_stop_before_its_time_is_over_and_goes_on_in_another_attempt(supervise):
    script = "[ $RHODIFF_RESTART = 0 ] || exit 0; " + STOPS_WHEN_TOLD
    jobs = supervise(script, num_elements=1, limit=[600.0, 60.0, 5.0], is_told_the_time=True)
    jobs.wait_for_line(0, "ready")
    jobs.set_clock(541.0)
    assert jobs.wait() == ["COMPLETED"]
    assert jobs.log(0).splitlines() == ["ready", "told"]


def test_a_deaf_job_is_ended_after_its_time(supervise):
    jobs = supervise(DEAF, num_elements=1, limit=[600.0, 60.0, 30.0], is_told_the_time=True)
    jobs.wait_for_line(0, "ready")
    for age_s, lines in ((541.0, ["ready", "told"]), (601.0, ["ready", "told", "told"])):
        jobs.set_clock(age_s)
        wait_until(lambda lines=lines: jobs.log(0).splitlines() == lines)
    jobs.set_clock(632.0)
    assert jobs.wait() == ["TIMEOUT"]
    assert jobs.log(0).splitlines() == ["ready", "told", "told"]
    assert jobs.state.tasks[0].exit_code == "0:9"


def test_one_job_is_cancelled_and_the_others_go_on(supervise):
    jobs = supervise("[ $RHODIFF_JOB_INDEX = 1 ] || exit 0; " + STOPS_WHEN_TOLD, num_elements=3)
    jobs.wait_for_line(1, "ready")
    request_cancel(jobs.folder.local_requests(0), [1])
    assert jobs.wait() == ["COMPLETED", "CANCELLED", "COMPLETED"]


def test_cancelling_a_piece_ends_what_runs_and_drops_what_waits(supervise):
    jobs = supervise(STOPS_WHEN_TOLD, num_elements=3, pieces=[Piece(0, 0, 3, is_array=True, throttle=1)])
    jobs.wait_for_line(0, "ready")
    request_cancel(jobs.folder.local_requests(0), [2, None])
    assert jobs.wait() == ["CANCELLED"] * 3
    assert jobs.log(0).splitlines() == ["ready", "told"]


def test_a_deaf_job_that_is_cancelled_is_killed_with_all_that_it_started(supervise):
    script = "setsid bash -c 'echo below; trap : TERM; while :; do sleep 0.1; done' & " + DEAF
    jobs = supervise(script, num_elements=1, limit=[60.0, 5.0, 0.3])
    jobs.wait_for_line(0, "below")
    jobs.wait_for_line(0, "ready")
    request_cancel(jobs.folder.local_requests(0), [None])
    assert jobs.wait() == ["CANCELLED"]
    assert processes_of(jobs.job_id) == []


def test_what_a_body_leaves_behind_ends_with_it(supervise):
    jobs = supervise("setsid sleep 60 & echo begun", num_elements=1)
    assert jobs.wait() == ["COMPLETED"]
    assert processes_of(jobs.job_id) == []


def test_a_supervisor_that_is_told_to_stop_tells_its_jobs(supervise):
    jobs = supervise(STOPS_WHEN_TOLD, num_elements=2, pieces=[Piece(0, 0, 2, is_array=True, throttle=1)])
    jobs.wait_for_line(0, "ready")
    jobs.process.terminate()
    assert jobs.wait() == ["CANCELLED", "CANCELLED"]
    assert jobs.log(0).splitlines() == ["ready", "told"]
    assert jobs.state.tasks[1].reason == "SupervisorStopped"


def test_bodies_are_told_to_stop_when_their_supervisor_is_killed(supervise):
    jobs = supervise(STOPS_WHEN_TOLD, num_elements=1)
    jobs.wait_for_line(0, "ready")
    jobs.process.kill()
    jobs.wait_for_line(0, "told")
    wait_until(lambda: processes_of(jobs.job_id) == [])
    assert jobs.states == ["RUNNING"]


def test_a_job_begins_when_what_it_waits_for_is_done(supervise, tmp_path):
    first = supervise(f"while [ ! -e {tmp_path}/go ]; do sleep 0.02; done; echo x > {tmp_path}/made", num_elements=1)
    second = supervise(f"cat {tmp_path}/made", num_elements=1, after=[f"afterok:{first.job_id}"])
    wait_until(lambda: second.state.tasks[0].reason == "Dependency")
    assert second.states == ["PENDING"]
    (tmp_path / "go").touch()
    assert (first.wait(), second.wait()) == (["COMPLETED"], ["COMPLETED"])
    assert second.log(0) == "x\n"


def test_a_job_after_a_failed_one_is_cancelled_with_the_reason(supervise):
    first = supervise("exit 1", num_elements=2)
    ids = first.job_id
    second = supervise("echo ran", num_elements=2, after=[f"afterok:{ids}"])
    third = supervise("echo ran", num_elements=1, after=[f"afterany:{ids}"])
    assert second.wait() == ["CANCELLED", "CANCELLED"]
    assert second.state.tasks[0].reason == f"DependencyNeverSatisfied: afterok:{ids}"
    assert third.wait() == ["COMPLETED"]


def test_a_waiting_job_can_be_cancelled(supervise):
    first = supervise(STOPS_WHEN_TOLD, num_elements=1)
    second = supervise("echo ran", num_elements=2, after=[f"afterok:{first.job_id}"])
    request_cancel(second.folder.local_requests(0), [1])
    wait_until(lambda: second.states == ["PENDING", "CANCELLED"])
    request_cancel(second.folder.local_requests(0), [None])
    assert second.wait() == ["CANCELLED", "CANCELLED"]


def test_a_terminals_interrupt_of_the_supervisor_reaches_bodies_as_a_stop(supervise):
    jobs = supervise(STOPS_WHEN_TOLD, num_elements=1)
    jobs.wait_for_line(0, "ready")
    os.kill(jobs.process.pid, signal.SIGINT)
    assert jobs.wait() == ["CANCELLED"]


def test_an_idle_supervisor_uses_hardly_any_cpu(supervise):
    jobs = supervise("sleep 3", num_elements=1)
    wait_until(lambda: jobs.states == ["RUNNING"])
    before = _cpu_s(jobs.process.pid)
    time.sleep(2.0)
    assert _cpu_s(jobs.process.pid) - before < 0.1


def _cpu_s(pid):
    import psutil

    times = psutil.Process(pid).cpu_times()
    return times.user + times.system
