"""The submissions of runs, as files: made whole or not at all, found again, and handed to a scheduler exactly once.

A submission appears in one step, with its plan and its folders. From then on
:func:`~rhodiff.jobs.handover.submit_pieces` brings it into the queue. All that changes a run's submissions happens
under their lock. Nothing here loads pydantic, numpy or torch.
"""

import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from rhodiff.errors import RunBusyError
from rhodiff.jobs.calls import CallRecord
from rhodiff.jobs.handover import submit_pieces
from rhodiff.jobs.scheduler import KnownJob, Scheduler
from rhodiff.jobs.submission_plan import SubmissionPlan, read_plan
from rhodiff.store.files import storage_errors, write_atomic, write_json
from rhodiff.store.layout import JobsFolder, SubmissionFolder
from rhodiff.store.locks import hold_lock

__all__ = [
    "Submission",
    "create_submission",
    "hold_submissions",
    "known_jobs",
    "list_submissions",
    "new_token",
    "next_number",
    "open_submission",
    "submissions_of_run",
    "submit_pieces",
]

PATIENCE_S = 60.0
LOOK_S = 0.25
UNFINISHED = ".new-"
"""What the name of a submission's folder begins with until it is whole."""


@dataclass(frozen=True)
class Submission:
    """A submission that was made.

    Attributes:
        folder: its folder.
        plan: what it runs.
    """

    folder: SubmissionFolder
    plan: SubmissionPlan


@contextmanager
def hold_submissions(
    jobs: JobsFolder, work: str = "the submissions of this run", patience_s: float = PATIENCE_S
) -> Iterator[None]:
    """Hold the lock of a run's submissions, waiting for whoever has it.

    Args:
        jobs: the run's jobs.
        work: what for, named in the error of whoever waits in vain.
        patience_s: how long to wait.

    Raises:
        RunBusyError: if it is not free by then.
    """
    deadline = time.monotonic() + patience_s
    with ExitStack() as held:
        while True:
            try:
                held.enter_context(hold_lock(jobs.lock, work))
                break
            except RunBusyError:
                if time.monotonic() >= deadline:
                    raise
            time.sleep(LOOK_S)
        yield


def new_token() -> str:
    """8 hexadecimal digits that no other submission has."""
    return secrets.token_hex(4)


def next_number(jobs: JobsFolder) -> int:
    """Number of the next submission of a run; the lock is held."""
    return max((submission.plan.number for submission in submissions_of_run(jobs)), default=0) + 1


def create_submission(jobs: JobsFolder, plan: SubmissionPlan, config: str, scheduler: Scheduler) -> SubmissionFolder:
    """Make the folder of a submission, whole; the lock is held.

    Args:
        jobs: the run's jobs.
        plan: what it runs.
        config: text of the resolved experiment.
        scheduler: writes its scripts: what cannot be submitted is refused before anything is written.

    Returns:
        The folder. If the process fails or is killed before this, there is none.

    Raises:
        ConfigError: if the plan cannot be told to the scheduler.
        StorageError: if there is no room.
    """
    folder = jobs.submission(plan.cluster, plan.token)
    for piece in plan.pieces:
        scheduler.script(folder, plan, piece, ())
    _sweep(jobs)
    unfinished = SubmissionFolder(jobs.path / f"{UNFINISHED}{plan.token}")
    try:
        with storage_errors(folder.path):
            for made in (unfinished.logs, unfinished.markers):
                made.mkdir(parents=True)
        write_atomic(unfinished.config, lambda handle: handle.write(config.encode()))
        write_json(unfinished.plan, plan.to_plain())
        with storage_errors(folder.path):
            unfinished.path.rename(folder.path)
    finally:
        shutil.rmtree(unfinished.path, ignore_errors=True)
    return folder


def open_submission(folder: SubmissionFolder) -> Submission:
    """A submission by its folder.

    Raises:
        DataError: if its plan is missing or damaged.
    """
    return Submission(folder, read_plan(folder.plan))


def submissions_of_run(jobs: JobsFolder) -> list[Submission]:
    """All submissions of a run, by number."""
    found = [open_submission(folder) for folder in jobs.submissions() if not folder.path.name.startswith(UNFINISHED)]
    return sorted(found, key=lambda submission: submission.plan.number)


def list_submissions(runs: Path) -> list[Submission]:
    """All submissions of all runs, oldest first.

    Args:
        runs: folder of all runs; it need not exist.
    """
    folders = [JobsFolder(run / "jobs") for run in runs.iterdir()] if runs.is_dir() else []
    found = [submission for jobs in folders for submission in submissions_of_run(jobs)]
    return sorted(
        found, key=lambda submission: (submission.plan.created, submission.plan.run, submission.plan.number)
    )


def known_jobs(folder: SubmissionFolder) -> list[tuple[int, KnownJob]]:
    """Jobs that a scheduler took, by number of their piece."""
    calls = sorted(CallRecord(folder).read().items())
    return [(piece, call.job) for piece, call in calls if call.job is not None]


def _sweep(jobs: JobsFolder) -> None:
    """Remove what a killed driver did not finish; nobody else is at work, since the lock is held."""
    for path in jobs.path.glob(f"{UNFINISHED}*"):
        shutil.rmtree(path, ignore_errors=True)
