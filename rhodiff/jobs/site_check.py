"""What of a site profile does not fit a cluster: names, sizes and limits, stage by stage. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, get_args

from rhodiff.config.resources import StageResources
from rhodiff.errors import RhodiffError
from rhodiff.jobs.checks import find_problems, find_warnings
from rhodiff.jobs.cluster_facts import Cluster
from rhodiff.jobs.sites import SiteProfile
from rhodiff.jobs.stage_resources import allocate, merge_resources, resources_of_stage
from rhodiff.jobs.surroundings import Surroundings

__all__ = ["Finding", "check_site"]

Stage = Literal["prepare", "train", "sample", "evaluate", "denoise", "report"]
ON_DEVICES = {"train", "sample", "denoise"}


@dataclass(frozen=True)
class Finding:
    """Something that does not fit.

    Attributes:
        where: key path in the profile.
        text: what does not fit, and what would.
        is_problem: whether jobs cannot run like that; else it is worth a look.
    """

    where: str
    text: str
    is_problem: bool = True


def check_site(profile: SiteProfile, cluster: Cluster, surroundings: Surroundings) -> list[Finding]:
    """Compare a profile with a cluster.

    Args:
        profile: the profile.
        cluster: what there is.
        surroundings: what else there is.
    """
    return [
        *_check_names(profile, cluster, surroundings),
        *_check_limits(profile, cluster),
        *_check_stages(profile, cluster),
    ]


def _check_names(profile: SiteProfile, cluster: Cluster, surroundings: Surroundings) -> Iterator[Finding]:
    if profile.cluster is not None and profile.cluster != cluster.name:
        yield Finding("cluster", f"the profile is for '{profile.cluster}', and this cluster is '{cluster.name}'")
    if profile.launcher not in surroundings.launchers:
        yield Finding(
            "launcher",
            f"'{profile.launcher}' is not on the PATH here; that is fine where 'setup' or the compute nodes have it",
            is_problem=False,
        )
    if profile.mpi is not None and surroundings.mpi_types is not None and profile.mpi not in surroundings.mpi_types:
        yield Finding("mpi", f"srun has no '{profile.mpi}'; there are {', '.join(sorted(surroundings.mpi_types))}")
    if not profile.verified:
        yield Finding("verified", "nobody has run rhodiff with this profile yet", is_problem=False)


def _check_limits(profile: SiteProfile, cluster: Cluster) -> Iterator[Finding]:
    given = profile.limits.max_array_size
    if given is not None and given > cluster.max_array_size:
        yield Finding("limits.max_array_size", f"{given} is over the cluster's {cluster.max_array_size}")
    if profile.may_requeue and not cluster.requeues_by_default:
        yield Finding(
            "may_requeue",
            "the cluster requeues no job that does not ask for it (JobRequeue=0); some sites forbid asking",
            is_problem=False,
        )


def _check_stages(profile: SiteProfile, cluster: Cluster) -> Iterator[Finding]:
    found: dict[str, list[str]] = {}
    problems: dict[str, bool] = {}
    for stage in get_args(Stage):
        for text, is_problem in _judge(profile, cluster, stage, StageResources()):
            found.setdefault(text, []).append(stage)
            problems[text] = is_problem
    for text, stages in found.items():
        is_everywhere = len(stages) == len(get_args(Stage))
        where = "resources" if is_everywhere else ", ".join(f"stages.{stage}" for stage in stages)
        yield Finding(where, text, is_problem=problems[text])
    if profile.test != StageResources():
        for text, is_problem in _judge(profile, cluster, "train", profile.test):
            if text not in found:
                yield Finding("test", text, is_problem=is_problem)


def _judge(profile: SiteProfile, cluster: Cluster, stage: str, more: StageResources) -> Iterator[tuple[str, bool]]:
    """Problems and warnings of a stage's jobs as the profile has them."""
    try:
        own = resources_of_stage(profile, stage, StageResources(), StageResources())
        allocation = allocate(stage, merge_resources(own, more), profile, on_devices=stage in ON_DEVICES)
        problems = find_problems(allocation, cluster)
    except RhodiffError as error:
        yield str(error), True
        return
    yield from ((problem, True) for problem in problems)
    yield from ((warning, False) for warning in find_warnings(allocation, cluster))
