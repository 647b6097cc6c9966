"""What the jobs of a stage ask for, from all who may say so: site profile, experiment and command line.

The later one wins, setting by setting; of ``gpus_per_node`` and ``gres``, two ways to ask for the same, the one that
was said last counts alone. A setting that cannot have an effect on the stage is refused where it was given for that
stage; the defaults of a site are for all stages, and pass.
"""

import re
from typing import Any

from rhodiff.config.resources import StageResources
from rhodiff.errors import ConfigError
from rhodiff.jobs.sites import SiteProfile
from rhodiff.jobs.submission_plan import Allocation

__all__ = ["FANNED_OUT", "allocate", "merge_resources", "refuse_idle", "resources_of_stage"]

FANNED_OUT = frozenset({"prepare", "sample", "evaluate"})
"""Stages of independent tasks, which can be cut into parts."""
FAN_OUT_SETTINGS = ("parts", "pack", "side_by_side", "throttle")
SEVERAL_PROCESSES = ("nodes", "tasks_per_node")
SLURM_SETTINGS = ("partition", "account", "qos", "constraint", "gres", "memory_gb", "exclusive", "exclude", "options")
"""What nothing but Slurm understands."""


def merge_resources(*levels: StageResources) -> StageResources:
    """One set of resources of several, the last one first in rank."""
    merged: dict[str, Any] = {}
    for level in levels:
        given = {name: value for name, value in level if value is not None}
        if "gres" in given or "gpus_per_node" in given:
            merged.pop("gres", None)
            merged.pop("gpus_per_node", None)
        options = {**merged.get("options", {}), **given.pop("options", {})}
        merged |= given | ({"options": options} if options else {})
    return StageResources(**merged)


def resources_of_stage(
    profile: SiteProfile, stage: str, experiment: StageResources, flags: StageResources, *, is_trial: bool = False
) -> StageResources:
    """Resources of a stage's jobs.

    Args:
        profile: the site.
        stage: name of the stage.
        experiment: ``jobs.<stage>`` of the experiment.
        flags: what the command line says.
        is_trial: take the site's queue for trials.

    Raises:
        ConfigError: for a setting of experiment or command line that the stage cannot use.
    """
    refuse_idle(stage, experiment, f"jobs.{stage}.{{}}")
    refuse_idle(stage, flags, None)
    shared = StageResources(**{n: v for n, v in profile.resources if n not in _idle_settings(stage)})
    own = next((found for name, found in profile.stages.items() if name == stage), StageResources())
    trial = (profile.test,) if is_trial else ()
    return merge_resources(shared, own, experiment, *trial, flags)


def refuse_idle(stage: str, resources: StageResources, name: str | None, *, is_local: bool = False) -> None:
    """Refuse settings that have no effect on a stage.

    Args:
        stage: name of the stage.
        resources: what was given for it.
        name: how a setting is called, with ``{}`` for its name; None: as an option of the command line.
        is_local: whether the jobs are processes of this machine.

    Raises:
        ConfigError: naming the setting and the stages that it is for.
    """
    for setting, allowed in _idle_settings(stage).items():
        value = getattr(resources, setting)
        if value is None or (setting in SEVERAL_PROCESSES and value == 1):
            continue
        raise ConfigError(f"{_called(setting, name)} has no effect on '{stage}', only on {allowed}: leave it out")
    for setting in SLURM_SETTINGS if is_local else ():
        if getattr(resources, setting) is not None:
            raise ConfigError(
                f"{_called(setting, name)} has no effect on local processes, only on Slurm: leave it out"
            )


def _idle_settings(stage: str) -> dict[str, str]:
    """Settings without effect on a stage, and the stages that they are for."""
    idle = {} if stage in FANNED_OUT else dict.fromkeys(FAN_OUT_SETTINGS, ", ".join(sorted(FANNED_OUT)))
    return idle if stage == "train" else {**idle, **dict.fromkeys(SEVERAL_PROCESSES, "train")}


def _called(setting: str, name: str | None) -> str:
    if name is not None:
        return name.format(setting)
    option = {"walltime_min": "time"}.get(setting, setting)
    return "--" + option.replace("_", "-")


def allocate(stage: str, resources: StageResources, profile: SiteProfile, *, on_devices: bool) -> Allocation:
    """What one job asks the scheduler for, a single element at a time.

    Args:
        stage: name of the stage.
        resources: its merged resources.
        profile: the site.
        on_devices: whether its processes use devices: a training then has one process for each.
    """
    gpus = resources.gpus_per_node or 0
    devices = _num_devices(resources, profile) if on_devices else 0
    tasks = resources.tasks_per_node or max(1, devices)
    return Allocation(
        nodes=(resources.nodes or 1) if stage == "train" else 1,
        tasks_per_node=tasks if stage == "train" else 1,
        cpus_per_task=resources.cpus_per_task or 1,
        walltime_min=resources.walltime_min or 60,
        memory_gb=resources.memory_gb,
        gpus_per_node=gpus,
        gres=resources.gres or (profile.gres.format(count=gpus) if profile.gres and gpus else None),
        partition=resources.partition,
        account=resources.account,
        qos=resources.qos,
        constraint=resources.constraint,
        exclusive=bool(resources.exclusive),
        exclude=resources.exclude or (),
        options=resources.options or {},
    )


def _num_devices(resources: StageResources, profile: SiteProfile) -> int:
    """Devices of a node that a job gets; a whole node has those of the profile."""
    if resources.gpus_per_node is not None:
        return resources.gpus_per_node * profile.devices_per_gpu
    if resources.gres is not None:
        counts = re.findall(r"gpu(?::[^:,()]+)?:(\d+)", resources.gres)
        return (sum(map(int, counts)) or int("gpu" in resources.gres)) * profile.devices_per_gpu
    return profile.devices_per_node if resources.exclusive else 0
