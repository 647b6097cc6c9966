"""What of a request can never run on a cluster, said before anything is submitted.

Slurm accepts many such jobs and lets them wait for ever (``-N9`` on four nodes, a walltime over the partition's).
Every problem is found at once, each with what was asked for, what is allowed and the nearest that exists. What may
pass by itself, such as nodes that are down now, is a warning.
"""

import difflib
import math
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from rhodiff.errors import SubmissionRefusedError
from rhodiff.jobs.cluster_facts import Association, Cluster, NodeGroup, Partition, QosLimits
from rhodiff.jobs.limit_tables import parse_gres
from rhodiff.jobs.submission_plan import Allocation

__all__ = ["check_allocation", "find_problems", "find_warnings"]

MB_PER_GB = 1024
MAX_NAMES = 12
REQUESTED_QOS_FLAGS = {"time": "PartitionTimeLimit", "nodes": "PartitionMaxNodes"}


def check_allocation(allocation: Allocation, cluster: Cluster) -> list[str]:
    """Refuse what can never run.

    Args:
        allocation: what one job asks for.
        cluster: what there is.

    Returns:
        Warnings.

    Raises:
        SubmissionRefusedError: with every problem.
    """
    problems = find_problems(allocation, cluster)
    if problems:
        text = "; ".join(problems) if len(problems) == 1 else "\n".join(["", *(f"  - {p}" for p in problems)])
        raise SubmissionRefusedError(f"cluster {cluster.name} cannot run this job: {text}")
    return find_warnings(allocation, cluster)


def find_problems(allocation: Allocation, cluster: Cluster) -> list[str]:
    """Why a job can never run; where it names several partitions, one that takes it is enough."""
    problems = list(_account_problems(allocation, cluster))
    names = allocation.partition.split(",") if allocation.partition else [None]
    each = [list(_partition_problems(allocation, cluster, name)) for name in names]
    return [*problems, *min(each, key=len)]


def find_warnings(allocation: Allocation, cluster: Cluster) -> list[str]:
    """What may keep a job waiting, or is not as it seems."""
    warnings = [f"{silence}: accounts and their limits are not checked" for silence in cluster.silent]
    partition = _chosen(allocation, cluster)
    if partition is not None and allocation.nodes > partition.num_up:
        states = ", ".join(f"{group.count} {group.state}" for group in partition.nodes if not group.is_up)
        warnings.append(
            f"{allocation.nodes} nodes are asked for and {partition.num_up} of the {partition.num_nodes} nodes of "
            f"partition '{partition.name}' work now ({states}): the job waits until more do"
        )
    accounts = sorted({own.account for own in cluster.associations or ()})
    if allocation.account and accounts and not cluster.enforces_accounts and allocation.account not in accounts:
        warnings.append(
            f"account '{allocation.account}' is not one of yours ({_listed(accounts)}); the cluster takes the job "
            f"all the same{_nearest(allocation.account, accounts)}"
        )
    return warnings


def _chosen(allocation: Allocation, cluster: Cluster) -> Partition | None:
    if allocation.partition is None:
        return cluster.default_partition
    return next((cluster.partitions[n] for n in allocation.partition.split(",") if n in cluster.partitions), None)


def _account_problems(allocation: Allocation, cluster: Cluster) -> Iterator[str]:
    accounts = sorted({own.account for own in cluster.associations or ()})
    if cluster.associations is not None and cluster.enforces_accounts:
        if not accounts:
            yield "you have no account on this cluster that jobs could be charged to: ask its support for one"
        elif allocation.account and allocation.account not in accounts:
            yield f"account '{allocation.account}' is not yours; {_choose(allocation.account, accounts)}"
        elif allocation.account is None and not any(own.is_default for own in cluster.associations):
            yield f"no account is named and you have no default one; name one of {_listed(accounts)}"
    if allocation.qos and cluster.qos and allocation.qos not in cluster.qos:
        yield f"there is no QOS '{allocation.qos}'; {_choose(allocation.qos, _own_qos(allocation, cluster))}"
    elif allocation.qos and cluster.enforces_qos:
        own = _own_qos(allocation, cluster)
        if own and allocation.qos not in own:
            yield f"QOS '{allocation.qos}' is not open to you; {_choose(allocation.qos, own)}"


