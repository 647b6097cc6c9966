"""Which job this process is the body of, from what Slurm or the local scheduler set."""

import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass

from rhodiff.errors import ConfigError
from rhodiff.jobs.submission_plan import Piece

__all__ = ["JOB_ID", "JOB_INDEX", "RESTART", "ThisJob", "local_job", "slurm_job"]

JOB_ID, JOB_INDEX, RESTART = "RHODIFF_JOB_ID", "RHODIFF_JOB_INDEX", "RHODIFF_RESTART"
"""Variables of a job on local processes; a job's body sets them for what it starts on Slurm too."""


@dataclass(frozen=True)
class ThisJob:
    """A job, or one task of an array.

    Attributes:
        job_id: id of the job; that of the whole array for an array task.
        own_id: what the scheduler calls this one alone where it is asked about it.
        index: index in the array; 0 for a single job.
        is_array: whether it is a task of an array.
        restart: times that it was put back into the queue.
        nodes: its nodes in Slurm's notation.
        host: node that the body runs on.
        partition: its partition; empty where there is none.
    """

    job_id: str
    own_id: str
    index: int
    is_array: bool
    restart: int
    nodes: str
    host: str
    partition: str = ""

    @property
    def name(self) -> str:
        """``<job>``, or ``<array>_<index>``: what ``scontrol requeue`` takes, leaving an array's rest alone."""
        return f"{self.job_id}_{self.index}" if self.is_array else self.job_id


def slurm_job(environment: Mapping[str, str], piece: Piece) -> ThisJob:
    """The job that Slurm's variables name.

    Raises:
        ConfigError: if they do not, or it is no job of this piece.
    """
    own_id = _needed(environment, "SLURM_JOB_ID", "this is no Slurm job")
    index = _integer(environment, "SLURM_ARRAY_TASK_ID", "this is no task of an array") if piece.is_array else 0
    host = environment.get("SLURMD_NODENAME", socket.gethostname())
    job = ThisJob(
        job_id=environment.get("SLURM_ARRAY_JOB_ID", own_id),
        own_id=own_id,
        index=index,
        is_array=piece.is_array,
        restart=int(environment.get("SLURM_RESTART_COUNT", "0")),
        nodes=environment.get("SLURM_JOB_NODELIST", host),
        host=host,
        partition=environment.get("SLURM_JOB_PARTITION", ""),
    )
    return _checked(job, piece)


def local_job(environment: Mapping[str, str], piece: Piece) -> ThisJob:
    """The job that the local scheduler's variables name.

    Raises:
        ConfigError: if they do not, or it is no job of this piece.
    """
    job_id = _needed(environment, JOB_ID, "the local scheduler starts a job's body")
    index = _integer(environment, JOB_INDEX, "the local scheduler starts a job's body")
    restart, host = int(environment.get(RESTART, "0")), socket.gethostname()
    own_id = f"{job_id}_{index}" if piece.is_array else job_id
    return _checked(ThisJob(job_id, own_id, index, piece.is_array, restart, host, host), piece)


def _needed(environment: Mapping[str, str], name: str, reason: str) -> str:
    if not environment.get(name):
        raise ConfigError(f"{name} is not set: {reason}. Jobs are made by 'rhodiff-hpc submit'")
    return environment[name]


def _integer(environment: Mapping[str, str], name: str, reason: str) -> int:
    text = _needed(environment, name, reason)
    if not re.fullmatch(r"\d+", text):
        raise ConfigError(f"{name} is {text!r}, a number is needed")
    return int(text)


def _checked(job: ThisJob, piece: Piece) -> ThisJob:
    if job.index >= piece.count:
        raise ConfigError(f"job {job.name} has index {job.index}, piece {piece.index} has {piece.count} jobs from 0")
    return job
