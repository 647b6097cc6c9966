"""What ``submit`` shows: what was or would be submitted, what it may cost, and what a limit decided."""

import textwrap
from typing import TYPE_CHECKING, Any

from rhodiff.cli.console import Console
from rhodiff.cli.wording import amount, plural
from rhodiff.jobs.element_state import ElementState
from rhodiff.jobs.scheduler import Scheduler
from rhodiff.jobs.standing import describe_live
from rhodiff.jobs.submission_plan import Allocation, SubmissionPlan
from rhodiff.jobs.walltime import describe_walltime

if TYPE_CHECKING:
    from rhodiff.jobs.planning import PlannedSubmission
    from rhodiff.jobs.stage_submission import StageOutcome
    from rhodiff.stages.plan import StagePlan

__all__ = ["describe_planned", "outcome_value", "show_outcome"]

WIDTH = 98


def show_outcome(
    console: Console, outcome: "StageOutcome", scheduler: Scheduler, results: "StagePlan | None", run: str
) -> None:
    """Show what became of a request.

    Args:
        console: where.
        outcome: what became of it.
        scheduler: writes the scripts of a dry run.
        results: what the stage leaves behind; None where it was not worked out.
        run: name of the run.
    """
    for live in outcome.live:
        console.note(f"{outcome.stage} of {run}: already submitted as {describe_live(live)}")
        if live.of(ElementState.FAILED, ElementState.CANCELLED, ElementState.STOPPED):
            console.note(
                f"  what failed or was cancelled of it runs again with 'rhodiff-hpc retry {run} {live.plan.number}'"
            )
        elif live.of(ElementState.UNKNOWN):
            console.note(f"  what is unknown runs again with 'rhodiff-hpc retry --force {run} {live.plan.number}'")
    if outcome.planned is not None:
        for warning in outcome.planned.warnings:
            console.warn(warning)
    console.result(_text(outcome, scheduler, results, run), outcome_value(outcome, scheduler, results, run))


def _text(outcome: "StageOutcome", scheduler: Scheduler, results: "StagePlan | None", run: str) -> str:
    if outcome.planned is None:
        return f"{outcome.stage} of {run}: {'nothing more to submit' if outcome.live else 'done before'}"
    planned = outcome.planned
    if outcome.kind == "submitted":
        jobs = ", ".join(outcome.jobs.values())
        head = f"{outcome.stage} of {run}: submission {planned.plan.number}, job {jobs} on {planned.plan.cluster}"
        return "\n".join([head, *describe_planned(planned, results), _line("watch", f"rhodiff-hpc status {run}")])
    head = f"{outcome.stage} of {run}: would be submission {planned.plan.number} on {planned.plan.cluster}"
    return "\n".join([head, *describe_planned(planned, results), "", *_scripts(outcome, scheduler)])


def describe_planned(planned: "PlannedSubmission", results: "StagePlan | None") -> list[str]:
    """Lines about a submission: its parts and jobs, what each asks for, what all may cost and leave behind."""
    plan, cost = planned.plan, planned.cost
    lines = [
        _line("parts", _parts(plan, results)),
        _line("jobs", _jobs(plan)),
        _line("each job", _each(plan.allocation)),
        _line("cost", _cost(planned)),
        _line(
            "files", f"{plural(cost.num_files, 'file')} of the submission, in {plural(cost.num_folders, 'folder')}"
        ),
    ]
    if results is not None:
        size = f"{results.size_bytes / 1e6:,.1f} MB"
        lines.append(_line("results", f"about {plural(results.num_files, 'file')}, {size} in {results.folder}"))
    if plan.after:
        lines.append(_line("waits for", ", ".join(one.submission for one in plan.after)))
    return [*lines, *(_line("note", remark) for remark in planned.remarks)]


