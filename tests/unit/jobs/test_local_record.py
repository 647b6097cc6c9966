"""The record of a local piece: one supervisor, and what its lines add up to."""

import json
import os
from dataclasses import replace

import pytest

from rhodiff.jobs.local_processes import Machine, start_ticks
from rhodiff.jobs.local_record import LocalRecord, LocalTask, Supervised, read_piece_state

HERE = Machine.here()


def supervised(**changes):
    pid = os.getpid()
    values = {"job_id": "1-2", "name": "prepare-0a1b2c3d-0", "machine": HERE, "pid": pid, "ticks": start_ticks(pid)}
    return Supervised(**{**values, "count": 3, "is_array": True, **changes})


@pytest.fixture
def record(tmp_path):
    return LocalRecord(tmp_path / "local-000.jsonl")


def at(record, *lines):
    """Append changes as they would be at given times."""
    with record.path.open("a") as handle:
        handle.writelines(json.dumps({"at": time, **change}) + "\n" for time, change in lines)


def test_there_is_no_state_before_a_supervisor(record):
    assert read_piece_state(record.path) is None


def test_a_second_supervisor_is_refused_and_leaves_no_trace(record):
    assert record.open(supervised())
    assert not record.open(supervised(job_id="3-4"))
    assert read_piece_state(record.path).supervised == supervised()
    assert [path.name for path in record.path.parent.iterdir()] == ["local-000.jsonl"]


def test_jobs_wait_until_something_is_told_of_them(record):
    record.open(supervised())
    record.write({"task": 1, "state": "RUNNING"}, {"task": None, "reason": "LocalCpus"})
    states = [(task.state, task.reason) for task in read_piece_state(record.path).tasks]
    assert states == [("PENDING", "LocalCpus"), ("RUNNING", ""), ("PENDING", "LocalCpus")]


def test_times_of_attempts_add_up(record):
    record.open(supervised(count=1))
    at(record, (100.0, {"task": 0, "state": "RUNNING"}))
    at(record, (130.0, {"task": 0, "state": "PENDING", "reason": "Requeued", "restarts": 1}))
    at(record, (140.0, {"task": 0, "state": "RUNNING"}))
    at(record, (145.0, {"task": 0, "state": "COMPLETED", "exit_code": "0:0"}))
    (task,) = read_piece_state(record.path).tasks
    assert task == LocalTask("COMPLETED", "", "0:0", restarts=1, began=140.0, ended=145.0, before_s=30.0)


def test_a_line_torn_by_a_crash_is_passed_over(record):
    record.open(supervised())
    record.write({"task": 0, "state": "RUNNING"})
    with record.path.open("a") as handle:
        handle.write('{"at": 1.0, "task": 0, "sta')
    assert read_piece_state(record.path).tasks[0].state == "RUNNING"


def test_a_live_supervisor_is_told_from_a_reused_process_id(record):
    record.open(supervised())
    state = read_piece_state(record.path)
    assert state.is_supervised(HERE) is True
    older = replace(state.supervised, ticks=state.supervised.ticks - 1)
    assert replace(state, supervised=older).is_supervised(HERE) is False


def test_a_reboot_ends_a_supervisor_and_another_machine_says_nothing_of_it(record):
    record.open(supervised())
    state = read_piece_state(record.path)
    assert state.is_supervised(replace(HERE, boot="another")) is False
    assert state.is_supervised(replace(HERE, host="another", boot="another")) is None
    assert state.is_supervised(replace(HERE, namespace="pid:[1]")) is None


def test_a_piece_is_over_when_all_its_jobs_are(record):
    record.open(supervised(count=2))
    record.write({"task": 0, "state": "COMPLETED"})
    assert not read_piece_state(record.path).is_over
    record.write({"task": None, "state": "CANCELLED"})
    assert read_piece_state(record.path).is_over