def _own_qos(allocation: Allocation, cluster: Cluster) -> list[str]:
    """Qualities of service that the account of a job, or else any of the user's, may use."""
    accounts = [own for own in cluster.associations or () if allocation.account in (None, own.account)]
    found = sorted({name for own in accounts or cluster.associations or () for name in own.qos})
    return found or sorted(cluster.qos or ())


def _partition_problems(allocation: Allocation, cluster: Cluster, name: str | None) -> Iterator[str]:
    partition = cluster.default_partition if name is None else cluster.partitions.get(name)
    open_ones = [own.name for own in cluster.partitions.values() if own.state == "UP"]
    if partition is None:
        unknown = "no partition is named and the cluster has no default one" if name is None else ""
        yield f"{unknown or f'there is no partition {name!r}'}; {_choose(name or '', open_ones)}"
        return
    if partition.state != "UP":
        yield f"partition '{partition.name}' is {partition.state} and runs no jobs; {_choose('', open_ones)}"
    own = cluster.association(allocation.account, partition.name)
    levels = _levels(allocation, cluster, partition, own)
    yield from _admission_problems(allocation, partition, own)
    yield from _time_problems(allocation, partition, own, levels)
    yield from _size_problems(allocation, partition, levels)
    yield from _node_problems(allocation, partition)


def _levels(
    allocation: Allocation, cluster: Cluster, partition: Partition, own: Association | None
) -> list[QosLimits]:
    """Qualities of service whose limits hold for a job: its own, and the partition's."""
    if not cluster.enforces_limits or not cluster.qos:
        return []
    names = [allocation.qos or (own.default_qos if own else None) or "normal", partition.qos]
    return [cluster.qos[name] for name in names if name is not None and name in cluster.qos]


def _admission_problems(allocation: Allocation, partition: Partition, own: Association | None) -> Iterator[str]:
    account = allocation.account or (own.account if own else None)
    where = f"partition '{partition.name}'"
    if account is not None and partition.allow_accounts is not None and account not in partition.allow_accounts:
        yield f"{where} is not open to account '{account}', only to {_listed(partition.allow_accounts)}"
    if account is not None and account in partition.deny_accounts:
        yield f"{where} is closed to account '{account}'"
    qos = allocation.qos
    if qos is not None and partition.allow_qos is not None and qos not in partition.allow_qos:
        yield f"{where} takes no jobs of QOS '{qos}', only of {_listed(partition.allow_qos)}"
    if qos is not None and qos in partition.deny_qos:
        yield f"{where} takes no jobs of QOS '{qos}'"


def _time_problems(
    allocation: Allocation, partition: Partition, own: Association | None, levels: Sequence[QosLimits]
) -> Iterator[str]:
    limits = [(f"QOS '{level.name}'", level.max_time_min) for level in levels]
    if not any(REQUESTED_QOS_FLAGS["time"] in level.flags for level in levels):
        limits.append((f"partition '{partition.name}'", partition.max_time_min))
    if own is not None and levels:  # limits of accounts are enforced together with those of QOS
        limits.append((f"account '{own.account}'", own.max_time_min))
    bound = [(limit, where) for where, limit in limits if limit is not None and allocation.walltime_min > limit]
    if bound:
        limit, where = min(bound)
        yield (
            f"a walltime of {_time(allocation.walltime_min)} is over the {_time(limit)} that {where} allows: shorten "
            "it (a training goes on in a next job: chain) or choose another one"
        )


def _size_problems(allocation: Allocation, partition: Partition, levels: Sequence[QosLimits]) -> Iterator[str]:
    limits = [(f"the most that QOS '{level.name}' allows a job is", level.max_nodes) for level in levels]
    if not any(REQUESTED_QOS_FLAGS["nodes"] in level.flags for level in levels):
        limits.append((f"the most that partition '{partition.name}' allows a job is", partition.max_nodes))
    limits.append((f"partition '{partition.name}' has", partition.num_nodes))
    bound = [(limit, where) for where, limit in limits if limit is not None and allocation.nodes > limit]
    if bound:
        limit, where = min(bound)
        yield f"{allocation.nodes} nodes are asked for and {where} {limit}"
    if allocation.nodes < partition.min_nodes:
        yield (
            f"{allocation.nodes} nodes are asked for and partition '{partition.name}' takes jobs of at least "
            f"{partition.min_nodes}"
        )


