"""Reading what a cluster has and allows, and what of it is left for the user's next jobs.

All questions are asked at a time; accounting's answers may be missing, the controller's may not.
"""

import getpass
import os
import re
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import NamedTuple

from rhodiff.errors import EnvironmentLacksError, SchedulerUnreachableError
from rhodiff.jobs.cluster_facts import Association, Cluster, QosLimits, QueuedJobs
from rhodiff.jobs.limit_tables import (
    ASSOCIATION_FIELDS,
    NODE_FORMAT,
    QOS_FIELDS,
    QUEUE_FORMAT,
    parse_associations,
    parse_config,
    parse_nodes,
    parse_partitions,
    parse_qos,
    parse_queue_counts,
)
from rhodiff.jobs.packing import QueueRoom
from rhodiff.jobs.sites import SiteLimits
from rhodiff.jobs.slurm_commands import ask_slurm
from rhodiff.jobs.submission_plan import Allocation

__all__ = ["count_queued_jobs", "find_room", "forget_limits", "read_cluster_name", "read_limits"]

ACCOUNTING_DEADLINE_S = 10.0


def read_limits() -> Cluster:
    """What the cluster has and allows; asked once in a process.

    Raises:
        SchedulerUnreachableError: if the controller does not answer.
        EnvironmentLacksError: if there is no Slurm here.
    """
    return _read_limits(os.environ.get("SLURM_CONF"))


def read_cluster_name() -> str:
    """ClusterName, for which one question is enough; asked once in a process.

    Raises:
        SchedulerUnreachableError: if the controller does not answer.
        EnvironmentLacksError: if there is no Slurm here.
    """
    return _read_cluster_name(os.environ.get("SLURM_CONF"))


def forget_limits() -> None:
    """Ask again next time: for processes that outlive a change of the cluster."""
    _read_limits.cache_clear()
    _read_cluster_name.cache_clear()


def count_queued_jobs() -> tuple[QueuedJobs, ...]:
    """The user's jobs that wait or run now.

    Raises:
        SchedulerUnreachableError: if the controller does not answer.
        EnvironmentLacksError: if there is no Slurm here.
    """
    return parse_queue_counts(ask_slurm(["squeue", "--me", "-h", "-o", QUEUE_FORMAT]).text())


def find_room(
    cluster: Cluster, allocation: Allocation, queued: Sequence[QueuedJobs], overrides: SiteLimits | None = None
) -> QueueRoom:
    """What the scheduler takes of the user now: the limit that leaves least.

    Limits that a whole account shares are not counted: what colleagues have in the queue changes meanwhile.

    Args:
        cluster: the cluster.
        allocation: what a job asks for.
        queued: the user's jobs in the queue.
        overrides: the site profile's limits, before the cluster's own.
    """
    overrides = overrides or SiteLimits()
    limits = list(_submit_limits(cluster, allocation, queued))
    if overrides.max_submitted_jobs is not None:
        limits = [_SubmitLimit(overrides.max_submitted_jobs, sum(jobs.count for jobs in queued))]
    array_size = overrides.max_array_size or cluster.max_array_size
    if not limits:
        return QueueRoom(max_array_size=array_size)
    tightest = min(limits, key=lambda limit: limit.allowed - limit.taken)
    return QueueRoom(array_size, tightest.allowed, tightest.taken)


class _SubmitLimit(NamedTuple):
    allowed: int
    taken: int


