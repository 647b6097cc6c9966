"""What goes wrong around jobs on real sites: each works or is told; no state is wrong, nothing is doubled."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from experiments import Lab
from impatience import impatience
from slurm_cluster import Cluster, new_cluster, wait_until
from trivial_array import TrivialArray

import rhodiff
from rhodiff.jobs.element_state import ElementState
from rhodiff.jobs.limits import forget_limits

AHEAD = """
import datetime, time
real, ahead_s = time.time, 7200
time.time = lambda: real() + ahead_s
time.time_ns = lambda: int((real() + ahead_s) * 1e9)
class Clock(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return cls.fromtimestamp(time.time(), tz)
datetime.datetime = Clock
"""
"""Two hours ahead in every Python process that has it on its path (faketime breaks sleep of Python 3.11)."""
SBATCH = """#!/bin/sh
export PYTHONPATH="$RHO_CLOCK_OF_JOBS"
exec {sbatch} "$@"
"""
"""Hands a job another clock than that of whoever submits it."""
NO_HOME = "/proc/nobody"
"""A folder that not even root can make."""
SETTLED = {ElementState.DONE: 6}
MAY_BE = {ElementState.DONE, ElementState.RUNNING, ElementState.PENDING, ElementState.UNKNOWN}

EXPERIMENT = {
    "name": "small",
    "data": {"source": {"kind": "harmonics", "size": 8, "max_degree": 3}, "shard_length": 8},
    "model": {"width": 8, "multipliers": [1, 2], "norm_groups": 4, "heads": 1, "head_channels": 4},
    "training": {"iterations": 40, "batch_size": 4, "checkpoint_every": 10, "sheet_samples": 0},
    "runtime": {"threads": 1, "device": "cpu"},
}


@dataclass
class User:
    """Somebody who types ``rhodiff-hpc`` in a folder with an experiment.

    Attributes:
        folder: the folder.
        cluster: the cluster she is on.
    """

    folder: Path
    cluster: Cluster

    def __post_init__(self) -> None:
        self._lab = Lab(self.folder)

    def write(self, **training: int) -> None:
        """Write the experiment, with other settings of the training."""
        settings = EXPERIMENT | {"training": EXPERIMENT["training"] | training}
        self._lab = Lab.make(self.folder, settings)

    def types(self, *words: str, **variables: str) -> str:
        """Run a command that must succeed; what it prints on both streams."""
        ended = self._lab.do(*words, environment={"SLURM_CONF": str(self.cluster.conf), **variables})
        return ended.out + ended.err

    def types_elsewhere(self, *words: str, **variables: str) -> str:
        """The same, with the variables from the very start of its Python."""
        ended = subprocess.run(
            [sys.executable, "-m", "rhodiff.cli", *words],
            cwd=self.folder,
            env=self.cluster.environment | variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=300,
            check=False,
        )
        assert ended.returncode == 0, f"{words} ended with {ended.returncode}:\n{ended.stdout}"
        return ended.stdout

    def wait_for(self, stage: str, number: int = 1) -> None:
        """Wait for the done markers of a number of submissions of a stage."""
        wait_until(lambda: self.num_done(stage) >= number, f"{stage} done\n{self.logs()}")

    def num_done(self, stage: str) -> int:
        scripts = [p for p in self.folder.glob("runs/*/jobs/*/script-000.sbatch") if f"={stage}-" in p.read_text()]
        return sum((script.parent / "markers" / "000000.done.json").exists() for script in scripts)

    def attempts(self) -> list[dict[str, Any]]:
        """What was tried, of all submissions."""
        files = self.folder.glob("runs/*/jobs/*/markers/*.attempts.jsonl")
        return [json.loads(line) for file in files for line in file.read_text().splitlines()]

    def logs(self) -> str:
        return "\n".join(path.read_text() for path in self.folder.glob("runs/*/jobs/*/logs/*"))


@pytest.fixture
def user(cluster, tmp_path) -> User:
    made = User(tmp_path / "work", cluster)
    made.write()
    return made


@pytest.fixture
def array(tmp_path) -> TrivialArray:
    return TrivialArray(tmp_path / "run", 6, gate=tmp_path / "go")


def states(array, submission):
    (state,) = array.state(submission)
    return state.count()


def runs_through(array, submission):
    wait_until(lambda: states(array, submission) == SETTLED, "all tasks done")
    assert set(array.times_run().values()) == {1}


def looks(array, submission):
    """How it stands; nothing that is not true may be said on the way."""
    counts = states(array, submission)
    assert set(counts) <= MAY_BE, counts
    return counts


@pytest.mark.slow
def test_jobs_that_end_while_the_controller_is_away_are_told_rightly(cluster, array):
    submission = array.submit()
    wait_until(lambda: len(list(submission.folder.markers.glob("*.attempts.jsonl"))) == 6, "all at work")
    with cluster.without("slurmctld"), impatience():
        looks(array, submission)
        array.open_gate()
        wait_until(lambda: looks(array, submission) == SETTLED, "markers, which are there without any scheduler")
    runs_through(array, submission)


@pytest.mark.slow
def test_without_accounting_jobs_are_submitted_and_told(cluster, array):
    with cluster.without("slurmdbd"):
        forget_limits()
        submission = array.submit()
        array.open_gate()
        with impatience():
            wait_until(lambda: looks(array, submission) == SETTLED, "all tasks done")
    assert set(array.times_run().values()) == {1}


@pytest.mark.slow
@pytest.mark.parametrize("name", ["another", "rhotest"])
def test_another_cluster_with_the_same_job_ids_says_nothing_about_old_jobs(cluster, array, name):
    submission = array.submit()
    other = new_cluster(Path(tempfile.mkdtemp(prefix="rho-slurm-")), name)
    other.has_accounting = False
    with other.running():
        forget_limits()
        for _ in range(12):
            other.sbatch("exit 1")  # job ids that the first cluster has used, too
        counts = states(array, submission)
        assert set(counts) <= {ElementState.UNKNOWN, ElementState.DONE}, counts
        (state,) = array.state(submission)
        assert all(other.name in e.reason or "no longer knows" in e.reason for e in state.of(ElementState.UNKNOWN))
        elsewhere = TrivialArray(array.run, 6)
        runs_through_elsewhere = elsewhere.submit()
        wait_until(lambda: states(elsewhere, runs_through_elsewhere) == SETTLED, "tasks of the other cluster")
    forget_limits()
    array.open_gate()
    wait_until(lambda: states(array, submission) == SETTLED, "tasks of the first cluster")


@pytest.mark.slow
@pytest.mark.parametrize("whose", ["login node", "compute nodes"])
def test_a_clock_that_is_two_hours_ahead_changes_nothing(user, tmp_path, whose):
    ahead, sbatch = tmp_path / "ahead" / "sitecustomize.py", tmp_path / "bin" / "sbatch"
    for path, text in ((ahead, AHEAD), (sbatch, SBATCH)):
        path.parent.mkdir()
        path.write_text(text.replace("{sbatch}", str(shutil.which("sbatch"))))
    sbatch.chmod(0o755)
    if whose == "login node":
        clock = {"PYTHONPATH": str(ahead.parent), "RHO_CLOCK_OF_JOBS": ""}
    else:
        clock = {"RHO_CLOCK_OF_JOBS": str(ahead.parent)}
    clock["PATH"] = f"{sbatch.parent}:{os.environ['PATH']}"
    types = user.types_elsewhere if whose == "login node" else user.types

    for stage in ("prepare", "train"):
        types("submit", stage, **clock)
        assert "failed" not in types("status", **clock)
        user.wait_for(stage)
        told = types("status", **clock)
        assert "failed" not in told, told
        assert "unknown" not in told, told
    started = [datetime.fromisoformat(line["started"]) for line in user.attempts() if "started" in line]
    hours = [(one.timestamp() - time.time()) / 3600 for one in started]
    expected = 2 if whose == "compute nodes" else 0
    assert all(round(one) == expected for one in hours), "the jobs' clock is the one that was meant"


@pytest.mark.slow
def test_jobs_need_no_home(user):
    user.types_elsewhere("submit", "prepare", HOME=NO_HOME)
    user.wait_for("prepare")
    user.types_elsewhere("submit", "train", "--nodes", "2", HOME=NO_HOME)
    user.wait_for("train")


@pytest.mark.slow
def test_a_training_goes_on_with_fewer_nodes_and_in_a_folder_that_was_moved(user):
    user.write(iterations=1_000_000)  # more than any machine does meanwhile
    user.types("run", "prepare")
    user.types("submit", "train", "--nodes", "2")
    wait_until(lambda: list(user.folder.glob("runs/*/checkpoints/step-*.json")), "a checkpoint")
    user.types("cancel", "all")
    wait_until(lambda: not user.cluster.live_jobs(), "the end of the job")
    steps = {path.stem for path in user.folder.glob("runs/*/checkpoints/step-*.json")}

    moved = User(user.folder.rename(user.folder.parent / "moved here"), user.cluster)
    assert "cancelled" in moved.types("status")
    moved.types("submit", "train", "--nodes", "1")
    wait_until(lambda: "going on from step-" in moved.logs(), "the next training")
    assert any(f"going on from {step}" in moved.logs() for step in steps)
    moved.types("cancel", "all")


@pytest.mark.slow
def test_a_job_keeps_to_the_code_and_settings_of_its_submission(user, tmp_path):
    checkout, package = Path(rhodiff.__file__).parents[1], tmp_path / "code" / "rhodiff"
    for name in ("rhodiff", "configs", "workflows", "slurm", "containers"):
        shutil.copytree(checkout / name, package.parent / name, ignore=shutil.ignore_patterns("__pycache__"))
    user.types("run", "prepare")
    blocker = user.cluster.sbatch("sleep 600", "-N4", "--exclusive")
    user.cluster.wait_for_state(blocker, "RUNNING")
    user.types_elsewhere("submit", "train", PYTHONPATH=str(package.parent))

    user.write(iterations=7)
    for module in ("__init__.py", "jobs/body.py", "stages/train.py"):
        (package / module).write_text("raise SystemExit('the code was edited')\n")
    user.cluster.command("scancel", blocker)
    user.wait_for("train")

    assert any(user.folder.glob("runs/*/checkpoints/step-00000040-of-00000040.json")), (
        "as many iterations as were submitted"
    )
    assert "edited" not in user.logs()
