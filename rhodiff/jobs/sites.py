"""Site profiles: dated facts about a cluster that no program can guess, in YAML under ``slurm/``."""

from typing import Annotated, Literal

from pydantic import Field

from rhodiff.config.containers import ContainerSettings
from rhodiff.config.resources import StageResources
from rhodiff.config.section import Section

__all__ = ["Charge", "SiteLimits", "SiteProfile", "SiteVariable"]

Count = Annotated[int, Field(ge=1)]


class SiteVariable(Section):
    """One environment variable that jobs get, unless the user has set it."""

    value: str
    """Its value."""
    reason: str
    """Why it is set, with the source."""


class Charge(Section):
    """What the site charges."""

    unit: str
    """Unit of the charge, e.g. ``SU`` or ``GPU-hours``."""
    per_node_hour: Annotated[float, Field(gt=0)]
    """Units for an hour of a node."""


class SiteLimits(Section):
    """Limits that the cluster's own commands do not tell; read from the cluster where null."""

    max_array_size: Count | None = None
    """As Slurm's MaxArraySize: the largest index plus one."""
    max_submitted_jobs: Count | None = None
    """Jobs of a user in the queue, waiting and running; each task of an array counts."""
    max_running_jobs: Count | None = None
    """Jobs of a user that run at a time."""


class SiteProfile(Section):
    """A cluster, as rhodiff has to know it."""

    description: str
    """The site and its machine, one line."""
    updated: str
    """Date of these facts, ISO 8601."""
    source: str
    """Where the facts are from."""
    verified: bool = False
    """Whether somebody ran rhodiff there with this profile."""
    cluster: str | None = None
    """ClusterName of its Slurm; ``site check`` compares."""
    launcher: Literal["srun", "mpiexec", "ibrun"] = "srun"
    """What starts the processes of a training."""
    launcher_options: tuple[str, ...] = ()
    """More words for the launcher."""
    mpi: str | None = None
    """PMI type for ``srun --mpi``."""
    devices_per_node: Annotated[int, Field(ge=0)] = 0
    """Devices (tiles) of a node that get a process each; 0: a CPU cluster."""
    devices_per_gpu: Count = 1
    """Devices (tiles) in what Slurm counts as one GPU; 2 on Intel Max 1550 with ZE_FLAT_DEVICE_HIERARCHY=FLAT."""
    gres: str | None = None
    """Generic resources for ``{count}`` GPUs, e.g. ``gpu:{count}``; null: ``--gpus-per-node``."""
    may_requeue: bool = True
    """Jobs may put themselves back into the queue."""
    resources: StageResources = StageResources()
    """Defaults of all stages."""
    stages: dict[Literal["prepare", "train", "sample", "evaluate", "denoise", "report"], StageResources] = Field(
        default_factory=dict
    )
    """Defaults of single stages, before those of all."""
    test: StageResources = StageResources()
    """For ``submit train --test``: the queue with the shortest wait."""
    setup: tuple[str, ...] = ()
    """Shell lines before the job's body: modules, the site's environment."""
    environment: dict[str, SiteVariable] = Field(default_factory=dict)
    """Variables of jobs."""
    container: ContainerSettings = ContainerSettings()
    """The container that the stages of jobs run in; without an image, here or in the experiment, none."""
    charge: Charge | None = None
    """What a node-hour costs."""
    limits: SiteLimits = SiteLimits()
    """Limits."""
