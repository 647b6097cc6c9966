"""What the jobs of each stage ask a cluster for; never part of a result's identity."""

from typing import Annotated

from pydantic import Field

from rhodiff.config.containers import ContainerSettings
from rhodiff.config.section import Section

__all__ = ["Jobs", "StageResources"]

Count = Annotated[int, Field(ge=1)]
Word = Annotated[str, Field(pattern=r"^[!-~]+$")]


class StageResources(Section):
    """Resources of one stage's jobs. What is left out is the site profile's value, else the default named here."""

    nodes: Count | None = None
    """Nodes of a job; default 1. Only ``train``, and ``evaluate`` over MPI, use more than one."""
    tasks_per_node: Count | None = None
    """Processes of a job on each node; default one a device, or 1 on CPUs. Only ``train``, and ``evaluate`` over
    MPI, use more than one."""
    cpus_per_task: Count | None = None
    """CPUs of a process, and its threads; default 1."""
    memory_gb: Annotated[float, Field(gt=0)] | None = None
    """Memory a node; default the partition's."""
    gpus_per_node: Annotated[int, Field(ge=0)] | None = None
    """Devices a node; default none."""
    walltime_min: Count | None = None
    """Time limit of a job; default 60."""
    partition: Word | None = None
    """Partition; default the cluster's."""
    account: Word | None = None
    """Account to charge; default the user's."""
    qos: Word | None = None
    """Quality of service."""
    constraint: Word | None = None
    """Node features."""
    gres: Word | None = None
    """Generic resources a node as Slurm writes them; default from ``gpus_per_node``."""
    exclusive: bool | None = None
    """Take whole nodes."""
    exclude: tuple[Word, ...] | None = None
    """Nodes not to use."""
    options: dict[str, str | bool] | None = None
    """Any other sbatch options: long name without dashes -> value, or true for one without value."""
    parts: Count | None = None
    """Parts that an array stage is cut into; default one a task (shard, cell's shard, comparison)."""
    throttle: Count | None = None
    """Most jobs of an array at a time; default no limit."""
    pack: Count | None = None
    """Parts that share one job; default as many as the cluster's limits force."""
    side_by_side: Count | None = None
    """Parts of a job that run at a time, each with ``cpus_per_task`` CPUs; default 1."""
    chain: Count | None = None
    """Jobs submitted ahead, each going on where the one before stopped; default 1."""
    max_attempts: Count | None = None
    """Attempts of a part in all, preemptions and time limits included; default 50."""
    max_attempts_without_progress: Count | None = None
    """Attempts in a row that brought nothing new; default 3."""
    stall_timeout_min: Annotated[float, Field(gt=0)] | None = None
    """Minutes without a step (outside ``train``: a whole shard or comparison) after which an attempt is ended and
    tried again; default 30 for ``train``, no limit for others."""
    stop_margin_s: Annotated[int, Field(ge=5)] | None = None
    """Seconds before the time limit at which a job is told to save and stop; default 120."""


class Jobs(Section):
    """Jobs on a cluster."""

    site: str | None = None
    """Name or file of the site profile; None: $RHODIFF_SITE, else ``generic``."""
    container: ContainerSettings = ContainerSettings()
    """The container that the stages of jobs run in; without an image they run in the environment of ``submit``."""
    prepare: StageResources = StageResources()
    """Preparing data."""
    train: StageResources = StageResources()
    """Training."""
    sample: StageResources = StageResources()
    """Sampling."""
    evaluate: StageResources = StageResources()
    """Statistics."""
    denoise: StageResources = StageResources()
    """Denoising."""
    report: StageResources = StageResources()
    """Report."""