def _node_problems(allocation: Allocation, partition: Partition) -> Iterator[str]:
    """What no node has, or too few nodes have together."""
    if not partition.nodes:
        return
    demands = list(_demands(allocation, partition))
    found = [demand for demand in demands if not any(demand.fits(group) for group in partition.nodes)]
    where = f"partition '{partition.name}'"
    yield from (f"{demand.wanted} a node asked for, and {where} has {demand.offered}" for demand in found)
    fitting = sum(group.count for group in partition.nodes if all(demand.fits(group) for demand in demands))
    if not found and fitting < min(allocation.nodes, partition.num_nodes):
        wanted = ", ".join(demand.wanted for demand in demands)
        yield (
            f"{allocation.nodes} nodes with {wanted} are asked for, and {fitting} of the {partition.num_nodes} nodes "
            f"of {where} have that"
        )


class _Demand(NamedTuple):
    """Something that each node must have: a test, and how it and what there is are called."""

    fits: Callable[[NodeGroup], bool]
    wanted: str
    offered: str


def _demands(allocation: Allocation, partition: Partition) -> Iterator[_Demand]:
    cpus, limit = allocation.tasks_per_node * allocation.cpus_per_task, partition.max_cpus_per_node
    most = max(_at_most(limit, group.cpus) for group in partition.nodes)
    yield _Demand(
        lambda group: cpus <= _at_most(limit, group.cpus),
        f"{cpus} CPUs ({allocation.tasks_per_node} tasks x {allocation.cpus_per_task})",
        f"at most {most}",
    )
    if allocation.memory_gb is not None:
        yield _memory_demand(allocation.memory_gb, partition)
    for name, count in _wanted_gres(allocation).items():
        yield _gres_demand(name, count, partition)


def _memory_demand(memory_gb: float, partition: Partition) -> _Demand:
    limit = partition.max_memory_per_node_mb
    most_mb = max(_at_most(limit, group.memory_mb) for group in partition.nodes)
    return _Demand(
        lambda group: memory_gb * MB_PER_GB <= _at_most(limit, group.memory_mb),
        f"{memory_gb:g} GB of memory",
        f"at most {math.floor(most_mb / MB_PER_GB * 100) / 100:g} GB ({most_mb} MB)",
    )


def _gres_demand(name: str, count: int, partition: Partition) -> _Demand:
    most = max(group.num_gres(name) for group in partition.nodes)
    there = sorted({f"{own}:{number}" for group in partition.nodes for own, number in group.gres.items()})
    kinds = [own.rpartition(":")[0] for own in there]
    offered = f"at most {most}" if most else f"only {_listed(there)}{_nearest(name, kinds)}"
    return _Demand(lambda group: group.num_gres(name) >= count, f"GRES {name}:{count}", offered)


def _wanted_gres(allocation: Allocation) -> dict[str, int]:
    if allocation.gres is not None:
        try:
            return parse_gres(allocation.gres)
        except ValueError as error:
            raise SubmissionRefusedError(f"gres: {error}; it is written as 'gpu:4' or 'gpu:max:4'") from None
    return {"gpu": allocation.gpus_per_node} if allocation.gpus_per_node else {}


def _at_most(limit: int | None, value: int) -> int:
    return value if limit is None else min(limit, value)


def _time(minutes: int) -> str:
    hours, rest = divmod(minutes, 60)
    return f"{hours} h {rest:02d} min" if hours else f"{rest} min"


def _choose(name: str, names: Sequence[str]) -> str:
    return f"there are {_listed(names)}{_nearest(name, names)}" if names else "there is none"


def _nearest(name: str, names: Sequence[str]) -> str:
    near = difflib.get_close_matches(name, names, n=1)
    return f" - did you mean '{near[0]}'?" if near else ""


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(names[:MAX_NAMES])
    return f"{shown} and {len(names) - MAX_NAMES} more" if len(names) > MAX_NAMES else shown or "none"
