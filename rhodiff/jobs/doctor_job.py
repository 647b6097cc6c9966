"""``doctor`` as a job: one small job on several nodes, through the same folders, scripts and records as any stage.

It belongs to a run called ``doctor`` beside the others, so that ``status``, ``logs`` and ``cancel`` know it too.
"""

import getpass
import socket
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path

from rhodiff.config.resources import StageResources
from rhodiff.errors import ConfigError
from rhodiff.jobs.checks import check_allocation
from rhodiff.jobs.costing import cost_submission
from rhodiff.jobs.doctor import Patient
from rhodiff.jobs.limits import read_limits
from rhodiff.jobs.pinning import name_code, pin_code
from rhodiff.jobs.planning import PlannedSubmission, Target
from rhodiff.jobs.registry import create_submission, hold_submissions, new_token, next_number
from rhodiff.jobs.scheduler import Scheduler
from rhodiff.jobs.scheduling import find_scheduler
from rhodiff.jobs.selection import Selected
from rhodiff.jobs.site_files import load_site
from rhodiff.jobs.site_variables import proposals_of
from rhodiff.jobs.stage_resources import allocate, merge_resources, resources_of_stage
from rhodiff.jobs.stage_submission import hand_over
from rhodiff.jobs.submission_plan import Allocation, BodyRules, Launch, Piece, SubmissionPlan
from rhodiff.jobs.targets import has_slurm
from rhodiff.runtime.contract import write_site_proposals
from rhodiff.store.journal import utc_now
from rhodiff.store.layout import RunFolder, SubmissionFolder

__all__ = ["DoctorJob", "plan_doctor", "submit_doctor"]

NAME = "doctor"
WALLTIME_MIN = 10


@dataclass(frozen=True)
class DoctorJob:
    """What is asked for.

    Attributes:
        patient: folder of the runs, site, runtime.
        flags: resources that the command line gives.
        resources: those of the experiment's training.
        words: more words for ``rhodiff-hpc doctor``.
        config: text of the experiment that jobs read; empty: there is none.
    """

    patient: Patient
    flags: StageResources
    resources: StageResources = field(default_factory=StageResources)
    words: tuple[str, ...] = ()
    config: str = ""


def submit_doctor(
    job: DoctorJob, *, local: bool, dry_run: bool
) -> tuple[Scheduler, PlannedSubmission, Selected, dict[int, str]]:
    """Submit the job.

    Args:
        job: what is asked for.
        local: take this machine's processes even where there is Slurm.
        dry_run: decide only: nothing is written or handed over.

    Returns:
        The scheduler, the plan, the submission and its jobs by piece.

    Raises:
        ConfigError: if the resources contradict each other, or the job would be a single process.
        SubmissionRefusedError: if the cluster cannot run it.
    """
    runs = job.patient.folder
    run = RunFolder(runs / NAME)
    scheduler = find_scheduler(runs, "slurm" if has_slurm() and not local else "local")
    target = _target(job.patient, scheduler)
    lock: AbstractContextManager[None] = nullcontext()
    if not dry_run:
        lock = hold_submissions(run.jobs, "submitting 'doctor'")
    with lock:
        code = name_code(run.jobs) if dry_run else pin_code(run.jobs)
        plan = plan_doctor(job, target, run, new_token(), next_number(run.jobs), code)
        warnings = [] if target.facts is None else check_allocation(plan.allocation, target.facts)
        folder = run.jobs.submission(plan.cluster, plan.token)
        jobs: dict[int, str] = {}
        if not dry_run:
            create_submission(run.jobs, plan, job.config, scheduler)
            jobs = hand_over(scheduler, folder, plan)
    cost = cost_submission(plan, target.profile.charge)
    return scheduler, PlannedSubmission(plan, cost, (), tuple(warnings)), Selected(folder, plan, plan.elements), jobs


def _target(patient: Patient, scheduler: Scheduler) -> Target:
    facts = read_limits() if not scheduler.cluster.startswith("local-") else None
    profile = load_site(patient.site_name)
    return Target("local" if facts is None else "slurm", scheduler.cluster, patient.site_name, profile, facts=facts)


def plan_doctor(job: DoctorJob, target: Target, run: RunFolder, token: str, number: int, code: str) -> SubmissionPlan:
    """The plan of the job; nothing is asked or written.

    Args:
        job: what is asked for.
        target: where it goes.
        run: its run.
        token: of the submission.
        number: of the submission within the run.
        code: file name of the pinned package.

    Raises:
        ConfigError: if it would be a single process.
    """
    allocation, profile = _allocation(job, target), target.profile
    num_processes = allocation.nodes * allocation.tasks_per_node
    if num_processes == 1:
        raise ConfigError(
            "submit doctor: one process has nobody to talk to: ask for --nodes 2, or --tasks-per-node 2"
        )
    is_local = target.kind == "local"
    folder = run.jobs.submission(target.cluster, token)
    launcher = Launch(profile.launcher, profile.mpi if profile.launcher == "srun" else None, profile.launcher_options)
    proposals = write_site_proposals(proposals_of(target.site, profile)) if profile.environment else ""
    return SubmissionPlan(
        token=token,
        number=number,
        cluster=target.cluster,
        scheduler=target.kind,
        stage=NAME,
        run=NAME,
        folder=str(Path.cwd()),
        created=utc_now(),
        user=getpass.getuser(),
        host=socket.gethostname(),
        site=target.site,
        command=_command(job, folder, num_processes if is_local else 1),
        num_parts=1,
        elements=(0,),
        pack=1,
        side_by_side=1,
        allocation=allocation,
        launch=Launch() if is_local else launcher,
        rules=BodyRules(may_requeue=False, max_attempts=1, stop_margin_s=30),
        pieces=(Piece(0, 0, 1, is_array=False),),
        setup=() if is_local else profile.setup,
        environment={} if is_local else {name: v.value for name, v in profile.environment.items()},
        site_variables="" if is_local else proposals,
        code=code,
    )


def _allocation(job: DoctorJob, target: Target) -> Allocation:
    """What a training's job would ask for, in the site's queue for trials, for a short time."""
    brief = merge_resources(StageResources(walltime_min=WALLTIME_MIN), job.flags)
    wanted = resources_of_stage(target.profile, "train", job.resources, brief, is_trial=True)
    allocation = allocate("train", wanted, target.profile, on_devices=job.patient.runtime.device != "cpu")
    if target.kind == "local" and allocation.nodes > 1:
        return replace(allocation, nodes=1, tasks_per_node=allocation.nodes * allocation.tasks_per_node)
    return allocation


def _command(job: DoctorJob, folder: SubmissionFolder, procs: int) -> tuple[str, ...]:
    config: Sequence[str] = ("-c", str(folder.config)) if job.config else ()
    processes: Sequence[str] = ("--procs", str(procs)) if procs > 1 else ()
    words = ("-m", "rhodiff.cli", "doctor", "--collective", *config, *processes, *job.words)
    where = ("--folder", str(job.patient.folder), "--report", str(folder.path), "--site", job.patient.site_name)
    return (sys.executable, *words, *where)
