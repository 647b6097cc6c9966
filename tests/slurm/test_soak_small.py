"""Many tasks under tight limits: each runs exactly once, and what is not done runs again, alone."""

import pytest
from soak import soak
from trivial_array import TrivialArray

TASKS = 60


@pytest.fixture(scope="module")
def small_arrays(cluster):
    """A cluster that takes 20 tasks in an array."""
    with cluster.max_array_size(20):
        yield cluster


@pytest.mark.slow
def test_an_array_over_the_largest_size_runs_every_task_once(small_arrays, tmp_path):
    array = TrivialArray(tmp_path / "run", TASKS)
    found = soak(small_arrays, "arrays", array, cancelled=3, sick=4, patience_s=300)
    assert (found.calls, found.jobs) == (3, TASKS)
    check(found, lost=7)


@pytest.mark.slow
def test_tasks_share_jobs_where_only_four_may_be_submitted(small_arrays, tmp_path):
    with small_arrays.submit_limit(4):
        found = soak(
            small_arrays, "packed", TrivialArray(tmp_path / "run", TASKS), cancelled=0, sick=4, patience_s=300
        )
    assert (found.calls, found.jobs) == (1, 4)
    check(found, lost=4)


def check(found, lost):
    assert found.lost == found.retried == lost
    assert (found.wrong_once, found.wrong_twice) == (0, 0)
    assert found.status_calls <= 2
    assert found.files <= 3 + 10 / TASKS, "three files a task, and a few of the whole"
