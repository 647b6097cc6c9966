"""A training on two nodes that everything happens to, one thing after another, ends as if nothing had.

It goes on from a checkpoint at most one interval old each time, with one history of its loss, and its weights agree
bit for bit with those of an undisturbed training of two processes (gloo adds two gradients in either order alike).
"""

import json
import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from experiments import Lab, differing_weights, tiny_settings, write_arrays
from slurm_cluster import Cluster, wait_until

from rhodiff.jobs.attempts import read_attempts
from rhodiff.jobs.registry import known_jobs
from rhodiff.store.layout import RunFolder, SubmissionFolder

INTERVAL = 10
LONG = ("training.iterations=600", f"training.checkpoint_every={INTERVAL}")
JOB = ("jobs.train.stop_margin_s=30", "jobs.train.walltime_min=10", "jobs.train.max_attempts=20")


@dataclass
class Disturbed:
    """A training in the queue, and what can happen to it."""

    cluster: Cluster
    lab: Lab

    @property
    def folder(self) -> SubmissionFolder:
        (folder,) = RunFolder(self.lab.run_folder()).jobs.submissions()
        return folder

    @property
    def job(self) -> str:
        ((_, known),) = known_jobs(self.folder)
        return known.job_id

    @property
    def attempts(self) -> list[Any]:
        return read_attempts(self.folder.attempts(0))

    def node(self, which: int) -> int:
        """Number of the first or last of its nodes."""
        names = self.cluster.command("scontrol", "show", "hostnames", self.cluster.job(self.job)["NodeList"]).split()
        return self.cluster.nodes.index(names[which]) + 1

    def power_cut(self) -> None:
        """The node that the job's body runs on is gone."""
        node = self.node(0)
        self.cluster.power_cut(node)
        wait_until(lambda: self.cluster.job(self.job)["JobState"] != "RUNNING", "a node that is noticed", 90)
        self.cluster.power_on(node)

    def preemption(self) -> None:
        """All nodes are wanted by a job of a partition that comes first."""
        other = self.cluster.sbatch("sleep 1", "--partition=main", "-N4", "--exclusive")
        self.cluster.wait_for_state(other, "COMPLETED", timeout_s=90)

    def user_signal(self) -> None:
        self.cluster.command("scancel", "--signal=USR1", self.job)

    def time_limit(self) -> None:
        """The limit is near at once, which Slurm looks for every 30 s; the next attempt has more time."""
        self.cluster.command("scontrol", "update", f"jobid={self.job}", "timelimit=1")
        deadline = time.monotonic() + 90
        while self.cluster.job(self.job)["JobState"] == "RUNNING":
            assert time.monotonic() < deadline, "no signal before the time limit"
            self.hold_up()
        self.cluster.command("scontrol", "update", f"jobid={self.job}", "timelimit=10")

    def hold_up(self) -> None:
        """Let the second process wait for a while, or a fast machine ends the training meanwhile."""
        ranks = self.processes(1)
        for number, seconds in ((signal.SIGSTOP, 1.0), (signal.SIGCONT, 0.05)):
            for pid in ranks:
                with suppress(ProcessLookupError):
                    os.kill(pid, number)
            time.sleep(seconds)

    def requeue(self) -> None:
        self.cluster.command("scontrol", "requeue", self.job)

    def killed_rank(self) -> None:
        """``kill -9`` of the second process."""
        (pid,) = self.processes(1)
        os.kill(pid, signal.SIGKILL)

    def processes(self, rank: int) -> list[int]:
        """The process of a rank; none while it is not there."""
        wanted = {f"SLURM_JOB_ID={self.job}", f"SLURM_PROCID={rank}", f"SLURM_CONF={self.cluster.conf}"}
        return [pid for pid in processes(b"rhodiff.cli") if wanted <= environment_of(pid)]


FAULTS: dict[str, Callable[[Disturbed], None]] = {
    "scancel --signal": Disturbed.user_signal,
    "requeue": Disturbed.requeue,
    "killed rank": Disturbed.killed_rank,
    "preemption": Disturbed.preemption,
    "time limit": Disturbed.time_limit,
    "power cut": Disturbed.power_cut,
}


@pytest.fixture(scope="module")
def prepared(tmp_path_factory) -> Lab:
    folder = tmp_path_factory.mktemp("faults")
    lab = Lab.make(folder / "prepared", tiny_settings(write_arrays(folder / "fields.npy")), *LONG)
    lab.do("run", "prepare")
    return lab


@pytest.mark.slow
def test_a_training_that_everything_happens_to_ends_like_an_undisturbed_one(cluster, prepared, tmp_path):
    lab = prepared.sibling(tmp_path / "disturbed", f"paths.data={prepared.folder / 'data'}", *JOB)
    where = {"SLURM_CONF": str(cluster.conf)}
    lab.do("submit", "train", "--nodes", "2", "--partition", "preempt", environment=where)
    training = Disturbed(cluster, lab)
    for name, happen in FAULTS.items():
        before, saved = len(training.attempts), last_step(lab)
        wait_until(lambda saved=saved: last_step(lab) > saved, f"progress before: {name}", 90, 0.02)
        happen(training)
        wait_until(
            lambda before=before: len(training.attempts) > max(before, 1), f"another attempt after: {name}", 120
        )
    wait_until(training.folder.done(0).exists, "the end", 180)

    prepared.do_ranks(2, "run", "train")
    assert len(training.attempts) == 1 + len(FAULTS), training.attempts
    assert differing_weights(lab.final(), prepared.final()) == []
    assert lab.losses() == prepared.losses()
    assert max(lost_steps(lab.run_folder())) <= INTERVAL


def last_step(lab: Lab) -> int:
    """Iteration of the newest checkpoint; older ones are removed meanwhile."""
    return max((int(p.stem.split("-")[1]) for p in lab.folder.glob("runs/*/checkpoints/step-*.json")), default=0)


def lost_steps(run: Path) -> list[int]:
    """Of each attempt but the last: steps that it did and the next one did again."""
    found, last = [], 0
    for path in sorted((run / "metrics").glob("attempt-*.jsonl")):
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        found.append(last - lines[0]["start"])
        last = max((line["iteration"] for line in lines[1:]), default=lines[0]["start"])
    return found


def processes(word: bytes) -> list[int]:
    """Processes of this machine, those of the nodes included, with a word in their command line."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if word in path.read_bytes() and b"srun" not in path.read_bytes():
                found.append(int(path.parent.name))
        except OSError:
            continue
    return found


def environment_of(pid: int) -> set[str]:
    try:
        return set(Path(f"/proc/{pid}/environ").read_bytes().decode(errors="replace").split("\0"))
    except OSError:
        return set()
