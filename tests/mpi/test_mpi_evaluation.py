"""An evaluation over MPI: the same numbers by any number of ranks, and a clear end whatever happens to one."""

import os
import random
import re
import shutil
import signal
import time
from functools import partial

import pytest
from experiments import wait_until

NUM_KILLS = 10
NUM_CHECKPOINTS = 5
BLOCKS = 64 + 80 + 24 * NUM_CHECKPOINTS
"""Blocks of one field of the reference, the training set and the samples; comparisons follow."""


@pytest.mark.parametrize("ranks", [1, 2, 4])
def test_any_number_of_ranks_gives_the_numbers_of_one_process_bit_for_bit(ranks, run, alone):
    code, text = run.mpirun(ranks).wait()
    assert code == 0, text
    assert run.numbers() == alone


def is_at(run, done, started):
    """Whether so much is done, and all ranks are still there."""
    return run.num_done >= done and len(started.ranks) == 2


@pytest.mark.slow
def test_evaluation_killed_at_ten_random_points_goes_on_and_equals_the_undisturbed_one(run, alone):
    chosen = random.Random(20261122)
    for point in (*sorted(chosen.sample(range(2, BLOCKS - 20), NUM_KILLS - 1)), BLOCKS + 1):
        started = run.mpirun(2)
        wait_until(partial(is_at, run, max(point, run.num_done + 1), started))
        victim = chosen.choice(started.ranks).pid
        os.kill(victim, signal.SIGKILL)
        before = time.monotonic()
        code, text = started.wait(60)
        assert time.monotonic() - before < 60
        assert code != 0
        assert f"PID {victim}" in text
        assert "Killed (signal 9)" in text
    code, text = run.mpirun(2).wait()
    assert code == 0, text
    assert run.numbers() == alone


def test_error_of_a_rank_is_told_with_its_place_and_ends_all(run):
    shards = sorted(run.statistics.parent.glob("samples/*.zarr/fields/c.2.0.0"))
    shards[0].write_bytes(shards[0].read_bytes()[:-50])
    code, text = run.mpirun(3).wait(60)
    assert code == 2
    told = [line for line in text.splitlines() if line.startswith("error:")]
    assert 1 <= len(told) <= 3  # several may come to the damaged file before they hear of each other
    for line in told:
        assert re.match(r"error: process [012] of 3 on \S+: the shard .* is damaged or missing", line)


def test_stop_of_one_rank_stops_all_and_the_evaluation_goes_on(run, alone):
    for _ in range(8):  # on a quick machine all may be done before the signal comes: then from the beginning
        shutil.rmtree(run.statistics, ignore_errors=True)
        for marker in run.statistics.parent.glob("markers/statistics-*"):
            marker.unlink()
        started = run.mpirun(2)
        wait_until(lambda one=started: len(one.ranks) == 2)
        rank = started.ranks[1]
        wait_until(lambda: run.num_done >= 1)
        os.kill(rank.pid, signal.SIGUSR1)
        code, text = started.wait(60)
        if code != 0:
            break
    assert code == 75
    assert text.count("stopped by SIGUSR1") == 1
    assert run.mpirun(2).wait()[0] == 0
    assert run.numbers() == alone


def test_missing_samples_are_made_by_the_same_ranks(run, alone):
    for path in run.statistics.parent.glob("markers/samples-*"):
        path.unlink()
    code, text = run.mpirun(2).wait()
    assert code == 2
    assert text.count("is not sampled (completely)") >= 1
    code, text = run.mpirun(2, "--generate").wait()
    assert code == 0, text
    assert run.numbers() == alone


def test_ranks_that_mpi_does_not_join_are_refused(run):
    """A launcher of another MPI: two processes are told so, and each finds itself alone."""
    for rank in (0, 1):
        place = {"OMPI_COMM_WORLD_RANK": str(rank), "OMPI_COMM_WORLD_SIZE": "2"}
        place |= {"OMPI_COMM_WORLD_LOCAL_RANK": str(rank), "OMPI_COMM_WORLD_LOCAL_SIZE": "2"}
        ended = run.lab.run("run", "evaluate", environment=place)
        assert ended.code == 5
        assert "but MPI (" in ended.err
        assert ") finds 1: it does not understand the launcher's PMI" in ended.err
    assert not run.statistics.exists()


def test_other_stages_are_not_repeated_by_every_rank(run):
    place = {"PMI_RANK": "0", "PMI_SIZE": "2", "MPI_LOCALRANKID": "0", "MPI_LOCALNRANKS": "2"}
    ended = run.lab.run("run", "sample", environment=place)
    assert ended.code == 2
    assert "each of which would run all of 'sample'" in ended.err
    ended = run.lab.run("run", "train", "--set", "training.iterations=50", environment=place)
    assert ended.code == 2
    assert "said neither host nor port where they meet" in ended.err
