"""Running Slurm's commands: what they are told by their environment, deadlines, and silence told from an answer."""

import itertools
import os
import time

import pytest
from fake_commands import FakeCommands

from rhodiff.errors import EnvironmentLacksError, SchedulerUnreachableError
from rhodiff.jobs.slurm_commands import SlurmAnswer, ask_slurm, clean_environment, recorded_calls, run_slurm

# What commands of Slurm 22.05.8 printed with slurmctld or slurmdbd stopped (SIGSTOP) or ended.
SILENT = [
    "slurm_load_jobs error: Socket timed out on send/recv operation",
    "slurm_load_jobs error: Unable to contact slurm controller (connect failure)",
    "slurm_load_partitions: Unable to contact slurm controller (connect failure)",
    "slurm_load_ctl_conf error: Unable to contact slurm controller (connect failure)",
    "scancel: error: Kill job error on job id 5: Unable to contact slurm controller (connect failure)",
    "sbatch: error: Batch job submission failed: Unable to contact slurm controller (connect failure)",
    "Unexpected message received for job 5",
    "sacct: error: Problem talking to the database: Connection refused",
    "squeue: fatal: Could not establish a configuration source",
]
ANSWERED = [
    "slurm_load_jobs error: Invalid job id specified",
    "sbatch: error: Batch job submission failed: Invalid account or account/partition combination specified",
    "scancel: error: Kill job error on job id 7: Access/permission denied",
    "Slurm accounting storage is disabled",
]


@pytest.fixture
def commands(tmp_path, monkeypatch):
    fake = FakeCommands(tmp_path)
    monkeypatch.setenv("PATH", fake.path())
    return fake


@pytest.mark.parametrize("message", SILENT)
def test_messages_of_an_absent_daemon_are_silence(message):
    assert SlurmAnswer(("squeue",), 1, "", message + "\n").is_silence


@pytest.mark.parametrize("message", ANSWERED)
def test_a_refusal_is_an_answer(message):
    assert not SlurmAnswer(("squeue",), 1, "", message + "\n").is_silence


def test_a_command_that_was_killed_or_timed_out_is_silence():
    assert SlurmAnswer(("squeue",), None, "", "").is_silence
    assert SlurmAnswer(("squeue",), -9, "", "").is_silence


def test_a_success_with_a_complaint_is_an_answer():
    assert SlurmAnswer(("squeue",), 0, "", "squeue: error: connection refused, trying the backup").text() == ""


def test_only_a_success_has_a_text():
    with pytest.raises(SchedulerUnreachableError, match=r"'squeue' ended with code 1: some error.*ask again"):
        SlurmAnswer(("squeue",), 1, "half an answer", "first line\nsome error\n").text()


def test_the_environment_of_a_job_and_defaults_of_commands_are_left_out():
    of_commands = ["SQUEUE_FORMAT", "SACCT_FORMAT", "SINFO_FORMAT", "SCANCEL_STATE", "SALLOC_QOS", "SBATCH_ACCOUNT"]
    of_a_job = ["SLURM_JOB_ID", "SLURM_CLUSTERS", "SLURM_NTASKS", "SRUN_CPUS_PER_TASK"]
    kept = {"PATH": "/bin", "SLURM_CONF": "/etc/slurm.conf", "SLURM_JWT": "token", "LANG": "de_DE.UTF-8"}
    assert clean_environment({**kept, **dict.fromkeys(of_commands + of_a_job, "x")}) == kept


def test_questions_are_asked_in_english_and_with_full_lists(commands, monkeypatch):
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")
    monkeypatch.setenv("SLURM_TIME_FORMAT", "relative")
    commands.add("squeue", 'echo "$LC_ALL $SLURM_BITSTR_LEN $SLURM_TIME_FORMAT"')
    assert run_slurm(["squeue"]).stdout == "C 0 %s\n"


def test_a_given_environment_is_taken_as_it_is(commands):
    commands.add("sbatch", 'echo "${LC_ALL-unset} $MINE"; cat')
    answer = run_slurm(["sbatch"], stdin="#!/bin/sh\n", environment={"PATH": commands.path(), "MINE": "yes"})
    assert answer.stdout == "unset yes\n#!/bin/sh\n"


def test_a_wrapper_and_its_children_end_at_the_deadline(commands, tmp_path):
    commands.add("squeue", f"sleep 3600 & echo started; echo $! > {tmp_path}/child; wait")
    deadlines_s = itertools.takewhile(lambda _: not (tmp_path / "child").exists(), (0.2, 2.0, 20.0))
    answer = [run_slurm(["squeue"], deadline_s) for deadline_s in deadlines_s][-1]  # a slow machine needs longer
    assert answer.returncode is None
    assert answer.stdout == "started\n"
    child = int((tmp_path / "child").read_text())
    with pytest.raises(ProcessLookupError):
        for _ in range(3000):
            os.kill(child, 0)
            time.sleep(0.02)


def test_a_missing_command_is_told_with_what_to_do(commands):
    with pytest.raises(EnvironmentLacksError, match=r"cannot run 'squeue-of-nobody'.*no Slurm on its PATH"):
        run_slurm(["squeue-of-nobody"])


def test_a_question_is_asked_again_until_somebody_answers(commands, tmp_path):
    commands.add(
        "squeue",
        f"echo x >> {tmp_path}/calls; [ $(wc -l < {tmp_path}/calls) -ge 3 ] && echo there && exit 0; "
        "echo 'Unable to contact slurm controller' >&2; exit 1",
    )
    pauses = []
    with recorded_calls() as calls:
        assert ask_slurm(["squeue"], pause=pauses.append).text() == "there\n"
    assert pauses == [0.5, 1.0]
    assert [call.returncode for call in calls] == [1, 1, 0]


def test_a_refusal_is_not_asked_again(commands):
    commands.add("squeue", "echo 'Invalid job id specified' >&2; exit 1")
    with recorded_calls() as calls:
        assert ask_slurm(["squeue"]).returncode == 1
    assert len(calls) == 1


def test_nobody_answering_before_the_deadline_is_unreachable(commands):
    commands.add("squeue", "echo 'squeue: error: Unable to contact slurm controller (connect failure)' >&2; exit 1")
    with pytest.raises(SchedulerUnreachableError, match=r"does not answer.*Unable to contact"):
        ask_slurm(["squeue"], 2.2, pause=lambda seconds: None)


def test_calls_are_counted_only_within_the_block(commands):
    commands.add("squeue", "true")
    with recorded_calls() as outer:
        run_slurm(["squeue"])
        with recorded_calls() as inner:
            run_slurm(["squeue", "-h"])
    run_slurm(["squeue"])
    assert [call.argv for call in outer] == [("squeue",), ("squeue", "-h")]
    assert [call.argv for call in inner] == [("squeue", "-h")]
