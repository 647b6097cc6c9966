"""A training on two nodes that everything happens to, one thing after another, ends as if nothing had.

It goes on from a checkpoint at most one interval old each time, with one history of its loss, and its weights agree
bit for bit with those of an undisturbed training of two processes (gloo adds two gradients in either order alike).
"""

import json
import os
import signal
from collections.abc import Callable
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
LONG = ("training.iterations=450", f"training.checkpoint_every={INTERVAL}")
JOB = ("jobs.train.stop_margin_s=30", "jobs.train.walltime_min=10", "jobs.train.max_attempts=20")

HOLDS = """
import os, signal, sys
writes = []
def hold(event, arguments):
    if event != "open" or arguments[1] != "x" or ".pt." not in str(arguments[0]):
        return
    if os.path.exists(os.environ["RHO_HOLD"]):
        writes.append(arguments[0])
        if len(writes) == 2:
            os.kill(os.getpid(), signal.SIGSTOP)
if os.environ.get("SLURM_PROCID") == "0":
    sys.addaudithook(hold)
"""
"""Each attempt's first process stands still when its second checkpoint is due, while the file RHO_HOLD is there: so
however fast a machine is, there is a training when the next thing happens to it."""


@dataclass
class Disturbed:
    """A training in the queue, and what can happen to it while its first process stands still."""

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
        wait_until(lambda: self.cluster.job(self.job)["JobState"] != "RUNNING", "a node that is noticed")
        self.cluster.power_on(node)

    def preemption(self) -> None:
        """All nodes are wanted by a job of a partition that comes first."""
        other = self.cluster.sbatch("sleep 1", "--partition=main", "-N4", "--exclusive")
        self.go_on_when_told()
        self.cluster.wait_for_state(other, "COMPLETED")

    def user_signal(self) -> None:
        self.cluster.command("scancel", "--signal=USR1", self.job)
        self.go_on_when_told()

    def time_limit(self) -> None:
        """The limit is near at once, which Slurm looks for every 30 s; the next attempt has more time."""
        self.cluster.command("scontrol", "update", f"jobid={self.job}", "timelimit=1")
        wait_until(self.is_told, "a signal before the time limit")
        self.cluster.command("scontrol", "update", f"jobid={self.job}", "timelimit=10")
        self.go_on()

    def requeue(self) -> None:
        self.cluster.command("scontrol", "requeue", self.job)

    def killed_rank(self) -> None:
        """``kill -9`` of the second process."""
        (pid,) = self.processes(1)
        os.kill(pid, signal.SIGKILL)
        self.go_on()

    def is_held(self) -> bool:
        """Whether the first process stands still."""
        return [status_of(pid)["State"][:1] for pid in self.processes(0)] == ["T"]

    def is_told(self) -> bool:
        """Whether the first process, which stands still, finds a request to stop when it goes on."""
        return any(int(status_of(pid)["ShdPnd"], 16) >> (signal.SIGUSR1 - 1) & 1 for pid in self.processes(0))

    def go_on_when_told(self) -> None:
        wait_until(self.is_told, "a request to stop")
        self.go_on()

    def go_on(self) -> None:
        (pid,) = self.processes(0)
        os.kill(pid, signal.SIGCONT)

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
    (tmp_path / "sitecustomize.py").write_text(HOLDS)
    gate = tmp_path / "hold"
    gate.touch()
    where = {"SLURM_CONF": str(cluster.conf), "PYTHONPATH": str(tmp_path), "RHO_HOLD": str(gate)}
    lab.do("submit", "train", "--nodes", "2", "--partition", "preempt", environment=where)
    training = Disturbed(cluster, lab)
    for number, (name, happen) in enumerate(FAULTS.items(), 1):
        wait_until(training.is_held, f"progress before: {name}")
        before = len(training.attempts)
        assert before == number
        if number == len(FAULTS):
            gate.unlink()
        happen(training)
        wait_until(lambda before=before: len(training.attempts) > before, f"another attempt after: {name}")
    wait_until(training.folder.done(0).exists, "the end")

    prepared.do_ranks(2, "run", "train")
    assert len(training.attempts) == 1 + len(FAULTS), training.attempts
    assert differing_weights(lab.final(), prepared.final()) == []
    assert lab.losses() == prepared.losses()
    assert max(lost_steps(lab.run_folder())) <= INTERVAL


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


def status_of(pid: int) -> dict[str, str]:
    """What the kernel tells about a process; of one that is gone, that it stands not still and waits for nothing."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return {"State": "X", "ShdPnd": "0"}
    return dict(line.split(":\t", 1) for line in lines if ":\t" in line)


def environment_of(pid: int) -> set[str]:
    try:
        return set(Path(f"/proc/{pid}/environ").read_bytes().decode(errors="replace").split("\0"))
    except OSError:
        return set()
