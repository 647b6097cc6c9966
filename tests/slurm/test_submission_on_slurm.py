"""What the submission asks of a real Slurm: scripts it takes, names it keeps, refusals, faults in its answers."""

import os
import shutil
import time

import pytest
from slurm_cluster import wait_until
from trivial_driver import Driver, jobs_by_name

from rhodiff.errors import SchedulerUnreachableError, SubmissionRefusedError, SubmissionUncertainError
from rhodiff.jobs import submission
from rhodiff.jobs.registry import known_jobs, open_submission, submissions_of_run, submit_pieces
from rhodiff.jobs.sbatch_answers import read_answer
from rhodiff.jobs.slurm_commands import recorded_calls
from rhodiff.jobs.submission import SlurmScheduler
from rhodiff.jobs.submission_plan import Allocation, Dependency, Piece

SINGLE = (Piece(0, 0, 1, is_array=False),)
HELD = Allocation(walltime_min=5, options={"hold": True})


@pytest.fixture(autouse=True)
def _here(cluster, monkeypatch):
    monkeypatch.setenv("SLURM_CONF", str(cluster.conf))
    monkeypatch.setattr(submission, "ARRIVES_WITHIN_S", 1.0)
    monkeypatch.setattr(submission, "ARRIVES_LATE_WITHIN_S", 1.0)


@pytest.fixture
def sbatch_that(tmp_path, monkeypatch):
    """Puts an ``sbatch`` of some lines of shell before the real one, which is ``$REAL``."""

    def put(lines):
        folder = tmp_path / "bin"
        folder.mkdir()
        (folder / "sbatch").write_text(f"#!/bin/bash\nREAL={shutil.which('sbatch')}\n{lines}\n")
        (folder / "sbatch").chmod(0o755)
        monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")

    yield put


def only(driver):
    (found,) = submissions_of_run(driver.jobs)
    return found


def log_of(driver, job_id):
    path = only(driver).folder.log(job_id, None)
    wait_until(lambda: path.exists() and "done after" in path.read_text(), f"the end of {path}")
    return path.read_text()


@pytest.mark.parametrize("name", ['it\'s a "run"', "50%j %% 100%A", "größe ∆x #1 $HOME `id`", "-n; a&b|c"])
def test_jobs_run_from_folders_of_any_name(cluster, tmp_path, name):
    driver = Driver(
        tmp_path / "runs" / name, {"pieces": SINGLE, "command": ("sh", "-c", 'echo "$0"', "a 'b' {part}")}
    )
    ids = driver.submit()
    assert "a 'b' 0/2\n" in log_of(driver, ids[0])
    assert only(driver).plan.token in cluster.command("squeue", "-h", "-t", "all", "-j", ids[0], "-o", "%j %k")
    assert sorted(path.name for path in only(driver).folder.logs.iterdir()) == [f"{ids[0]}.log"]


def test_an_array_runs_as_many_at_a_time_as_asked_and_chains_wait(cluster, tmp_path):
    pieces = (Piece(0, 0, 2, is_array=True, throttle=1), Piece(1, 0, 1, is_array=False, link=1, after=(0,)))
    driver = Driver(tmp_path / "runs" / "run", {"pieces": pieces})
    ids = driver.submit()
    shown = cluster.command("scontrol", "show", "job", ids[1])
    assert f"Dependency=afterany:{ids[0]}" in shown
    assert "ArrayTaskThrottle=1" in cluster.command("scontrol", "show", "job", ids[0])
    wait_until(lambda: only(driver).folder.log(ids[1], None).exists(), "the second link")
    folder = only(driver).folder
    assert sorted(path.name for path in folder.markers.glob("*.done.json")) == [
        "000000.done.json",
        "000001.done.json",
    ]


def test_what_waits_for_a_failure_is_cancelled_and_does_not_wait_for_ever(cluster, tmp_path):
    rules = {"pieces": SINGLE, "command": ("sh", "-c", "sleep 1; exit 3")}
    first = Driver(tmp_path / "runs" / "run", rules)
    (failing,) = first.submit().values()
    dependency = Dependency(f"run/jobs/{only(first).folder.path.name}")
    second = Driver(tmp_path / "runs" / "next", {"pieces": SINGLE, "after": (dependency,)})
    (waiting,) = second.submit().values()
    assert f"afterok:{failing}" in cluster.command("scontrol", "show", "job", waiting)
    cluster.wait_for_state(waiting, "CANCELLED")
    assert not list(only(second).folder.logs.iterdir())


def test_what_is_done_is_not_waited_for(cluster, tmp_path):
    first = Driver(tmp_path / "runs" / "run", {"pieces": SINGLE, "elements": (0,)})
    (ended,) = first.submit().values()
    log_of(first, ended)
    wait_until(lambda: only(first).folder.done(0).exists(), "the marker")
    dependency = Dependency(f"run/jobs/{only(first).folder.path.name}")
    second = Driver(tmp_path / "runs" / "next", {"pieces": SINGLE, "after": (dependency,)})
    log_of(second, second.submit()[0])
    assert "dependency" not in only(second).folder.script(0).read_text()


@pytest.mark.parametrize(
    ("allocation", "words", "advice"),
    [
        (Allocation(partition="nowhere"), "nvalid partition", "sinfo -s"),
        (Allocation(gres="gpu:none:1"), "nvalid generic resource|configuration", "sinfo"),
        (Allocation(memory_gb=1e5), "emory specification", "memory_gb"),
        (Allocation(constraint="moon"), "nvalid feature", "constraint"),
        (Allocation(options={"no-such-option": "1"}), "unrecognized option", "remove the option"),
    ],
)
def test_refusals_come_with_slurms_words_and_what_to_do(cluster, tmp_path, allocation, words, advice):
    driver = Driver(tmp_path / "runs" / "run", {"pieces": SINGLE, "allocation": allocation})
    with pytest.raises(SubmissionRefusedError, match=words) as caught:
        driver.submit()
    assert advice in str(caught.value)
    assert known_jobs(only(driver).folder) == []


