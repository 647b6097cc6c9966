"""Submissions to local processes whose elements are a line of bash, under the real body of jobs."""

import secrets
import time

from rhodiff.jobs.calls import CallRecord
from rhodiff.jobs.local import LocalScheduler
from rhodiff.jobs.local_record import read_piece_state
from rhodiff.jobs.selection import Selected
from rhodiff.jobs.state import observe_submissions
from rhodiff.jobs.submission_plan import Allocation, BodyRules, Launch, Piece, SubmissionPlan
from rhodiff.store.files import write_json
from rhodiff.store.layout import JobsFolder

DEADLINE_S = 60.0


def wait_until(claim, deadline_s=DEADLINE_S):
    end = time.monotonic() + deadline_s
    while not (answer := claim()):
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)
    return answer


class LocalSubmission:
    """A submission of one piece; the script's ``$0`` is ``k/n``.

    Args:
        experiment: folder of the experiment.
        script: what an element runs.
        num_elements: number of elements.
        changes: other values of the plan.
    """

    def __init__(self, experiment, script, num_elements=1, *, pack=1, **changes):
        self.scheduler = LocalScheduler(experiment / "runs")
        count = -(-num_elements // pack)
        values = {
            "token": secrets.token_hex(4),
            "number": 1,
            "cluster": self.scheduler.cluster,
            "scheduler": "local",
            "stage": "prepare",
            "run": "demo-12345678",
            "folder": str(experiment),
            "created": "2026-01-01T00:00:00Z",
            "user": "ada",
            "host": "here",
            "site": "generic",
            "command": ("bash", "-c", script, "{part}"),
            "num_parts": num_elements,
            "elements": tuple(range(num_elements)),
            "side_by_side": 1,
            "allocation": Allocation(walltime_min=1),
            "launch": Launch(),
            "rules": BodyRules(stop_margin_s=5),
            "pieces": (Piece(0, 0, count, is_array=True),),
        }
        self.plan = SubmissionPlan(pack=pack, **{**values, **changes})
        run = JobsFolder(experiment / "runs" / self.plan.run / "jobs")
        self.folder = run.submission(self.plan.cluster, self.plan.token)
        write_json(self.folder.plan, self.plan.to_plain())
        self.job_id = None

    def submit(self, after=()):
        calls, name = CallRecord(self.folder), self.plan.job_name(0)
        calls.intend(0, name)
        self.job_id = self.scheduler.submit(self.folder, self.plan, self.plan.pieces[0], after)
        calls.accept(0, name, self.job_id)
        return self

    @property
    def state(self):
        """How it stands."""
        (state,) = observe_submissions([Selected(self.folder, self.plan, self.plan.elements)])
        return state

    @property
    def states(self):
        return [status.state.value for status in self.state.elements]

    def wait(self):
        """The states of its elements when nothing goes on by itself."""
        wait_until(lambda: not any(status.state.may_go_on_by_itself for status in self.state.elements))
        wait_until(lambda: read_piece_state(self.folder.local_record(0)).is_over)
        return self.states

    def wait_for_line(self, element, line):
        log = self.folder.log(self.job_id, element)
        wait_until(lambda: log.exists() and line in log.read_text().splitlines())

    def printed(self, element):
        """Lines that an element itself has printed."""
        lines = self.folder.log(self.job_id, element).read_text().splitlines()
        return [line for line in lines if " rhodiff: " not in line]
