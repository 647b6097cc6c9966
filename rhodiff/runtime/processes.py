"""The processes of one training: who this one is, how they find each other, and the few collectives we need.

A process learns its place from the environment that its launcher set: torchrun's RANK, WORLD_SIZE, LOCAL_RANK and
MASTER_*, or Slurm's SLURM_PROCID, SLURM_NTASKS and SLURM_LOCALID under a bare ``srun``. Everything below is given
the resulting :class:`Processes` as an argument.
"""

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import torch
import torch.distributed as dist

from rhodiff.errors import ConfigError, EnvironmentLacksError

__all__ = ["Place", "Processes", "join_processes", "place_from_environment"]

TIMEOUT_MIN = 10
BACKENDS = {"cpu": "gloo", "cuda": "nccl", "xpu": "xccl"}


@dataclass(frozen=True)
class Place:
    """Where a process stands among all.

    Attributes:
        rank: number of this process, from 0.
        world_size: number of processes.
        local_rank: number of this process on its node.
        processes_here: number of processes on its node.
        address: host and port where rank 0 listens; None for a single process.
    """

    rank: int = 0
    world_size: int = 1
    local_rank: int = 0
    processes_here: int = 1
    address: tuple[str, int] | None = None


@dataclass(frozen=True)
class Processes:
    """The joined processes."""

    place: Place
    device: torch.device

    @property
    def is_first(self) -> bool:
        """Whether this is rank 0, which alone writes files."""
        return self.place.rank == 0

    def sum(self, values: torch.Tensor) -> torch.Tensor:
        """Sum of a tensor over all processes."""
        if self.place.world_size > 1:
            values = values.to(self.device)
            dist.all_reduce(values)
        return values

    def any(self, flag: bool) -> bool:
        """Whether any process says yes; all get the same answer."""
        return bool(self.sum(torch.tensor([float(flag)]))[0] > 0)

    def share(self, rank: int, total: int) -> range:
        """Positions of a batch of ``total`` that belong to ``rank``: contiguous, sizes differing by at most one."""
        size = self.place.world_size
        return range(rank * total // size, (rank + 1) * total // size)

    def wait_for_all(self) -> None:
        """Return when every process has come here."""
        if self.place.world_size > 1:
            dist.barrier()


def place_from_environment(environment: Mapping[str, str]) -> Place:
    """Read a process's place from the variables of its launcher.

    Args:
        environment: usually ``os.environ``.

    Returns:
        The place; a single process where no launcher speaks.

    Raises:
        ConfigError: if the variables contradict each other.
    """
    if "RANK" in environment and "WORLD_SIZE" in environment:
        return _from_torchrun(environment)
    if "SLURM_PROCID" in environment and "SLURM_STEP_NODELIST" in environment:
        return _from_slurm(environment)
    return Place()


def _integer(environment: Mapping[str, str], name: str) -> int:
    try:
        return int(environment[name])
    except (KeyError, ValueError):
        raise ConfigError(f"the launcher set {name}={environment.get(name)!r}, an integer is needed") from None


def _from_torchrun(environment: Mapping[str, str]) -> Place:
    world_size = _integer(environment, "WORLD_SIZE")
    rank = _integer(environment, "RANK")
    if not 0 <= rank < world_size:
        raise ConfigError(f"the launcher set RANK={rank} with WORLD_SIZE={world_size}")
    if world_size == 1:
        return Place()
    if "MASTER_ADDR" not in environment:
        raise ConfigError("the launcher set RANK and WORLD_SIZE but no MASTER_ADDR: start with torchrun or srun")
    return Place(
        rank=rank,
        world_size=world_size,
        local_rank=int(environment.get("LOCAL_RANK", rank)),
        processes_here=int(environment.get("LOCAL_WORLD_SIZE", 1)),
        address=(environment["MASTER_ADDR"], _integer(environment, "MASTER_PORT")),
    )


def _from_slurm(environment: Mapping[str, str]) -> Place:
    """A bare ``srun``: the first node of the step listens on a port made from job and step."""
    world_size = _integer(environment, "SLURM_NTASKS")
    if world_size == 1:
        return Place()
    step = int(environment.get("SLURM_STEP_ID", 0))
    port = 20000 + (_integer(environment, "SLURM_JOB_ID") * 31 + step) % 20000
    return Place(
        rank=_integer(environment, "SLURM_PROCID"),
        world_size=world_size,
        local_rank=int(environment.get("SLURM_LOCALID", 0)),
        processes_here=_tasks_here(environment),
        address=(first_host(environment["SLURM_STEP_NODELIST"]), port),
    )


def _tasks_here(environment: Mapping[str, str]) -> int:
    """This node's entry of SLURM_STEP_TASKS_PER_NODE, e.g. the node with id 2 of ``4(x2),3`` has 3."""
    counts: list[int] = []
    for part in environment.get("SLURM_STEP_TASKS_PER_NODE", "1").split(","):
        match = re.fullmatch(r"(\d+)(?:\(x(\d+)\))?", part)
        if match is None:
            raise ConfigError(f"Slurm set SLURM_STEP_TASKS_PER_NODE with an entry {part!r} that we cannot read")
        counts += [int(match[1])] * int(match[2] or 1)
    node = int(environment.get("SLURM_NODEID", 0))
    return counts[node] if node < len(counts) else counts[-1]


def first_host(node_list: str) -> str:
    """First host of Slurm's compact list, e.g. ``n[003-005,9],m1`` -> ``n003``."""
    match = re.match(r"([^,\[]+)(?:\[([^\]]+)\])?([^,\[]*)", node_list)
    if match is None:
        raise ConfigError(f"cannot read the node list {node_list!r} that Slurm set")
    number = re.split(r"[-,]", match[2])[0] if match[2] else ""
    return f"{match[1]}{number}{match[3]}"


@contextmanager
def join_processes(place: Place, device: torch.device) -> Iterator[Processes]:
    """Join the others, check that all can be heard, and part at the end of the block.

    Args:
        place: this process's place.
        device: its device; it decides the backend: gloo, nccl or xccl.

    Raises:
        EnvironmentLacksError: if torch lacks the backend, or not all processes answered.
    """
    processes = Processes(place, device)
    if place.address is None:
        yield processes
        return
    backend = BACKENDS[device.type]
    if not dist.is_backend_available(backend):
        raise EnvironmentLacksError(
            f"training on {place.world_size} {device.type} processes needs torch's backend '{backend}', which "
            f"torch {torch.__version__} was built without"
        )
    host, port = place.address
    os.environ.update(MASTER_ADDR=host, MASTER_PORT=str(port))
    dist.init_process_group(
        backend, rank=place.rank, world_size=place.world_size, timeout=timedelta(minutes=TIMEOUT_MIN)
    )
    try:
        _check_all_heard(processes)
        yield processes
    finally:
        dist.destroy_process_group()


def _check_all_heard(processes: Processes) -> None:
    size = processes.place.world_size
    total = int(processes.sum(torch.tensor([processes.place.rank + 1.0]))[0])
    if total != size * (size + 1) // 2:
        raise EnvironmentLacksError(
            f"the first all-reduce over {size} processes gave {total} instead of {size * (size + 1) // 2}: "
            "the communication backend does not work here"
        )
