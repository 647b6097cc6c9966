"""A job puts itself back into the queue, and keeps away from nodes that speak against themselves.

Only a job that runs is put back: Slurm would put back one, too, that is being cancelled. ``ExcNodeList`` can be set
for waiting jobs alone (seen with 22.05), so it is set between the requeue and the end of the body, whose processes
all get SIGTERM meanwhile: they ignore it.
"""

import re
import signal
from collections.abc import Callable, Sequence

from rhodiff.errors import EnvironmentLacksError, SchedulerUnreachableError
from rhodiff.jobs.slurm_commands import ask_slurm
from rhodiff.jobs.this_job import ThisJob
from rhodiff.runtime.node_list import expand_node_list

__all__ = ["exclude_nodes", "requeue"]

DEADLINE_S = 60.0


def requeue(job: ThisJob) -> str | None:
    """Put this job back into the queue.

    Returns:
        None, or why it could not be.
    """
    try:
        state = _state(job)
        if state != "RUNNING":
            return f"Slurm says that it is {state or 'in no state that we can read'}: it is being ended"
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        answer = ask_slurm(["scontrol", "requeue", job.name], DEADLINE_S)
    except (SchedulerUnreachableError, EnvironmentLacksError) as error:
        return str(error)
    return None if answer.returncode == 0 else answer.describe()


def exclude_nodes(job: ThisJob, nodes: Sequence[str], num_needed: int, log: Callable[[str], None]) -> None:
    """Have this job, which waits again, started on other nodes, if there are enough of them.

    Args:
        job: the job.
        nodes: nodes to keep away from, in addition to those that it keeps away from already.
        num_needed: nodes that it needs.
        log: told what was done.
    """
    try:
        wanted = sorted({*_excluded(job), *nodes})
        listed = ask_slurm(["sinfo", "-h", "-N", "-o", "%N", "-p", job.partition], DEADLINE_S).text().split()
        left = set(listed) - set(wanted)
        if len(left) < num_needed:
            log(f"{', '.join(nodes)} not excluded: partition '{job.partition}' would have {len(left)} nodes left")
            return
        ask_slurm(["scontrol", "update", f"jobid={job.name}", f"ExcNodeList={','.join(wanted)}"], DEADLINE_S).text()
    except (SchedulerUnreachableError, EnvironmentLacksError) as error:
        log(f"{', '.join(nodes)} not excluded: {error}")
    else:
        log(f"keeping away from {', '.join(wanted)}")


def _state(job: ThisJob) -> str:
    return _field(job, "JobState")


def _excluded(job: ThisJob) -> list[str]:
    text = _field(job, "ExcNodeList")
    return [] if text in {"", "(null)"} else expand_node_list(text)


def _field(job: ThisJob, name: str) -> str:
    """A field of the job; of the records that an array's id brings up only its own is looked at."""
    text = ask_slurm(["scontrol", "show", "job", "-o", job.own_id], DEADLINE_S).text()
    own = next((line for line in text.splitlines() if line.startswith(f"JobId={job.own_id} ")), text)
    found = re.search(rf"\b{name}=(\S+)", own)
    return found[1] if found else ""
