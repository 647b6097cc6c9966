"""Trials go where the wait is shortest, and a training's longest job is found from all limits together."""

import pytest

from rhodiff.config.resources import StageResources
from rhodiff.jobs.cluster_facts import Cluster, NodeGroup, Partition
from rhodiff.jobs.sites import SiteProfile
from rhodiff.jobs.submission_plan import Allocation
from rhodiff.jobs.trial_resources import longest_walltime_min, shortest_partition, trial_resources

ALLOCATION = Allocation(nodes=2, cpus_per_task=4, walltime_min=600, partition="work")


def partition(name, num_nodes, max_time_min, cpus=8, **more):
    group = NodeGroup(num_nodes, "idle", cpus, 64000)
    return Partition(name, "UP", name == "work", num_nodes, (group,), max_time_min, **more)


def cluster(*partitions):
    return Cluster("here", "22.05.8", 1001, partitions={one.name: one for one in partitions})


HERE = cluster(partition("work", 16, 1440), partition("debug", 2, 30), partition("tiny", 1, 10))


def profile(**test):
    return SiteProfile(description="d", updated="2026-01-01", source="s", test=StageResources(**test))


def test_the_shortest_queue_that_has_the_nodes_is_taken():
    found = trial_resources(profile(), StageResources(), ALLOCATION, HERE)
    assert (found.partition, found.walltime_min, found.chain) == ("debug", 15, 1)


def test_a_queue_too_short_for_the_trial_is_not_taken():
    found = trial_resources(profile(), StageResources(walltime_min=45), ALLOCATION, HERE)
    assert (found.partition, found.walltime_min) == ("work", 45)


def test_the_profiles_queue_for_tests_comes_before_and_flags_before_all():
    own = profile(partition="work", walltime_min=20, qos="fast")
    found = trial_resources(own, StageResources(), ALLOCATION, HERE)
    assert (found.partition, found.walltime_min, found.qos) == ("work", 20, "fast")
    found = trial_resources(own, StageResources(partition="tiny", walltime_min=5), ALLOCATION, HERE)
    assert (found.partition, found.walltime_min) == ("tiny", 5)


def test_without_slurm_there_is_no_queue_to_choose():
    assert trial_resources(profile(), StageResources(), ALLOCATION, None).partition is None


def test_of_equal_queues_the_trainings_own_is_taken():
    same = cluster(partition("a", 16, None), partition("work", 16, None), partition("b", 16, None))
    assert shortest_partition(ALLOCATION, same) == "work"


def test_nothing_that_fits_is_nothing():
    assert shortest_partition(Allocation(nodes=99), HERE) is None


@pytest.mark.parametrize(("name", "longest"), [("work", 1440), ("debug", 30), (None, 1440)])
def test_the_longest_job_is_as_long_as_its_partition_allows(name, longest):
    assert longest_walltime_min(Allocation(nodes=2, partition=name), HERE) == longest


def test_without_limits_there_is_no_longest_job():
    assert longest_walltime_min(ALLOCATION, cluster(partition("work", 16, None))) is None
