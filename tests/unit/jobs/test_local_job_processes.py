"""Processes told apart for good."""

import os
import subprocess
from pathlib import Path

import pytest
from supervised import wait_until

from rhodiff.jobs.local_processes import is_running, processes_of, start_ticks
from rhodiff.jobs.this_job import JOB_ID, JOB_INDEX


@pytest.fixture
def start():
    started = []

    def begin(script, **variables):
        process = subprocess.Popen(["bash", "-c", script], env={**os.environ, **variables}, start_new_session=True)
        started.append(process)
        return process

    yield begin
    for process in started:
        process.kill()
        process.wait()


def test_a_process_is_known_by_its_start(start):
    process = start("sleep 60")
    ticks = start_ticks(process.pid)
    assert is_running(process.pid, ticks)
    assert not is_running(process.pid, ticks - 1)


def test_a_process_that_nobody_waited_for_has_ended(start):
    process = start("exit 0")
    wait_until(lambda: start_ticks(process.pid) is None)
    process.wait()
    assert start_ticks(process.pid) is None


def test_names_with_brackets_and_spaces_do_not_disturb(start, tmp_path):
    program = tmp_path / "a) R (b"
    program.symlink_to("/bin/sleep")
    process = start(f"exec '{program}' 60")
    wait_until(lambda: b"a) R" in Path(f"/proc/{process.pid}/comm").read_bytes())
    assert is_running(process.pid, start_ticks(process.pid))


def names_of(pids):
    return sorted(Path(f"/proc/{pid}/comm").read_text().strip() for pid in pids)


def test_a_process_that_is_becoming_another_program_is_found(start, tmp_path):
    """Linux shows no environment for a moment then."""
    script = tmp_path / "again.sh"
    script.write_text('exec /bin/sh "$0"\n')
    process = start(f"exec /bin/sh {script}", **{JOB_ID: "77-89"})
    wait_until(lambda: processes_of("77-89") == [process.pid])
    assert [processes_of("77-89") for _ in range(200)] == [[process.pid]] * 200


def test_all_that_a_job_started_is_found_in_whatever_session(start):
    first = start("setsid sleep 61 & sleep 62", **{JOB_ID: "77-88", JOB_INDEX: "1"})
    other = start("sleep 63", **{JOB_ID: "77-88", JOB_INDEX: "11"})
    wait_until(lambda: names_of(processes_of("77-88")) == ["bash", "sleep", "sleep", "sleep"])
    assert first.pid in processes_of("77-88", 1)
    assert len(processes_of("77-88", 1)) == 3
    assert processes_of("77-88", 11) == [other.pid]
    assert processes_of("77-8") == []
    for pid in processes_of("77-88"):
        os.kill(pid, 9)
