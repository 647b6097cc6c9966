"""Supervisors of pieces whose bodies are a line of bash, as real processes; also the program that is one."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

from submitted import make_plan, submitted

from rhodiff.jobs import local_task
from rhodiff.jobs.local_dependencies import find_awaited
from rhodiff.jobs.local_processes import Machine, start_ticks
from rhodiff.jobs.local_record import LocalRecord, Supervised, read_piece_state
from rhodiff.jobs.local_supervisor import Supervisor
from rhodiff.jobs.local_task import TimeLimit
from rhodiff.jobs.submission_plan import read_plan
from rhodiff.store.layout import SubmissionFolder

DEADLINE_S = 180.0


def wait_until(claim, deadline_s=DEADLINE_S):
    end = time.monotonic() + deadline_s
    while not (answer := claim()):
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)
    return answer


class ToldClock:
    """A clock in a file, which a test sets."""

    def __init__(self, path):
        self._path = path

    def monotonic(self):
        return float(self._path.read_text()) if self._path.exists() else 0.0


class Supervision:
    """A supervisor in a process of its own.

    Args:
        runs: folder of runs.
        script: what a body does.
        limit: values of the time limit.
        after: what it waits for.
        is_told_the_time: jobs get older by :meth:`set_clock` alone.
        plan: other values of the plan.
    """

    def __init__(self, runs, script, limit=None, after=(), *, is_told_the_time=False, **plan):
        self.plan = make_plan(cluster="local-here", scheduler="local", folder=str(runs.parent), **plan)
        self.folder = submitted(runs, self.plan)
        asked = {
            "script": script.replace("MARKERS", str(self.folder.markers)),
            "limit": limit or [60.0, 5.0, 5.0],
            "after": list(after),
            "is_told_the_time": is_told_the_time,
        }
        words = [sys.executable, __file__, str(self.folder.path), json.dumps(asked)]
        self.process = subprocess.Popen(words, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)})
        wait_until(lambda: self.state)

    @property
    def state(self):
        return read_piece_state(self.folder.local_record(0))

    @property
    def job_id(self):
        return self.state.supervised.job_id

    @property
    def states(self):
        return [task.state for task in self.state.tasks]

    def log(self, task):
        """What a job has printed by now."""
        path = self.folder.log(self.job_id, task)
        return path.read_text() if path.exists() else ""

    def wait_for_line(self, task, line):
        wait_until(lambda: line in self.log(task).splitlines())

    def set_clock(self, seconds):
        """Have jobs be so old."""
        new = self.folder.path / "clock.new"
        new.write_text(str(seconds))
        new.rename(self.folder.path / "clock")

    def wait(self):
        """The states of its jobs at the end."""
        assert self.process.wait(DEADLINE_S) == 0
        return self.states

    def end(self):
        """Whatever a test left running."""
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(DEADLINE_S)


def main(path, text):
    folder, asked = SubmissionFolder(Path(path)), json.loads(text)
    if asked["is_told_the_time"]:
        local_task.time = ToldClock(folder.path / "clock")
    plan = read_plan(folder.plan)
    piece, pid = plan.pieces[0], os.getpid()
    job_id = f"{pid}-{start_ticks(pid)}"
    supervisor = Supervisor(folder, plan, piece, job_id, TimeLimit(*asked["limit"]), ["bash", "-c", asked["script"]])
    first = Supervised(
        job_id, plan.job_name(0), Machine.here(), pid, start_ticks(pid), piece.count, is_array=piece.is_array
    )
    assert LocalRecord(folder.local_record(0)).open(first)
    supervisor.run(find_awaited(folder.path.parents[2], asked["after"]))


if __name__ == "__main__":
    main(*sys.argv[1:])
