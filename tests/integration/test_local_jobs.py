"""Jobs without Slurm: the real scheduler, supervisor and body, with elements of a line of bash."""

import os
import pty
import random
import signal
import subprocess
import sys
import time

import pytest
from local_submissions import LocalSubmission, wait_until

from rhodiff.errors import SubmissionRefusedError
from rhodiff.jobs.cancelling import cancel_submissions, plan_cancellation
from rhodiff.jobs.local import LocalScheduler
from rhodiff.jobs.local_processes import Machine, processes_of, signal_processes, start_ticks
from rhodiff.jobs.local_record import read_piece_state
from rhodiff.jobs.scheduler import KnownJob
from rhodiff.jobs.scheduling import scheduler_for
from rhodiff.jobs.submission_plan import Allocation, BodyRules, read_plan
from rhodiff.store.layout import SubmissionFolder

SAVES_WHEN_TOLD = "trap 'echo saved; exit 75' USR1 TERM; echo begun; while :; do sleep 0.02; done"
NOTES_ITSELF = 'echo x >> "made-${0%/*}"'


@pytest.fixture
def local(tmp_path):
    """Makes submissions, and ends what is left of them."""
    made = []

    def make(script, *words, **changes):
        made.append(LocalSubmission(tmp_path, script, *words, **changes))
        return made[-1]

    yield make
    for one in made:
        state = read_piece_state(one.folder.local_record(0))
        if state is not None:
            one.scheduler.cancel([state.supervised.job_id])
            wait_until(lambda job_id=state.supervised.job_id: processes_of(job_id) == [])


def test_elements_run_and_are_done(local, tmp_path):
    jobs = local(NOTES_ITSELF, 5).submit()
    assert jobs.wait() == ["done"] * 5
    assert sorted(path.name for path in tmp_path.glob("made-*")) == [f"made-{k}" for k in range(5)]


def test_packed_elements_share_a_job_and_its_log(local):
    jobs = local("echo part $0", 5, pack=2, side_by_side=1).submit()
    assert jobs.wait() == ["done"] * 5
    assert [jobs.printed(k) for k in range(3)] == [["part 0/5", "part 1/5"], ["part 2/5", "part 3/5"], ["part 4/5"]]


def test_a_failed_element_says_so_and_the_others_are_done(local):
    jobs = local("[ ${0%/*} != 1 ] || { echo broke; exit 3; }", 3).submit()
    assert jobs.wait() == ["done", "failed", "done"]
    assert jobs.printed(1) == ["broke"]


def test_a_job_at_its_time_limit_stops_and_goes_on_where_it_was(local):
    script = f"if [ -e saved ]; then echo went on; exit 0; fi; touch saved; {SAVES_WHEN_TOLD}"
    jobs = local(script, rules=BodyRules(stop_margin_s=55)).submit()
    assert jobs.wait() == ["done"]
    assert jobs.printed(0) == ["begun", "saved", "went on"]
    (record,) = jobs.scheduler.observe([KnownJob(jobs.job_id, jobs.plan.job_name(0))])
    assert (record.state, record.restarts) == ("COMPLETED", 1)
    assert record.total_elapsed_s > 1.0


def test_a_cancelled_element_saves_and_does_not_go_back(local):
    jobs = local("[ ${0%/*} = 0 ] || exit 0; " + SAVES_WHEN_TOLD, 3).submit()
    jobs.wait_for_line(0, "begun")
    wait_until(lambda: jobs.states == ["running", "done", "done"])
    cancel_submissions([plan_cancellation(jobs.state)], scheduler_for)
    assert jobs.wait() == ["cancelled", "done", "done"]
    assert jobs.printed(0) == ["begun", "saved"]


def test_jobs_outlive_the_terminal_that_they_were_submitted_from(local, tmp_path):
    jobs = local("while [ ! -e go ]; do sleep 0.02; done; echo survived")
    words = [sys.executable, "-c", SUBMIT, str(jobs.folder.path)]
    submitting, terminal = pty.fork()
    if submitting == 0:
        os.execv(words[0], words)
    wait_until(lambda: read_piece_state(jobs.folder.local_record(0)))
    os.close(terminal)
    os.waitpid(submitting, 0)
    (tmp_path / "go").touch()
    jobs.job_id = jobs.scheduler.find([jobs.plan.job_name(0)])[jobs.plan.job_name(0)]
    wait_until(lambda: "survived" in jobs.printed(0))


SUBMIT = """
import sys, time
from pathlib import Path
from rhodiff.jobs.local import LocalScheduler
from rhodiff.jobs.submission_plan import read_plan
from rhodiff.store.layout import SubmissionFolder
folder = SubmissionFolder(Path(sys.argv[1]))
plan = read_plan(folder.plan)
job_id = LocalScheduler(folder.path.parents[2]).submit(folder, plan, plan.pieces[0], [])
sys.stdout.write(job_id + "\\n")
"""


def driver(folder):
    words = [sys.executable, "-c", SUBMIT, str(folder.path)]
    return subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_drivers_at_the_same_time_start_one_supervisor(local, tmp_path):
    jobs = local(NOTES_ITSELF, 2)
    drivers = [driver(jobs.folder) for _ in range(6)]
    ids = {one.communicate()[0].strip() for one in drivers}
    assert len(ids) == 1
    (jobs.job_id,) = ids
    wait_until(lambda: jobs.folder.done(0).exists() and jobs.folder.done(1).exists())
    assert [(tmp_path / f"made-{k}").read_text() for k in range(2)] == ["x\n", "x\n"]


