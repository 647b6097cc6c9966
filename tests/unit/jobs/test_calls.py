"""The record of calls: what is open, what is known, and a line that a killed writer left unfinished."""

import pytest
from submitted import make_plan, submitted

from rhodiff.jobs.calls import CallRecord, PieceCalls
from rhodiff.jobs.scheduler import KnownJob


@pytest.fixture
def record(tmp_path):
    return CallRecord(submitted(tmp_path, make_plan()))


def test_nothing_was_tried_before_the_first_call(record):
    assert record.read() == {}
    assert record.of_piece(0) == PieceCalls()


def test_an_intent_is_open_until_it_has_an_end(record):
    record.intend(0, "prepare-x-0")
    assert record.of_piece(0) == PieceCalls(num_intents=1, is_open=True)
    record.accept(0, "prepare-x-0", "17")
    assert record.of_piece(0) == PieceCalls(1, False, KnownJob("17", "prepare-x-0"))


@pytest.mark.parametrize("event", ["refused", "unsent", "lost"])
def test_an_end_without_a_job_closes_it(record, event):
    record.intend(2, "prepare-x-2")
    record.end_without_job(2, event, "why")
    assert record.read() == {2: PieceCalls(num_intents=1)}
    record.intend(2, "prepare-x-2")
    assert record.of_piece(2) == PieceCalls(num_intents=2, is_open=True)


@pytest.mark.parametrize("length", [1, 20, 60])
def test_a_torn_line_costs_only_itself(record, length):
    record.intend(0, "a")
    record.accept(0, "a", "1")
    whole = record.path.read_bytes()
    record.intend(1, "b")
    torn = record.path.read_bytes()[: len(whole) + length]
    record.path.write_bytes(torn)
    record.intend(1, "b")
    record.accept(1, "b", "2")
    assert {piece: call.job.job_id for piece, call in record.read().items()} == {0: "1", 1: "2"}
