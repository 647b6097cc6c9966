"""What to do about a failure."""

from collections.abc import Sequence

from rhodiff.jobs.failure import Failure
from rhodiff.jobs.submission_plan import SubmissionPlan

__all__ = ["advise_failure"]


def advise_failure(failure: Failure, plan: SubmissionPlan, name: str, bad_nodes: Sequence[str]) -> str:
    """One sentence with the command that goes on.

    Args:
        failure: why an element failed.
        plan: its submission.
        name: how to name it on the command line.
        bad_nodes: nodes that the failures speak against.
    """
    again = f"rhodiff-hpc retry {name}"
    if bad_nodes:
        return f"{again} --exclude {','.join(bad_nodes)}"
    if failure.out_of_memory:
        return f"{_more_memory(plan)}: {again} --memory-gb {2 * (plan.allocation.memory_gb or 4):g}"
    word = failure.state.split()[0].rstrip("+") if failure.state else ""
    if word in {"NODE_FAIL", "PREEMPTED", "BOOT_FAIL", "LAUNCH_FAILED"}:
        return f"nothing is wrong with the work itself: {again}"
    if word in {"TIMEOUT", "DEADLINE"}:
        minutes = plan.allocation.walltime_min
        return f"it needs more than {minutes} min: {again} --time {2 * minutes}"
    if failure.code == 5:
        return f"mend the environment ('setup' of the site profile, or the venv of the jobs); then {again}"
    return f"mend what the log says; then {again}   (the whole log: rhodiff-hpc logs {name} --state failed)"


def _more_memory(plan: SubmissionPlan) -> str:
    now = "the partition's default" if plan.allocation.memory_gb is None else f"{plan.allocation.memory_gb:g} GB"
    side = ", fewer elements side by side" if plan.side_by_side > 1 else ""
    return f"ask for more memory (now {now}){side}, or make the work smaller"
