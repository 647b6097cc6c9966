"""The registry: a submission appears whole or not at all, is found again, and its lock is waited for."""

import subprocess
import sys
import time
from contextlib import ExitStack

import pytest
from submitted import hand_over, make_plan

from rhodiff.errors import ConfigError, DataError, RunBusyError
from rhodiff.jobs import registry
from rhodiff.jobs.registry import (
    create_submission,
    hold_submissions,
    known_jobs,
    list_submissions,
    new_token,
    next_number,
    open_submission,
    submissions_of_run,
)
from rhodiff.jobs.scheduler import KnownJob
from rhodiff.store.files import StorageError
from rhodiff.store.layout import JobsFolder
from rhodiff.store.locks import hold_lock


class Writer:
    """A scheduler that writes scripts, or refuses to."""

    def __init__(self, error=None):
        self.error = error

    def script(self, folder, plan, piece, after):
        if self.error:
            raise self.error
        return ""


@pytest.fixture
def jobs(tmp_path):
    return JobsFolder(tmp_path / "runs" / "demo-12345678" / "jobs")


def files_of(jobs):
    return sorted(str(path.relative_to(jobs.path)) for path in jobs.path.rglob("*")) if jobs.path.exists() else []


def test_a_submission_appears_with_all_that_its_jobs_need(jobs):
    plan = make_plan(token="0123abcd")
    folder = create_submission(jobs, plan, "name: demo\n", Writer())
    assert folder == jobs.submission("testbed", "0123abcd")
    assert files_of(jobs) == [
        "testbed-0123abcd",
        *(f"testbed-0123abcd/{name}" for name in ("config.yaml", "logs", "markers", "plan.json")),
    ]
    assert folder.config.read_text() == "name: demo\n"
    assert open_submission(folder).plan == plan


def test_what_cannot_be_submitted_leaves_nothing(jobs):
    with pytest.raises(ConfigError):
        create_submission(jobs, make_plan(), "", Writer(ConfigError("no")))
    assert files_of(jobs) == []


def test_a_full_disk_leaves_nothing(tmp_path, small_disk):
    jobs = JobsFolder(small_disk("size=64k") / "run" / "jobs")
    with pytest.raises(StorageError):
        create_submission(jobs, make_plan(), "x" * 100_000, Writer())
    assert files_of(jobs) == []


def test_what_a_killed_driver_was_making_is_not_seen_and_swept_away(jobs):
    left = jobs.path / ".new-deadbeef"
    left.mkdir(parents=True)
    (left / "plan.json").write_text("{}")
    assert submissions_of_run(jobs) == []
    create_submission(jobs, make_plan(token="0123abcd"), "", Writer())
    assert [path.name for path in jobs.path.iterdir()] == ["testbed-0123abcd"]


def test_numbers_count_up_within_a_run(jobs):
    assert next_number(jobs) == 1
    for number in (1, 2, 3):
        create_submission(jobs, make_plan(number=next_number(jobs)), "", Writer())
        assert [one.plan.number for one in submissions_of_run(jobs)] == list(range(1, number + 1))


def test_submissions_of_all_runs_come_oldest_first(tmp_path):
    for run, created in (("b", "2026-01-02"), ("a", "2026-01-03"), ("c", "2026-01-01")):
        jobs = JobsFolder(tmp_path / run / "jobs")
        create_submission(jobs, make_plan(run=run, created=created), "", Writer())
    (tmp_path / "never-submitted").mkdir()
    assert [one.plan.run for one in list_submissions(tmp_path)] == ["c", "b", "a"]
    assert list_submissions(tmp_path / "nothing") == []


def test_a_damaged_plan_is_named(jobs):
    folder = create_submission(jobs, make_plan(), "", Writer())
    folder.plan.write_text("{")
    with pytest.raises(DataError, match=r"plan\.json is damaged"):
        open_submission(folder)


def test_known_jobs_are_those_that_were_taken(jobs):
    plan = make_plan(token="0123abcd")
    folder = create_submission(jobs, plan, "", Writer())
    assert known_jobs(folder) == []
    hand_over(folder, plan, {0: "11", 1: None, 2: "12"})
    assert known_jobs(folder) == [
        (0, KnownJob("11", "prepare-0123abcd-0")),
        (2, KnownJob("12", "prepare-0123abcd-2")),
    ]


def test_tokens_differ():
    assert len({new_token() for _ in range(1000)}) == 1000


def test_the_lock_is_waited_for(jobs, monkeypatch):
    waits = []

    def wait(seconds):
        waits.append(seconds)
        if len(waits) == 3:
            first.close()

    monkeypatch.setattr(registry.time, "sleep", wait)
    with ExitStack() as first:
        first.enter_context(hold_lock(jobs.lock, "first"))
        with hold_submissions(jobs, "second", patience_s=3600):
            assert len(waits) == 3
            assert "second" in jobs.lock.read_text()


def test_patience_with_the_lock_ends(jobs):
    with hold_lock(jobs.lock, "first"):
        begun = time.monotonic()
        with pytest.raises(RunBusyError, match="first"), hold_submissions(jobs, "second", patience_s=0.5):
            pass
        assert time.monotonic() - begun > 0.4


def test_an_error_within_the_lock_passes_and_frees_it(jobs):
    with pytest.raises(RunBusyError, match="inner"), hold_submissions(jobs):
        raise RunBusyError("inner")
    assert not jobs.lock.exists()


def test_reading_the_registry_loads_nothing_slow():
    code = (
        "import sys, rhodiff.jobs.registry\n"
        "print([n for n in ('torch', 'zarr', 'numpy', 'pydantic', 'yaml', 'submitit') if n in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
