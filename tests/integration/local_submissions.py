"""Submissions to local processes whose elements are a line of bash, under the real body of jobs."""

import time

from submitted import hand_over, make_plan, submitted

from rhodiff.jobs.local import LocalScheduler
from rhodiff.jobs.local_record import read_piece_state
from rhodiff.jobs.selection import Selected
from rhodiff.jobs.state import observe_submissions
from rhodiff.jobs.submission_plan import Allocation, BodyRules

DEADLINE_S = 180.0


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
        values = {"allocation": Allocation(walltime_min=1), "rules": BodyRules(stop_margin_s=5), **changes}
        self.plan = make_plan(
            num_elements=num_elements,
            pack=pack,
            cluster=self.scheduler.cluster,
            scheduler="local",
            folder=str(experiment),
            command=("bash", "-c", script, "{part}"),
            **values,
        )
        self.folder = submitted(experiment / "runs", self.plan)
        self.job_id = None

    def submit(self, after=()):
        self.job_id = self.scheduler.submit(self.folder, self.plan, self.plan.pieces[0], after)
        hand_over(self.folder, self.plan, {0: self.job_id})
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
