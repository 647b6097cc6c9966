"""Handing over pieces: each once, whatever the scheduler does in between (real drivers: tests/slurm)."""

import pytest
from submitted import hand_over, make_plan, submitted

from rhodiff.errors import (
    ConfigError,
    DataError,
    SchedulerUnreachableError,
    SubmissionRefusedError,
    SubmissionUncertainError,
)
from rhodiff.jobs.calls import CallRecord
from rhodiff.jobs.handover import conditions_of, submit_pieces
from rhodiff.jobs.submission_plan import Dependency, Piece

CHAIN = (
    Piece(0, 0, 2, is_array=True),
    Piece(1, 2, 2, is_array=True),
    Piece(2, 0, 2, is_array=True, link=1, after=(0,)),
    Piece(3, 2, 2, is_array=True, link=1, after=(1,)),
)


class FaultyScheduler:
    """Takes pieces, with faults to order: piece -> error, raised once."""

    cluster = "testbed"

    def __init__(self, faults=None, arrived=()):
        self.faults, self.arrived, self.taken = dict(faults or {}), set(arrived), []

    def script(self, folder, plan, piece, after):
        return ""

    def submit(self, folder, plan, piece, after):
        error = self.faults.pop(piece.index, None)
        if error:
            raise error
        self.taken.append((piece.index, tuple(after)))
        return str(100 + piece.index)

    def recover(self, folder, plan, piece):
        return str(100 + piece.index) if piece.index in self.arrived else None


@pytest.fixture
def plan():
    return make_plan(pieces=CHAIN)


@pytest.fixture
def folder(tmp_path, plan):
    return submitted(tmp_path, plan)


def test_pieces_wait_for_those_before_them(folder, plan):
    scheduler = FaultyScheduler()
    assert submit_pieces(scheduler, folder, plan) == {0: "100", 1: "101", 2: "102", 3: "103"}
    assert scheduler.taken == [(0, ()), (1, ()), (2, ("afterany:100",)), (3, ("afterany:101",))]


def test_what_is_taken_is_not_handed_over_again(folder, plan):
    submit_pieces(FaultyScheduler(), folder, plan)
    again = FaultyScheduler()
    assert submit_pieces(again, folder, plan) == {0: "100", 1: "101", 2: "102", 3: "103"}
    assert again.taken == []


@pytest.mark.parametrize("error", [SubmissionRefusedError("no"), SchedulerUnreachableError("silence")])
def test_after_a_refusal_or_silence_a_repeat_goes_on_there(folder, plan, error):
    first = FaultyScheduler({1: error})
    with pytest.raises(type(error)):
        submit_pieces(first, folder, plan)
    assert not CallRecord(folder).of_piece(1).is_open
    second = FaultyScheduler()
    submit_pieces(second, folder, plan)
    assert [piece for piece, _ in first.taken + second.taken] == [0, 1, 2, 3]


@pytest.mark.parametrize(("arrived", "taken"), [(True, [2, 3]), (False, [1, 2, 3])])
def test_an_uncertain_piece_is_settled_before_anything_else(folder, plan, arrived, taken):
    with pytest.raises(SubmissionUncertainError):
        submit_pieces(FaultyScheduler({1: SubmissionUncertainError("?")}), folder, plan)
    assert CallRecord(folder).of_piece(1).is_open
    second = FaultyScheduler(arrived={1} if arrived else ())
    assert submit_pieces(second, folder, plan)[1] == "101"
    assert [piece for piece, _ in second.taken] == taken
    assert second.taken[-1] == (3, ("afterany:101",))


def test_a_cancelled_submission_is_not_completed(folder, plan):
    folder.cancelled.write_text("{}")
    with pytest.raises(SubmissionRefusedError, match="cancelled"):
        submit_pieces(FaultyScheduler(), folder, plan)


def test_another_cluster_is_refused(folder, plan):
    scheduler = FaultyScheduler()
    scheduler.cluster = "elsewhere"
    with pytest.raises(ConfigError, match=r"'testbed'.*'elsewhere'"):
        submit_pieces(scheduler, folder, plan)


@pytest.fixture
def waiting(folder, plan):
    """Makes a plan that waits for the submission of ``plan``."""

    def make(condition="afterok", **changes):
        name = f"{plan.run}/jobs/{folder.path.name}"
        return make_plan(after=(Dependency(name, condition),), **changes)

    return make


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("afterok", ["afterok:12", "afterok:13"]),
        ("afterany", ["afterany:12", "afterany:13"]),
        ("after", ["after:10", "after:11"]),
    ],
)
def test_an_end_is_that_of_the_last_links_and_a_beginning_that_of_the_first(
    tmp_path, folder, plan, waiting, condition, expected
):
    hand_over(folder, plan, {0: "10", 1: "11", 2: "12", 3: "13"})
    later = waiting(condition)
    assert conditions_of(submitted(tmp_path, later), later) == expected


def test_what_is_done_is_not_waited_for_even_on_another_cluster(tmp_path, folder, plan, waiting):
    for element in plan.elements:
        folder.done(element).write_text("{}")
    later = waiting(cluster="elsewhere")
    assert conditions_of(submitted(tmp_path, later), later) == []


def test_another_clusters_jobs_cannot_be_waited_for(tmp_path, folder, plan, waiting):
    later = waiting(cluster="elsewhere")
    with pytest.raises(ConfigError, match="'testbed'"):
        conditions_of(submitted(tmp_path, later), later)


def test_a_submission_that_is_not_complete_cannot_be_waited_for(tmp_path, folder, plan, waiting):
    hand_over(folder, plan, {0: "10", 1: "11", 2: "12"})
    later = waiting()
    with pytest.raises(DataError, match="not completely submitted"):
        conditions_of(submitted(tmp_path, later), later)
