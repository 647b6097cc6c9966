"""What Slurm's commands print about a cluster, read. Pure: text in, facts out.

An answer without what it must hold is refused as a whole.
"""

import re
from collections import Counter
from collections.abc import Mapping

from rhodiff.errors import SchedulerUnreachableError
from rhodiff.jobs.cluster_facts import Association, NodeGroup, Partition, QosLimits, QueuedJobs
from rhodiff.jobs.job_tables import expand_indices

__all__ = [
    "ASSOCIATION_FIELDS",
    "NODE_FORMAT",
    "QOS_FIELDS",
    "QUEUE_FORMAT",
    "parse_associations",
    "parse_config",
    "parse_gres",
    "parse_nodes",
    "parse_partitions",
    "parse_qos",
    "parse_queue_counts",
    "parse_time_limit_min",
]

NODE_FORMAT = "%R|%D|%T|%c|%m|%G|%f"
ASSOCIATION_FIELDS = (
    "DefaultAccount,Cluster,Account,Partition,QOS,DefaultQOS,MaxJobs,MaxSubmit,GrpJobs,GrpSubmit,MaxWall"
)
QOS_FIELDS = "Name,Flags,MaxWall,MaxJobsPU,MaxJobsPA,GrpJobs,MaxSubmitPU,MaxSubmitPA,GrpSubmit,MaxTRES"
QUEUE_FORMAT = "%F|%K|%a|%q|%P"
UNLIMITED = frozenset({"", "UNLIMITED", "INFINITE", "NONE", "N/A", "(NULL)", "PARTITION_LIMIT"})
TIME = re.compile(r"(?:(\d+)-)?(\d+)(?::(\d+))?(?::(\d+))?\Z")


def parse_config(text: str) -> dict[str, str]:
    """Settings of ``scontrol show config``."""
    pairs = (line.partition("=") for line in text.splitlines() if "=" in line)
    config = {name.strip(): value.strip() for name, _, value in pairs}
    missing = [name for name in ("ClusterName", "MaxArraySize", "SLURM_VERSION") if name not in config]
    if missing:
        raise _garbled("scontrol show config", f"no {', '.join(missing)}")
    return config


def parse_partitions(text: str, nodes: Mapping[str, tuple[NodeGroup, ...]]) -> dict[str, Partition]:
    """Partitions of ``scontrol show partition --oneliner``.

    Args:
        text: what was printed.
        nodes: nodes by partition, from :func:`parse_nodes`.
    """
    partitions: dict[str, Partition] = {}
    for line in text.splitlines():
        values = dict(word.split("=", 1) for word in line.split() if "=" in word)
        try:
            name = values["PartitionName"]
            partitions[name] = _partition(values, nodes.get(name, ()))
        except (KeyError, ValueError) as error:
            raise _garbled("scontrol show partition", f"{error} in {line[:100]!r}") from error
    return partitions


def parse_nodes(text: str) -> dict[str, tuple[NodeGroup, ...]]:
    """Nodes by partition, from ``sinfo -h -a -e -o`` with :data:`NODE_FORMAT`."""
    groups: dict[str, list[NodeGroup]] = {}
    for line in text.splitlines():
        try:
            name, count, state, cpus, memory, gres, features = line.split("|")
            group = NodeGroup(
                count=int(count),
                state=state,
                cpus=int(cpus.rstrip("+")),
                memory_mb=int(memory.rstrip("+")),
                gres=parse_gres(gres),
                features=tuple(_words(features)),
            )
        except ValueError as error:
            raise _garbled("sinfo", f"{error} in {line[:100]!r}") from error
        groups.setdefault(name, []).append(group)
    return {name: tuple(group for group in found if group.count) for name, found in groups.items()}


def parse_gres(text: str) -> dict[str, int]:
    """Generic resources: ``gpu:max:8(S:0-1),shard:4`` is ``{"gpu:max": 8, "shard": 4}``.

    Raises:
        ValueError: if it is none.
    """
    found: dict[str, int] = {}
    for word in _words(re.sub(r"\([^)]*\)", "", text) if text != "(null)" else ""):
        parts = word.removeprefix("gres/").removeprefix("gres:").replace("=", ":").split(":")
        number = re.fullmatch(r"(\d+)([KkMmGg]?)", parts[-1])
        name = ":".join(part for part in (parts[:-1] if number else parts) if part != "no_consume")
        if re.fullmatch(r"[\w.-]+(:[\w.-]+)*", name) is None:
            raise ValueError(f"'{word}' is no generic resource")
        scale = {"": 1, "k": 1024, "m": 1024**2, "g": 1024**3}[number[2].lower()] if number else 1
        found[name] = found.get(name, 0) + (int(number[1]) * scale if number else 1)
    return found


def parse_associations(text: str, cluster: str) -> tuple[Association, ...]:
    """Associations of ``sacctmgr -nP show user withassoc`` with :data:`ASSOCIATION_FIELDS`.

    Args:
        text: what was printed.
        cluster: the one they must be of.
    """
    rows = [_fields(line, 11, "sacctmgr show user") for line in text.splitlines()]
    return tuple(_association(row) for row in rows if row[1] == cluster)


