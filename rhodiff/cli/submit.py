"""``rhodiff-hpc submit``: a stage, or a whole pipeline, as jobs of the cluster, or of this machine."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rhodiff.cli.console import Console
from rhodiff.cli.doctor import Demands
from rhodiff.cli.options import Backend, ConfigFile, DryRun, JsonOutput, Overrides, Quiet
from rhodiff.cli.resource_options import (
    Account,
    Chain,
    Constraint,
    CpusPerTask,
    GpusPerNode,
    Gres,
    MemoryGb,
    Nodes,
    Pack,
    Partition,
    Parts,
    Qos,
    SideBySide,
    TasksPerNode,
    Throttle,
    Time,
)

if TYPE_CHECKING:
    from rhodiff.config.resources import StageResources
    from rhodiff.jobs.planning import Target
    from rhodiff.jobs.scheduler import Scheduler
    from rhodiff.jobs.selection import Selected
    from rhodiff.jobs.stage_submission import StageOutcome, StageRequest
    from rhodiff.jobs.submission_plan import Dependency
    from rhodiff.stages.workspace import Workspace

__all__ = ["submit"]


class Stage(StrEnum):
    """What can be submitted."""

    PREPARE = "prepare"
    TRAIN = "train"
    SAMPLE = "sample"
    EVALUATE = "evaluate"
    DENOISE = "denoise"
    REPORT = "report"
    PIPELINE = "pipeline"
    DOCTOR = "doctor"


def submit(
    stage: Annotated[Stage, typer.Argument(help="Stage to submit.")],
    config: ConfigFile = Path("rhodiff.yaml"),
    overrides: Overrides = None,
    site: Annotated[str | None, typer.Option("--site", help="Site profile: a name or a file.")] = None,
    local: Annotated[
        bool, typer.Option("--local", help="Processes of this machine, even where there is Slurm.")
    ] = False,
    nodes: Nodes = None,
    tasks_per_node: TasksPerNode = None,
    cpus_per_task: CpusPerTask = None,
    time: Time = None,
    memory_gb: MemoryGb = None,
    gpus_per_node: GpusPerNode = None,
    partition: Partition = None,
    account: Account = None,
    qos: Qos = None,
    constraint: Constraint = None,
    gres: Gres = None,
    parts: Parts = None,
    pack: Pack = None,
    side_by_side: SideBySide = None,
    throttle: Throttle = None,
    chain: Chain = None,
    after: Annotated[
        list[str] | None,
        typer.Option("--after", metavar="[RUN/]NUMBER", help="Wait until a submission is done; repeatable."),
    ] = None,
    workflow: Annotated[
        str | None, typer.Option("--workflow", help="Workflow of a pipeline: shipped, or a file.")
    ] = None,
    test: Annotated[bool, typer.Option("--test", help="Ten steps of a training, and what the whole takes.")] = False,
    wait: Annotated[bool, typer.Option("--wait", help="Return when all jobs have ended.")] = False,
    generate: Annotated[
        bool, typer.Option("--generate", help="Evaluate: make the samples that are missing first.")
    ] = False,
    follow: Annotated[bool, typer.Option("--follow", help="Show a training's log until it ends.")] = False,
    backend: Backend = None,
    demands: Demands = None,
    as_json: JsonOutput = False,
    dry_run: DryRun = False,
    quiet: Quiet = False,
) -> None:
    """Submit a stage, or 'doctor', to Slurm or to local processes.

    The same command again never submits anything twice.
    """
    from rhodiff.cli.backend_option import with_backend
    from rhodiff.cli.submit_pipeline import submit_workflow
    from rhodiff.cli.waiting import wait_for
    from rhodiff.config.loading import load_experiment
    from rhodiff.config.resources import StageResources
    from rhodiff.jobs.stage_resources import refuse_idle, refuse_without_slurm
    from rhodiff.jobs.stage_submission import StageRequest
    from rhodiff.jobs.targets import has_slurm, open_target
    from rhodiff.jobs.walltime import parse_walltime
    from rhodiff.stages.checks import check_experiment
    from rhodiff.stages.workspace import Workspace

    flags = StageResources(
        nodes=nodes,
        tasks_per_node=tasks_per_node,
        cpus_per_task=cpus_per_task,
        walltime_min=None if time is None else parse_walltime(time),
        memory_gb=memory_gb,
        gpus_per_node=gpus_per_node,
        partition=partition,
        account=account,
        qos=qos,
        constraint=constraint,
        gres=gres,
        parts=parts,
        pack=pack,
        side_by_side=side_by_side,
        throttle=throttle,
        chain=chain,
    )
    if stage not in {Stage.PIPELINE, Stage.DOCTOR}:
        refuse_idle(stage.value, flags, None)
    if local or not has_slurm():
        refuse_without_slurm(flags, is_chosen=local)
    _refuse_idle_options(
        stage,
        {
            "workflow": workflow is not None,
            "after": bool(after),
            "test": test,
            "wait": wait,
            "follow": follow,
            "generate": generate,
            "require": bool(demands),
            "dry-run": dry_run,
        },
    )
    overrides = with_backend(overrides or [], backend, stage.value)
    console = Console(quiet=quiet, as_json=as_json)
    if not (local or has_slurm()):
        console.note("note: there is no Slurm here ('sbatch' is not on the PATH): jobs are processes of this machine")
    if stage is Stage.DOCTOR:
        from rhodiff.cli.submit_doctor import job_of, submit_doctor_job

        job = job_of(config, overrides, site, flags, demands or [])
        submit_doctor_job(console, job, local=local, dry_run=dry_run, wait=wait)
        return
    if stage is Stage.PIPELINE:
        name = workflow or "pipeline"
        submit_workflow(console, config, overrides, name, flags, site, local=local, dry_run=dry_run, wait=wait)
        return
    workspace = Workspace(load_experiment(config, overrides), config.resolve().parent, console)
    check_experiment(workspace)
    scheduler, target = open_target(workspace.experiment, workspace.run_folder.path.parent, site, local=local)
    if test:
        _submit_trial(console, workspace, flags, scheduler, target, dry_run=dry_run)
        return
    request = StageRequest(
        stage.value,
        flags,
        tuple(_dependency(workspace, word) for word in after or []),
        options=("--generate",) if generate else (),
        samples_too=generate,
    )
    outcome = _submit_stage(console, workspace, request, scheduler, target, dry_run=dry_run)
    if follow:
        _follow(workspace, outcome, config)
    elif wait:
        wait_for(console, _submissions(outcome))


def _submit_trial(
    console: Console,
    workspace: "Workspace",
    flags: "StageResources",
    scheduler: "Scheduler",
    target: "Target",
    *,
    dry_run: bool,
) -> None:
    from rhodiff.cli.submit_screen import show_outcome
    from rhodiff.cli.submit_trial import await_trial
    from rhodiff.jobs.trial_run import begin_trial

    trial = begin_trial(workspace, flags, scheduler, target, dry_run=dry_run)
    if dry_run:
        show_outcome(console, trial, scheduler, None, workspace.run_folder.path.name)
    else:
        await_trial(console, workspace, flags, trial, target)


def _submit_stage(
    console: Console,
    workspace: "Workspace",
    request: "StageRequest",
    scheduler: "Scheduler",
    target: "Target",
    *,
    dry_run: bool,
) -> "StageOutcome":
    from rhodiff.cli.submit_screen import show_outcome
    from rhodiff.jobs.stage_resources import allocate
    from rhodiff.jobs.stage_submission import resources_of_request, submit_stage
    from rhodiff.jobs.targets import with_room_for
    from rhodiff.stages.plan import plan_stage

    resources = resources_of_request(workspace, request, target.profile)
    target = with_room_for(target, allocate(request.stage, resources, target.profile, on_devices=False))
    outcome = submit_stage(workspace, request, scheduler, target, dry_run=dry_run)
    results = plan_stage(workspace, request.stage) if outcome.planned is not None else None
    show_outcome(console, outcome, scheduler, results, workspace.run_folder.path.name)
    return outcome


ONLY_FOR = {
    "workflow": (Stage.PIPELINE,),
    "test": (Stage.TRAIN,),
    "follow": (Stage.TRAIN,),
    "generate": (Stage.EVALUATE,),
    "after": tuple(stage for stage in Stage if stage not in {Stage.PIPELINE, Stage.DOCTOR}),
    "require": (Stage.DOCTOR,),
}
"""Options that only some stages have."""
EXCLUDE = (
    ("dry-run", "wait"),
    ("dry-run", "follow"),
    ("wait", "follow"),
    ("test", "wait"),
    ("test", "follow"),
    ("test", "after"),
)


def _refuse_idle_options(stage: Stage, given: dict[str, bool]) -> None:
    """Refuse what has no effect on the stage, or beside another option."""
    from rhodiff.errors import ConfigError

    for name, stages in ONLY_FOR.items():
        if given[name] and stage not in stages:
            raise ConfigError(f"--{name} has no effect on '{stage}', only on {', '.join(stages)}: leave it out")
    for one, other in EXCLUDE:
        if given[one] and given[other]:
            raise ConfigError(f"--{one} and --{other} exclude each other: leave one out")


def _dependency(workspace: "Workspace", word: str) -> "Dependency":
    """``[RUN/]NUMBER`` as a dependency."""
    from rhodiff.errors import ConfigError
    from rhodiff.jobs.selection import select
    from rhodiff.jobs.submission_plan import Dependency

    run, _, number = word.rpartition("/")
    if not number.isdecimal():
        raise ConfigError(f"--after {word!r}: write the number of a submission of this run, or RUN/NUMBER")
    own = workspace.run_folder.path
    found = select(own.parent, run or own.name, number)[0]
    return Dependency(str(found.folder.path.relative_to(found.run.path.parent)))


def _submissions(outcome: "StageOutcome") -> "list[Selected]":
    """What was submitted, and what was live before."""
    from rhodiff.jobs.selection import Selected

    found = [live.selected for live in outcome.live]
    if outcome.planned is not None and outcome.folder is not None:
        found.append(Selected(outcome.folder, outcome.planned.plan, outcome.planned.plan.elements))
    return found


def _follow(workspace: "Workspace", outcome: "StageOutcome", config: Path) -> None:
    """Show the log of what was submitted, or of what is live."""
    from rhodiff.cli.logs import logs

    for one in _submissions(outcome)[-1:]:
        logs(workspace.run_folder.path.name, str(one.plan.number), None, 40, follow=True, config=config)
