"""Screens about jobs as their reader sees them, from submissions on disk and records of a scheduler."""

import json
import os
import pty
import subprocess
import sys

import pytest
from submitted import attempt, hand_over, make_plan, submitted

from rhodiff.jobs import state as state_module
from rhodiff.jobs.scheduler import JobRecord
from rhodiff.jobs.submission_plan import Allocation, Piece
from rhodiff.jobs.usage import Usage
from rhodiff.store.files import write_json


class Says:
    """A scheduler that says some records."""

    cluster = "testbed"
    records = ()

    def observe(self, _):
        return self.records


@pytest.fixture
def runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(state_module.observe_submissions, "__defaults__", (lambda *_: Says(),))
    monkeypatch.setattr(Says, "records", [])
    return tmp_path / "runs"


def made(runs, **values):
    plan = make_plan(**values)
    return plan, hand_over(
        submitted(runs, plan), plan, {piece.index: str(10 * plan.number + piece.index) for piece in plan.pieces}
    )


def says(plan, index, state, *, job=None, **more):
    Says.records.append(JobRecord(job or str(10 * plan.number), plan.job_name(0), index, state, **more))


def test_a_table_has_one_line_a_submission_and_what_to_do_next(call, runs):
    _, folder = made(runs, num_elements=5)
    for element in range(4):
        folder.done(element).touch()
    write_json(folder.failed(4), {"reason": "exit code 1"})
    train, _ = made(
        runs,
        number=2,
        stage="train",
        num_elements=1,
        pieces=[Piece(0, 0, 1, False)],
        allocation=Allocation(nodes=2, walltime_min=720),
    )
    says(train, None, "RUNNING", nodes="rho[1-2]", elapsed_s=4200)
    ended = call("status")
    assert ended.code == 0
    assert ended.out.splitlines() == [
        "demo-12345678",
        "   1 prepare   4 done, 1 failed   job 10",
        "               next: rhodiff-hpc why 1   then   rhodiff-hpc retry 1",
        "   2 train     running   job 20",
        "               for 1 h 10 min of 12 h, on rho[1-2]",
    ]


def test_progress_and_attempts_of_a_training_are_shown(call, runs):
    plan, folder = made(runs, stage="train", num_elements=1, pieces=[Piece(0, 0, 1, False)])
    says(plan, None, "RUNNING", nodes="rho1", elapsed_s=60)
    attempt(folder, 0, 1, verdict="lost", progress=True)
    attempt(folder, 0, 2, ended=False)
    beat = {"done": 1200, "total": 10000, "text": "3.1 it/s, 47 min left", "time": "2026-01-01T00:00:00Z"}
    write_json(folder.heartbeat(0), beat)
    out = call("status").out
    assert "for 60 s of 1 h, on rho1, attempt 2" in out
    assert "1,200/10,000, 3.1 it/s, 47 min left" in out
    assert "stalled" not in out
    long_ago = folder.heartbeat(0).stat().st_mtime - 1500
    os.utime(folder.heartbeat(0), (long_ago, long_ago))
    assert "left; last step 25 min ago: stalled?" in " ".join(call("status").out.split())


def test_what_waits_says_why_and_until_when(call, runs):
    plan, _ = made(runs, num_elements=2)
    for element in range(2):
        says(plan, element, "PENDING", reason="Resources", expected_start="2020-01-01T12:00:00Z")
    out = " ".join(call("status").out.split())
    assert "2 pending job 10 pending: next in line: waits for nodes to become free; expected to start 20" in out


def test_failures_that_a_retry_took_on_need_nothing_more(call, runs):
    _, folder = made(runs, num_elements=4)
    for element in range(4):
        (folder.failed if element == 2 else folder.done)(element).touch()
    _, again = made(runs, number=2, elements=(2,), num_parts=4)
    again.done(2).touch()
    out = call("status").out
    assert "1 unfinished element taken on by submission 2" in out
    assert "next:" not in out
    assert call("why").out == "there is nothing to explain: 4 done, 1 failed\n"


def test_several_runs_are_told_apart_and_finished_ones_take_a_line(call, runs):
    _, folder = made(runs, num_elements=1, run="old-1")
    folder.done(0).touch()
    _, folder = made(runs, num_elements=1, run="new-2", created="2026-02-01T00:00:00Z")
    write_json(folder.failed(0), {"reason": "exit code 1"})
    out = call("status").out
    assert "old-1   done, 1 submission" in out
    assert "next: rhodiff-hpc why new-2 1   then   rhodiff-hpc retry new-2 1" in out
    assert call("status", "old-1").out.splitlines() == ["old-1", "   1 prepare   done   job 10"]


def test_elements_in_a_state_are_listed_with_their_reason(call, runs):
    _, folder = made(runs, num_elements=50)
    for element in range(50):
        if 5 <= element < 42:
            write_json(folder.failed(element), {"reason": "exit code 1"})
        else:
            folder.done(element).touch()
    assert "         5-41  failed: exit code 1\n" in call("status", "--state", "failed").out
    assert call("status", "--state", "running").out == "no element is running\n"
    assert "0-4,42-43  done" in call("status", "1:0-4,42-43").out


def test_lines_fit_a_terminal(call, runs):
    _, folder = made(runs, num_elements=300, pieces=[Piece(k, 30 * k, 30, True) for k in range(10)])
    for element in range(0, 300, 2):
        write_json(folder.failed(element), {"reason": "a reason that is longer than a line of any terminal " * 3})
    for words in (["status"], ["status", "--state", "failed"], ["why"], ["cost"]):
        assert max(len(line) for line in call(*words).out.splitlines()) <= 80


