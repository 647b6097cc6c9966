"""Submissions on disk without a scheduler: plans, marker files and the record of what was handed over."""

import getpass
import secrets

from rhodiff.jobs.attempts import Attempt, write_end, write_start
from rhodiff.jobs.calls import CallRecord
from rhodiff.jobs.submission_plan import Allocation, BodyRules, Launch, Piece, SubmissionPlan
from rhodiff.store.files import write_json
from rhodiff.store.layout import JobsFolder

STARTED = {"started": "2026-01-01T00:00:00.000Z"}


def make_plan(*, num_elements=4, elements=None, pieces=None, pack=1, **changes):
    """A plan of one array over all elements, with anything changed."""
    elements = tuple(range(num_elements)) if elements is None else tuple(elements)
    count = -(-len(elements) // pack)
    values = {
        "token": secrets.token_hex(4),
        "number": 1,
        "cluster": "testbed",
        "scheduler": "slurm",
        "stage": "prepare",
        "run": "demo-12345678",
        "folder": "/nowhere",
        "created": "2026-01-01T00:00:00Z",
        "user": getpass.getuser(),
        "host": "login1",
        "site": "generic",
        "command": ("true", "{part}"),
        "num_parts": max(elements, default=0) + 1,
        "allocation": Allocation(),
        "launch": Launch(),
        "rules": BodyRules(),
        "pieces": (Piece(0, 0, count, is_array=True),) if pieces is None else tuple(pieces),
        "side_by_side": 1,
        **changes,
    }
    return SubmissionPlan(elements=elements, pack=pack, **values)


def submitted(runs, plan):
    """The folder of a plan under a folder of runs, as ``submit`` leaves it before it calls the scheduler."""
    folder = JobsFolder(runs / plan.run / "jobs").submission(plan.cluster, plan.token)
    folder.markers.mkdir(parents=True)
    folder.logs.mkdir()
    write_json(folder.plan, plan.to_plain())
    return folder


def hand_over(folder, plan, jobs):
    """Record that pieces were handed over: piece -> id of its job, or None if nobody saw the answer."""
    record = CallRecord(folder)
    for piece, job in jobs.items():
        record.intend(piece, plan.job_name(piece))
        if job is not None:
            record.accept(piece, plan.job_name(piece), job)
    return folder


def attempt(folder, element, number, *, ended=True, **values):
    """Record an attempt at an element."""
    record = Attempt(
        number,
        **{"job": f"12_{element}", "restart": number - 1, "nodes": "rho1", "host": "rho1", **STARTED, **values},
    )
    write_start(folder.attempts(element), record)
    if ended:
        write_end(folder.attempts(element), record)
    return record


class Says:
    """A scheduler that says some records."""

    cluster = "testbed"

    def __init__(self, *records):
        self.records = list(records)

    def observe(self, _):
        return self.records


def handed_over(runs, **plan_values):
    """A plan and its folder, with every piece handed over: job 12 is the first, 13 the second."""
    plan = make_plan(**plan_values)
    jobs = {piece.index: str(12 + piece.index) for piece in plan.pieces}
    return plan, hand_over(submitted(runs, plan), plan, jobs)
