"""``rhodiff-hpc cancel``: end jobs, for good."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from rhodiff.cli.console import Console
from rhodiff.cli.job_options import RunWord, SelectorWord, States
from rhodiff.cli.options import ConfigFile, DryRun, JsonOutput
from rhodiff.errors import ConfigError, SchedulerUnreachableError, SubmissionUncertainError

if TYPE_CHECKING:
    from rhodiff.jobs.cancelling import Cancellation

__all__ = ["cancel"]


def cancel(
    run: RunWord = None,
    selector: SelectorWord = None,
    states: States = None,
    config: ConfigFile = Path("rhodiff.yaml"),
    dry_run: DryRun = False,
    as_json: JsonOutput = False,
) -> None:
    """End jobs for good: they do not go back into the queue. What is done stays done."""
    from rhodiff.jobs.cancelling import cancel_submissions, plan_cancellation
    from rhodiff.jobs.scheduling import scheduler_for
    from rhodiff.jobs.selection import runs_folder, select, split_words
    from rhodiff.jobs.state import observe_submissions

    if run is None:
        raise ConfigError("say what to cancel: a run, all, last, 3 (a submission), or 3:5-8 (elements of it)")
    only = states or []
    name, wanted = split_words(run, selector)
    seen = observe_submissions(select(runs_folder(config), name, wanted))
    planned = [plan_cancellation(state, only) for state in seen]
    found = [one for one in planned if one is not None]
    if not dry_run:
        try:
            cancel_submissions(found, scheduler_for)
        except (SchedulerUnreachableError, SubmissionUncertainError) as error:
            marked = "; ".join(one.describe() for one in found)
            raise type(error)(
                f"{error}\nmarked as cancelled all the same, so that jobs do nothing when they begin and do not go "
                f"back into the queue: {marked}. Repeat the command to end what runs"
            ) from error
    verb = "would cancel" if dry_run else "cancelled"
    lines = [f"{verb} {one.describe()}" for one in found] or ["nothing to cancel: nothing of it waits or runs"]
    if found and not dry_run:
        lines.append("'rhodiff-hpc retry' submits again what is not done")
    value = {"dry_run": dry_run, "cancelled": [_plain(one) for one in found]}
    Console(as_json=as_json).result("\n".join(lines), value)


def _plain(one: "Cancellation") -> dict[str, Any]:
    plan = one.state.plan
    return {
        "run": plan.run,
        "submission": plan.number,
        "stage": plan.stage,
        "token": plan.token,
        "whole": one.is_whole,
        "elements": list(one.elements),
        "jobs": list(one.jobs),
    }