def test_a_limit_on_submitted_jobs_refuses_and_a_repeat_goes_on_where_it_stopped(cluster, tmp_path):
    driver = Driver(tmp_path / "runs" / "run", {"allocation": HELD})
    with cluster.submit_limit(3):
        with pytest.raises(SubmissionRefusedError, match=r"(?i)limit"):
            driver.submit()
        taken = known_jobs(only(driver).folder)
        assert [piece for piece, _ in taken] == [0, 1]
    ids = driver.submit()
    assert [ids[piece] for piece, _ in taken] == [job.job_id for _, job in taken]
    assert sorted(ids) == [0, 1, 2]


def test_the_same_call_again_submits_nothing(cluster, tmp_path):
    driver = Driver(tmp_path / "runs" / "run", {"allocation": HELD})
    first = driver.submit()
    calls = only(driver).folder.calls.read_text()
    assert driver.submit() == first
    assert only(driver).folder.calls.read_text() == calls


def test_a_submission_that_timed_out_after_it_was_taken_is_found_again(cluster, tmp_path, sbatch_that):
    sbatch_that(
        '"$REAL" "$@" >/dev/null\necho "sbatch: error: Batch job submission failed: Socket timed out" >&2; exit 1'
    )
    driver = Driver(tmp_path / "runs" / "run", {"allocation": HELD})
    ids = driver.submit()
    found = jobs_by_name(cluster)
    assert {name: found[name] for name in driver.names()} == {
        name: {job_id} for name, job_id in zip(driver.names(), ids.values(), strict=True)
    }


def test_a_submission_that_timed_out_before_it_was_taken_leaves_no_job_and_can_be_repeated(
    cluster, tmp_path, sbatch_that, monkeypatch
):
    path = os.environ["PATH"]
    sbatch_that(
        'echo "sbatch: error: Batch job submission failed: Socket timed out on send/recv operation" >&2; exit 1'
    )
    driver = Driver(tmp_path / "runs" / "run", {"allocation": HELD, "pieces": SINGLE})
    with pytest.raises(SchedulerUnreachableError, match=r"[Rr]epeat"):
        driver.submit()
    monkeypatch.setenv("PATH", path)
    (job_id,) = driver.submit().values()
    assert jobs_by_name(cluster)[driver.names()[0]] == {job_id}


def test_an_answer_that_is_lost_is_uncertain_while_nobody_answers_and_settled_later(
    cluster, tmp_path, sbatch_that, monkeypatch
):
    sbatch_that('"$REAL" "$@" >/dev/null 2>&1')
    driver = Driver(tmp_path / "runs" / "run", {"allocation": HELD, "pieces": SINGLE})

    def silence(names):
        raise SchedulerUnreachableError("nobody answers")

    with monkeypatch.context() as nobody, pytest.raises(SubmissionUncertainError, match="Repeat the command"):
        nobody.setattr(submission.queue, "find", silence)
        driver.submit()
    (job_id,) = driver.submit().values()
    assert jobs_by_name(cluster)[driver.names()[0]] == {job_id}


def test_a_stopped_controller_is_told_from_a_refusal(cluster, tmp_path):
    driver = Driver(tmp_path / "runs" / "run", {"allocation": HELD, "pieces": SINGLE})
    scheduler = SlurmScheduler()
    assert scheduler.cluster
    with cluster.submit_limit(0), pytest.raises(SubmissionRefusedError):
        driver.submit()
    made = only(driver)
    with cluster.without("slurmctld"), pytest.raises(SchedulerUnreachableError, match="nothing was submitted"):
        submit_pieces(scheduler, made.folder, made.plan)
    assert len(driver.submit()) == 1


def test_slurm_takes_the_script_that_a_dry_run_shows(cluster, tmp_path):
    allocation = Allocation(
        nodes=2,
        tasks_per_node=2,
        memory_gb=0.5,
        gpus_per_node=2,
        partition="main",
        exclude=(cluster.nodes[3],),
        exclusive=True,
        options={"nice": "10", "mail-type": "NONE"},
    )
    driver = Driver(tmp_path / "runs" / "run", {"allocation": allocation, "pieces": SINGLE})
    driver.submit()
    made = open_submission(only(driver).folder)
    script = tmp_path / "shown.sbatch"
    script.write_text(SlurmScheduler().script(made.folder, made.plan, made.plan.pieces[0], ()))
    assert script.read_text() == made.folder.script(0).read_text()
    tested = cluster.attempt("sbatch", "--test-only", script)
    assert "to start at" in tested.stderr, tested.stderr
    assert read_answer(tested.stderr).verdict == "open"


def test_three_pieces_are_submitted_in_a_call_each_and_nothing_is_waited_for(cluster, tmp_path, monkeypatch):
    class Clock:
        monotonic = time.monotonic
        sleep = staticmethod(lambda seconds: pytest.fail(f"it waits for {seconds} s"))

    driver = Driver(tmp_path / "runs" / "run", {"allocation": HELD})
    monkeypatch.setattr(submission, "time", Clock)
    with recorded_calls() as calls:
        driver.submit()
    assert [call.argv[0] for call in calls].count("/bin/sh") == 3
    assert len(calls) <= 4, "one more, for the name of the cluster"
