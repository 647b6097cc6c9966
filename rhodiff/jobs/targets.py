"""Where an experiment's jobs go: the scheduler of this machine, the site's profile, and what the cluster allows."""

import os
from dataclasses import replace
from pathlib import Path
from shutil import which
from typing import Literal

from rhodiff.config.experiment import Experiment
from rhodiff.jobs.limits import count_queued_jobs, find_room, read_limits
from rhodiff.jobs.planning import Target
from rhodiff.jobs.scheduler import Scheduler
from rhodiff.jobs.scheduling import find_scheduler
from rhodiff.jobs.site_files import GENERIC, SITE_VARIABLE, load_site
from rhodiff.jobs.submission_plan import Allocation

__all__ = ["has_slurm", "open_target", "with_room_for"]


def open_target(experiment: Experiment, runs: Path, site: str | None, *, local: bool) -> tuple[Scheduler, Target]:
    """Scheduler and target of an experiment's jobs, with the room that jobs find which ask for nothing special.

    Args:
        experiment: may name a site.
        runs: folder of all runs.
        site: name or file of a site profile; None: the experiment's, else ``$RHODIFF_SITE``, else ``generic``.
        local: take this machine's processes even where there is Slurm.

    Raises:
        ConfigError: if there is no such profile, or it is wrong.
        SchedulerUnreachableError: if Slurm does not answer.
    """
    name = site or experiment.jobs.site or os.environ.get(SITE_VARIABLE) or GENERIC
    profile = load_site(name)
    kind: Literal["slurm", "local"] = "slurm" if has_slurm() and not local else "local"
    scheduler = find_scheduler(runs, kind)
    target = Target(kind, scheduler.cluster, name, profile, facts=read_limits() if kind == "slurm" else None)
    return scheduler, with_room_for(target, Allocation())


def has_slurm() -> bool:
    """Whether Slurm's commands are on the PATH."""
    return which("sbatch") is not None


def with_room_for(target: Target, allocation: Allocation) -> Target:
    """A target with the room that the queue has now for jobs that ask for something: limits differ by account.

    Raises:
        SchedulerUnreachableError: if Slurm does not answer.
    """
    if target.facts is None:
        return target
    return replace(target, room=find_room(target.facts, allocation, count_queued_jobs(), target.profile.limits))