def _submit_limits(cluster: Cluster, allocation: Allocation, queued: Sequence[QueuedJobs]) -> Iterator[_SubmitLimit]:
    if cluster.max_job_count is not None:
        yield _SubmitLimit(cluster.max_job_count, sum(jobs.count for jobs in queued))
    if not cluster.enforces_limits:
        return
    default = cluster.default_partition
    partition = cluster.partitions.get(allocation.partition or "") or default
    own = cluster.association(allocation.account, partition.name if partition else None)
    if own is not None and own.max_submitted_jobs is not None:
        yield _SubmitLimit(own.max_submitted_jobs, _taken(queued, account=own.account))
    job_qos = _qos(cluster, allocation.qos or (own.default_qos if own else None) or "normal")
    if job_qos is not None and job_qos.max_submitted_jobs is not None:
        yield _SubmitLimit(job_qos.max_submitted_jobs, _taken(queued, qos=job_qos.name))
    shared_qos = _qos(cluster, partition.qos) if partition else None
    if partition is not None and shared_qos is not None and shared_qos.max_submitted_jobs is not None:
        yield _SubmitLimit(shared_qos.max_submitted_jobs, _taken(queued, partition=partition.name))


def _taken(
    queued: Sequence[QueuedJobs], *, account: str | None = None, qos: str | None = None, partition: str | None = None
) -> int:
    return sum(
        jobs.count
        for jobs in queued
        if account in (None, jobs.account) and qos in (None, jobs.qos) and partition in (None, jobs.partition)
    )


def _qos(cluster: Cluster, name: str | None) -> QosLimits | None:
    return (cluster.qos or {}).get(name) if name else None


@lru_cache(maxsize=4)
def _read_cluster_name(_slurm_conf: str | None) -> str:
    return _read_config()["ClusterName"]


def _read_config() -> dict[str, str]:
    return parse_config(ask_slurm(["scontrol", "show", "config"]).text())


@lru_cache(maxsize=4)
def _read_limits(_slurm_conf: str | None) -> Cluster:
    with ThreadPoolExecutor(max_workers=5) as pool:
        config = pool.submit(_read_config)
        partitions = pool.submit(ask_slurm, ["scontrol", "show", "partition", "--all", "--oneliner"])
        nodes = pool.submit(ask_slurm, ["sinfo", "-h", "-a", "-e", "-o", NODE_FORMAT])
        user = ["show", "user", getpass.getuser(), "withassoc", f"format={ASSOCIATION_FIELDS}"]
        associations = pool.submit(_ask_accounting, user)
        qos = pool.submit(_ask_accounting, ["show", "qos", f"format={QOS_FIELDS}"])
    settings = config.result()
    accounts, levels = associations.result(), qos.result()
    return Cluster(
        name=settings["ClusterName"],
        slurm_version=settings["SLURM_VERSION"],
        max_array_size=_max_array_size(settings),
        max_job_count=int(settings.get("MaxJobCount", "0")) or None,
        kill_wait_s=int(settings.get("KillWait", "30").split()[0]),
        requeues_by_default=settings.get("JobRequeue", "1") == "1",
        enforced=frozenset(settings.get("AccountingStorageEnforce", "none").lower().split(",")) - {"none"},
        has_accounting="slurmdbd" in settings.get("AccountingStorageType", ""),
        partitions=parse_partitions(partitions.result().text(), parse_nodes(nodes.result().text())),
        associations=_user_associations(accounts, settings["ClusterName"]),
        qos=parse_qos(levels) if levels is not None else None,
        silent=() if accounts is not None and levels is not None else ("accounting (sacctmgr) does not answer",),
    )


def _user_associations(text: str | None, cluster: str) -> tuple[Association, ...] | None:
    return None if text is None else parse_associations(text, cluster)


def _max_array_size(settings: dict[str, str]) -> int:
    """The largest index plus one, or fewer where the scheduler takes fewer tasks of an array."""
    tasks = re.search(r"max_array_tasks=(\d+)", settings.get("SchedulerParameters", ""))
    size = int(settings["MaxArraySize"])
    return min(size, int(tasks[1])) if tasks else size


def _ask_accounting(words: Sequence[str]) -> str | None:
    """An answer of accounting; None where there is none."""
    try:
        answer = ask_slurm(["sacctmgr", "-n", "-P", *words], ACCOUNTING_DEADLINE_S)
    except (SchedulerUnreachableError, EnvironmentLacksError):
        return None
    return answer.stdout if answer.returncode == 0 else None
