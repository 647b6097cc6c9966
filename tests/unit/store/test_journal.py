"""The journal: one writer a file, merged in order of time, torn lines skipped."""

import json
from datetime import datetime

import pytest

from rhodiff.store.files import StorageError
from rhodiff.store.journal import Journal, read_journal, utc_now


def test_events_of_several_writers_are_merged_in_order_of_time(tmp_path, monkeypatch):
    times = iter([f"2025-01-01T00:00:0{second}.000Z" for second in (3, 1, 2, 4)])
    monkeypatch.setattr("rhodiff.store.journal.utc_now", lambda: next(times))
    one, two = Journal(tmp_path / "journal"), Journal(tmp_path / "journal")
    one.write("third")
    two.write("first", number=1)
    two.write("second", text="a\nb")
    one.write("fourth")
    events = read_journal(tmp_path / "journal")
    assert [event["event"] for event in events] == ["first", "second", "third", "fourth"]
    assert events[0]["number"] == 1
    assert events[1]["text"] == "a\nb"
    assert one.path != two.path


@pytest.mark.parametrize("torn", ['{"time": "2025-', '{"time": "x", "event": "y"', "\x00\x00", "12"])
def test_a_torn_last_line_is_skipped(tmp_path, torn):
    journal = Journal(tmp_path)
    journal.write("whole")
    with journal.path.open("a") as handle:
        handle.write(torn)
    assert [event["event"] for event in read_journal(tmp_path)] == ["whole"]


def test_a_file_appears_with_the_first_event_only(tmp_path):
    Journal(tmp_path / "journal")
    assert not (tmp_path / "journal").exists()
    assert read_journal(tmp_path / "journal") == []


def test_nan_is_refused_and_leaves_no_line(tmp_path):
    journal = Journal(tmp_path)
    with pytest.raises(ValueError, match="JSON compliant"):
        journal.write("event", value=float("nan"))
    assert read_journal(tmp_path) == []


def test_a_folder_that_cannot_be_made_is_a_storage_error(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(StorageError):
        Journal(tmp_path / "file" / "journal").write("event")


def test_times_are_utc_in_iso_form():
    time = datetime.fromisoformat(utc_now())
    assert time.utcoffset().total_seconds() == 0
    assert json.dumps(utc_now()).endswith('Z"')
