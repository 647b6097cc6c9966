"""A driver killed with kill -9 anywhere around a submission: run again, every piece has exactly one job."""

import os
import random
import signal
import time
from contextlib import suppress

import psutil
import pytest
from trivial_driver import Driver, count_calls, jobs_by_name

from rhodiff.jobs.submission_plan import Allocation

KILLS = 50


@pytest.fixture
def held():
    """Plans whose jobs stay in the queue: they can be counted, and cost nothing."""
    return {"allocation": Allocation(walltime_min=5, options={"hold": True})}


@pytest.fixture
def earlier(cluster):
    """Names of jobs that other tests left."""
    return set(jobs_by_name(cluster))


def kill_somewhere(driver, chance, number, tree=False):
    """Start a driver and kill it after a random time, or a random moment after it wrote something."""
    process, before = driver.start(), driver.num_events()
    if number % 2:
        time.sleep(chance.uniform(0, 0.2))
    else:
        goal = before + chance.randint(1, 14)
        while process.is_alive() and driver.num_events() < goal:
            time.sleep(0.001)
        time.sleep(chance.uniform(0, 0.02))
    was_alive = process.is_alive()
    for pid in [process.pid, *(children_of(process.pid) if tree else [])]:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    process.join()
    return was_alive


def children_of(pid):
    """All processes below one."""
    with suppress(psutil.NoSuchProcess):
        return [child.pid for child in psutil.Process(pid).children(recursive=True)]
    return []


def finish(driver):
    process = driver.start()
    process.join(120)
    assert process.exitcode == 0


def check_exactly_one_job_each(cluster, drivers, earlier):
    found = {name: ids for name, ids in jobs_by_name(cluster).items() if name not in earlier}
    for driver in drivers:
        names = driver.names()
        assert len(names) == 3
        assert [len(found.get(name, ())) for name in names] == [1, 1, 1], driver.run
        assert {name: {job_id} for name, job_id in driver.recorded().items()} == {name: found[name] for name in names}
        assert not list(driver.jobs.path.glob(".new-*"))
    assert sum(map(len, found.values())) == 3 * len(drivers)


@pytest.mark.slow
def test_a_driver_killed_at_50_random_points_loses_and_doubles_nothing(cluster, earlier, held, tmp_path):
    chance, drivers, killed = random.Random(50), [], 0
    while killed < KILLS:
        driver = Driver(tmp_path / "runs" / f"run-{len(drivers):03d}", held)
        killed += kill_somewhere(driver, chance, len(drivers))  # some were done before
        finish(driver)
        drivers.append(driver)
    check_exactly_one_job_each(cluster, drivers, earlier)
    assert count_calls(drivers)["accepted"] == 3 * len(drivers)


@pytest.mark.slow
def test_a_driver_killed_together_with_its_sbatch_loses_and_doubles_nothing(cluster, earlier, held, tmp_path):
    chance, drivers = random.Random(5), []
    for number in range(12):
        driver = Driver(tmp_path / "runs" / f"run-{number:02d}", held)
        kill_somewhere(driver, chance, number, tree=True)
        finish(driver)
        drivers.append(driver)
    check_exactly_one_job_each(cluster, drivers, earlier)


@pytest.mark.slow
def test_one_driver_killed_again_and_again_gets_there(cluster, earlier, held, tmp_path):
    chance, driver = random.Random(7), Driver(tmp_path / "runs" / "run", held)
    for number in range(10):
        kill_somewhere(driver, chance, number)
    finish(driver)
    check_exactly_one_job_each(cluster, [driver], earlier)


@pytest.mark.slow
def test_eight_drivers_at_a_time_submit_each_piece_once(cluster, earlier, held, tmp_path):
    driver = Driver(tmp_path / "runs" / "run", held)
    processes = [driver.start() for _ in range(8)]
    for process in processes:
        process.join(120)
    assert [process.exitcode for process in processes] == [0] * 8
    check_exactly_one_job_each(cluster, [driver], earlier)
    assert count_calls([driver]) == {"intent": 3, "accepted": 3}
