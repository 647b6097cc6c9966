"""``make soak``: thousands of trivial tasks on a real cluster, each exactly once, and what handling them costs.

Two arrays: one over MaxArraySize, split into several calls, of which some tasks are cancelled while they wait and
some fail; and one where only four jobs may be in the queue, so that tasks share jobs. Then what is not done runs
again, and nothing else.
"""

import argparse
import random
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from slurm_cluster import Cluster, new_cluster, wait_until, why_not_here
from trivial_array import TrivialArray, files_per_task

from rhodiff.jobs.element_state import ElementState
from rhodiff.jobs.limits import forget_limits
from rhodiff.jobs.registry import Submission
from rhodiff.jobs.slurm_commands import recorded_calls

UNSETTLED = {ElementState.PENDING, ElementState.RUNNING, ElementState.UNKNOWN, ElementState.NOT_SUBMITTED}


@dataclass
class Soaked:
    """What was measured on one array.

    Attributes:
        name: the case.
        tasks: number of tasks.
        calls: calls of sbatch.
        jobs: jobs, each task of an array counts.
        submit_s: planning and submitting.
        status_s: the longest of three looks: just submitted, in the middle, at the end.
        status_calls: most calls of the scheduler that a look needed.
        run_s: from the submission to the end of the last task.
        files: files a task in the submission's folder.
        lost: tasks that were cancelled or failed at first.
        wrong_once: tasks that did not run exactly as often as they should, before the retry.
        retried: tasks that the retry ran.
        wrong_twice: tasks that did not run exactly once in the end.
    """

    name: str
    tasks: int
    calls: int = 0
    jobs: int = 0
    submit_s: float = 0.0
    status_s: float = 0.0
    status_calls: int = 0
    run_s: float = 0.0
    files: float = 0.0
    lost: int = 0
    wrong_once: int = 0
    retried: int = 0
    wrong_twice: int = 0

    def look(self, array: TrivialArray, submission: Submission) -> dict[ElementState, int]:
        """One look at how it stands, timed."""
        with recorded_calls() as calls:
            (state,), seconds = timed(lambda: array.state(submission))
        self.status_s, self.status_calls = max(self.status_s, seconds), max(self.status_calls, len(calls))
        return state.count()


def soak(cluster: Cluster, name: str, array: TrivialArray, *, cancelled: int, sick: int, patience_s: float) -> Soaked:
    """Run an array of which some tasks are lost, then what was lost.

    Args:
        cluster: the cluster, which SLURM_CONF names.
        name: the case.
        array: the array.
        cancelled: jobs to cancel while they wait.
        sick: tasks that fail the first time.
        patience_s: longest wait for the tasks.
    """
    forget_limits()  # they are changed between cases
    found, chance = Soaked(name, array.num_tasks), random.Random(37)
    lost = chance.sample(range(array.num_tasks // 2, array.num_tasks), cancelled + sick)
    array.make_sick(lost[cancelled:])
    submission, found.submit_s = timed(array.submit)
    cancel(cluster, submission, lost[:cancelled])
    found.calls, found.jobs = len(submission.plan.pieces), sum(piece.count for piece in submission.plan.pieces)
    begun = time.monotonic()
    found.look(array, submission)
    wait_until(lambda: len(array.times_run()) > array.num_tasks // 2, "half of the tasks", patience_s, 0.5)
    found.look(array, submission)
    wait_until(lambda: not UNSETTLED & set(array.state(submission)[0].count()), "the end", patience_s, 1.0)
    found.run_s = time.monotonic() - begun
    counts = found.look(array, submission)
    found.files, found.lost = files_per_task(submission), array.num_tasks - counts.get(ElementState.DONE, 0)
    found.wrong_once = num_wrong(array, {task: int(task not in lost) for task in range(array.num_tasks)})
    before = array.times_run()
    again = array.retry(submission)
    wait_until(lambda: not UNSETTLED & set(array.state(again)[0].count()), "the end of the retry", patience_s, 1.0)
    found.retried = (array.times_run() - before).total()
    found.wrong_twice = num_wrong(array, dict.fromkeys(range(array.num_tasks), 1))
    return found


def cancel(cluster: Cluster, submission: Submission, tasks: list[int]) -> None:
    """Cancel single tasks of arrays, by the scheduler's own command."""
    state = TrivialArray(submission.folder.path.parent.parent, 0).state(submission)[0]
    for task in tasks:
        piece = next(p for p in submission.plan.pieces if p.first <= task < p.first + p.count)
        cluster.command("scancel", f"{state.jobs[piece.index]}_{task - piece.first}")


def num_wrong(array: TrivialArray, expected: dict[int, int]) -> int:
    """Tasks that did not run as often as expected."""
    times = array.times_run()
    return sum(times[task] != count for task, count in expected.items())


def timed(work: Callable[[], Any]) -> tuple[Any, float]:
    """What it returns, and the seconds it took."""
    begun = time.monotonic()
    return work(), time.monotonic() - begun


def table(rows: list[Soaked]) -> str:
    """What was measured, a column a case."""
    lines = [
        f"{field.name:<14}" + "".join(f"{shown(getattr(row, field.name)):>18}" for row in rows)
        for field in fields(Soaked)
    ]
    return "\n".join(lines)


def shown(value: str | float) -> str:
    return f"{value:.2f}" if isinstance(value, float) else str(value)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tasks", type=int, default=2500)
    parser.add_argument("--lost", type=int, default=37)
    options = parser.parse_args()
    if reason := why_not_here():
        print(reason, file=sys.stderr)
        return 5
    cluster = new_cluster(Path(tempfile.mkdtemp(prefix="rho-soak-")))
    with cluster.running(), tempfile.TemporaryDirectory() as runs:
        cancelled = options.lost // 2
        whole = TrivialArray(Path(runs) / "whole", options.tasks)
        rows = [soak(cluster, "arrays", whole, cancelled=cancelled, sick=options.lost - cancelled, patience_s=3600)]
        print(table(rows), flush=True)
        with cluster.submit_limit(4):
            packed = TrivialArray(Path(runs) / "packed", options.tasks)
            rows.append(soak(cluster, "4 jobs at most", packed, cancelled=0, sick=options.lost, patience_s=3600))
    print(table(rows))
    return int(any(row.wrong_once or row.wrong_twice or row.retried != options.lost for row in rows))


if __name__ == "__main__":
    sys.exit(main())
