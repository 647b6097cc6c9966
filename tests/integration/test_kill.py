"""A training that is killed without warning, again and again, ends where an undisturbed one does, bit for bit."""

import random
import signal
import time

import pytest
from experiments import differing_weights, wait_until

KILLS = 20


@pytest.mark.slow
def test_training_killed_at_random_points_ends_with_the_weights_of_an_undisturbed_one(long_lab, undisturbed_long):
    lab, chance, in_the_middle_of_a_write = long_lab, random.Random(20), 0
    for number in range(KILLS):
        started = lab.start("run", "train")
        if number % 5 == 0:  # anywhere, start-up included
            time.sleep(chance.uniform(0.02, 0.5))
        else:
            goal = lab.checkpoints_done() + chance.randint(1, 3)
            wait_until(lambda goal=goal: lab.checkpoints_done() >= goal, started)
            if number % 2:
                wait_until(lambda: unfinished(lab), started)
            else:
                time.sleep(chance.uniform(0, 0.04))
        started.send(signal.SIGKILL)
        assert started.wait().code == -signal.SIGKILL
        in_the_middle_of_a_write += bool(unfinished(lab))
    ended = lab.do("run", "train")

    assert "going on from" in ended.err
    assert in_the_middle_of_a_write >= 3
    assert differing_weights(lab.final(), undisturbed_long.final()) == []
    assert lab.losses() == undisturbed_long.losses()
    assert not list(lab.run_folder().rglob("*.tmp")), "what a killed process left behind is removed"


def unfinished(lab) -> list:
    """Temporary files, and checkpoints without marker."""
    folders = list(lab.folder.glob("runs/*/checkpoints"))
    bare = [p for folder in folders for p in folder.glob("*.pt") if not p.with_suffix(".json").exists()]
    return bare + [p for folder in folders for p in folder.glob(".*.tmp")]
