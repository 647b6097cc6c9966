"""``rhodiff-hpc run``: a stage, or a whole pipeline, on this machine."""

import faulthandler
import os
import signal
import sys
from collections.abc import Callable
from contextlib import nullcontext
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rhodiff.cli.console import Console
from rhodiff.cli.options import Backend, ConfigFile, DryRun, JsonOutput, Overrides, Quiet

if TYPE_CHECKING:
    from rhodiff.runtime.heartbeat import Heartbeat
    from rhodiff.runtime.places import Place
    from rhodiff.stages.parts import Part
    from rhodiff.stages.workspace import Workspace

__all__ = ["RunCommand", "Stage", "run"]


class Stage(StrEnum):
    """What can be run."""

    PREPARE = "prepare"
    TRAIN = "train"
    SAMPLE = "sample"
    EVALUATE = "evaluate"
    DENOISE = "denoise"
    REPORT = "report"
    PIPELINE = "pipeline"


FANNED_OUT = {Stage.PREPARE, Stage.SAMPLE, Stage.EVALUATE, Stage.DENOISE}
"""Stages of independent tasks, which ``--part`` can divide."""
SHARED = {Stage.TRAIN, Stage.EVALUATE}
"""Stages whose work the processes of a launcher share."""
FOLLOWERS = {Stage.SAMPLE, Stage.EVALUATE}
"""Stages that can follow a training."""
STDERR = 2


def run(
    stage: Annotated[Stage, typer.Argument(help="Stage to run.")],
    config: ConfigFile = Path("rhodiff.yaml"),
    overrides: Overrides = None,
    procs: Annotated[int, typer.Option("--procs", min=1, help="Local processes.")] = 1,
    part: Annotated[
        str | None, typer.Option("--part", metavar="K/N", help="Only part K of N of the tasks, K from 0.")
    ] = None,
    workflow: Annotated[
        str | None, typer.Option("--workflow", help="Workflow of a pipeline: shipped, or a file.")
    ] = None,
    follow: Annotated[
        bool, typer.Option("--follow", help="Sample, or sample and evaluate, each checkpoint as it is written.")
    ] = False,
    generate: Annotated[
        bool, typer.Option("--generate", help="Evaluate: make the samples that are missing first.")
    ] = False,
    folder: Annotated[
        Path | None,
        typer.Option(
            "--folder",
            exists=True,
            file_okay=False,
            resolve_path=True,
            help="Folder that relative paths start from.",
            show_default="that of the config",
        ),
    ] = None,
    backend: Backend = None,
    as_json: JsonOutput = False,
    dry_run: DryRun = False,
    quiet: Quiet = False,
) -> None:
    """Run a stage here; a finished one does nothing again."""
    from rhodiff.cli.backend_option import with_backend
    from rhodiff.runtime.places import place_from_environment
    from rhodiff.runtime.thread_limits import share_cores

    place = place_from_environment(os.environ)
    share_cores(place, os.environ)  # before any of these loads NumPy
    from rhodiff.cli.run_pipeline import run_pipeline, show_plan
    from rhodiff.config.loading import load_experiment
    from rhodiff.jobs.site_variables import tell_site_variables
    from rhodiff.stages.checks import check_environment, check_experiment
    from rhodiff.stages.follow import check_follow
    from rhodiff.stages.pipeline import load_workflow
    from rhodiff.stages.variants import load_variants
    from rhodiff.stages.workspace import Workspace

    faulthandler.register(signal.SIGUSR2, file=STDERR, all_threads=True)  # in C: it works in a hung collective too
    _refuse_idle_options(stage, procs, part, workflow, dry_run=dry_run)
    _refuse_idle_follow(stage, procs, part, follow=follow, dry_run=dry_run)
    _refuse_idle_generate(stage, generate=generate, follow=follow, dry_run=dry_run)
    _refuse_repeated_work(stage, procs, part, place)
    overrides = with_backend(overrides or [], backend, stage.value)
    console = Console(quiet=quiet or place.rank > 0, as_json=as_json, heartbeat=_heartbeat(place))
    start = folder or config.resolve().parent
    loaded = None if stage is not Stage.PIPELINE else load_workflow(workflow or "pipeline")
    commands = [
        RunCommand(console, Workspace(experiment, start, console), place, config, list(sets), procs)
        for experiment, sets in (
            [(load_experiment(config, overrides), overrides)]
            if loaded is None
            else [(variant.experiment, variant.overrides) for variant in load_variants(config, overrides, loaded)]
        )
    ]
    if stage in {Stage.TRAIN, Stage.PIPELINE}:
        tell_site_variables(commands[0].workspace.experiment.jobs.site, os.environ)
    for command in commands:
        check_experiment(command.workspace)
        if follow or (loaded is not None and any(found.follow for found in loaded.stages.values())):
            check_follow(command.workspace)
        if not dry_run and stage in {Stage.TRAIN, Stage.PIPELINE}:
            check_environment(command.workspace, max(procs, place.world_size))
    if dry_run:
        show_plan(commands, stage, loaded)
    elif loaded is not None:
        run_pipeline(commands, loaded)
    else:
        commands[0].run_stage(stage, part, follow=follow, generate=generate)


