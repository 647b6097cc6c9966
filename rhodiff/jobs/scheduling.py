"""Which scheduler runs, or ran, a submission: Slurm, or this machine's own processes.

Loaded when it is asked for: submitit is needed to submit, not to look.
"""

from pathlib import Path
from shutil import which
from typing import Literal

from rhodiff.jobs.scheduler import Scheduler
from rhodiff.jobs.submission_plan import SubmissionPlan
from rhodiff.store.layout import SubmissionFolder

__all__ = ["find_scheduler", "scheduler_for"]


def find_scheduler(runs: Path, kind: Literal["slurm", "local"] | None = None) -> Scheduler:
    """The scheduler of this machine.

    Args:
        runs: folder of all runs.
        kind: which; None: Slurm where its commands are on the PATH, else local processes.

    Raises:
        EnvironmentLacksError: if Slurm is asked for and not here.
        SchedulerUnreachableError: if Slurm does not answer.
    """
    if (kind or ("slurm" if which("sbatch") else "local")) == "local":
        from rhodiff.jobs.local import LocalScheduler

        return LocalScheduler(runs)
    from rhodiff.jobs.submission import SlurmScheduler

    return SlurmScheduler()


def scheduler_for(folder: SubmissionFolder, plan: SubmissionPlan) -> Scheduler:
    """The scheduler that a submission was made to, as far as it is the one of this machine.

    Args:
        folder: folder of the submission.
        plan: its plan.
    """
    return find_scheduler(folder.path.parents[2], plan.scheduler)
