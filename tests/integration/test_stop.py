"""Stop signals: the state is saved where the training stands, exit code 75, and the same command goes on."""

import signal
from functools import partial

import pytest
from experiments import differing_weights
from holds import hold_in_step, work_for_ever_in_step

STOPPED_EARLY = 75


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1, signal.SIGINT])
def test_stopped_training_saves_and_goes_on_bit_for_bit(number, undisturbed_long, long_lab):
    rare = ("--set", "training.checkpoint_every=10000")
    started = long_lab.start("run", "train", *rare, before=partial(hold_in_step, 40))
    started.wait_until_held()
    started.send(number, signal.SIGCONT)
    ended = started.wait()

    assert ended.code == STOPPED_EARLY, ended.err
    assert f"stopped by {number.name} at iteration 40 of" in ended.err
    assert "Traceback" not in ended.err
    assert long_lab.final()["iteration"] == 40
    long_lab.do("run", "train", *rare)
    assert differing_weights(long_lab.final(), undisturbed_long.final()) == []


def test_second_ctrl_c_ends_at_once(lab):
    started = lab.start("run", "train", before=partial(work_for_ever_in_step, 2))
    started.wait_until_held()
    started.send(signal.SIGINT, signal.SIGCONT)
    started.wait_until_held()  # it has got the first one, which lets the step end
    started.send(signal.SIGINT, signal.SIGCONT)
    ended = started.wait()

    assert ended.code == 130
    assert "interrupted" in ended.err
    assert "Traceback" not in ended.err
    assert lab.checkpoints_done() == 0


@pytest.mark.slow
def test_two_processes_stop_together_when_one_gets_the_signal(long_lab):
    many = ("--set", "training.iterations=5000")
    ranks = long_lab.start_ranks(2, "run", "train", *many, before=partial(hold_in_step, 7))
    for rank in ranks:
        rank.wait_until_held()
    ranks[1].send(signal.SIGTERM)
    for rank in ranks:
        rank.send(signal.SIGCONT)
    ended = [rank.wait() for rank in ranks]

    assert [e.code for e in ended] == [STOPPED_EARLY] * 2
    assert ended[0].err.count("the state is saved") == 1
    assert "saved" not in ended[1].err, "it is told once"
    assert 7 <= long_lab.final()["iteration"] < 5000
