"""What the jobs of a stage ask for, from all who may say so: site profile, experiment and command line.

The later one wins, setting by setting; of ``gpus_per_node`` and ``gres``, two ways to ask for the same, the one that
was said last counts alone. A setting that cannot have an effect on the stage is refused where it was given for that
stage; the defaults of a site are for all stages, and pass.
"""

import re
from collections.abc import Iterable
from typing import Any

from rhodiff.config.resources import StageResources
from rhodiff.errors import ConfigError
from rhodiff.jobs.sites import SiteProfile
from rhodiff.jobs.submission_plan import Allocation

__all__ = [
    "FANNED_OUT",
    "SHARED",
    "allocate",
    "is_shared",
    "merge_resources",
    "refuse_idle",
    "refuse_parts_of_shared",
    "refuse_without_slurm",
    "resources_of_stage",
    "share_flags",
]

FANNED_OUT = frozenset({"prepare", "sample", "evaluate", "denoise"})
"""Stages of independent tasks, which can be cut into parts."""
SHARED = ("train", "evaluate")
"""Stages whose one task several processes share: by data-parallel training, and over MPI."""
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


def refuse_idle(stage: str, resources: StageResources, name: str | None) -> None:
    """Refuse settings that have no effect on a stage.

    Args:
        stage: name of the stage.
        resources: what was given for it.
        name: how a setting is called, with ``{}`` for its name; None: as an option of the command line.

    Raises:
        ConfigError: naming the setting and the stages that it is for.
    """
    for setting, allowed in _idle_settings(stage).items():
        if _asks_for(resources, setting):
            raise ConfigError(f"{_called(setting, name)} has no effect on '{stage}', only on {allowed}: leave it out")


def refuse_without_slurm(flags: StageResources, *, is_chosen: bool) -> None:
    """Refuse what the command line asks of Slurm where the jobs are processes of this machine.

    Args:
        flags: what the command line says.
        is_chosen: whether ``--local`` was given; else there is no Slurm here, which may be a surprise.

    Raises:
        ConfigError: naming the option.
    """
    why = (
        "--local was given"
        if is_chosen
        else "there is no 'sbatch' on the PATH here (load the site's module of Slurm?)"
    )
    for setting in SLURM_SETTINGS:
        if getattr(flags, setting) is not None:
            raise ConfigError(
                f"{_called(setting, None)} is for Slurm only, and {why}: leave it out for processes of this machine"
            )


def share_flags(flags: StageResources, stages: Iterable[str], alone: Iterable[str] = ()) -> dict[str, StageResources]:
    """What the command line says to a whole workflow, for each stage as far as the stage can use it.

    Several nodes, and a chain, are for the training: the other stages are cut into short jobs instead.

    Args:
        flags: what the command line says.
        stages: stages of the workflow.
        alone: those of them that are one process, whatever is asked for: a follower.

    Raises:
        ConfigError: for a setting that no stage can use.
    """
    single = set(alone)
    idle = {stage: _idle_in_workflow(stage, is_alone=stage in single) for stage in stages}
    for setting in (name for name, _ in flags if _asks_for(flags, name)):
        refusals = [settings[setting] for settings in idle.values() if setting in settings]
        if len(refusals) == len(idle):
            raise ConfigError(
                f"{_called(setting, None)} has no effect on {', '.join(idle)}, only on {refusals[0]}: leave it out"
            )
    return {
        stage: StageResources(**{name: value for name, value in flags if name not in settings})
        for stage, settings in idle.items()
    }


def _asks_for(resources: StageResources, setting: str) -> bool:
    """Whether a setting was given; a single node or process is no contradiction to anything."""
    value = getattr(resources, setting)
    return value is not None and not (setting in SEVERAL_PROCESSES and value == 1)


def _idle_in_workflow(stage: str, *, is_alone: bool) -> dict[str, str]:
    """Settings of the command line that are not for this stage of a workflow, and what they are for."""
    fan_out = dict.fromkeys(FAN_OUT_SETTINGS, "stages that do not follow a training") if is_alone else {}
    for_training = {} if stage == "train" else dict.fromkeys((*SEVERAL_PROCESSES, "chain"), "train")
    return {**_idle_settings(stage), **fan_out, **for_training}


def _idle_settings(stage: str) -> dict[str, str]:
    """Settings without effect on a stage, and the stages that they are for."""
    idle = {} if stage in FANNED_OUT else dict.fromkeys(FAN_OUT_SETTINGS, ", ".join(sorted(FANNED_OUT)))
    return idle if stage in SHARED else {**idle, **dict.fromkeys(SEVERAL_PROCESSES, ", ".join(SHARED))}


def is_shared(resources: StageResources) -> bool:
    """Whether a stage's task is shared by several processes."""
    return (resources.nodes or 1) * (resources.tasks_per_node or 1) > 1


def refuse_parts_of_shared(stage: str, resources: StageResources) -> None:
    """Refuse to cut a stage into parts that several processes share as a whole.

    Raises:
        ConfigError: naming the setting.
    """
    if stage == "train" or not is_shared(resources):
        return
    for setting in FAN_OUT_SETTINGS:
        if getattr(resources, setting) not in (None, 1):
            raise ConfigError(
                f"'{stage}' with several nodes or tasks_per_node is one job whose processes share all its tasks over "
                f"MPI; {setting} {getattr(resources, setting)} is for jobs of one process each: give one of both"
            )


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
    devices = _num_devices(resources, profile) if on_devices and stage == "train" else 0
    tasks = resources.tasks_per_node or max(1, devices)
    return Allocation(
        nodes=(resources.nodes or 1) if stage in SHARED else 1,
        tasks_per_node=tasks if stage in SHARED else 1,
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
