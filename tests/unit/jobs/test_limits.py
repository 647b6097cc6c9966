"""The room that limits leave: the tightest of those that hold for a job."""

from printed_cluster import printed_cluster

from rhodiff.jobs.cluster_facts import QueuedJobs
from rhodiff.jobs.limits import find_room
from rhodiff.jobs.sites import SiteLimits
from rhodiff.jobs.submission_plan import Allocation

QUEUED = (
    QueuedJobs("root", "normal", "main", 7),
    QueuedJobs("root", "normal", "limited", 3),
    QueuedJobs("test", "normal", "main", 5),
)


def room_of(allocation, **changes):
    room = find_room(printed_cluster(**changes), allocation, QUEUED)
    return room.max_submitted_jobs, room.num_queued_jobs


def test_without_other_limits_the_controllers_holds():
    assert room_of(Allocation()) == (10000, 15)
    assert room_of(Allocation(), max_job_count=None) == (None, 0)


def test_jobs_of_the_account_count_against_its_limit():
    assert room_of(Allocation(account="test")) == (30, 5)


def test_the_limit_of_a_partition_holds_for_all_its_jobs():
    assert room_of(Allocation(partition="limited")) == (4, 3)


def test_the_limit_of_a_quality_of_service_holds_for_jobs_that_name_it():
    assert room_of(Allocation(qos="tight")) == (4, 0)


def test_limits_that_are_not_enforced_do_not_hold():
    assert room_of(Allocation(partition="limited"), enforced=frozenset()) == (10000, 15)
    assert room_of(Allocation(partition="limited"), enforced=frozenset({"associations"})) == (10000, 15)


def test_the_sites_word_comes_first():
    limits = SiteLimits(max_array_size=5, max_submitted_jobs=40)
    room = find_room(printed_cluster(), Allocation(partition="limited"), QUEUED, limits)
    assert (room.max_array_size, room.max_submitted_jobs, room.num_queued_jobs, room.num_free) == (5, 40, 15, 25)


def test_arrays_are_as_large_as_the_cluster_says():
    assert find_room(printed_cluster(), Allocation(), ()).max_array_size == 20
