"""How clusters and site profiles look on a screen, and as JSON."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from rhodiff.jobs.cluster_facts import Cluster, NodeGroup, Partition, QueuedJobs
from rhodiff.jobs.site_check import Finding
from rhodiff.jobs.sites import SiteProfile
from rhodiff.jobs.surroundings import Surroundings

__all__ = ["cluster_text", "cluster_value", "findings_text", "sites_text"]

MAX_QOS = 12


def sites_text(profiles: dict[str, SiteProfile]) -> str:
    """Profiles, one a line."""
    rows = [
        [name, "yes" if profile.verified else "no", profile.updated, profile.description]
        for name, profile in profiles.items()
    ]
    return "\n".join(_table(["site", "verified", "facts of", "description"], rows))


def cluster_text(cluster: Cluster, surroundings: Surroundings, queued: Sequence[QueuedJobs]) -> str:
    """What a cluster has and allows."""
    largest = f"arrays of at most {cluster.max_array_size} jobs"
    requeue = "requeues jobs" if cluster.requeues_by_default else "requeues no job that does not ask for it"
    lines = [
        f"Cluster {cluster.name}, Slurm {cluster.slurm_version}: {largest}, {requeue}, "
        f"{cluster.kill_wait_s} s from SIGTERM to SIGKILL",
        f"Launchers here: {', '.join(sorted(surroundings.launchers)) or 'none'}; srun --mpi: "
        f"{', '.join(sorted(surroundings.mpi_types or ())) or 'not known'}",
        f"Accounting: {_accounting(cluster)}",
        f"Your jobs in the queue: {sum(jobs.count for jobs in queued)}",
        "",
        *_partition_table(cluster),
    ]
    if cluster.associations:
        lines += ["", *_account_table(cluster)]
    if cluster.qos:
        lines += ["", *_qos_table(cluster)]
    lines += [f"note: {silence}" for silence in cluster.silent]
    return "\n".join(lines)


def cluster_value(cluster: Cluster, surroundings: Surroundings, queued: Sequence[QueuedJobs]) -> dict[str, Any]:
    """The same as plain values."""
    return {
        "cluster": {
            **asdict(cluster),
            "enforced": sorted(cluster.enforced),
            "partitions": [asdict(partition) for partition in cluster.partitions.values()],
            "qos": None if cluster.qos is None else [asdict(level) for level in cluster.qos.values()],
        },
        "launchers": sorted(surroundings.launchers),
        "mpi_types": None if surroundings.mpi_types is None else sorted(surroundings.mpi_types),
        "queued": [asdict(jobs) for jobs in queued],
    }


def findings_text(name: str, cluster: Cluster, findings: Sequence[Finding]) -> str:
    """What does not fit, problems first."""
    problems = [finding for finding in findings if finding.is_problem]
    remarks = [finding for finding in findings if not finding.is_problem]
    verdict = "fits" if not problems else f"does not fit: {len(problems)} problem{'s' * (len(problems) > 1)}"
    lines = [f"site profile {name} and cluster {cluster.name}: {verdict}"]
    lines += [f"  problem  {finding.where}: {finding.text}" for finding in problems]
    lines += [f"  note     {finding.where}: {finding.text}" for finding in remarks]
    return "\n".join(lines)


def _accounting(cluster: Cluster) -> str:
    if not cluster.has_accounting:
        return "none: how jobs ended is known from rhodiff's own markers, and from squeue for some minutes"
    return f"sacct; enforced: {', '.join(sorted(cluster.enforced)) or 'nothing'}"


def _partition_table(cluster: Cluster) -> list[str]:
    heads = ["partition", "state", "nodes", "up", "CPUs", "memory", "GRES", "time limit", "default", "preemption"]
    rows = [
        [
            partition.name + ("*" if partition.is_default else ""),
            partition.state,
            str(partition.num_nodes),
            str(partition.num_up),
            _span([_capped(group.cpus, partition.max_cpus_per_node) for group in partition.nodes]),
            _memory(partition),
            ", ".join(sorted({_gres(group) for group in partition.nodes} - {""})) or "-",
            _time(partition.max_time_min),
            _time(partition.default_time_min, "-"),
            _preemption(partition),
        ]
        for partition in cluster.partitions.values()
    ]
    return _table(heads, rows)


def _account_table(cluster: Cluster) -> list[str]:
    heads = ["your account", "time limit", "running", "submitted", "QOS"]
    rows = [
        [
            own.account + ("*" if own.is_default else "") + (f" in {own.partition}" if own.partition else ""),
            _time(own.max_time_min),
            _number(own.max_running_jobs),
            _number(own.max_submitted_jobs),
            ", ".join(own.qos) or "-",
        ]
        for own in cluster.associations or ()
    ]
    return _table(heads, rows)


def _qos_table(cluster: Cluster) -> list[str]:
    """Qualities of service that limit something, of those the user or a partition has."""
    mine = {name for own in cluster.associations or () for name in own.qos}
    mine |= {partition.qos for partition in cluster.partitions.values() if partition.qos}
    shown = [level for level in (cluster.qos or {}).values() if level.name in mine or not mine]
    rows = [
        [
            level.name,
            _time(level.max_time_min),
            _number(level.max_nodes),
            _number(level.max_running_jobs),
            _number(level.max_submitted_jobs),
        ]
        for level in shown[:MAX_QOS]
    ]
    rest = [f"... and {len(shown) - MAX_QOS} more"] if len(shown) > MAX_QOS else []
    return _table(["QOS", "time limit", "nodes a job", "running", "submitted"], rows) + rest


def _table(heads: list[str], rows: list[list[str]]) -> list[str]:
    """Columns as wide as they must be, none of them empty to the end of the line."""
    widths = [max(len(row[column]) for row in [heads, *rows]) for column in range(len(heads))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in [heads, *rows]]
    return [line.rstrip() for line in lines]


def _memory(partition: Partition) -> str:
    sizes = [_capped(group.memory_mb, partition.max_memory_per_node_mb) for group in partition.nodes]
    return _span([round(size / 1024, 1) for size in sizes]) + " GB" if sizes else "-"


def _capped(value: int, limit: int | None) -> int:
    return value if limit is None else min(value, limit)


def _span(values: Sequence[float]) -> str:
    if not values:
        return "-"
    low, high = min(values), max(values)
    return f"{low:g}" if low == high else f"{low:g}-{high:g}"


def _gres(group: NodeGroup) -> str:
    return ",".join(f"{name}:{count}" for name, count in group.gres.items())


def _preemption(partition: Partition) -> str:
    if partition.preempt_mode in {"", "OFF"}:
        return "-"
    return partition.preempt_mode.lower() + (f" after {partition.grace_s} s" if partition.grace_s else "")


def _time(minutes: int | None, absent: str = "none") -> str:
    if minutes is None:
        return absent
    days, rest = divmod(minutes, 24 * 60)
    return f"{days} d {rest // 60:02d}:{rest % 60:02d}" if days else f"{rest // 60}:{rest % 60:02d}"


def _number(limit: int | None) -> str:
    return "no limit" if limit is None else str(limit)
