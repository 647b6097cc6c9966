"""A call of sbatch: its answer goes straight into a file, whoever waits for it; a revoked licence holds."""

import json
import os
import subprocess
import sys
import time
from dataclasses import asdict

import pytest

from rhodiff.jobs import sbatch_call
from rhodiff.jobs.local_processes import Machine, start_ticks
from rhodiff.jobs.sbatch_call import SbatchCall
from rhodiff.store.files import StorageError

HERE = Machine.here()


@pytest.fixture
def call(tmp_path):
    return SbatchCall(tmp_path / 'it\'s "an" answer')


def child_line(machine, pid, ticks):
    return f"child\t{json.dumps(asdict(machine))}\t{pid}\t{' 0' * 19} {ticks} 0\n"


def test_both_streams_are_the_answer_and_outlive_the_caller(call):
    assert call.make(["sh", "-c", "echo out; echo err >&2; exit 3"]) == "out\nerr\n"
    assert SbatchCall(call.answer).settle() == "out\nerr\n"


def test_a_call_that_never_began_is_revoked_for_good(call):
    assert call.settle() is None
    assert call.make(["sh", "-c", f"echo called > '{call.answer.parent}/trace'"]) == ""
    assert not (call.answer.parent / "trace").exists()
    assert call.settle() is None


def test_a_killed_drivers_call_goes_on_and_is_waited_for(call, tmp_path, monkeypatch):
    code = (
        "import sys; from pathlib import Path; from rhodiff.jobs.sbatch_call import SbatchCall\n"
        "script = 'until [ -e \"$0\" ]; do sleep 0.01; done; echo Submitted batch job 7'\n"
        "SbatchCall(Path(sys.argv[1])).make(['sh', '-c', script, sys.argv[2]])\n"
    )
    driver = subprocess.Popen([sys.executable, "-c", code, str(call.answer), str(tmp_path / "go")])
    while not (call.answer.exists() and call.answer.read_text()):
        time.sleep(0.01)
    driver.kill()
    driver.wait()
    pause, pauses = time.sleep, []

    def go_on_after_a_pause(seconds):
        pauses.append(seconds)
        (tmp_path / "go").touch()
        pause(seconds)

    monkeypatch.setattr(sbatch_call.time, "sleep", go_on_after_a_pause)
    assert call.settle() == "Submitted batch job 7\n"
    assert pauses, "it was waited for"


def test_the_call_does_not_inherit_what_only_our_questions_need(call, monkeypatch):
    monkeypatch.delenv("LC_ALL", raising=False)
    monkeypatch.setenv("SLURM_JOB_ID", "1")
    monkeypatch.setenv("SBATCH_PARTITION", "other")
    names = {line.partition("=")[0] for line in call.make(["env"]).splitlines()}
    assert not names & {"LC_ALL", "SLURM_BITSTR_LEN", "SLURM_JOB_ID", "SBATCH_PARTITION"}
    assert "PATH" in names


def test_a_users_locale_reaches_the_job(call, monkeypatch):
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    assert "LC_ALL=C.UTF-8" in call.make(["env"]).splitlines()


def test_a_call_that_hangs_is_ended(call, monkeypatch):
    monkeypatch.setattr(sbatch_call, "CALL_LIMIT_S", 1)
    assert call.make(["sh", "-c", "sleep 3600; echo over"]) == ""


@pytest.fixture
def no_waiting(monkeypatch):
    monkeypatch.setattr(sbatch_call.time, "sleep", lambda seconds: pytest.fail(f"it waits for {seconds} s"))


@pytest.mark.usefixtures("no_waiting")
def test_a_dead_child_of_this_machine_is_not_waited_for(call):
    call.answer.write_text(child_line(HERE, os.getpid(), start_ticks(os.getpid()) - 1) + "sbatch: error")
    assert call.settle() == "sbatch: error"


@pytest.mark.usefixtures("no_waiting")
def test_a_child_that_a_reboot_ended_is_not_waited_for(call):
    before = Machine(HERE.host, "another boot", HERE.namespace)
    call.answer.write_text(child_line(before, os.getpid(), start_ticks(os.getpid())))
    assert call.settle() == ""


def test_another_hosts_child_is_waited_for_until_its_time_limit(call, monkeypatch):
    monkeypatch.setattr(sbatch_call, "CALL_LIMIT_S", 1)
    monkeypatch.setattr(sbatch_call, "KILL_AFTER_S", 0)
    call.answer.write_text(child_line(Machine("elsewhere", "b", "n"), 1, 1))
    begun = time.monotonic()
    assert call.settle() == ""
    assert time.monotonic() - begun > 0.8


def test_a_shell_that_was_killed_before_it_spoke_is_given_up(call, monkeypatch):
    monkeypatch.setattr(sbatch_call, "SPEAKS_WITHIN_S", 0.2)
    call.answer.touch()
    assert call.settle() == ""


def test_a_folder_that_is_gone_is_an_error_and_calls_nothing(tmp_path):
    with pytest.raises(StorageError, match="nothing was submitted"):
        SbatchCall(tmp_path / "gone" / "answer").make(["true"])