def _heartbeat(place: "Place") -> "Heartbeat | None":
    """Where a job's body looks how far its work is; the first process says it for all."""
    from rhodiff.runtime.heartbeat import HEARTBEAT_VARIABLE, Heartbeat

    path = os.environ.get(HEARTBEAT_VARIABLE)
    return Heartbeat(Path(path)) if path and place.rank == 0 else None


def _refuse_idle_options(stage: Stage, procs: int, part: str | None, workflow: str | None, *, dry_run: bool) -> None:
    from rhodiff.errors import ConfigError

    if dry_run and (part is not None or procs > 1):
        raise ConfigError(
            "--part and --procs have no effect on --dry-run, which plans the whole stage: leave them out"
        )
    if part is not None and stage not in FANNED_OUT:
        raise ConfigError(f"--part has no effect on '{stage}': only {', '.join(sorted(FANNED_OUT))} have parts")
    if part is not None and procs > 1:
        raise ConfigError("--part and --procs exclude each other: --procs makes the parts itself")
    if procs > 1 and stage is Stage.REPORT:
        raise ConfigError("--procs has no effect on 'report': leave it out")
    if workflow is not None and stage is not Stage.PIPELINE:
        raise ConfigError(f"--workflow has no effect on '{stage}': leave it out")


def _refuse_idle_follow(stage: Stage, procs: int, part: str | None, *, follow: bool, dry_run: bool) -> None:
    from rhodiff.errors import ConfigError

    if follow and stage not in FOLLOWERS:
        raise ConfigError(f"--follow has no effect on '{stage}': only {', '.join(sorted(FOLLOWERS))} follow")
    if follow and (procs > 1 or part not in {None, "0/1"} or dry_run):
        raise ConfigError("--follow is one process that does all: leave out --procs, --part and --dry-run")


def _refuse_idle_generate(stage: Stage, *, generate: bool, follow: bool, dry_run: bool) -> None:
    from rhodiff.errors import ConfigError

    if generate and (stage is not Stage.EVALUATE or follow or dry_run):
        raise ConfigError(
            "--generate is for 'evaluate' alone, which --follow has make its samples anyway; it has no effect on "
            "--dry-run: leave it out"
        )


def _refuse_repeated_work(stage: Stage, procs: int, part: str | None, place: "Place") -> None:
    """Only some stages are shared between the processes of a launcher."""
    from rhodiff.errors import ConfigError

    if place.world_size == 1:
        return
    if procs > 1:
        raise ConfigError(f"--procs has no effect under a launcher, which started {place.world_size} processes")
    if part is None and stage not in SHARED:
        raise ConfigError(
            f"a launcher (torchrun, srun) started {place.world_size} processes, each of which would run all of "
            f"'{stage}': only {' and '.join(sorted(SHARED))} share their work so. Start one process, or give each a "
            "--part"
        )


