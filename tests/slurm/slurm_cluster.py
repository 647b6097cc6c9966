"""A real Slurm cluster on this machine that tests may submit to, break and mend."""

import hashlib
import os
import re
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SCRIPTS = Path(__file__).resolve().parent / "cluster"
LIVE = (
    "PENDING,CONFIGURING,RUNNING,SUSPENDED,COMPLETING,STOPPED,REQUEUED,REQUEUE_HOLD,SPECIAL_EXIT,RESIZING,SIGNALING"
)
NUM_NODES = 4


def why_not_here() -> str | None:
    """Why this machine cannot hold a cluster; None where it can."""
    if os.geteuid() != 0:
        return "a Slurm cluster of one's own needs root: run 'make test' as root in a container"
    if shutil.which("slurmctld", path=f"{os.environ['PATH']}:/usr/sbin") is None and shutil.which("apt-get") is None:
        return "Slurm is not installed, and there is no apt-get to install it with"
    return None


@dataclass
class Cluster:
    """A cluster of its own: folder, node names, network and ports clash with no other.

    Attributes:
        folder: where everything of it lies, removed by :meth:`down`. Its path must be short (sockets) and open to
            other users (the data base runs as one).
        number: tells clusters of one machine apart.
        name: its ClusterName.
        has_accounting: whether there is slurmdbd: sacct, and limits.
    """

    folder: Path
    number: int
    name: str
    has_accounting: bool = True

    @property
    def prefix(self) -> str:
        """What node names begin with."""
        return f"t{self.number}n"

    @property
    def nodes(self) -> list[str]:
        """Names of its nodes."""
        return [f"{self.prefix}{k}" for k in range(1, NUM_NODES + 1)]

    @property
    def conf(self) -> Path:
        """Value for SLURM_CONF."""
        return self.folder / "slurm.conf"

    @property
    def environment(self) -> dict[str, str]:
        """Variables for its scripts and for Slurm's commands."""
        return os.environ | {
            "SLURM_CONF": str(self.conf),
            "RHO_SLURM_DIR": str(self.folder),
            "RHO_SLURM_PREFIX": self.prefix,
            "RHO_SLURM_SUBNET": f"10.{100 + self.number}.0",
            "RHO_SLURM_PORT_BASE": str(port_base(self.number)),
            "RHO_SLURM_CLUSTER": self.name,
            "RHO_SLURM_NODES": str(NUM_NODES),
            "RHO_SLURM_DBD": str(int(self.has_accounting)),
            "RHO_SLURM_OWNER": str(os.getpid()),
        }

    # Whole cluster, nodes and daemons

    def up(self) -> None:
        self.folder.chmod(0o755)
        self._script("up.sh")

    def down(self) -> None:
        self._script("down.sh")

    @contextmanager
    def running(self) -> Iterator[None]:
        """It is up within the block, and what Slurm's commands of this process ask."""
        before = os.environ.pop("SLURM_CONF", None)
        try:
            self.up()
            os.environ["SLURM_CONF"] = str(self.conf)
            yield
        finally:
            os.environ.pop("SLURM_CONF", None)
            os.environ.update({} if before is None else {"SLURM_CONF": before})
            self.down()

    def power_cut(self, *nodes: int) -> None:
        """Every process on nodes 1 to 4 dies at once."""
        self._script("down.sh", "node", *map(str, nodes))

    def power_on(self, *nodes: int) -> None:
        """Start nodes, and wait until they take jobs."""
        self._script("up.sh", "node", *map(str, nodes))

    def stop(self, daemon: str) -> None:
        """Stop ``slurmctld`` or ``slurmdbd`` in an orderly way."""
        self._script("down.sh", daemon)

    def start(self, daemon: str) -> None:
        """Start ``slurmctld`` or ``slurmdbd`` where it stopped."""
        self._script("up.sh", daemon)

    @contextmanager
    def without(self, daemon: str) -> Iterator[None]:
        """``slurmctld`` or ``slurmdbd`` is away within the block."""
        self.stop(daemon)
        try:
            yield
        finally:
            self.start(daemon)

    # Limits

    @contextmanager
    def max_array_size(self, size: int) -> Iterator[None]:
        """MaxArraySize within the block."""
        before = self._set_max_array_size(size)
        try:
            yield
        finally:
            self._set_max_array_size(before)

    def _set_max_array_size(self, size: int) -> int:
        text = self.conf.read_text()
        before = int(re.search(r"MaxArraySize=(\d+)", text)[1])
        if before != size:
            self.stop("slurmctld")  # a reconfigure does not change it
            self.conf.write_text(text.replace(f"MaxArraySize={before}", f"MaxArraySize={size}"))
            self.start("slurmctld")
        return before

    @contextmanager
    def submit_limit(self, jobs: int) -> Iterator[None]:
        """At most so many jobs of ours in the queue within the block; every task of an array counts."""
        self._set_submit_limit(jobs)
        try:
            yield
        finally:
            self._set_submit_limit(-1)

    def _set_submit_limit(self, jobs: int) -> None:
        self.command("sacctmgr", "-iQ", "modify", "user", "root", "set", f"MaxSubmitJobs={jobs}")
        wait_until(lambda: self._submit_limits() == (set() if jobs < 0 else {jobs}), "the limit at the controller")

    def _submit_limits(self) -> set[int]:
        """The limits that the controller has heard of."""
        shown = self.command("scontrol", "show", "assoc_mgr", "flags=assoc", "users=root")
        return {int(limit) for limit in re.findall(r"MaxSubmitJobs=(\d+)", shown)}

    # Jobs

    def command(self, *words: str | Path, timeout_s: float = 60) -> str:
        """What a command prints that must succeed."""
        ended = self.attempt(*words, timeout_s=timeout_s)
        assert ended.returncode == 0, f"{words} ended with {ended.returncode}:\n{ended.stdout}{ended.stderr}"
        return ended.stdout

    def attempt(self, *words: str | Path, timeout_s: float = 60) -> subprocess.CompletedProcess[str]:
        """Run a command with this cluster as Slurm, to its end."""
        return subprocess.run(
            [str(word) for word in words],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )

    def sbatch(self, body: str, *options: str, folder: Path | None = None) -> str:
        """Submit a script with these lines; its output goes to ``slurm-%j.out`` in a folder, else nowhere.

        Returns:
            The id of the job.
        """
        output = "/dev/null" if folder is None else str(folder / "slurm-%j.out")
        script = self.folder / f"script-{time.monotonic_ns()}.sh"
        script.write_text(f"#!/bin/bash\n{body}\n")
        words = ["sbatch", "--parsable", "--open-mode=append", f"--output={output}", *options, str(script)]
        return self.command(*words).strip().split(";")[0]

    def job(self, job_id: str) -> dict[str, str]:
        """What ``scontrol show job`` tells about a job, or one task of an array (``12_3``)."""
        line = self.command("scontrol", "--oneliner", "show", "job", job_id).splitlines()[0]
        return dict(word.split("=", 1) for word in line.split() if "=" in word)

    def state(self, job_id: str) -> str:
        """Slurm's word for how a job stands."""
        return self.job(job_id)["JobState"]

    def wait_for_state(self, job_id: str, *states: str, timeout_s: float = 180) -> str:
        """Wait until a job is in one of some states, and return it."""
        wait_until(lambda: self.state(job_id) in states, f"job {job_id} in {states}", timeout_s)
        return self.state(job_id)

    def live_jobs(self) -> list[str]:
        """Ids of all jobs that have not ended."""
        return sorted(set(self.command("squeue", "-h", "-t", LIVE, "-o", "%A").split()))

    def reset(self) -> None:
        """Nothing in the queue, all daemons up, all nodes idle, no limits: whatever a test left behind."""
        for daemon in ("slurmdbd", "slurmctld"):
            if not self._is_alive(daemon):
                self.start(daemon)
        if jobs := self.live_jobs():
            self.attempt("scancel", *jobs)
            self.attempt("scancel", "--signal=KILL", *jobs)
        self._resume_drained()  # a node that is off and drained would not come up
        if off := [number for number, node in enumerate(self.nodes, 1) if not self._is_alive(node)]:
            self.power_on(*off)
        wait_until(lambda: not self.live_jobs(), "an empty queue")
        wait_until(lambda: self._resume_drained() == [] and self.idle_nodes() == NUM_NODES, "idle nodes")
        wait_until(
            lambda: "DBD Agent queue size: 0" in self.command("sdiag"), "accounting that has heard of everything"
        )

    def _resume_drained(self) -> list[str]:
        """Nodes that Slurm has drained, as where a task could not be ended in time; they are told to go on."""
        drained = sorted(set(self.command("sinfo", "-h", "-N", "-t", "drain", "-o", "%N").split()))
        if drained:
            self.attempt("scontrol", "update", f"nodename={','.join(drained)}", "state=resume")
        return drained

    def _is_alive(self, name: str) -> bool:
        """Whether the process of a daemon or a node is there, and no zombie."""
        try:
            pid = (self.folder / "pid" / name).read_text().strip()
            stat = Path(f"/proc/{pid}/stat").read_text()
        except OSError:
            return False
        return stat.rpartition(")")[2].split()[0] != "Z"

    def idle_nodes(self) -> int:
        """Number of idle nodes."""
        return len(self.command("sinfo", "-h", "-N", "-p", "main", "-t", "idle", "-o", "%N").split())

    def log_tails(self, lines: int = 40) -> str:
        """The last lines of the daemons' logs."""
        tails = []
        for log in sorted((self.folder / "log").glob("slurm*.log")):
            last = log.read_text(errors="replace").splitlines()[-lines:]
            tails.append("\n".join([f"--- {log.name}", *last]))
        return "\n".join(tails)

    def _script(self, script: str, *words: str) -> None:
        with tempfile.TemporaryFile("w+") as log:  # a file: daemons would keep a pipe open
            ended = subprocess.run(
                ["bash", str(SCRIPTS / script), *words],
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                timeout=600,
                check=False,
            )
            log.seek(0)
            said = log.read()
        assert ended.returncode == 0, f"{script} {' '.join(words)} ended with {ended.returncode}:\n{said}"


