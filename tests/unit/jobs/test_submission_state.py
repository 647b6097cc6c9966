"""Submissions on disk and what the queue prints: states, how often is asked, and what a silent scheduler changes."""

import stat
import time

import pytest
from submitted import hand_over, make_plan, submitted

from rhodiff.jobs import queue
from rhodiff.jobs.element_state import ElementState
from rhodiff.jobs.selection import Selected, select
from rhodiff.jobs.slurm_commands import ask_slurm, recorded_calls
from rhodiff.jobs.state import observe_submissions
from rhodiff.jobs.submission_plan import Piece
from rhodiff.store.files import write_json


class Cluster:
    """The queue as Slurm's commands on the PATH print it; no cluster is asked for its name."""

    cluster = "testbed"

    def observe(self, jobs):
        return queue.observe(jobs)


@pytest.fixture
def slurm(tmp_path, monkeypatch):
    """Makes commands that print a text, or fail."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder), prepend=":")
    monkeypatch.setattr(queue, "ask_slurm", lambda argv, deadline_s=0: ask_slurm(argv, 2, pause=lambda _: None))

    def prints(command, text="", *, code=0, error=""):
        (tmp_path / f"{command}.txt").write_text(text)
        script = folder / command
        script.write_text(f"#!/bin/sh\ncat '{tmp_path}/{command}.txt'\necho '{error}' >&2\nexit {code}\n")
        script.chmod(script.stat().st_mode | stat.S_IXUSR)

    prints("squeue")
    prints("sacct")
    return prints


def row(job, state, name, *, index="N/A", reason="None", nodes="rho1", elapsed="1:40"):
    """A line of squeue (%F|%K|%T|%r|%N|%D|%M|%S|%j)."""
    return f"{job}|{index}|{state}|{reason}|{nodes}|1|{elapsed}|N/A|{name}\n"


def ended_row(job, state, name, *, exit_code="0:0", ended=None):
    """A line of sacct (JobID|State|ExitCode|Reason|NodeList|NNodes|ElapsedRaw|Submit|End|JobName)."""
    now = int(time.time()) if ended is None else ended
    return f"{job}|{state}|{exit_code}|None|rho1|1|30|{now - 60}|{now}|{name}\n"


def make_big(runs, *, done=0):
    """2,500 elements in three arrays, of which the first ones are done."""
    pieces = [Piece(0, 0, 1000, True), Piece(1, 1000, 1000, True), Piece(2, 2000, 500, True)]
    plan = make_plan(num_elements=2500, pieces=pieces, stage="sample")
    folder = hand_over(submitted(runs, plan), plan, {0: "12", 1: "13", 2: "14"})
    for element in range(done):
        folder.done(element).touch()
    return plan, folder


def observe(folder, plan, find=None):
    (state,) = observe_submissions([Selected(folder, plan, plan.elements)], find or (lambda *_: Cluster()))
    return state


def states(state):
    return {status.element: status.state.value for status in state.elements}


def test_2500_elements_take_one_squeue_and_one_sacct(tmp_path, slurm):
    plan, folder = make_big(tmp_path, done=1500)
    slurm(
        "squeue",
        row("13", "RUNNING", plan.job_name(1), index="500")
        + row("13", "PENDING", plan.job_name(1), index="501-999", reason="JobArrayTaskLimit")
        + row("14", "PENDING", plan.job_name(2), index="0-499"),
    )
    with recorded_calls() as calls:
        state = observe(folder, plan)
    assert [call.argv[0] for call in calls] == ["squeue", "sacct"]
    assert {kind.value: count for kind, count in state.count().items()} == {
        "done": 1500,
        "running": 1,
        "pending": 999,
    }


def test_nothing_is_asked_where_markers_say_it_all(tmp_path, slurm):
    plan, folder = make_big(tmp_path, done=2463)
    for element in range(2463, 2500):
        folder.failed(element).touch()
    with recorded_calls() as calls:
        state = observe(folder, plan)
    assert calls == []
    assert state.count() == {ElementState.DONE: 2463, ElementState.FAILED: 37}


def test_many_submissions_take_no_more_calls_than_one(tmp_path, slurm):
    made = [make_plan(number=number) for number in range(1, 21)]
    folders = [hand_over(submitted(tmp_path, plan), plan, {0: str(100 + plan.number)}) for plan in made]
    slurm("squeue", "".join(row(100 + plan.number, "PENDING", plan.job_name(0), index="0-3") for plan in made))
    with recorded_calls() as calls:
        seen = observe_submissions(select(tmp_path, None), lambda *_: Cluster())
    assert len(seen) == len(folders) == 20
    assert all(states(one) == dict.fromkeys(range(4), "pending") for one in seen)
    assert len(calls) <= 2


@pytest.mark.parametrize(
    ("text", "code", "error"),
    [
        ("", 1, "slurm_load_jobs error: Unable to contact slurm controller (connect failure)"),
        ("", 1, "slurm_load_jobs error: Socket timed out on send/recv operation"),
        ("12|0|RUNNING|None|rho1|1|0:0", 0, ""),
        ("garbage\n", 0, ""),
        ("", 127, "squeue: error while loading shared libraries: libslurm.so"),
    ],
)
def test_no_answer_and_garbage_are_unknown_with_the_reason(tmp_path, slurm, text, code, error):
    plan, folder = make_big(tmp_path, done=2499)
    slurm("squeue", text, code=code, error=error)
    slurm("sacct", ended_row("14_499", "FAILED", plan.job_name(2)))
    state = observe(folder, plan)
    assert state.count() == {ElementState.DONE: 2499, ElementState.UNKNOWN: 1}
    assert state.is_unreachable
    assert state.silence


def test_an_empty_sacct_is_unknown_and_a_later_answer_tells(tmp_path, slurm):
    plan = make_plan(num_elements=1)
    folder = hand_over(submitted(tmp_path, plan), plan, {0: "12"})
    assert states(observe(folder, plan)) == {0: "unknown"}
    slurm("sacct", ended_row("12_0", "NODE_FAIL", plan.job_name(0)))
    assert states(observe(folder, plan)) == {0: "failed"}
    folder.done(0).touch()
    assert states(observe(folder, plan)) == {0: "done"}


def test_a_disabled_sacct_leaves_what_has_left_the_queue_unknown(tmp_path, slurm):
    plan = make_plan(num_elements=2)
    folder = hand_over(submitted(tmp_path, plan), plan, {0: "12"})
    slurm("squeue", row("12", "RUNNING", plan.job_name(0), index="1"))
    slurm("sacct", code=1, error="Slurm accounting storage is disabled")
    assert states(observe(folder, plan)) == {0: "unknown", 1: "running"}


def test_the_same_ids_of_another_cluster_are_not_taken_for_ours(tmp_path, slurm):
    plan = make_plan(num_elements=2, cluster="elsewhere")
    folder = hand_over(submitted(tmp_path, plan), plan, {0: "12"})
    slurm("squeue", row("12", "RUNNING", "prepare-00000000-0", index="0-1"))
    slurm("sacct", ended_row("12_0", "FAILED", "prepare-00000000-0"))
    state = observe(folder, plan)
    assert states(state) == {0: "unknown", 1: "unknown"}
    assert state.silence == "submitted on the cluster elsewhere, and this is testbed: look there"
    assert not state.is_unreachable


def test_a_fresh_cluster_with_the_same_ids_no_longer_knows_the_old_jobs(tmp_path, slurm):
    plan = make_plan(num_elements=1)
    folder = hand_over(submitted(tmp_path, plan), plan, {0: "12"})
    slurm("squeue", row("12", "RUNNING", "prepare-00000000-0", index="0"))
    (status,) = observe(folder, plan).elements
    assert (status.state, status.reason) == (ElementState.UNKNOWN, "the scheduler no longer knows job 12_0")


def test_another_users_jobs_are_unknown_with_the_name_to_ask(tmp_path, slurm):
    plan = make_plan(num_elements=1, user="ada-who-is-not-here")
    folder = hand_over(submitted(tmp_path, plan), plan, {0: "12"})
    assert observe(folder, plan).elements[0].reason.startswith("submitted by ada-who-is-not-here")


def test_what_ends_while_the_scheduler_is_asked_is_done(tmp_path):
    plan = make_plan(num_elements=1)
    folder = hand_over(submitted(tmp_path, plan), plan, {0: "12"})

    class EndsMeanwhile(Cluster):
        def observe(self, jobs):
            folder.done(0).touch()
            return []

    assert states(observe(folder, plan, lambda *_: EndsMeanwhile())) == {0: "done"}


def test_what_was_not_handed_over_and_what_may_have_been_are_told_apart(tmp_path, slurm):
    pieces = [Piece(0, 0, 1, False), Piece(1, 1, 1, False), Piece(2, 2, 1, False)]
    plan = make_plan(num_elements=3, pieces=pieces)
    folder = hand_over(submitted(tmp_path, plan), plan, {0: "12", 1: None})
    slurm("squeue", row("12", "PENDING", plan.job_name(0)))
    assert states(observe(folder, plan)) == {0: "pending", 1: "unknown", 2: "not_submitted"}


def test_temporary_files_are_no_markers(tmp_path, slurm):
    plan = make_plan(num_elements=1)
    folder = hand_over(submitted(tmp_path, plan), plan, {0: "12"})
    (folder.markers / ".000000.done.json.abcd.tmp").touch()
    (folder.markers / "piece-000.claim").touch()
    write_json(folder.attempts(0), {})
    assert states(observe(folder, plan)) == {0: "unknown"}
