"""``cancel`` and ``logs`` on a real cluster: what is cancelled saves, stays out of the queue, and says so."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from slurm_cluster import wait_until
from submitted import make_plan

from rhodiff.jobs.registry import create_submission, hold_submissions, submit_pieces
from rhodiff.jobs.submission import SlurmScheduler
from rhodiff.jobs.submission_plan import BodyRules, Piece
from rhodiff.store.layout import RunFolder

SAVES_WHEN_TOLD = """
trap 'echo saved; exit 75' USR1 TERM
echo begun $0
while :; do sleep 0.1; done
"""
COUNTS = 'for k in 1 2 3 4 5 6; do echo "step $k of $0"; sleep 0.5; done'


class Sample:
    """A submission of an array in a run folder of its own, and commands about it."""

    def __init__(self, cluster, folder, script, num_elements, throttle=None):
        self.folder, self.run = folder, RunFolder(folder / "runs" / "demo-12345678")
        self.plan = make_plan(
            num_elements=num_elements,
            cluster=cluster.name,
            stage="sample",
            run=self.run.path.name,
            folder=str(folder),
            command=("bash", "-c", script, "{part}"),
            rules=BodyRules(stop_margin_s=60, patience_after_term_s=20.0),
            pieces=[Piece(0, 0, num_elements, is_array=True, throttle=throttle)],
        )
        scheduler = SlurmScheduler()
        with hold_submissions(self.run.jobs):
            self.submission = create_submission(self.run.jobs, self.plan, "name: demo\n", scheduler)
            self.job = submit_pieces(scheduler, self.submission, self.plan)[0]

    def call(self, *words):
        """Run ``rhodiff-hpc`` in the experiment's folder."""
        command = [sys.executable, "-m", "rhodiff.cli", *words]
        environment = {**os.environ, "RHODIFF_FAST_WATCH": "1"}
        return subprocess.run(command, cwd=self.folder, env=environment, capture_output=True, text=True, timeout=120)

    def cancel(self, *words):
        ended = self.call("cancel", *words, "--json")
        assert ended.returncode == 0, ended.stderr
        (cancelled,) = json.loads(ended.stdout)["cancelled"]
        return cancelled

    def log(self, element):
        path = self.submission.log(self.job, element)
        return path.read_text() if path.exists() else ""


@pytest.fixture
def sample(cluster, tmp_path):
    Path(tmp_path).chmod(0o755)

    def make(*words, **options):
        return Sample(cluster, tmp_path, *words, **options)

    return make


def queued(sample):
    words = ["squeue", "-h", "-r", "-j", sample.job, "-o", "%K %T"]
    return sorted(subprocess.run(words, capture_output=True, text=True).stdout.splitlines())


def test_cancelled_elements_save_and_stay_out_of_the_queue(sample):
    jobs = sample(SAVES_WHEN_TOLD, 5, throttle=2)
    wait_until(lambda: "begun" in jobs.log(0) and "begun" in jobs.log(1), "two elements at work")
    assert jobs.cancel("1:1,4")["jobs"] == [f"{jobs.job}_1", f"{jobs.job}_4"]
    wait_until(lambda: "begun" in jobs.log(2), "another element in the free place")
    wait_until(lambda: queued(jobs) == ["0 RUNNING", "2 RUNNING", "3 PENDING"], "the others, untouched")
    assert "saved" in jobs.log(1)
    cancelled = jobs.cancel("last")
    assert (cancelled["whole"], cancelled["jobs"], cancelled["elements"]) == (True, [jobs.job], [0, 2, 3])
    wait_until(lambda: queued(jobs) == [] or all("CANCELLED" in line for line in queued(jobs)), "an empty queue")
    assert "saved" in jobs.log(0)
    shown = jobs.call("status", "1:0-4")
    assert "5 cancelled" in shown.stdout, shown.stdout
    assert jobs.call("cancel", "all").stdout.startswith("nothing to cancel")


def test_a_log_is_followed_until_its_job_ends(sample):
    jobs = sample(COUNTS, 1)
    shown = jobs.call("logs", "--follow", "-n", "3")
    assert shown.returncode == 0, shown.stderr
    lines = shown.stdout.splitlines()
    assert [line for line in lines if line.startswith("step")] == [f"step {k} of 0/1" for k in range(1, 7)]
    assert lines[0].startswith(f"==> submission 1 (sample), job {jobs.job}")
    assert lines[-1].endswith("done <==")
