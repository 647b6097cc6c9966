"""Arrays of tasks that do next to nothing, planned, packed and submitted as a stage's parts are."""

import getpass
import socket
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from rhodiff.config.resources import StageResources
from rhodiff.jobs.limits import count_queued_jobs, find_room, read_limits
from rhodiff.jobs.planning import Stamp, Target, Work, plan_submission
from rhodiff.jobs.registry import (
    Submission,
    create_submission,
    hold_submissions,
    new_token,
    next_number,
    submit_pieces,
)
from rhodiff.jobs.retry_submission import RetryChanges, retry_run
from rhodiff.jobs.scheduling import scheduler_for
from rhodiff.jobs.selection import Selected
from rhodiff.jobs.sites import SiteProfile
from rhodiff.jobs.stage_resources import allocate
from rhodiff.jobs.state import SubmissionState, observe_submissions
from rhodiff.jobs.submission import SlurmScheduler
from rhodiff.store.journal import utc_now
from rhodiff.store.layout import RunFolder

PROFILE = SiteProfile(description="the testbed", updated="2026-01-01", source="tests/slurm/cluster")

TASK = """
k=${0%%/*}
mkdir -p "$1"
until [ -z "$2" ] || [ -e "$2" ]; do sleep 0.1; done
if [ -e "$1/../sick/$k" ]; then rm "$1/../sick/$k"; echo "task $k is ill" >&2; exit 1; fi
echo "$SLURM_JOB_ID" >> "$1/$k"
"""
"""A task appends a line to a file of its own; one that is marked as sick fails once."""


@dataclass
class TrivialArray:
    """An array in a run folder of its own.

    Attributes:
        run: the run folder.
        num_tasks: number of its tasks.
        resources: what its jobs ask for.
        gate: tasks wait until this file is there.
    """

    run: Path
    num_tasks: int
    resources: StageResources = field(default_factory=lambda: StageResources(walltime_min=60))
    gate: Path | None = None

    @property
    def ran(self) -> Path:
        """Folder with a file for each task that ran, a line for each time."""
        return self.run / "ran"

    def make_sick(self, tasks: Sequence[int]) -> None:
        """Have some tasks fail the next time."""
        folder = self.run / "sick"
        folder.mkdir(parents=True, exist_ok=True)
        for task in tasks:
            (folder / str(task)).touch()

    def open_gate(self) -> None:
        """Let the tasks go on."""
        assert self.gate is not None
        self.gate.touch()

    def submit(self) -> Submission:
        """Plan all tasks by the cluster's limits and hand them over."""
        scheduler, jobs, cluster = SlurmScheduler(), RunFolder(self.run).jobs, read_limits()
        room = find_room(cluster, allocate("prepare", self.resources, PROFILE, on_devices=False), count_queued_jobs())
        target = Target("slurm", cluster.name, "testbed", PROFILE, room)
        elements = tuple(range(self.num_tasks))
        work = Work("prepare", RunFolder(self.run), self.run, self.num_tasks, elements, sys.executable)
        self.run.mkdir(parents=True, exist_ok=True)
        with hold_submissions(jobs):
            stamp = Stamp(new_token(), next_number(jobs), utc_now(), getpass.getuser(), socket.gethostname())
            plan = plan_submission(work, self.resources, target, stamp).plan
            plan = replace(plan, command=("/bin/sh", "-c", TASK, "{part}", str(self.ran), str(self.gate or "")))
            folder = create_submission(jobs, plan, "name: trivial\n", scheduler)
            submit_pieces(scheduler, folder, plan)
        return Submission(folder, plan)

    def retry(self, submission: Submission) -> Submission:
        """Run again what is not done."""
        wanted = {submission.folder.path: submission.plan.elements}
        (retried,) = retry_run(RunFolder(self.run), wanted, RetryChanges(), scheduler_for).retried
        return Submission(retried.folder, retried.plan)

    def state(self, *submissions: Submission) -> list[SubmissionState]:
        """How submissions stand."""
        return observe_submissions([Selected(one.folder, one.plan, one.plan.elements) for one in submissions])

    def times_run(self) -> Counter[int]:
        """How often each task ran to its end."""
        files = self.ran.iterdir() if self.ran.exists() else ()
        return Counter({int(file.name): len(file.read_text().splitlines()) for file in files})


def files_per_task(submission: Submission) -> float:
    """Files in a submission's folder, by number of its tasks."""
    return sum(path.is_file() for path in submission.folder.path.rglob("*")) / len(submission.plan.elements)