def test_json_has_every_element_with_states_times_and_the_next_step(call, runs):
    plan, folder = made(runs, num_elements=2)
    folder.done(0).touch()
    says(plan, 1, "RUNNING", nodes="rho1", elapsed_s=60)
    value = call("status", "--json").value
    assert value["schema"] == 1
    assert value["time"].endswith("Z")
    (submission,) = value["runs"][0]["submissions"]
    assert submission["counts"] == {"done": 1, "running": 1}
    assert submission["elements"][1]["state"] == "running"
    assert submission["elements"][1]["elapsed_s"] == 60
    assert submission["elements"][1]["nodes"] == "rho1"


def test_a_scheduler_that_does_not_answer_is_exit_code_3_and_no_state_is_made_up(call, runs, monkeypatch):
    from rhodiff.errors import SchedulerUnreachableError

    def observe(self, _):
        raise SchedulerUnreachableError("the scheduler does not answer: timed out. Ask again in a minute")

    monkeypatch.setattr(Says, "observe", observe)
    _, folder = made(runs, num_elements=3)
    folder.done(0).touch()
    ended = call("status")
    assert ended.code == 3
    assert "1 done, 2 unknown" in ended.out
    assert "unknown: the scheduler does not answer: timed out." in ended.out
    assert "next:" not in ended.out
    assert call("status", "--json").code == 3
    assert call("why").code == 3
    for element in (1, 2):
        folder.done(element).touch()
    assert call("why").code == 0  # all is known without the scheduler


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["status", "--every", "60"], "--every has no effect without --watch"),
        (["status", "--watch", "--json"], "exclude each other"),
        (["status", "--watch", "--every", "5"], "at least 30, since each look asks the scheduler"),
        (["status", "nothing"], "nothing was submitted for 'nothing'"),
        (["status", "1:99"], "has no element 99"),
        (["why", "9"], "there is no submission 9"),
        (["cost", "demo", "x"], "'x' selects nothing"),
    ],
)
def test_what_makes_no_sense_is_refused(call, runs, words, says):
    made(runs)
    ended = call(*words)
    assert ended.code == 2
    assert says in ended.err
    assert ended.out == ""


def test_without_submissions_the_way_to_one_is_told(call, runs):
    ended = call("status")
    assert ended.code == 2
    assert "rhodiff-hpc submit" in ended.err


def test_watching_ends_when_nothing_goes_on(call, runs, monkeypatch):
    monkeypatch.setenv("RHODIFF_FAST_WATCH", "1")
    plan, folder = made(runs, num_elements=1)
    says(plan, 0, "RUNNING")
    looks = []

    def pause(_):
        looks.append(1)
        folder.done(0).touch()

    monkeypatch.setattr("rhodiff.cli.status.time.sleep", pause)
    out = call("status", "--watch", "--every", "1").out
    assert len(looks) == 1
    assert "running" in out
    assert out.rstrip().endswith("done   job 10")
    assert "\x1b" not in out


def test_ctrl_c_leaves_a_watch_cleanly(call, runs, monkeypatch):
    plan, _ = made(runs, num_elements=1)
    says(plan, 0, "RUNNING")

    def pause(_):
        raise KeyboardInterrupt

    monkeypatch.setattr("rhodiff.cli.status.time.sleep", pause)
    ended = call("status", "--watch")
    assert (ended.code, ended.err) == (0, "")


def test_on_a_terminal_a_watch_draws_in_place(runs):
    _, folder = made(runs, num_elements=1)
    folder.done(0).touch()
    ours, theirs = pty.openpty()
    subprocess.run([sys.executable, "-m", "rhodiff.cli", "status", "--watch"], stdout=theirs, check=True)
    os.close(theirs)
    assert os.read(ours, 4096).startswith(b"\x1b[H\x1b[2J")
    os.close(ours)


def test_status_loads_nothing_slow(runs):
    made(runs, scheduler="local")
    slow = ["torch", "zarr", "numpy", "scipy", "submitit", "rhodiff.config.experiment"]
    code = (
        "import sys, json\nsys.argv = ['rhodiff-hpc', 'status']\nfrom rhodiff.cli.app import main\n"
        f"try:\n    main()\nexcept SystemExit:\n    pass\n"
        f"print(json.dumps([n for n in {slow!r} if n in sys.modules]))"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert json.loads(shown.splitlines()[-1]) == []


def test_cost_is_told_with_what_it_is_based_on(call, runs, monkeypatch):
    used = {"10": Usage(cpu_s=1800, core_s=3600, memory_gb=3.1)}
    monkeypatch.setattr("rhodiff.jobs.usage.measure_usage", lambda jobs: {job: used[job] for job in jobs})
    plan, folder = made(runs, num_elements=2, allocation=Allocation(nodes=2, walltime_min=120))
    for element in range(2):
        folder.done(element).touch()
        says(plan, element, "COMPLETED", elapsed_s=900, total_elapsed_s=1800)
    out = call("cost").out
    assert "   1 prepare       2 jobs x 2 nodes             8.00      2.00         0" in out
    assert "CPUs 50 % busy, at most 3.1 GB a process" in out
    assert "based on Slurm's accounting, all attempts of all jobs" in out
    assert "prepare: its longest job took 15 min of 2 h" in out
    (line,) = call("cost", "--json").value["submissions"]
    assert (line["reserved_node_h"], line["used_node_h"], line["lost_node_h"]) == (8.0, 2.0, 0.0)