def parse_qos(text: str) -> dict[str, QosLimits]:
    """Qualities of service of ``sacctmgr -nP show qos`` with :data:`QOS_FIELDS`."""
    found: dict[str, QosLimits] = {}
    for line in text.splitlines():
        row = _fields(line, 10, "sacctmgr show qos")
        found[row[0]] = QosLimits(
            name=row[0],
            flags=tuple(_words(row[1])),
            max_time_min=parse_time_limit_min(row[2]),
            max_nodes=parse_gres(row[9]).get("node"),
            max_running_jobs=_least(row[3:6]),
            max_submitted_jobs=_least(row[6:9]),
        )
    return found


def parse_queue_counts(text: str) -> tuple[QueuedJobs, ...]:
    """Jobs by what they are charged to, of ``squeue -h -o`` with :data:`QUEUE_FORMAT`."""
    counts: Counter[tuple[str, str, str]] = Counter()
    for line in text.splitlines():
        job_id, indices, account, qos, partition = _fields(line, 5, "squeue")
        try:
            int(job_id)
            counts[account, qos, partition] += 1 if indices == "N/A" else len(expand_indices(indices))
        except ValueError as error:
            raise _garbled("squeue", str(error)) from error
    return tuple(QueuedJobs(*charged, count) for charged, count in counts.items())


def parse_time_limit_min(text: str) -> int | None:
    """Minutes of ``1-00:00:00``, ``02:30:00`` or ``30`` rounded up; None where there is no limit.

    Raises:
        ValueError: if it is no time.
    """
    if text.upper() in UNLIMITED:
        return None
    match = TIME.match(text)
    if match is None:
        raise ValueError(f"'{text}' is no time limit")
    days, first, second, third = match.groups()
    if days is not None:
        numbers = (int(days), int(first), int(second or 0), int(third or 0))
    elif third is not None:
        numbers = (0, int(first), int(second), int(third))
    else:
        numbers = (0, 0, int(first), int(second or 0))
    seconds = ((numbers[0] * 24 + numbers[1]) * 60 + numbers[2]) * 60 + numbers[3]
    return -(-seconds // 60)


def _partition(values: Mapping[str, str], nodes: tuple[NodeGroup, ...]) -> Partition:
    return Partition(
        name=values["PartitionName"],
        state=values["State"],
        is_default=values.get("Default") == "YES",
        num_nodes=int(values["TotalNodes"]),
        nodes=nodes,
        max_time_min=parse_time_limit_min(values["MaxTime"]),
        default_time_min=parse_time_limit_min(values.get("DefaultTime", "")),
        min_nodes=int(values.get("MinNodes", "0")),
        max_nodes=_limit(values.get("MaxNodes", "")),
        max_cpus_per_node=_limit(values.get("MaxCPUsPerNode", "")),
        max_memory_per_node_mb=_limit(values.get("MaxMemPerNode", "")),
        allow_accounts=_allowed(values.get("AllowAccounts", "ALL")),
        deny_accounts=tuple(_words(values.get("DenyAccounts", ""))),
        allow_qos=_allowed(values.get("AllowQos", "ALL")),
        deny_qos=tuple(_words(values.get("DenyQos", ""))),
        qos=None if values.get("QoS", "N/A") == "N/A" else values["QoS"],
        preempt_mode=values.get("PreemptMode", ""),
        grace_s=int(values.get("GraceTime", "0")),
    )


def _association(row: list[str]) -> Association:
    default, _, account, partition, qos, default_qos, max_jobs, max_submit, group_jobs, group_submit, max_wall = row
    return Association(
        account=account,
        partition=partition or None,
        is_default=account == default,
        qos=tuple(_words(qos)),
        default_qos=default_qos or None,
        max_running_jobs=_least([max_jobs, group_jobs]),
        max_submitted_jobs=_least([max_submit, group_submit]),
        max_time_min=parse_time_limit_min(max_wall),
    )


def _fields(line: str, count: int, command: str) -> list[str]:
    row = line.split("|")
    if len(row) != count:
        raise _garbled(command, f"{len(row)} fields in place of {count} in {line[:100]!r}")
    return row


def _words(text: str) -> list[str]:
    return [word for word in text.split(",") if word and word != "(null)"]


def _allowed(text: str) -> tuple[str, ...] | None:
    return None if text.upper() in {"ALL", "(NULL)"} else tuple(_words(text))


def _limit(text: str) -> int | None:
    return None if text.upper() in UNLIMITED else int(text)


def _least(texts: list[str]) -> int | None:
    return min((int(text) for text in texts if text), default=None)


def _garbled(command: str, why: str) -> SchedulerUnreachableError:
    return SchedulerUnreachableError(f"cannot read what '{command}' printed: {why}; ask again in a minute")
