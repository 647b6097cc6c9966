"""A driver that submits three trivial pieces as ``rhodiff-hpc submit`` does, in a process that may be killed."""

import getpass
import os
import socket
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from experiments import (
    SERVER,
)  # a session has one fork server: a second list of modules to load would replace its own

from rhodiff.jobs.calls import CallRecord
from rhodiff.jobs.registry import (
    create_submission,
    hold_submissions,
    new_token,
    next_number,
    submissions_of_run,
    submit_pieces,
)
from rhodiff.jobs.submission import SlurmScheduler
from rhodiff.jobs.submission_plan import Allocation, BodyRules, Launch, Piece, SubmissionPlan
from rhodiff.store.journal import utc_now
from rhodiff.store.layout import JobsFolder

THREE = (
    Piece(0, 0, 2, is_array=True),
    Piece(1, 0, 1, is_array=False, link=1),
    Piece(2, 1, 1, False, link=1, after=(0,)),
)


def plan_of(jobs: JobsFolder, cluster: str, **changes) -> SubmissionPlan:
    """Two elements in an array and two single jobs over them, with anything changed."""
    values = {
        "token": new_token(),
        "number": next_number(jobs),
        "cluster": cluster,
        "scheduler": "slurm",
        "stage": "prepare",
        "run": jobs.path.parent.name,
        "folder": str(jobs.path.parents[2]),
        "created": utc_now(),
        "user": getpass.getuser(),
        "host": socket.gethostname(),
        "site": "generic",
        "command": ("sh", "-c", "echo part {part}"),
        "num_parts": 2,
        "elements": (0, 1),
        "pack": 1,
        "side_by_side": 1,
        "allocation": Allocation(walltime_min=5),
        "launch": Launch(),
        "rules": BodyRules(),
        "pieces": THREE,
        **changes,
    }
    return SubmissionPlan(**values)


@dataclass
class Driver:
    """Submits, or goes on submitting, for one run.

    Attributes:
        run: the run folder.
        changes: of the plan.
        environment: further variables.
        patience_s: how long a request that was sent may take to arrive.
    """

    run: Path
    changes: Mapping = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    patience_s: float = 2.0

    @property
    def jobs(self) -> JobsFolder:
        return JobsFolder(self.run / "jobs")

    def start(self):
        """Submit in a process of its own."""
        process = SERVER.Process(target=_drive, args=(self, os.environ.get("SLURM_CONF")))
        process.start()
        return process

    def submit(self) -> dict[int, str]:
        """Submit here."""
        with hold_submissions(self.jobs, "submitting"):
            scheduler, found = SlurmScheduler(), submissions_of_run(self.jobs)
            if found:
                return submit_pieces(scheduler, found[0].folder, found[0].plan)
            plan = plan_of(self.jobs, scheduler.cluster, **self.changes)
            folder = create_submission(self.jobs, plan, "name: trivial\n", scheduler)
            return submit_pieces(scheduler, folder, plan)

    def num_events(self) -> int:
        """How far it is: lines and files that it wrote."""
        num_files = sum(len(files) for _, _, files in os.walk(self.jobs.path))
        return num_files + sum(path.read_bytes().count(b"\n") for path in self.jobs.path.glob("[!.]*/calls.jsonl"))

    def names(self) -> list[str]:
        """Names of the jobs that there must be."""
        (submission,) = submissions_of_run(self.jobs)
        return [submission.plan.job_name(piece.index) for piece in submission.plan.pieces]

    def recorded(self) -> dict[str, str]:
        """Id by name, as the record of calls has it."""
        (submission,) = submissions_of_run(self.jobs)
        calls = CallRecord(submission.folder).read().values()
        return {call.job.name: call.job.job_id for call in calls if call.job is not None}


def _drive(driver: Driver, conf: str | None) -> None:
    from rhodiff.jobs import submission

    os.environ.update({"SLURM_CONF": conf or "", **driver.environment})
    submission.ARRIVES_WITHIN_S = submission.ARRIVES_LATE_WITHIN_S = driver.patience_s

    driver.submit()


def jobs_by_name(cluster) -> dict[str, set[str]]:
    """All jobs that the cluster knows, ended ones too: ids by name."""
    found: dict[str, set[str]] = {}
    for line in cluster.command("squeue", "-h", "-t", "all", "-o", "%F|%j").splitlines():
        job_id, _, name = line.partition("|")
        found.setdefault(name, set()).add(job_id)
    return found


def count_calls(drivers: list[Driver]) -> Counter:
    """How often each event was recorded."""
    return Counter(
        line.split('"event": "')[1].split('"')[0]
        for driver in drivers
        for path in driver.jobs.path.glob("*/calls.jsonl")
        for line in path.read_text().splitlines()
        if '"event": "' in line
    )
