"""``rhodiff-hpc retry``: run again what is not done, and nothing else."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rhodiff.cli.console import Console
from rhodiff.cli.job_options import RunWord, SelectorWord
from rhodiff.cli.options import ConfigFile, DryRun, JsonOutput
from rhodiff.cli.resource_options import positive
from rhodiff.cli.wording import plural
from rhodiff.errors import ConfigError, SchedulerUnreachableError

if TYPE_CHECKING:
    from rhodiff.jobs.retry_submission import PinnedNow, Retried, RetryOutcome
    from rhodiff.jobs.selection import Selected

__all__ = ["retry"]

FORCE = ". --force runs them again, once you are sure that no job of theirs is left"


def retry(
    run: RunWord = None,
    selector: SelectorWord = None,
    exclude_bad_nodes: Annotated[
        bool, typer.Option(help="Keep off nodes where attempts died at once and nothing succeeded.")
    ] = True,
    exclude: Annotated[
        str | None, typer.Option("--exclude", metavar="NODES", help="Nodes to keep off as well, e.g. n3,n[7-9].")
    ] = None,
    time: Annotated[
        str | None, typer.Option("--time", metavar="LIMIT", help="Another time limit: minutes or [D-]HH:MM:SS.")
    ] = None,
    memory_gb: Annotated[
        float | None, typer.Option("--memory-gb", callback=positive, help="Another memory a node.")
    ] = None,
    current: Annotated[bool, typer.Option("--current", help="With today's code and settings.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Also what nothing certain is known of.")] = False,
    config: ConfigFile = Path("rhodiff.yaml"),
    dry_run: DryRun = False,
    as_json: JsonOutput = False,
) -> None:
    """Submit again what failed, stopped or was cancelled or lost.

    It runs with the code and settings of the first time, and what is done stays done.
    """
    from rhodiff.jobs.retry_submission import RetryChanges, retry_run
    from rhodiff.jobs.scheduling import scheduler_for
    from rhodiff.jobs.selection import runs_folder, select, split_words
    from rhodiff.jobs.walltime import parse_walltime
    from rhodiff.runtime.node_list import expand_node_list

    console = Console(as_json=as_json)
    name, wanted = split_words(run, selector)
    chosen = select(runs_folder(config), name, wanted)
    by_run: dict[Path, list[Selected]] = {}
    for one in chosen:
        by_run.setdefault(one.run.path, []).append(one)
    outcomes = []
    for group in by_run.values():
        changes = RetryChanges(
            exclude_bad_nodes=exclude_bad_nodes,
            exclude=tuple(expand_node_list(exclude or "")),
            walltime_min=None if time is None else parse_walltime(time),
            memory_gb=memory_gb,
            current=_pinned_now(config, group, dry_run=dry_run) if current else None,
        )
        elements = {one.folder.path: one.elements for one in group}
        outcomes.append(retry_run(group[0].run, elements, changes, scheduler_for, force=force, dry_run=dry_run))
    lines = [line for outcome in outcomes for line in _describe(console, outcome, dry_run=dry_run)]
    value = {"dry_run": dry_run, "retried": [_plain(one) for outcome in outcomes for one in outcome.retried]}
    is_silent = any(one.need.state.is_unreachable for outcome in outcomes for one in outcome.retried)
    console.result("\n".join(lines) or _nothing(outcomes), value)
    if is_silent:
        raise typer.Exit(SchedulerUnreachableError.exit_code)


def _nothing(outcomes: "list[RetryOutcome]") -> str:
    """Why nothing was submitted."""
    unknown = sum(len(one.need.unknown) for outcome in outcomes for one in outcome.retried)
    return (
        f"nothing is retried while {plural(unknown, 'element')} may run"
        if unknown
        else "nothing to retry: all is done"
    )


def _pinned_now(config: Path, group: "list[Selected]", *, dry_run: bool) -> "PinnedNow":
    """Today's code and experiment, which must be those of the run.

    Raises:
        ConfigError: if the experiment has become another one, or cuts its stages into other parts.
    """
    from rhodiff.config.loading import dump_experiment, load_experiment, read_yaml
    from rhodiff.jobs.pinning import name_code, pin_code
    from rhodiff.jobs.retry_submission import PinnedNow
    from rhodiff.jobs.stage_resources import FANNED_OUT
    from rhodiff.jobs.standing import differing_settings
    from rhodiff.runtime.progress import Silent
    from rhodiff.stages.workspace import Workspace

    experiment = load_experiment(config)
    run = group[0].run
    ours = Workspace(experiment, config.resolve().parent, Silent()).run_folder
    if ours.path.name != run.path.name:
        raise ConfigError(
            f"--current: {config} is now the experiment {ours.path.name}, not {run.path.name}: leave --current out, "
            "or submit the new one"
        )
    for one in group:
        theirs = read_yaml(one.folder.config.read_text(encoding="utf-8"), str(one.folder.config))
        different = differing_settings(one.plan.stage, experiment.model_dump(mode="json"), theirs)
        if different and one.plan.stage in FANNED_OUT:
            raise ConfigError(
                f"--current: '{one.plan.stage}' has other settings now, so its parts are others: "
                f"{'; '.join(different[:3])}. 'rhodiff-hpc submit {one.plan.stage}' does what these need"
            )
    return PinnedNow((name_code if dry_run else pin_code)(run.jobs), dump_experiment(experiment))


def _describe(console: Console, outcome: "RetryOutcome", *, dry_run: bool) -> list[str]:
    """Lines for people; what is left alone are warnings."""
    from rhodiff.jobs.selection import describe_elements

    lines = []
    for state in outcome.completed:
        verb = "would complete" if dry_run else "completed"
        lines.append(
            f"{verb} submission {state.plan.number} ({state.plan.stage}), which was not handed over completely"
        )
    for one in outcome.retried:
        for node in one.bad_nodes:
            console.warn(f"left out {node.describe()}")
        for remark in one.remarks:
            console.note(f"note: {remark}")
        if one.need.unknown:
            first = next(iter(one.need.unknown.values())).partition(". ")[0]
            way_out = "" if one.need.state.is_unreachable else FORCE
            console.warn(
                f"{plural(len(one.need.unknown), 'element')} of submission {one.need.state.plan.number} left alone "
                f"({describe_elements(list(one.need.unknown))}): {first}{way_out}"
            )
        lines += _line(one, dry_run=dry_run)
    if not lines and outcome.live:
        lines.append(f"nothing to retry: {plural(outcome.live, 'element')} run or wait already")
    return lines


def _line(one: "Retried", *, dry_run: bool) -> list[str]:
    from rhodiff.jobs.selection import describe_elements

    if one.plan is None:
        return []
    plan = one.plan
    what = f"{plural(len(plan.elements), 'element')} of {plan.stage} ({describe_elements(plan.elements)})"
    jobs = f"{plural(plan.num_jobs, 'job')}, {plan.allocation.walltime_min} min each"
    how = f"would be submission {plan.number}" if dry_run else f"submission {plan.number}, job {_ids(one)}"
    return [f"{plan.run}: {what} again: {how} on {plan.cluster} ({jobs})"]


def _ids(one: "Retried") -> str:
    return ", ".join(one.jobs.values())


def _plain(one: "Retried") -> dict[str, Any]:
    old, plan = one.need.state.plan, one.plan
    value: dict[str, Any] = {
        "run": old.run,
        "stage": old.stage,
        "original": old.number,
        "unknown": {str(element): reason for element, reason in one.need.unknown.items()},
        "bad_nodes": [{"name": node.name, "deaths": list(node.deaths)} for node in one.bad_nodes],
    }
    if plan is not None:
        value["submission"] = {
            "number": plan.number,
            "token": plan.token,
            "elements": list(plan.elements),
            "num_jobs": plan.num_jobs,
            "jobs": {str(piece): job for piece, job in one.jobs.items()},
        }
    return value
