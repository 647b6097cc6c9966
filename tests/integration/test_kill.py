"""A training that is killed without warning, again and again, ends where an undisturbed one does, bit for bit."""

import random
import signal
import time
from functools import partial

import pytest
from experiments import differing_weights, wait_until
from holds import hold_in_step, hold_in_write

KILLS = 20
MOST_STEPS = 6
"""Of one life: all of them together are fewer than the training has, so that none of them comes to its end."""


@pytest.mark.slow
def test_training_killed_at_random_points_ends_with_the_weights_of_an_undisturbed_one(long_lab, undisturbed_long):
    lab, chance, in_the_middle_of_a_write = long_lab, random.Random(20), 0
    for number in range(KILLS):
        if number % 2:
            started = lab.start("run", "train", before=partial(hold_in_write, ".pt.", chance.randint(1, 3)))
            started.wait_until_held()
        else:
            goal = 0 if number % 5 == 0 else lab.checkpoints_done() + chance.randint(1, 3)
            started = lab.start("run", "train", before=partial(hold_in_step, MOST_STEPS + 1))
            wait_until(lambda goal=goal: lab.checkpoints_done() >= goal, started)
            time.sleep(chance.uniform(0, 0.04) if goal else chance.uniform(0.02, 0.5))  # start-up included
        started.send(signal.SIGKILL)
        assert started.wait().code == -signal.SIGKILL
        in_the_middle_of_a_write += bool(unfinished(lab))
    ended = lab.do("run", "train")

    assert "going on from" in ended.err
    assert in_the_middle_of_a_write >= KILLS // 2
    assert differing_weights(lab.final(), undisturbed_long.final()) == []
    assert lab.losses() == undisturbed_long.losses()
    assert not list(lab.run_folder().rglob("*.tmp")), "what a killed process left behind is removed"


def unfinished(lab) -> list:
    """Temporary files, and checkpoints without marker."""
    folders = list(lab.folder.glob("runs/*/checkpoints"))
    bare = [p for folder in folders for p in folder.glob("*.pt") if not p.with_suffix(".json").exists()]
    return bare + [p for folder in folders for p in folder.glob(".*.tmp")]
