"""Metrics of a training that was killed and resumed read like those of one that was not."""

import pytest

from rhodiff.training.metrics import JsonLines, TensorBoard, WeightsAndBiases, read_metrics


def attempt(folder, start, iterations, offset=0.0):
    sink = JsonLines(folder, start)
    for iteration in iterations:
        sink.write(iteration, {"loss": iteration + offset})
    sink.close()
    return sink


def history(folder):
    return [(record["iteration"], record["loss"]) for record in read_metrics(folder)]


def test_one_attempt_reads_as_it_was_written(tmp_path):
    attempt(tmp_path / "metrics", 0, [10, 20, 30])
    assert history(tmp_path / "metrics") == [(10, 10.0), (20, 20.0), (30, 30.0)]
    assert set(read_metrics(tmp_path / "metrics")[0]) == {"iteration", "time", "loss"}
    assert read_metrics(tmp_path / "none") == []


def test_a_later_attempt_replaces_what_came_after_its_start(tmp_path):
    attempt(tmp_path, 0, [10, 20, 30, 40])
    attempt(tmp_path, 20, [30, 40, 50], 0.5)
    attempt(tmp_path, 40, [50], 0.25)
    assert history(tmp_path) == [(10, 10.0), (20, 20.0), (30, 30.5), (40, 40.5), (50, 50.25)]


def test_an_attempt_that_was_killed_at_once_still_hides_what_it_would_replace(tmp_path):
    attempt(tmp_path, 0, [10, 20, 30])
    attempt(tmp_path, 10, [])
    assert history(tmp_path) == [(10, 10.0)]


@pytest.mark.parametrize("content", [b"", b'{"sta', b"\x00\x00\x00"])
def test_an_attempt_killed_in_its_first_line_loses_nothing(tmp_path, content):
    attempt(tmp_path, 0, [10, 20])
    (tmp_path / "attempt-0001.jsonl").write_bytes(content)
    assert history(tmp_path) == [(10, 10.0), (20, 20.0)]
    attempt(tmp_path, 20, [30])
    assert history(tmp_path) == [(10, 10.0), (20, 20.0), (30, 30.0)]


def test_a_torn_last_line_is_skipped(tmp_path):
    sink = attempt(tmp_path, 0, [10])
    with sink.path.open("a") as handle:
        handle.write('{"iteration": 20, "lo')
    assert history(tmp_path) == [(10, 10.0)]


def test_attempts_have_files_of_their_own_even_if_one_was_removed(tmp_path):
    first = attempt(tmp_path, 0, [10])
    second = attempt(tmp_path, 10, [20])
    first.path.unlink()
    third = attempt(tmp_path, 20, [30])
    assert third.path != second.path
    assert history(tmp_path) == [(20, 20.0), (30, 30.0)]


def test_tensorboard_reads_the_scalars(tmp_path):
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    sink = TensorBoard(tmp_path, 0)
    sink.write(10, {"loss": 0.5})
    sink.write(20, {"loss": 0.25})
    sink.close()
    events = accumulator.EventAccumulator(str(tmp_path))
    events.Reload()
    assert [(event.step, event.value) for event in events.Scalars("loss")] == [(10, 0.5), (20, 0.25)]


def test_a_missing_wandb_says_how_to_install_it(tmp_path, monkeypatch):
    import sys

    from rhodiff.errors import EnvironmentLacksError

    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(EnvironmentLacksError, match=r"pip install 'rhodiff\[wandb\]'"):
        WeightsAndBiases("project", "name", tmp_path)
