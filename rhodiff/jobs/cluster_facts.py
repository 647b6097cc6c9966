"""What a Slurm cluster has and allows: partitions with their nodes, accounts, qualities of service, sizes of arrays.

None stands for "no limit", or "not known" where the cluster does not tell.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["Association", "Cluster", "NodeGroup", "Partition", "QosLimits", "QueuedJobs"]

AVAILABLE = frozenset(
    {"idle", "mixed", "allocated", "completing", "planned", "reserved", "idle~", "idle#", "powering_up"}
)


@dataclass(frozen=True)
class NodeGroup:
    """Nodes of a partition that are alike.

    Attributes:
        count: how many.
        state: their state, in Slurm's long word.
        cpus: CPUs of each.
        memory_mb: memory of each.
        gres: generic resources of each, ``gpu:max`` -> 8.
        features: what ``--constraint`` may ask for.
    """

    count: int
    state: str
    cpus: int
    memory_mb: int
    gres: Mapping[str, int] = field(default_factory=dict)
    features: tuple[str, ...] = ()

    @property
    def is_up(self) -> bool:
        """Whether jobs run or start there now or when others have ended."""
        word = self.state.lower().rstrip("+$@^!%-")
        return word in AVAILABLE

    def num_gres(self, name: str) -> int:
        """How many of a generic resource a node has: ``gpu`` counts all types, ``gpu:max`` one."""
        return sum(count for own, count in self.gres.items() if own == name or own.startswith(name + ":"))


@dataclass(frozen=True)
class Partition:
    """A partition.

    Attributes:
        name: its name.
        state: ``UP``, ``DOWN``, ``DRAIN`` or ``INACTIVE``.
        is_default: whether jobs go there that name none.
        num_nodes: nodes it has.
        nodes: the same by kind and state.
        max_time_min: longest time limit.
        default_time_min: time limit of jobs that give none.
        min_nodes: fewest nodes a job.
        max_nodes: most nodes a job.
        max_cpus_per_node: most CPUs of a node that its jobs may use.
        max_memory_per_node_mb: most memory of a node that its jobs may use.
        allow_accounts: accounts that may use it; None: all.
        deny_accounts: accounts that may not.
        allow_qos: qualities of service that may be used in it; None: all.
        deny_qos: those that may not.
        qos: quality of service whose limits hold for all its jobs.
        preempt_mode: what happens to its jobs when others need the nodes.
        grace_s: seconds between notice and end of a preempted job.
    """

    name: str
    state: str
    is_default: bool
    num_nodes: int
    nodes: tuple[NodeGroup, ...] = ()
    max_time_min: int | None = None
    default_time_min: int | None = None
    min_nodes: int = 0
    max_nodes: int | None = None
    max_cpus_per_node: int | None = None
    max_memory_per_node_mb: int | None = None
    allow_accounts: tuple[str, ...] | None = None
    deny_accounts: tuple[str, ...] = ()
    allow_qos: tuple[str, ...] | None = None
    deny_qos: tuple[str, ...] = ()
    qos: str | None = None
    preempt_mode: str = ""
    grace_s: int = 0

    @property
    def num_up(self) -> int:
        """Nodes that work."""
        return sum(group.count for group in self.nodes if group.is_up)


@dataclass(frozen=True)
class Association:
    """That the user may charge an account, and the limits of that.

    Attributes:
        account: name of the account.
        partition: the only partition it holds for; None: all.
        is_default: whether jobs that name none are charged to it.
        qos: qualities of service it may use.
        default_qos: that of jobs that name none.
        max_running_jobs: most jobs that run at a time.
        max_submitted_jobs: most jobs in the queue.
        max_time_min: longest time limit.
    """

    account: str
    partition: str | None = None
    is_default: bool = False
    qos: tuple[str, ...] = ()
    default_qos: str | None = None
    max_running_jobs: int | None = None
    max_submitted_jobs: int | None = None
    max_time_min: int | None = None


@dataclass(frozen=True)
class QosLimits:
    """A quality of service.

    Attributes:
        name: its name.
        flags: its flags, e.g. ``PartitionTimeLimit``.
        max_time_min: longest time limit.
        max_nodes: most nodes a job.
        max_running_jobs: most jobs of a user, or of an account, that run at a time.
        max_submitted_jobs: most jobs of a user, or of an account, in the queue.
    """

    name: str
    flags: tuple[str, ...] = ()
    max_time_min: int | None = None
    max_nodes: int | None = None
    max_running_jobs: int | None = None
    max_submitted_jobs: int | None = None


@dataclass(frozen=True)
class QueuedJobs:
    """Jobs of the user in the queue that are charged alike; each task of an array counts."""

    account: str
    qos: str
    partition: str
    count: int


@dataclass(frozen=True)
class Cluster:
    """A cluster.

    Attributes:
        name: ClusterName.
        slurm_version: version of Slurm.
        max_array_size: jobs of one array at most, with indices from 0.
        max_job_count: jobs that the controller keeps, of all users.
        kill_wait_s: seconds between SIGTERM and SIGKILL at the time limit.
        requeues_by_default: JobRequeue.
        enforced: what accounting enforces: ``associations``, ``limits``, ``qos`` ...
        has_accounting: whether ``sacct`` can know anything.
        partitions: by name.
        associations: accounts of the user; None: not known.
        qos: by name; None: not known.
        silent: what could not be asked, and why.
    """

    name: str
    slurm_version: str
    max_array_size: int
    max_job_count: int | None = None
    kill_wait_s: int = 30
    requeues_by_default: bool = True
    enforced: frozenset[str] = frozenset()
    has_accounting: bool = False
    partitions: Mapping[str, Partition] = field(default_factory=dict)
    associations: tuple[Association, ...] | None = None
    qos: Mapping[str, QosLimits] | None = None
    silent: tuple[str, ...] = ()

    @property
    def default_partition(self) -> Partition | None:
        """Where jobs go that name no partition."""
        return next((partition for partition in self.partitions.values() if partition.is_default), None)

    @property
    def enforces_accounts(self) -> bool:
        """Whether jobs of an unknown account are refused."""
        return bool(self.enforced & {"associations", "limits", "qos", "safe", "wckeys"})

    @property
    def enforces_limits(self) -> bool:
        """Whether limits of accounts and qualities of service hold."""
        return bool(self.enforced & {"limits", "safe"})

    @property
    def enforces_qos(self) -> bool:
        """Whether a quality of service must be one's own."""
        return "qos" in self.enforced

    def association(self, account: str | None, partition: str | None) -> Association | None:
        """The user's association that a job is charged to.

        Args:
            account: what the job names.
            partition: where it goes.
        """
        found = [
            own
            for own in self.associations or ()
            if (own.account == account or (account is None and own.is_default)) and own.partition in (None, partition)
        ]
        return min(found, key=lambda own: own.partition is None, default=None)
