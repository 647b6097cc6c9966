"""``rhodiff-hpc submit pipeline``: a whole workflow as jobs, from wherever it stands."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from rhodiff.cli.console import Console
from rhodiff.errors import SubmissionRefusedError

if TYPE_CHECKING:
    from rhodiff.config.resources import StageResources
    from rhodiff.jobs.graph import PipelineGraph
    from rhodiff.jobs.selection import Selected
    from rhodiff.stages.pipeline import Workflow
    from rhodiff.stages.workspace import Workspace

__all__ = ["submit_workflow"]

LOOK_S = 15.0


def submit_workflow(
    console: Console,
    config: Path,
    overrides: Sequence[str],
    workflow: str,
    flags: "StageResources",
    site: str | None,
    *,
    local: bool,
    dry_run: bool,
    wait: bool,
) -> None:
    """Submit what a workflow still needs, show the graph, and wait for its end if that is asked for.

    Args:
        console: where to.
        config: experiment file.
        overrides: ``--set`` values.
        workflow: name of a shipped one, or a file.
        flags: resources that the command line gives to every stage.
        site: name or file of a site profile.
        local: processes of this machine even where there is Slurm.
        dry_run: show the graph and submit nothing.
        wait: return when all jobs have ended; what finds no room now is submitted meanwhile.
    """
    from rhodiff.jobs.pipeline import submit_pipeline
    from rhodiff.jobs.targets import open_target
    from rhodiff.stages.pipeline import load_workflow

    loaded = load_workflow(workflow)
    workspaces = _open_workspaces(console, config, overrides, loaded)
    first = workspaces[0]

    def submit() -> "PipelineGraph":
        scheduler, target = open_target(first.experiment, first.run_folder.path.parent, site, local=local)
        return submit_pipeline(workspaces, loaded, flags, scheduler, target, dry_run=dry_run)

    graph = submit()
    console.result(graph.describe(), {"stage": "pipeline", "workflow": workflow, "graph": graph.to_plain()})
    if wait:
        _wait(console, graph, submit)
    elif graph.left and not _submissions(graph) and not dry_run:
        raise typer.Exit(SubmissionRefusedError.exit_code)  # nothing is under way: nobody may take this for a success


def _open_workspaces(
    console: Console, config: Path, overrides: Sequence[str], workflow: "Workflow"
) -> "list[Workspace]":
    from rhodiff.jobs.pipeline import with_workflow_resources
    from rhodiff.stages.checks import check_experiment
    from rhodiff.stages.follow import check_follow
    from rhodiff.stages.variants import load_variants
    from rhodiff.stages.workspace import Workspace

    folder = config.resolve().parent
    workspaces = [
        Workspace(with_workflow_resources(variant.experiment, workflow), folder, console)
        for variant in load_variants(config, overrides, workflow)
    ]
    for workspace in workspaces:
        check_experiment(workspace)
        if any(stage.follow for stage in workflow.stages.values()):
            check_follow(workspace)
    return workspaces


def _wait(console: Console, graph: "PipelineGraph", submit: "Callable[[], PipelineGraph]") -> None:
    """Submit what was left as others end, then wait for all; what failed is never tried again from here."""
    from rhodiff.cli.waiting import wait_for

    console.begin("pipeline")
    known = _submissions(graph)
    while graph.left and not _has_failed(known):
        console.progress(len(graph.steps) - len(graph.left), len(graph.steps), "stages done or submitted")
        time.sleep(LOOK_S)
        if _has_failed(known):
            break
        graph = submit()
        known = [*known, *(one for one in _submissions(graph) if one.folder not in {old.folder for old in known})]
    if known:
        wait_for(console, known)
    if graph.left:
        console.error(f"{len(graph.left)} stages are left: the same command goes on")
        raise typer.Exit(1)


def _submissions(graph: "PipelineGraph") -> "list[Selected]":
    """Submissions, new or live before."""
    from rhodiff.jobs.selection import Selected

    found: list[Selected] = []
    for outcome in (step.outcome for step in graph.steps if step.outcome is not None):
        found += [live.selected for live in outcome.live]
        if outcome.planned is not None and outcome.folder is not None:
            found.append(Selected(outcome.folder, outcome.planned.plan, outcome.planned.plan.elements))
    return found


def _has_failed(known: "Sequence[Selected]") -> bool:
    """Whether something has ended that is not done."""
    from rhodiff.jobs.element_state import ElementState
    from rhodiff.jobs.state import observe_submissions

    ended = {ElementState.FAILED, ElementState.STOPPED, ElementState.CANCELLED}
    return any(element.state in ended for state in observe_submissions(known) for element in state.elements)
