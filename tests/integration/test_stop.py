"""Stop signals: the state is saved where the training stands, exit code 75, and the same command goes on."""

import signal
import time

import pytest
from experiments import differing_weights, wait_until

STOPPED_EARLY = 75


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1, signal.SIGINT])
def test_stopped_training_saves_and_goes_on_bit_for_bit(number, undisturbed_long, long_lab):
    rare = ("--set", "training.checkpoint_every=10000")
    started = long_lab.start("run", "train", *rare)
    wait_until(lambda: list(long_lab.folder.glob("runs/*/metrics/*.jsonl")), started)
    time.sleep(0.3)
    started.send(number)
    ended = started.wait()

    assert ended.code == STOPPED_EARLY, ended.err
    assert f"stopped by {number.name} at iteration" in ended.err
    assert "Traceback" not in ended.err
    assert 0 < long_lab.final()["iteration"] < 150
    long_lab.do("run", "train", *rare)
    assert differing_weights(long_lab.final(), undisturbed_long.final()) == []


def test_second_ctrl_c_ends_at_once(lab):
    slow = ("--set", "training.batch_size=40000", "--set", "training.iterations=3")
    started = lab.start("run", "train", *slow)
    wait_until(lambda: list(lab.folder.glob("runs/*/metrics/*.jsonl")), started)
    time.sleep(0.3)
    started.send(signal.SIGINT)
    time.sleep(0.2)
    assert started.is_running(), "the first one lets the step end"
    before = time.monotonic()
    started.send(signal.SIGINT)
    ended = started.wait()

    assert ended.code == 130
    assert time.monotonic() - before < 5
    assert "interrupted" in ended.err
    assert "Traceback" not in ended.err
    assert lab.checkpoints_done() == 0


@pytest.mark.slow
def test_two_processes_stop_together_when_one_gets_the_signal(long_lab):
    ranks = long_lab.start_ranks(2, "run", "train", "--set", "training.iterations=5000")
    wait_until(lambda: long_lab.checkpoints_done() >= 2, ranks[0])
    ranks[1].send(signal.SIGTERM)
    ended = [rank.wait() for rank in ranks]

    assert [e.code for e in ended] == [STOPPED_EARLY] * 2
    assert ended[0].err.count("the state is saved") == 1
    assert "saved" not in ended[1].err, "it is told once"
    assert long_lab.final()["iteration"] < 5000
