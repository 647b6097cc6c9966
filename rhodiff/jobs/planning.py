"""From a stage, its resources, a site and its limits to the plan of a submission; nothing is asked or written.

What was decided by a limit, or differs from what was asked, is told in the plan's remarks and warnings.
"""

import glob
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from rhodiff.config.resources import StageResources
from rhodiff.errors import ConfigError
from rhodiff.jobs.cluster_facts import Cluster
from rhodiff.jobs.costing import SubmissionCost, cost_submission
from rhodiff.jobs.packing import Packing, PackingWishes, QueueRoom, pack_elements
from rhodiff.jobs.site_variables import proposals_of
from rhodiff.jobs.sites import SiteProfile
from rhodiff.jobs.stage_resources import FANNED_OUT, allocate, is_shared, refuse_parts_of_shared
from rhodiff.jobs.submission_plan import Allocation, BodyRules, Container, Dependency, Launch, SubmissionPlan
from rhodiff.runtime.contract import write_site_proposals
from rhodiff.store.layout import RunFolder

__all__ = ["PlannedSubmission", "Stamp", "Target", "Work", "num_parts_of", "plan_submission"]


@dataclass(frozen=True)
class Target:
    """Where jobs go.

    Attributes:
        kind: Slurm, or processes of this machine.
        cluster: name of the cluster, or ``local-<host>``.
        site: name of the site profile.
        profile: the site profile.
        room: what the scheduler takes of us now.
        facts: what the cluster has and allows; None without Slurm.
    """

    kind: Literal["slurm", "local"]
    cluster: str
    site: str
    profile: SiteProfile
    room: QueueRoom = field(default_factory=QueueRoom)
    facts: Cluster | None = None


@dataclass(frozen=True)
class Stamp:
    """What tells one submission from all others.

    Attributes:
        token: 8 hexadecimal digits.
        number: its number within the run.
        created: time, ISO 8601 UTC.
        user: who submits.
        host: where.
        code: file name of the pinned package.
    """

    token: str
    number: int
    created: str
    user: str
    host: str
    code: str | None = None


@dataclass(frozen=True)
class Work:
    """What is to be done.

    Attributes:
        stage: name of the stage.
        run: the run's folder.
        folder: absolute folder that relative paths of the experiment start from.
        num_parts: n of ``k/n``.
        elements: the parts k to run, ascending, at least one.
        python: interpreter of the jobs.
        on_devices: whether the processes use devices.
        after: submissions to wait for.
        iterations: iterations of the training.
        progress_globs: files that show progress of a stage whose heartbeat does not; empty: the heartbeat says.
        is_trial: ten steps to measure a training.
        options: more words for ``rhodiff-hpc run STAGE``.
        container: what the processes run in; None: the environment of this process.
    """

    stage: str
    run: RunFolder
    folder: Path
    num_parts: int
    elements: tuple[int, ...]
    python: str
    on_devices: bool = False
    after: tuple[Dependency, ...] = ()
    iterations: int = 0
    progress_globs: tuple[str, ...] = ()
    is_trial: bool = False
    options: tuple[str, ...] = ()
    container: Container | None = None


@dataclass(frozen=True)
class PlannedSubmission:
    """A plan and what is to be said about it.

    Attributes:
        plan: the plan.
        cost: what it costs at most.
        remarks: what limits decided.
        warnings: what differs from what was asked, or is easily overlooked.
    """

    plan: SubmissionPlan
    cost: SubmissionCost
    remarks: tuple[str, ...]
    warnings: tuple[str, ...]


def plan_submission(work: Work, resources: StageResources, target: Target, stamp: Stamp) -> PlannedSubmission:
    """Plan a submission.

    Args:
        work: what is to be done.
        resources: the stage's merged resources, see :func:`rhodiff.jobs.stage_resources.resources_of_stage`.
        target: where it goes.
        stamp: its token, number and origin.

    Raises:
        ConfigError: if the resources contradict each other or the target.
        SubmissionRefusedError: if the queue has no room for a single job.
    """
    assert work.elements, "a submission has at least one element"
    refuse_parts_of_shared(work.stage, resources)
    packing = pack_elements(len(work.elements), _wishes(resources), target.room)
    single = allocate(work.stage, resources, target.profile, on_devices=work.on_devices)
    num_processes = single.nodes * single.tasks_per_node
    _refuse_several_machines(single, target)
    plan = SubmissionPlan(
        token=stamp.token,
        number=stamp.number,
        cluster=target.cluster,
        scheduler=target.kind,
        stage=work.stage,
        run=work.run.path.name,
        folder=str(work.folder),
        created=stamp.created,
        user=stamp.user,
        host=stamp.host,
        site=target.site,
        command=_command(work, target, stamp, num_processes),
        num_parts=work.num_parts,
        elements=work.elements,
        pack=packing.pack,
        side_by_side=packing.side_by_side,
        allocation=replace(single, cpus_per_task=single.cpus_per_task * packing.side_by_side),
        launch=_launch(target, num_processes),
        rules=_rules(work, resources, target.profile),
        pieces=packing.pieces,
        setup=target.profile.setup if target.kind == "slurm" else (),
        environment={n: v.value for n, v in target.profile.environment.items()} if target.kind == "slurm" else {},
        site_variables=_site_variables(target),
        code=stamp.code,
        container=work.container,
        after=work.after,
        is_trial=work.is_trial,
    )
    warnings = (*packing.warnings, *_warnings(resources, packing))
    return PlannedSubmission(plan, cost_submission(plan, target.profile.charge), packing.remarks, warnings)


