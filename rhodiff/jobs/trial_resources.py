"""Where a trial of a training runs, and how long a job of the training itself may be: from the cluster's facts.

A trial asks for the nodes and processes of the training, but for little time, in the queue that waits least: that of
the profile's ``test``, else the partition with the shortest limit that could run it.
"""

from dataclasses import replace
from math import inf

from rhodiff.config.resources import StageResources
from rhodiff.jobs.checks import find_problems
from rhodiff.jobs.cluster_facts import Cluster
from rhodiff.jobs.sites import SiteProfile
from rhodiff.jobs.stage_resources import merge_resources
from rhodiff.jobs.submission_plan import Allocation

__all__ = ["longest_walltime_min", "shortest_partition", "trial_resources"]

USUAL_WALLTIME_MIN = 15
FOREVER_MIN = 10**7


def trial_resources(
    profile: SiteProfile, flags: StageResources, allocation: Allocation, cluster: Cluster | None
) -> StageResources:
    """What a trial asks for beyond the training's own resources; it counts before the experiment.

    Args:
        profile: the site.
        flags: what the command line says; it counts before all.
        allocation: what a job of the training asks for.
        cluster: the cluster; None: there is no Slurm.
    """
    usual = StageResources(walltime_min=USUAL_WALLTIME_MIN, chain=1, max_attempts=1)
    found = merge_resources(usual, profile.test, flags)
    if cluster is None or found.partition is not None:
        return found
    wanted = replace(
        allocation, walltime_min=found.walltime_min or USUAL_WALLTIME_MIN, qos=found.qos or allocation.qos
    )
    return merge_resources(StageResources(partition=shortest_partition(wanted, cluster)), found)


def shortest_partition(allocation: Allocation, cluster: Cluster) -> str | None:
    """The partition with the shortest time limit that can run a job; of equal ones that which the job names.

    Returns:
        Its name; None if no partition can.
    """
    able = [
        partition
        for partition in cluster.partitions.values()
        if not find_problems(replace(allocation, partition=partition.name), cluster)
        and partition.num_up >= allocation.nodes
    ]
    own = allocation.partition or (cluster.default_partition.name if cluster.default_partition else None)
    ranked = sorted(able, key=lambda one: (one.max_time_min or inf, one.name != own, one.name))
    return ranked[0].name if ranked else None


def longest_walltime_min(allocation: Allocation, cluster: Cluster) -> int | None:
    """The longest time limit that a job may have; None if nothing limits it.

    Args:
        allocation: what it asks for; its own time limit does not count.
        cluster: the cluster.
    """
    if not find_problems(replace(allocation, walltime_min=FOREVER_MIN), cluster):
        return None
    limits = {
        *(partition.max_time_min for partition in cluster.partitions.values()),
        *(level.max_time_min for level in (cluster.qos or {}).values()),
        *(own.max_time_min for own in cluster.associations or ()),
    }
    fitting = [
        limit
        for limit in limits
        if limit is not None and not find_problems(replace(allocation, walltime_min=limit), cluster)
    ]
    return max(fitting, default=None)
