"""The job body as a program, on local processes, and under a Slurm that refuses."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest
from plans import plan

from rhodiff.jobs.attempts import read_attempts
from rhodiff.jobs.local_processes import start_ticks
from rhodiff.jobs.submission_plan import BodyRules, Launch, Piece
from rhodiff.store.files import write_json
from rhodiff.store.layout import SubmissionFolder

LOCAL = {"RHODIFF_JOB_ID": "7", "RHODIFF_JOB_INDEX": "0"}
SLURM = {"SLURM_JOB_ID": "7", "SLURM_JOB_NODELIST": "n1", "SLURMD_NODENAME": "n1"}
CHAIN = (Piece(0, 0, 1, False), Piece(1, 0, 1, False, link=1, after=(0,)))
SAVES = "trap 'echo saved; exit 75' USR1; touch begun; while :; do sleep 0.05; done"
IGNORES = "trap '' USR1; touch begun; while :; do sleep 0.05; done"


class Body:
    """A submission in a folder, and its body."""

    def __init__(self, folder, command, **values):
        self.folder = SubmissionFolder(folder)
        self.folder.markers.mkdir()
        self.plan = plan(folder, command=("/bin/sh", "-c", command), **values)
        write_json(self.folder.plan, self.plan.to_plain())

    def start(self, environment=None, piece=0):
        words = [sys.executable, "-m", "rhodiff.jobs.body", str(self.folder.path), "--piece", str(piece)]
        variables = {**os.environ, **(LOCAL if environment is None else environment)}
        return subprocess.Popen(words, env=variables, stdout=subprocess.PIPE, text=True)

    def run(self, environment=None, piece=0):
        """Exit code and log."""
        process = self.start(environment, piece)
        log = process.communicate(timeout=300)[0]
        return process.returncode, log

    def interrupt(self, number, environment=None):
        """Send a signal once the element works; exit code and log."""
        process = self.start(environment)
        deadline = time.monotonic() + 300
        while not (self.folder.path / "begun").exists():
            assert time.monotonic() < deadline
            time.sleep(0.02)
        process.send_signal(number)
        log = process.communicate(timeout=300)[0]
        return process.returncode, log

    def marks(self):
        return sorted(
            p.name for p in self.folder.markers.iterdir() if ".attempts" not in p.name and "claim" not in p.name
        )

    def verdicts(self):
        return [attempt.verdict for attempt in read_attempts(self.folder.attempts(0))]


@pytest.fixture
def make(tmp_path):
    return lambda command, **values: Body(tmp_path, command, **values)


@pytest.fixture
def scontrol(tmp_path, monkeypatch):
    """Puts a scontrol on the path that says what it is told to; its calls are kept."""

    def install(state, refusal=""):
        folder = tmp_path / "bin"
        folder.mkdir()
        script = f'#!/bin/sh\necho "$@" >> {folder}/calls\n[ "$1" != show ] || echo "JobId=7 JobState={state} X=1"\n'
        refuse = f'[ "$1" = show ] || {{ echo "{refusal}" >&2; exit 1; }}\n'
        (folder / "scontrol").write_text(script + (refuse if refusal else ""))
        (folder / "scontrol").chmod(0o755)
        monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
        return lambda: (folder / "calls").read_text().splitlines()

    return install


def test_a_finished_element_is_never_run_again(make):
    body = make("echo x >> ran")
    assert body.run()[0] == 0
    code, log = body.run()
    assert code == 0
    assert "done before" in log
    assert (body.folder.path / "ran").read_text() == "x\n"
    assert body.verdicts() == ["done"]


def test_all_elements_of_a_job_are_tried_before_it_leaves_with_the_failure(make):
    body = make("echo {part} says; exit 3", num_parts=3, elements=(0, 1, 2), pack=3)
    assert body.run()[0] == 1
    assert body.marks() == [f"00000{k}.failed.json" for k in range(3)]
    reason = json.loads(body.folder.failed(2).read_text())
    assert (reason["exit_code"], reason["last_lines"]) == (3, ["2/3 says"])


def test_elements_that_failed_or_were_cancelled_are_left_alone(make):
    body = make("echo x >> ran", num_parts=2, elements=(0, 1), pack=2)
    write_json(body.folder.failed(0), {})
    write_json(body.folder.cancelled_element(1), {})
    assert body.run()[0] == 1
    assert not (body.folder.path / "ran").exists()


def test_elements_run_side_by_side_with_their_lines_told_apart(make):
    meet = "touch at-$(echo {part} | cut -c1); until [ -e at-0 ] && [ -e at-1 ]; do sleep 0.02; done; echo met"
    code, log = make(meet, num_parts=2, elements=(0, 1), pack=2, side_by_side=2).run()
    assert code == 0
    assert {"[0] met", "[1] met"} <= set(log.splitlines())


@pytest.mark.parametrize("number", [signal.SIGUSR1, signal.SIGUSR2, signal.SIGTERM])
def test_a_request_to_stop_reaches_the_element_as_sigusr1_and_it_saves(make, number):
    body = make(SAVES)
    code, log = body.interrupt(number)
    assert (code, body.verdicts()) == (75, ["stopped"])
    assert "saved" in log


def test_locally_a_stopped_job_asks_to_go_on_and_an_ended_one_does_not(make, tmp_path):
    body = make(SAVES)
    body.interrupt(signal.SIGUSR1)
    assert body.marks() == []
    (tmp_path / "begun").unlink()
    body.interrupt(signal.SIGTERM)
    assert body.marks() == ["000000.stopped.json"]


def test_an_element_that_does_not_stop_in_time_is_ended_and_goes_on_later(make):
    body = make(IGNORES, rules=BodyRules(stop_margin_s=1))
    assert body.interrupt(signal.SIGUSR1)[0] == 75
    assert body.verdicts() == ["stopped"]


def test_a_killed_element_is_tried_again_until_nothing_new_came_too_often(make):
    body = make("echo dying; kill -9 $$")
    assert [body.run()[0] for _ in range(3)] == [75, 75, 1]
    assert body.verdicts() == ["again"] * 3
    reason = json.loads(body.folder.failed(0).read_text())
    assert "3 attempts in a row brought nothing new" in reason["reason"]
    assert reason["last_lines"] == ["dying"]


def test_new_files_are_progress_and_old_ones_are_not(make, tmp_path):
    rules = BodyRules(max_attempts_without_progress=2, progress_globs=(str(tmp_path / "step-*"),))
    body = make("[ -e step-2 ] || touch step-$(ls | grep -c step); kill -9 $$", rules=rules)
    codes = [body.run()[0] for _ in range(5)]
    assert codes == [75, 75, 75, 75, 1]
    assert [a.progress for a in read_attempts(body.folder.attempts(0))] == [True, True, True, False, False]


def test_an_end_without_the_result_that_proves_it_is_no_success(make, tmp_path):
    body = make("[ -e begun ] && touch result; touch begun", rules=BodyRules(proof_glob=str(tmp_path / "result")))
    assert [body.run()[0] for _ in range(2)] == [75, 0]
    assert body.verdicts() == ["again", "done"]


def test_an_attempt_killed_with_its_body_is_told_by_the_next_one(make):
    body = make("[ -e begun ] && exit 0; touch begun; exec sleep 60")
    process = body.start()
    while not (body.folder.path / "begun").exists():
        time.sleep(0.02)
    children = subprocess.run(["pgrep", "-P", str(process.pid)], capture_output=True, text=True, check=True).stdout
    process.kill()
    process.wait()
    os.kill(int(children), signal.SIGKILL)
    code, log = body.run()
    assert code == 0
    assert "attempt 1 was killed together with its job's body" in log
    assert body.verdicts() == ["lost", "done"]


def test_a_stall_ends_the_element_and_all_below_it(make):
    body = make(
        "sleep 300 & echo $! > below; wait", rules=BodyRules(stall_timeout_s=1, max_attempts_without_progress=1)
    )
    code, log = body.run()
    assert code == 1
    assert "no step for 1 s; stacks" in log
    below = int((body.folder.path / "below").read_text())
    assert body.verdicts() == ["again"]
    assert start_ticks(below) is None


def test_where_the_site_forbids_requeue_a_killed_element_is_tried_again_in_place(make):
    body = make("[ -e once ] || { touch once; kill -9 $$; }", scheduler="slurm", rules=BodyRules(may_requeue=False))
    assert body.run(SLURM)[0] == 0
    assert body.verdicts() == ["again", "done"]


def test_where_a_later_member_of_the_chain_goes_on_the_job_leaves_it_to_that_one(make):
    rules = BodyRules(may_requeue=False)
    body = make("[ -e once ] || { touch once; kill -9 $$; }", scheduler="slurm", rules=rules, pieces=CHAIN)
    assert body.run(SLURM)[0] == 75
    assert body.marks() == ["000000.stopped.json"]
    assert body.run({**SLURM, "SLURM_JOB_ID": "8"}, piece=1)[0] == 0
    assert body.marks() == ["000000.done.json"]


def test_a_refused_requeue_leaves_the_element_stopped_with_the_reason_in_the_log(make, scontrol):
    calls = scontrol("RUNNING", "Requests for requeue are disabled")
    body = make(SAVES, scheduler="slurm")
    code, log = body.interrupt(signal.SIGUSR1, SLURM)
    assert code == 75
    assert body.marks() == ["000000.stopped.json"]
    assert "Requests for requeue are disabled" in log
    assert calls()[-1] == "requeue 7"


def test_without_scontrol_on_the_node_the_element_is_stopped(make, monkeypatch):
    monkeypatch.setenv("PATH", "/usr/bin/nothing:/bin/nothing")
    body = make("exit 75", scheduler="slurm")
    code, log = body.run(SLURM)
    assert code == 75
    assert "cannot run 'scontrol'" in log
    assert body.marks() == ["000000.stopped.json"]


def test_a_job_that_is_being_ended_is_not_put_back(make, scontrol):
    calls = scontrol("COMPLETING")
    body = make(SAVES, scheduler="slurm", rules=BodyRules(patience_after_term_s=1))
    assert body.interrupt(signal.SIGTERM, SLURM)[0] == 75
    assert not [call for call in calls() if call.startswith("requeue")]


def test_a_cancelled_submission_is_left_at_once(make):
    body = make(SAVES, scheduler="slurm")
    write_json(body.folder.cancelled, {})
    assert body.run(SLURM)[0] == 75
    assert body.verdicts() == []


@pytest.mark.parametrize(
    ("values", "environment", "code", "said"),
    [
        ({}, {}, 2, "RHODIFF_JOB_ID is not set"),
        ({"folder": "/not/there"}, LOCAL, 2, "/not/there is not there"),
        ({"launch": Launch("none", options=("-x",))}, LOCAL, 1, "no effect without a launcher"),
        ({"command": ("not-a-program",)}, LOCAL, 1, "cannot start not-a-program"),
    ],
)
def test_what_cannot_run_says_why_in_one_line(tmp_path, values, environment, code, said):
    body = Body(tmp_path, "true")
    write_json(body.folder.plan, plan(**{"folder": str(tmp_path), **values}).to_plain())
    ended, log = body.run(environment)
    assert ended == code
    assert said in log
    assert "Traceback" not in log


def test_a_moved_submission_is_named(tmp_path):
    body = Body(tmp_path, "true")
    body.folder.plan.unlink()
    code, log = body.run()
    assert code == 2
    assert "plan.json is missing: the folder of the submission was moved" in log


@pytest.mark.parametrize("home", ["", "/not/there"])
def test_a_node_without_home_folder_works_and_says_so(make, home):
    code, log = make("true").run({**LOCAL, "HOME": home})
    assert code == 0
    assert "no home folder" in log
