"""A site profile to start from, from what a cluster tells; pure."""

import json
import re

from rhodiff.jobs.cluster_facts import Cluster, Partition
from rhodiff.jobs.surroundings import Surroundings

__all__ = ["draft_profile"]

BARE = re.compile(r"[A-Za-z][\w-]*")
READ_AS_OTHERS = {"null", "true", "false", "yes", "no", "on", "off", "y", "n"}

HEADER = """\
# {name}: drafted by 'rhodiff-hpc site probe' from what the cluster told on {date}.
#
# Look through every line: what Slurm does not tell (modules, variables, what a node-hour costs, which queue is short)
# is for you to fill in, and 'rhodiff-hpc site show generic' explains every key. Then: 'rhodiff-hpc site check' with
# this file, and a first training with 'rhodiff-hpc submit train --test'.
#
# Partitions:
{partitions}
description: {description}
updated: "{date}"
source: "site probe on {host}, Slurm {version}"
verified: false             # true once you have run rhodiff with it
cluster: {name}
"""
LAUNCH = """
launcher: {launcher}              # {found}
mpi: null                   # 'srun --mpi' has: {mpi}
devices_per_node: {devices}         # 8 where a node has 4 Intel Max 1550, each of two tiles, with devices_per_gpu: 2
devices_per_gpu: 1
gres: {gres}
may_requeue: {requeue}           # JobRequeue of the cluster; false where the site does not allow it
"""
REST = """
resources:
  partition: {partition}
{account}stages:
  train: {train}
test: {test}
setup: []                   # e.g. ['module load python']
environment: {{}}
charge: null                # e.g. {{unit: GPU-hours, per_node_hour: 4}}
limits: {{}}                  # read from the cluster: arrays of at most {array}
"""


def draft_profile(cluster: Cluster, surroundings: Surroundings, *, host: str, date: str) -> str:
    """Text of a profile, YAML with comments.

    Args:
        cluster: what the cluster told.
        surroundings: what else there is.
        host: where it was asked.
        date: when, ISO 8601.
    """
    usable = [own for own in cluster.partitions.values() if own.state == "UP"]
    by_gpus = max(usable, key=_gpus, default=None)
    training = by_gpus if by_gpus is not None and _gpus(by_gpus) else cluster.default_partition
    gpus = _gpus(training) if training is not None else 0
    launcher = "ibrun" if "ibrun" in surroundings.launchers else "srun"
    header = HEADER.format(
        name=_word(cluster.name),
        date=date,
        host=host,
        version=cluster.slurm_version,
        description=_word(f"Cluster {cluster.name}"),
        partitions="\n".join(f"#   {_describe(own)}" for own in cluster.partitions.values()),
    )
    launch = LAUNCH.format(
        launcher=launcher,
        found=f"on the PATH of {host}: {', '.join(sorted(surroundings.launchers)) or 'none'}",
        mpi=", ".join(sorted(surroundings.mpi_types or ())) or "not known",
        devices=gpus,
        gres=f'"{_gpu_name(training)}:{{count}}"' if training is not None and gpus else "null",
        requeue=str(cluster.requeues_by_default).lower(),
    )
    default = cluster.default_partition or (usable[0] if usable else None)
    differs = training is not None and default is not None and training.name != default.name
    rest = REST.format(
        partition=_word(default.name) if default is not None else "null",
        account=_account_line(cluster),
        train=_train_line(training, names_partition=differs),
        test=_test_line([own for own in usable if _is_open(own, cluster)]),
        array=cluster.max_array_size,
    )
    return header + launch + rest


def _gpus(partition: Partition) -> int:
    return max((group.num_gres("gpu") for group in partition.nodes), default=0)


def _gpu_name(partition: Partition) -> str:
    """The type of GPU, where nodes have only one."""
    names = {name for group in partition.nodes for name in group.gres if name.partition(":")[0] == "gpu"}
    return names.pop() if len(names) == 1 else "gpu"


def _describe(partition: Partition) -> str:
    limit = "no time limit" if partition.max_time_min is None else f"at most {partition.max_time_min} min"
    gpus = f", {_gpus(partition)} GPUs" if _gpus(partition) else ""
    cpus = max((group.cpus for group in partition.nodes), default=0)
    mark = " (default)" if partition.is_default else ""
    nodes = f"{partition.num_nodes} node{'s' * (partition.num_nodes != 1)}"
    return f"{partition.name}{mark}: {partition.state}, {nodes} of {cpus} CPUs{gpus}, {limit}"


def _account_line(cluster: Cluster) -> str:
    accounts = sorted({own.account for own in cluster.associations or ()})
    if len(accounts) < 2:
        return ""
    default = next((own.account for own in cluster.associations or () if own.is_default), accounts[0])
    return f"  account: {_word(default)}             # yours: {', '.join(accounts)}\n"


def _train_line(partition: Partition | None, *, names_partition: bool) -> str:
    """A whole node: its GPUs, and its CPUs divided among them."""
    if partition is None:
        return "{}"
    gpus, cpus = _gpus(partition), min((group.cpus for group in partition.nodes), default=0)
    words = [f"partition: {_word(partition.name)}"] if names_partition else []
    if gpus and cpus >= gpus:
        words += [f"gpus_per_node: {gpus}", f"cpus_per_task: {cpus // gpus}"]
    return "{" + ", ".join(words) + "}"


def _is_open(partition: Partition, cluster: Cluster) -> bool:
    """Whether the account that is used where none is named may use a partition."""
    own = cluster.association(None, partition.name)
    return own is None or partition.allow_accounts is None or own.account in partition.allow_accounts


def _test_line(partitions: list[Partition]) -> str:
    """The partition with the shortest limit is where tests wait least."""
    limited = [own for own in partitions if own.max_time_min is not None]
    if not limited:
        return "{}"
    shortest = min(limited, key=lambda own: own.max_time_min or 0)
    return f"{{partition: {_word(shortest.name)}, walltime_min: {min(15, shortest.max_time_min or 15)}}}"


def _word(text: str) -> str:
    """A YAML scalar: bare where it can only be read as this word."""
    return text if BARE.fullmatch(text) and text.lower() not in READ_AS_OTHERS else json.dumps(text)