def new_cluster(folder: Path, name: str = "rhotest") -> Cluster:
    """A cluster, not yet up, whose network and ports are free."""
    for step in range(100):
        number = (int(hashlib.sha256(str(folder).encode()).hexdigest(), 16) + step) % 100
        cluster = Cluster(folder, number, name)
        if not Path(f"/sys/class/net/{cluster.prefix}br0").exists() and all(map(is_free, ports(number))):
            return cluster
    raise AssertionError("100 clusters are up on this machine: 'ip link' lists their bridges")


def port_base(number: int) -> int:
    """The first of the ports of a cluster; below those that the kernel hands out."""
    return 20_000 + 10 * number


def ports(number: int) -> range:
    """All ports of a cluster."""
    return range(port_base(number), port_base(number) + 4)


def is_free(port: int) -> bool:
    """Whether a port can be bound."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("", port))
        except OSError:
            return False
    return True


def wait_until(condition: Callable[[], Any], what: str, timeout_s: float = 180, pause_s: float = 0.05) -> Any:
    """Wait for a true value, and return it."""
    deadline = time.monotonic() + timeout_s
    while not (value := condition()):
        assert time.monotonic() < deadline, f"waited {timeout_s:.0f} s in vain for {what}"
        time.sleep(pause_s)
    return value