class RunCommand:
    """One invocation of ``run``."""

    def __init__(
        self,
        console: Console,
        workspace: "Workspace",
        place: "Place",
        config: Path,
        overrides: list[str],
        procs: int,
    ) -> None:
        self.console, self.workspace, self.place = console, workspace, place
        self.config, self.overrides, self.procs = config, overrides, procs

    def run_stage(
        self, stage: Stage, part: str | None, *, is_last: bool = True, follow: bool = False, generate: bool = False
    ) -> tuple[str, dict[str, Any]]:
        """Run one stage, or have it follow the training; the last one shows its result.

        Returns:
            The result for people, and as JSON values.
        """
        from rhodiff.stages.parts import WHOLE, parse_part

        chosen = WHOLE if part is None else parse_part(part)
        commands: list[list[str]] = []
        if self.procs > 1 and stage in FANNED_OUT and not follow:
            more = ["--generate"] if generate else []
            commands = [self._again(stage, "--part", f"{k}/{self.procs}", *more) for k in range(self.procs)]
        elif self.procs > 1 and stage is Stage.TRAIN and self.place.world_size == 1:
            commands = [self._again(stage)] * self.procs
        if commands:
            self._side_by_side(commands)
        self.console.begin(stage.value)
        stages: dict[Stage, Callable[[Part], tuple[str, dict[str, Any]]]] = {
            Stage.PREPARE: self._prepare,
            Stage.TRAIN: self._train,
            Stage.SAMPLE: self._sample,
            Stage.EVALUATE: partial(self._evaluate, is_shared=part is None, generate=generate),
            Stage.DENOISE: self._denoise,
            Stage.REPORT: self._report,
        }
        if follow:
            self._follow(stage)
        with self.console.hushed() if commands or follow else nullcontext():  # what was done has been told
            text, value = stages[stage](chosen)
        if is_last and self.place.rank == 0:
            self.console.result(text, {"stage": stage.value, **value})
        return text, {"stage": stage.value, **value}

    def _follow(self, stage: Stage) -> None:
        """Work on each checkpoint as it appears."""
        from rhodiff.jobs.training_end import why_training_ended
        from rhodiff.stages.follow import follow

        follow(self.workspace, stage.value, lambda: why_training_ended(self.workspace.run_folder))

    def _again(self, stage: Stage, *options: str) -> list[str]:
        """This command for one process of several."""
        sets = [word for override in self.overrides for word in ("--set", override)]
        quiet = ["--quiet"] if self.console.quiet else []
        command = [sys.executable, "-m", "rhodiff.cli", "run", stage.value, "-c", str(self.config)]
        return [*command, "--folder", str(self.workspace.folder), *options, *sets, *quiet]

    def _side_by_side(self, commands: list[list[str]]) -> None:
        from rhodiff.runtime.local_processes import run_processes

        code = run_processes(commands)
        if code:
            raise typer.Exit(code)

    def _prepare(self, part: "Part") -> tuple[str, dict[str, Any]]:
        from rhodiff.stages.prepare import prepare

        path = prepare(self.workspace, part)
        return str(path), {"data": str(path), "identity": self.workspace.data_id}

    def _train(self, _: "Part") -> tuple[str, dict[str, Any]]:
        from rhodiff.stages.train import train

        checkpoint = train(self.workspace, self.place)
        run = str(self.workspace.run_folder.path)
        return str(checkpoint.path), {
            "run": run,
            "checkpoint": str(checkpoint.path),
            "iteration": checkpoint.iteration,
        }

    def _sample(self, part: "Part") -> tuple[str, dict[str, Any]]:
        from rhodiff.stages.sample import sample_sweep

        run = self.workspace.run_folder
        paths = [str(run.samples(cell.identity)) for cell in sample_sweep(self.workspace, part)]
        return "\n".join(paths), {"run": str(run.path), "samples": paths}

    def _evaluate(self, part: "Part", *, is_shared: bool, generate: bool) -> tuple[str, dict[str, Any]]:
        from rhodiff.runtime.places import Place
        from rhodiff.runtime.team import join_team
        from rhodiff.stages.evaluate import evaluate, generate_missing

        run = self.workspace.run_folder
        with join_team(self.place if is_shared else Place()) as team:  # a process with a part works by itself
            if generate:
                generate_missing(self.workspace, part, team, self.place)
            paths = [str(run.statistics(task.identity)) for task in evaluate(self.workspace, part, team)]
        return "\n".join(paths), {"run": str(run.path), "statistics": paths}

    def _denoise(self, part: "Part") -> tuple[str, dict[str, Any]]:
        from rhodiff.stages.denoise import denoise
        from rhodiff.stages.denoised_results import describe_headline, headlines
        from rhodiff.store.records import to_plain

        run = self.workspace.run_folder
        paths = {task.identity: str(run.denoised(task.identity)) for task in denoise(self.workspace, part)}
        found = headlines(self.workspace)
        told = {one: f": {describe_headline(summary)}" for one, summary in found.items()}
        text = "\n".join(f"{path}{told.get(one, '')}" for one, path in paths.items())
        numbers = [{"identity": one, **to_plain(summary)} for one, summary in found.items()]
        return text, {"run": str(run.path), "denoised": list(paths.values()), "headlines": numbers}

    def _report(self, _: "Part") -> tuple[str, dict[str, Any]]:
        from rhodiff.stages.report import write_report

        written = write_report(self.workspace)
        return f"report: {written.page}", {
            "run": str(self.workspace.run_folder.path),
            "report": str(written.page),
            "figures": [str(path) for path in written.figures],
        }
