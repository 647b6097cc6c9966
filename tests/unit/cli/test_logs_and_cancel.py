"""``logs`` and ``cancel`` on submissions to local processes: their screens, and what they refuse."""

import json
import socket
import subprocess
import sys
import time

import pytest
from submitted import hand_over, make_plan, submitted

from rhodiff.errors import SchedulerUnreachableError
from rhodiff.jobs.local import LocalScheduler
from rhodiff.jobs.local_record import read_piece_state


@pytest.fixture
def submit(tmp_path, monkeypatch):
    """Submits lines of bash as elements of a run named demo-12345678."""
    monkeypatch.chdir(tmp_path)
    scheduler, made = LocalScheduler(tmp_path / "runs"), []

    def submit_script(script, num_elements=1, after=()):
        plan = make_plan(
            num_elements=num_elements,
            token=f"{len(made):08x}",
            number=len(made) + 1,
            cluster=scheduler.cluster,
            scheduler="local",
            folder=str(tmp_path),
            created=f"2026-01-01T00:00:0{len(made)}Z",
            command=("bash", "-c", script, "{part}"),
        )
        folder = submitted(tmp_path / "runs", plan)
        job_id = scheduler.submit(folder, plan, plan.pieces[0], after)
        hand_over(folder, plan, {0: job_id})
        made.append((folder, job_id))
        return folder, job_id

    yield submit_script
    scheduler.cancel([job_id for _, job_id in made])
    for folder, _ in made:
        wait_for_end(folder)


def wait_for_end(folder):
    while not read_piece_state(folder.local_record(0)).is_over:
        time.sleep(0.02)


def test_the_log_of_what_failed_is_shown_with_its_job_and_reason(call, submit):
    folder, job = submit("[ ${0%/*} = 1 ] || exit 0; echo 'ValueError: no such field'; exit 3", 3)
    wait_for_end(folder)
    ended = call("logs", "-n", "4")
    head, path, *lines = ended.out.splitlines()
    assert head.startswith(f"==> submission 1 (prepare), element 1, job {job}_1, attempt 1 on ")
    assert head.endswith(", failed: exit code 3 <==")
    assert path.strip() == str(folder.log(job, 1).relative_to(folder.path.parents[3]))
    assert len(lines) == 4
    assert lines[-3] == "ValueError: no such field"


def test_programs_get_the_logs_of_all_elements_that_were_named(call, submit):
    folder, job = submit("echo part $0", 3)
    wait_for_end(folder)
    logs = call("logs", "1:0,2", "--json").value["logs"]
    assert [log["elements"] for log in logs] == [[0], [2]]
    assert "part 0/3\n" in logs[0]["text"]
    assert logs[1]["path"] == str(folder.log(job, 2))


def test_a_job_that_waits_says_why_there_is_no_log(call, submit):
    _, first = submit("sleep 60")
    submit("exit 0", after=[f"afterok:{first}"])
    ended = call("logs", "2")
    assert "pending: waits for another job to end" in ended.out
    assert "nothing yet" in ended.out


def test_following_shows_all_lines_until_the_job_ends(call, submit):
    submit("sleep 0.3; echo one; sleep 0.3; echo two")
    ended = call("logs", "--follow")
    assert ended.code == 0
    assert [line for line in ended.out.splitlines() if line in ("one", "two")] == ["one", "two"]
    assert ended.out.splitlines()[-1].endswith(", done <==")


def test_an_attempt_and_a_process_can_be_asked_for(call, submit):
    folder, _ = submit("echo '1: one'; echo '0: zero'; if [ -e again ]; then exit 0; fi; touch again; kill -9 $$")
    wait_for_end(folder)
    lines = call("logs", "--attempt", "1", "--rank", "0").out.splitlines()[2:]
    assert [line.partition(" rhodiff: ")[2].partition(" after ")[0] or line for line in lines] == [
        f"element 0: attempt 1 on {socket.gethostname()}",
        "0: zero",
        "element 0: attempt 1 again",
    ]
    assert "--attempt 7: at element 0 of submission 1 attempts 1 to 2 were made" in call("logs", "--attempt", "7").err


def test_what_would_be_cancelled_is_shown_and_left_alone(call, submit):
    folder, job = submit("sleep 60", 4)
    shown = call("cancel", "1:2-3", "--dry-run")
    assert shown.out.startswith("would cancel submission 1 (prepare), elements 2-3: ")
    assert call("cancel", "all", "--dry-run", "--json").value["cancelled"][0]["jobs"] == [job]
    assert not folder.cancelled.exists()
    assert list(folder.markers.glob("*.cancelled.json")) == []


def test_what_is_cancelled_is_counted_and_ended(call, submit):
    folder, _ = submit("[ ${0%/*} = 0 ] || sleep 60", 2)
    while not folder.done(0).exists():
        time.sleep(0.02)
    ended = call("cancel", "last")
    assert ended.out.splitlines()[0] == "cancelled submission 1 (prepare): 1 running; 1 done stays done"
    wait_for_end(folder)
    assert "1 cancelled" in call("status").out
    again = call("cancel", "last")
    assert (again.code, again.out) == (0, "nothing to cancel: nothing of it waits or runs\n")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["cancel"], "say what to cancel"),
        (["cancel", "all"], "no run under"),
        (["logs"], "no run under"),
        (["logs", "--follow", "--json"], "exclude each other"),
    ],
)
def test_requests_that_mean_nothing_are_refused(call, tmp_path, monkeypatch, words, said):
    monkeypatch.chdir(tmp_path)
    ended = call(*words)
    assert ended.code == 2
    assert said in ended.err


def test_cancel_needs_states_that_have_not_ended(call, submit):
    submit("sleep 60")
    ended = call("cancel", "1", "--state", "failed")
    assert (ended.code, "--state failed: what is failed has ended" in ended.err) == (2, True)


@pytest.mark.parametrize("command", ["logs", "cancel"])
def test_nothing_slow_is_loaded(submit, command, tmp_path):
    folder, _ = submit("echo hello")
    wait_for_end(folder)
    code = (
        f"import json, sys\nsys.argv = ['rhodiff-hpc', {command!r}, 'last']\n"
        "from rhodiff.cli.app import main\ntry:\n    main()\nexcept SystemExit:\n    pass\n"
        "slow = ['torch', 'zarr', 'numpy', 'submitit', 'yaml']\n"
        "sys.stderr.write(json.dumps([name for name in slow if name in sys.modules]))\n"
    )
    ended = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert json.loads(ended.stderr.splitlines()[-1]) == []


def test_the_log_of_the_stage_that_runs_is_shown_not_that_of_the_stages_that_wait(call, submit):
    _, first = submit("echo here it is; sleep 60")
    submit("true", after=[f"afterok:{first}"])
    while "here it is" not in call("logs").out:
        time.sleep(0.02)
    assert call("logs").out.startswith("==> submission 1 (prepare)")


def test_a_cancel_that_reaches_nobody_says_what_it_did_all_the_same(call, submit, monkeypatch):
    folder, _ = submit("sleep 60")

    def fail(*_):
        raise SchedulerUnreachableError("no answer")

    monkeypatch.setattr(LocalScheduler, "cancel", fail)
    ended = call("cancel", "1")
    monkeypatch.undo()
    assert ended.code == 3
    assert "no answer" in ended.err
    assert "marked as cancelled all the same" in ended.err
    assert folder.cancelled.exists()