def outcome_value(
    outcome: "StageOutcome", scheduler: Scheduler, results: "StagePlan | None", run: str
) -> dict[str, Any]:
    """JSON values."""
    value: dict[str, Any] = {"stage": outcome.stage, "run": run, "outcome": outcome.kind}
    value["live"] = [
        {
            "number": one.plan.number,
            "jobs": list(one.jobs.values()),
            "states": {s.value: n for s, n in one.count().items()},
        }
        for one in outcome.live
    ]
    if outcome.planned is None or outcome.folder is None:
        return value
    planned = outcome.planned
    value["submission"] = {
        "number": planned.plan.number,
        "folder": str(outcome.folder.path),
        "cluster": planned.plan.cluster,
        "jobs": {str(piece): job for piece, job in outcome.jobs.items()},
        "num_parts": planned.plan.num_parts,
        "num_elements": len(planned.plan.elements),
        "num_jobs": planned.plan.num_jobs,
        "pack": planned.plan.pack,
        "node_hours": planned.cost.node_hours,
        "core_hours": planned.cost.core_hours,
        "chain_node_hours": planned.cost.chain_node_hours,
        "charge": planned.cost.charge,
        "charge_unit": planned.cost.charge_unit,
        "num_files": planned.cost.num_files,
        "remarks": list(planned.remarks),
    }
    if outcome.kind == "planned":
        value["scripts"] = [
            scheduler.script(outcome.folder, planned.plan, piece, ()) for piece in planned.plan.pieces
        ]
    if results is not None:
        value["results"] = results.to_plain()
    return value


def _line(name: str, text: str) -> str:
    wrapped = textwrap.wrap(text, WIDTH - 13, break_long_words=False, break_on_hyphens=False)
    return f"  {name:<11}" + f"\n{'':<13}".join(wrapped)


def _parts(plan: SubmissionPlan, results: "StagePlan | None") -> str:
    text = "one" if plan.num_parts == 1 else f"{len(plan.elements):,} of {plan.num_parts:,}"
    if results is None:
        return text
    unit = "iterations" if plan.stage == "train" else "tasks"
    return f"{text}, with {results.num_tasks - results.num_done:,} of {results.num_tasks:,} {unit} to do"


def _jobs(plan: SubmissionPlan) -> str:
    links = 1 + max(piece.link for piece in plan.pieces)
    text = f"{plan.num_jobs:,}"
    first = [piece for piece in plan.pieces if piece.link == 0]
    if first[0].is_array:
        arrays = " + ".join(f"{piece.count:,}" for piece in first)
        text += f" in {'one array' if len(first) == 1 else f'{len(first)} arrays ({arrays})'}"
    if plan.pack > 1:
        text += f", {plan.pack:,} parts each"
        text += f", {plan.side_by_side} at a time" if plan.side_by_side > 1 else ""
    if first[0].throttle is not None:
        text += f", at most {first[0].throttle} at a time"
    return text + (f", in a chain of {links}" if links > 1 else "")


def _each(allocation: Allocation) -> str:
    words = [plural(allocation.nodes, "node")]
    if allocation.tasks_per_node > 1:
        words.append(f"{allocation.tasks_per_node} processes a node")
    words.append(plural(allocation.cpus_per_task, "CPU") + (" each" if allocation.tasks_per_node > 1 else ""))
    if allocation.gres is not None:
        words.append(f"{allocation.gres} a node")
    elif allocation.gpus_per_node:
        words.append(f"{plural(allocation.gpus_per_node, 'device')} a node")
    if allocation.memory_gb is not None:
        words.append(f"{allocation.memory_gb:g} GB a node")
    words.append(f"at most {describe_walltime(allocation.walltime_min)}")
    for name in ("partition", "account", "qos", "constraint"):
        value = getattr(allocation, name)
        words += [f"{name} {value}"] if value else []
    return ", ".join(words)


def _cost(planned: "PlannedSubmission") -> str:
    cost = planned.cost
    text = f"at most {amount(cost.node_hours)} node-hours ({amount(cost.core_hours)} core-hours)"
    if cost.charge is not None:
        text += f", {amount(cost.charge)} {cost.charge_unit}"
    if cost.chain_node_hours:
        text += f"; later links of the chain, as far as they are needed: {amount(cost.chain_node_hours)} more"
    return text


def _scripts(outcome: "StageOutcome", scheduler: Scheduler) -> list[str]:
    """The scripts, and beside each name what its jobs wait for: ids that there are none of yet."""
    assert outcome.planned is not None
    assert outcome.folder is not None
    plan, lines = outcome.planned.plan, []
    outside = [f"--dependency={one.condition} on {one.submission}" for one in plan.after]
    for piece in plan.pieces:
        inside = [f"--dependency=afterany on {outcome.folder.script(before).name}" for before in piece.after]
        lines.append(", ".join([f"--- {outcome.folder.script(piece.index).name}", *outside, *inside]))
        lines.append(scheduler.script(outcome.folder, plan, piece, ()))
    return lines