def test_a_driver_killed_at_any_moment_neither_doubles_nor_loses_a_job(local, tmp_path):
    delays = random.Random(3)
    for number in range(8):
        jobs = local(f'echo x >> "made-{number}"')
        killed = driver(jobs.folder)
        time.sleep(delays.uniform(0.05, 0.35))
        killed.kill()
        killed.communicate()
        jobs.job_id = driver(jobs.folder).communicate()[0].strip()
        wait_until(jobs.folder.done(0).exists)
        assert (tmp_path / f"made-{number}").read_text() == "x\n"


def test_a_killed_supervisor_takes_its_jobs_along_and_is_told(local):
    jobs = local(SAVES_WHEN_TOLD, 2).submit()
    jobs.wait_for_line(0, "begun")
    jobs.wait_for_line(1, "begun")
    os.kill(int(jobs.job_id.partition("-")[0]), signal.SIGKILL)
    wait_until(lambda: processes_of(jobs.job_id) == [])
    assert jobs.printed(0) == ["begun", "saved"]
    records = jobs.scheduler.observe([KnownJob(jobs.job_id, jobs.plan.job_name(0))])
    assert [(record.state, record.reason) for record in records] == [("NODE_FAIL", "SupervisorDied")] * 2
    assert jobs.states == ["stopped", "stopped"]


def test_everything_killed_at_once_is_told_too(local):
    jobs = local(SAVES_WHEN_TOLD).submit()
    jobs.wait_for_line(0, "begun")
    supervisor = int(jobs.job_id.partition("-")[0])
    os.kill(supervisor, signal.SIGSTOP)
    signal_processes(processes_of(jobs.job_id), signal.SIGKILL)
    os.kill(supervisor, signal.SIGKILL)
    wait_until(lambda: processes_of(jobs.job_id) == [] and start_ticks(supervisor) is None)
    assert jobs.states == ["failed"]
    assert "the process that supervised it is gone" in jobs.state.elements[0].reason


def test_what_a_dead_supervisor_left_running_can_be_cancelled(local):
    jobs = local("trap : TERM USR1; echo begun; while :; do sleep 0.02; done").submit()
    jobs.wait_for_line(0, "begun")
    os.kill(int(jobs.job_id.partition("-")[0]), signal.SIGKILL)
    wait_until(
        lambda: jobs.scheduler.observe([KnownJob(jobs.job_id, jobs.plan.job_name(0))])[0].state == "COMPLETING"
    )
    jobs.scheduler.cancel([f"{jobs.job_id}_0"])
    wait_until(lambda: processes_of(jobs.job_id) == [])


def test_a_job_id_counts_with_its_name_only(local):
    jobs = local("exit 0").submit()
    jobs.wait()
    assert jobs.scheduler.observe([KnownJob(jobs.job_id, "prepare-ffffffff-0")]) == []
    assert jobs.scheduler.observe([KnownJob("1-1", jobs.plan.job_name(0))]) == []
    assert jobs.scheduler.find(["prepare-ffffffff-0", "odd"]) == {}


def test_of_another_machines_jobs_nothing_is_said(local, monkeypatch):
    jobs = local(SAVES_WHEN_TOLD).submit()
    monkeypatch.setattr(Machine, "here", classmethod(lambda cls: cls("elsewhere", "another boot", "pid:[1]")))
    assert jobs.scheduler.observe([KnownJob(jobs.job_id, jobs.plan.job_name(0))]) == []


def test_set_up_lines_and_variables_reach_elements_whatever_is_in_them(local):
    value = 'it\'s "quoted" $HOME\nand more'
    jobs = local(
        'printf "%s|%s" "$GREETING" "$SITE"', setup=("SITE=here", "export SITE"), environment={"GREETING": value}
    )
    assert jobs.submit().wait() == ["done"]
    assert "\n".join(jobs.printed(0)) == f"{value}|here"


def test_set_up_lines_that_fail_are_told_with_what_they_said(local):
    jobs = local("exit 0", setup=("echo 'no such module: intel' >&2; exit 4",))
    with pytest.raises(SubmissionRefusedError, match="ended with 4 before it began: no such module: intel"):
        jobs.submit()


def test_more_than_one_node_is_refused(local):
    jobs = local("exit 0", allocation=Allocation(nodes=2))
    with pytest.raises(SubmissionRefusedError, match="2 nodes"):
        jobs.submit()


def test_paths_may_hold_anything(tmp_path):
    odd = tmp_path / 'it\'s a "run" $HOME'
    odd.mkdir()
    jobs = LocalSubmission(odd, "pwd").submit()
    assert jobs.wait() == ["done"]
    assert jobs.printed(0) == [str(odd)]


def test_a_run_folder_that_was_moved_is_still_understood(local, tmp_path):
    jobs = local("exit 0", 2).submit()
    jobs.wait()
    (tmp_path / "runs").rename(tmp_path / "elsewhere")
    moved = SubmissionFolder(tmp_path / "elsewhere" / jobs.folder.path.relative_to(tmp_path / "runs"))
    name = read_plan(moved.plan).job_name(0)
    records = LocalScheduler(tmp_path / "elsewhere").observe([KnownJob(jobs.job_id, name)])
    assert [record.state for record in records] == ["COMPLETED", "COMPLETED"]
