"""Asking a real cluster about jobs: states, tasks, attempts, names, number of calls; and faults beside it."""

import os

import pytest
from impatience import impatience
from slurm_cluster import wait_until

from rhodiff.errors import EnvironmentLacksError, RhodiffError, SchedulerUnreachableError
from rhodiff.jobs.queue import cancel, find, observe
from rhodiff.jobs.scheduler import KnownJob
from rhodiff.jobs.slurm_commands import recorded_calls


@pytest.fixture
def slurm(cluster, monkeypatch):
    monkeypatch.setenv("SLURM_CONF", str(cluster.conf))
    return cluster


@pytest.fixture
def faulty(tmp_path, monkeypatch):
    """Puts a command that fails in front of the real one."""

    def put(name, script):
        (tmp_path / name).write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / name).chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")

    return put


def submit(cluster, name, body, *options):
    return KnownJob(cluster.sbatch(body, f"--job-name={name}", *options), name)


def states(jobs):
    return {(record.job_id, record.index): record.state for record in observe(jobs)}


def test_jobs_of_all_kinds_are_told_in_two_calls(slurm):
    fails = submit(slurm, "fails-0-0", "exit 3")
    held = submit(slurm, "held-0-0", "true", "--hold")
    array = submit(slurm, "array-0-0", "sleep 600", "--array=0-11%2")
    too_big = submit(slurm, "big-0-0", "true", "-N9")
    slurm.wait_for_state(fails.job_id, "FAILED")
    wait_until(lambda: states([array]).get((array.job_id, 1)) == "RUNNING", "a running task")
    wait_until(lambda: observe([fails])[0].exit_code is not None, "sacct, which lags behind")
    with recorded_calls() as calls:
        records = observe([fails, held, array, too_big])
    assert [call.argv[0] for call in calls] == ["squeue", "sacct"]
    by_task = {(record.job_id, record.index): record for record in records}
    assert len(by_task) == len(records) == 12 + 3
    assert (by_task[fails.job_id, None].state, by_task[fails.job_id, None].exit_code) == ("FAILED", "3:0")
    assert (by_task[held.job_id, None].state, by_task[held.job_id, None].reason) == ("PENDING", "JobHeldUser")
    assert by_task[too_big.job_id, None].reason in {"PartitionConfig", "PartitionNodeLimit"}
    assert by_task[array.job_id, 1].nodes in slurm.nodes
    assert {by_task[array.job_id, index].state for index in range(2, 12)} == {"PENDING"}
    cancel([f"{array.job_id}_1", held.job_id, too_big.job_id, "99999"])
    wait_until(lambda: states([array]).get((array.job_id, 1)) == "CANCELLED", "the end of the task")
    assert states([held])[held.job_id, None] == "CANCELLED"
    cancel([array.job_id, held.job_id])


def test_a_requeued_job_is_alive_and_remembers_its_attempts(slurm):
    job = submit(slurm, "again-0-0", "sleep ${SLURM_RESTART_COUNT:-600}", "--requeue")
    slurm.wait_for_state(job.job_id, "RUNNING")
    slurm.command("scontrol", "requeue", job.job_id)
    assert states([job])[job.job_id, None] in {"PENDING", "RUNNING", "COMPLETING"}
    slurm.wait_for_state(job.job_id, "COMPLETED")
    wait_until(lambda: observe([job])[0].exit_code is not None, "sacct")
    assert (observe([job])[0].state, observe([job])[0].restarts) == ("COMPLETED", 1)


def test_a_job_counts_only_if_its_name_is_right(slurm):
    job = submit(slurm, "mine-0-0", "true", "--hold")
    assert observe([KnownJob(job.job_id, "mine-1-0"), KnownJob("99999", "mine-0-0")]) == []
    assert len(observe([job])) == 1


def test_jobs_are_found_by_name_waiting_and_ended(slurm):
    ended = submit(slurm, "ended-7-0", "true")
    waits = submit(slurm, "waits-7-0", "true", "--hold", "--array=0-3")
    slurm.wait_for_state(ended.job_id, "COMPLETED")
    found = find(["ended-7-0", "waits-7-0", "never-7-0"])
    assert found == {"ended-7-0": ended.job_id, "waits-7-0": waits.job_id}


def test_a_fault_of_the_scheduler_is_unknown(slurm, faulty):
    job = submit(slurm, "fault-0-0", "true", "--hold")
    faulty("squeue", "echo 'slurm_load_jobs error: Socket timed out on send/recv operation' >&2; exit 1")
    with impatience(), pytest.raises(SchedulerUnreachableError):
        observe([job])
    faulty("squeue", "printf '7|N/A|RUNN'")
    with impatience(), pytest.raises(SchedulerUnreachableError, match="breaks off"):
        observe([job])


@pytest.mark.parametrize(
    "script",
    [
        "echo 'Slurm accounting storage is disabled' >&2; exit 1",
        "echo 'sacct: error: Access/permission denied' >&2; exit 1",
        "true",
        "printf '1|COMPL'",
    ],
)
def test_without_an_answer_of_accounting_the_queue_is_still_told(slurm, faulty, script):
    waits, ends = submit(slurm, "waits-0-0", "true", "--hold"), submit(slurm, "ends-0-0", "true")
    slurm.wait_for_state(ends.job_id, "COMPLETED")
    faulty("sacct", script)
    forgotten = KnownJob("4711", "forgotten-0-0")
    assert states([waits, ends, forgotten]) == {(waits.job_id, None): "PENDING", (ends.job_id, None): "COMPLETED"}


def test_a_name_is_not_said_to_be_absent_while_accounting_is_away(slurm, faulty):
    faulty("sacct", "echo 'sacct: error: Problem talking to the database: Connection refused' >&2; exit 1")
    with impatience(), pytest.raises(SchedulerUnreachableError):
        find(["never-8-0"])
    faulty("sacct", "echo 'Slurm accounting storage is disabled' >&2; exit 1")
    assert find(["never-8-0"]) == {}


def test_a_stopped_controller_is_unreachable_and_loses_nothing(slurm):
    job = submit(slurm, "stopped-0-0", "true", "--hold")
    with slurm.without("slurmctld"), impatience(), pytest.raises(SchedulerUnreachableError, match="does not answer"):
        observe([job])
    assert states([job])[job.job_id, None] == "PENDING"


def test_jobs_of_others_are_not_ended_without_a_word(slurm, faulty):
    faulty("scancel", "echo 'scancel: error: Kill job error on job id 7: Access/permission denied' >&2; exit 210")
    with pytest.raises(RhodiffError, match="Access/permission denied"):
        cancel(["7"])


def test_jobs_that_have_ended_are_no_error_in_the_words_of_any_slurm(slurm, faulty):
    cancel(["99999"])
    faulty("scancel", "echo 'scancel: error: Kill job error on job id 99999: Invalid job id specified' >&2; exit 1")
    cancel(["99999"])


def test_no_slurm_is_said_so(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EnvironmentLacksError, match="no Slurm"):
        observe([KnownJob("1", "a-0-0")])


def test_nothing_is_asked_about_no_jobs():
    with recorded_calls() as calls:
        assert observe([]) == []
        assert find([]) == {}
        cancel([])
    assert calls == []
