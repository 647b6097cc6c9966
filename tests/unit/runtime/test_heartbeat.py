"""The heartbeat: replaced whole, now and then, and never in the way of the work."""

from rhodiff.runtime.heartbeat import Heartbeat, read_heartbeat


def test_the_last_beat_is_read_back(tmp_path):
    path = tmp_path / "000000.heartbeat.json"
    assert read_heartbeat(path) is None
    Heartbeat(path).beat(3, 10, "loss 1.0")
    beat = read_heartbeat(path)
    assert (beat.done, beat.total, beat.text) == (3, 10, "loss 1.0")
    assert beat.time.endswith("Z")
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_beats_are_written_now_and_then_and_the_last_one_always(tmp_path):
    heartbeat = Heartbeat(tmp_path / "h", interval_s=60)
    for done in range(1, 10):
        heartbeat.beat(done, 10, "")
    assert read_heartbeat(tmp_path / "h").done == 1
    heartbeat.beat(10, 10, "")
    assert read_heartbeat(tmp_path / "h").done == 10


def test_work_goes_on_where_the_disk_is_full_or_the_folder_gone(small_disk, tmp_path):
    full = small_disk("size=8k")
    (full / "rest").write_bytes(b"x" * 8192)
    Heartbeat(full / "h").beat(1, 2, "")
    Heartbeat(tmp_path / "gone" / "h").beat(1, 2, "")
    assert read_heartbeat(full / "h") is None


def test_a_torn_heartbeat_says_nothing(tmp_path):
    (tmp_path / "h").write_text('{"done": 3, ')
    assert read_heartbeat(tmp_path / "h") is None