def num_parts_of(stage: str, resources: StageResources, num_tasks: int) -> int:
    """Parts that a stage is cut into: one a task where nothing else was asked for, and never more.

    A stage whose processes share its tasks is a single part.
    """
    if stage not in FANNED_OUT or is_shared(resources):
        return 1
    return max(1, min(resources.parts or num_tasks, num_tasks))


def _wishes(resources: StageResources) -> PackingWishes:
    return PackingWishes(
        pack=resources.pack,
        side_by_side=resources.side_by_side or 1,
        throttle=resources.throttle,
        chain=resources.chain or 1,
    )


def _site_variables(target: Target) -> str:
    if target.kind != "slurm" or not target.profile.environment:
        return ""
    return write_site_proposals(proposals_of(target.site, target.profile))


def _refuse_several_machines(allocation: Allocation, target: Target) -> None:
    if target.kind == "local" and allocation.nodes > 1:
        raise ConfigError(
            f"nodes is {allocation.nodes}, but without Slurm there is one machine, this one: ask for 1 node and "
            "several tasks_per_node"
        )


def _command(work: Work, target: Target, stamp: Stamp, num_processes: int) -> tuple[str, ...]:
    """Words that run one element."""
    folder = work.run.jobs.submission(target.cluster, stamp.token)
    words: Sequence[str] = ("-m", "rhodiff.cli", "run", work.stage, "-c", str(folder.config))
    is_cut = work.stage in FANNED_OUT and num_processes == 1
    part = ("--part", "{part}") if is_cut else ()
    processes = ("--procs", str(num_processes)) if target.kind == "local" and num_processes > 1 else ()
    return (work.python, *words, "--folder", str(work.folder), *part, *processes, *work.options)


def _launch(target: Target, num_processes: int) -> Launch:
    """The site's launcher for several processes; one process needs none, and local ones start each other."""
    if target.kind == "local" or num_processes == 1:
        return Launch()
    profile = target.profile
    mpi = profile.mpi if profile.launcher == "srun" else None
    return Launch(kind=profile.launcher, mpi=mpi, options=profile.launcher_options)


def _rules(work: Work, resources: StageResources, profile: SiteProfile) -> BodyRules:
    """What the body keeps to; what is not said is the default of :class:`BodyRules`."""
    usual = BodyRules()
    return BodyRules(
        may_requeue=profile.may_requeue,
        max_attempts=resources.max_attempts or usual.max_attempts,
        max_attempts_without_progress=(
            resources.max_attempts_without_progress or usual.max_attempts_without_progress
        ),
        stall_timeout_s=_stall_timeout_s(work, resources),
        stop_margin_s=_stop_margin_s(resources),
        progress_globs=_progress(work),
        proof_glob=_checkpoints(work, f"{work.iterations:08d}*"),
    )


def _stall_timeout_s(work: Work, resources: StageResources) -> float | None:
    """A training steps often; how long one shard or comparison may take only its user knows."""
    if resources.stall_timeout_min is not None:
        return 60 * resources.stall_timeout_min
    return BodyRules().stall_timeout_s if work.stage == "train" else None


def _stop_margin_s(resources: StageResources) -> int:
    """At most a quarter of a short job: one that is told to stop as it begins gets nowhere."""
    walltime_s = 60 * (resources.walltime_min or 60)
    margin_s = resources.stop_margin_s
    if margin_s is None:
        return min(BodyRules().stop_margin_s, walltime_s // 4)
    if margin_s >= walltime_s:
        raise ConfigError(
            f"stop_margin_s {margin_s}: the job would be told to stop as it begins, since its time limit is "
            f"{walltime_s} s. Give a longer one (--time), or a smaller margin"
        )
    return margin_s


def _progress(work: Work) -> tuple[str, ...]:
    """A training's checkpoints, or what the stage itself names."""
    checkpoints = _checkpoints(work, "*")
    return work.progress_globs if checkpoints is None else (checkpoints,)


def _checkpoints(work: Work, which: str) -> str | None:
    """A training's checkpoints; of other stages all elements write into one folder, and a trial does not go on."""
    if work.stage != "train" or work.is_trial:
        return None
    return str(Path(glob.escape(str(work.run.checkpoints.absolute()))) / f"step-{which}.json")


def _warnings(resources: StageResources, packing: Packing) -> list[str]:
    warnings = []
    if packing.num_rounds > 1:
        walltime_min = resources.walltime_min or 60
        warnings.append(
            f"walltime_min {walltime_min} is for a job, which runs {packing.num_rounds} parts in turn: it must "
            f"suffice for all of them, {_short_time(walltime_min / packing.num_rounds)} each (--time)"
        )
    if packing.side_by_side > 1 and resources.memory_gb is not None:
        share = resources.memory_gb / packing.side_by_side
        warnings.append(f"memory_gb {resources.memory_gb:g} is for a job: each of its lanes has {share:.3g} GB")
    return warnings


def _short_time(minutes: float) -> str:
    return f"{minutes:.3g} min" if minutes >= 2 else f"{60 * minutes:.3g} s"
