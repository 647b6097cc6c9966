"""The launcher's command line, and what the processes of an element are told by their environment. Only words here.

``srun`` of Slurm 22.05 and later does not inherit ``--cpus-per-task`` of the job, and without
``--kill-on-bad-exit`` a step waits for ever for the peers of a process that is gone. It answers SIGTERM by killing
the step at once, and forwards SIGUSR1 to all processes: a request to stop is SIGUSR1, always.
"""

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rhodiff.errors import ConfigError
from rhodiff.jobs.submission_plan import SubmissionPlan
from rhodiff.jobs.this_job import JOB_ID, JOB_INDEX, RESTART, ThisJob
from rhodiff.runtime.contract import SITE_VARIABLES
from rhodiff.runtime.heartbeat import HEARTBEAT_VARIABLE
from rhodiff.runtime.launcher_variables import CPUS, LAUNCHER, LINEAGE, NUM_PROCESSES

__all__ = ["ElementStart", "candidate_ports", "child_environment", "launch_command", "num_processes"]

FIRST_PORT, LAST_PORT = 20000, 31999
"""Below the ports that Linux gives to outgoing connections, 32768 and up."""
NUM_PORTS = 64

OUTER_PROCESS = {
    *("RANK", "LOCAL_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "GROUP_RANK", "MASTER_ADDR", "MASTER_PORT"),
    *("CCL_LOCAL_RANK", "CCL_LOCAL_SIZE"),
}
"""A launcher around the submission, or a training that submits, whose processes we are not."""


@dataclass(frozen=True)
class ElementStart:
    """What differs between the attempts of a submission.

    Attributes:
        heartbeat: file for the heartbeat.
        lineage: name that all attempts at this element share: no two of them run at a time.
        address: host and port where the first process listens; None: there is one process.
    """

    heartbeat: str
    lineage: str
    address: tuple[str, int] | None = None


def num_processes(plan: SubmissionPlan) -> int:
    """Processes of one element."""
    if plan.launch.kind == "none":
        return 1
    return plan.allocation.nodes * plan.allocation.tasks_per_node


def launch_command(plan: SubmissionPlan, command: Sequence[str]) -> list[str]:
    """Words that start all processes of an element.

    Args:
        plan: the submission.
        command: words of one process.
    """
    launch, nodes, per_node = plan.launch, plan.allocation.nodes, plan.allocation.tasks_per_node
    options = list(launch.options)
    if launch.kind == "none":
        if options:
            raise ConfigError(f"launcher options {options} have no effect without a launcher: leave them out")
        return list(command)
    if launch.kind == "srun":
        words = ["srun", "--kill-on-bad-exit=1", f"--nodes={nodes}", f"--ntasks={nodes * per_node}"]
        words += [f"--ntasks-per-node={per_node}", f"--cpus-per-task={plan.allocation.cpus_per_task}"]
        words += ["--label"] if nodes * per_node > 1 else []
        words += [f"--mpi={launch.mpi}"] if launch.mpi is not None else []
        return [*words, *options, *command]
    if launch.mpi is not None:
        raise ConfigError(f"the PMI type '{launch.mpi}' is for srun: it has no effect on {launch.kind}, leave it out")
    counts = ["-n", str(nodes * per_node), "-ppn", str(per_node)] if launch.kind == "mpiexec" else []
    return [launch.kind, *counts, *options, *command]


def child_environment(
    plan: SubmissionPlan, job: ThisJob, start: ElementStart, base: Mapping[str, str]
) -> dict[str, str]:
    """Environment of an element's processes.

    Args:
        plan: the submission.
        job: the job.
        start: what differs between attempts.
        base: the body's environment; what the user has set there himself wins over the site's and our defaults.
    """
    cpus = str(plan.allocation.cpus_per_task)
    inherited = {name: value for name, value in base.items() if name not in {*OUTER_PROCESS, SITE_VARIABLES}}
    ours = {
        HEARTBEAT_VARIABLE: start.heartbeat,
        LAUNCHER: plan.launch.kind,
        LINEAGE: start.lineage,
        NUM_PROCESSES: str(num_processes(plan)),
        CPUS: cpus,
        JOB_ID: job.job_id,
        JOB_INDEX: str(job.index),
        RESTART: str(job.restart),
        "SRUN_CPUS_PER_TASK": cpus,
    }
    if plan.site_variables:
        ours[SITE_VARIABLES] = plan.site_variables
    if start.address is not None:
        ours |= {"MASTER_ADDR": start.address[0], "MASTER_PORT": str(start.address[1])}
    return {"OMP_NUM_THREADS": cpus, **plan.environment, **inherited, **ours}


def candidate_ports(job: str, attempt: int) -> list[int]:
    """Ports to try, in order: jobs that share a node, and attempts of a job, begin at different ones."""
    span = LAST_PORT - FIRST_PORT + 1
    first = zlib.crc32(f"{job}/{attempt}".encode())
    return [FIRST_PORT + (first + 101 * k) % span for k in range(NUM_PORTS)]
