"""``rhodiff-hpc submit train --test``: ten steps on the cluster, and what the whole training takes."""

from dataclasses import asdict
from typing import TYPE_CHECKING

from rhodiff.cli.console import Console

if TYPE_CHECKING:
    from rhodiff.config.resources import StageResources
    from rhodiff.jobs.planning import Target
    from rhodiff.jobs.stage_submission import StageOutcome
    from rhodiff.stages.workspace import Workspace

__all__ = ["await_trial"]


def await_trial(
    console: Console,
    workspace: "Workspace",
    flags: "StageResources",
    outcome: "StageOutcome",
    target: "Target",
) -> None:
    """Wait for a trial that was begun, and show what it says.

    Args:
        console: where to.
        workspace: the experiment.
        flags: resources that the command line gives.
        outcome: of :func:`rhodiff.jobs.trial_run.begin_trial`.
        target: facts about it.

    Raises:
        typer.Exit: with code 1 if the trial failed.
    """
    from rhodiff.cli.waiting import wait_for
    from rhodiff.jobs.selection import Selected
    from rhodiff.jobs.trial import describe_trial
    from rhodiff.jobs.trial_run import finish_trial

    assert outcome.planned is not None and outcome.folder is not None, "a trial is always submitted"
    plan = outcome.planned.plan
    console.note(
        f"trial of {plan.run}: submission {plan.number}, job {', '.join(outcome.jobs.values())}"
        + (f" in partition {plan.allocation.partition}" if plan.allocation.partition else "")
    )
    console.begin("trial")
    wait_for(console, [Selected(outcome.folder, plan, plan.elements)])
    measure, estimate = finish_trial(workspace, flags, outcome, target)
    value = {"stage": "train", "trial": {**asdict(measure), "step_s": measure.step_s}, "estimate": asdict(estimate)}
    console.result(describe_trial(measure, estimate, plan.allocation.nodes), value)
