"""The processes of one training: who this one is, how they find each other, and the few collectives we need.

A process learns its place from the environment that its launcher set: torchrun's RANK, WORLD_SIZE, LOCAL_RANK and
MASTER_*, or Slurm's SLURM_PROCID, SLURM_NTASKS and SLURM_LOCALID under a bare ``srun``. Everything below is given
the resulting :class:`Processes` as an argument.
"""

import gc
import os
import re
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import NoReturn

import torch
import torch.distributed as dist

from rhodiff.errors import ConfigError, EnvironmentLacksError, PeerEndedError, RhodiffError

__all__ = ["Place", "Processes", "join_processes", "place_from_environment"]

TIMEOUT_MIN = 60
"""For a process that hangs: one that ends is noticed at once. It outlasts fitting a transform on a large set."""
LOST_CONNECTION = ("Connection closed", "Connection reset", "Broken pipe", "Timed out", "Socket Timeout")
"""What gloo writes into a plain RuntimeError when another process is gone."""
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

    def on_first(self, work: Callable[[], object]) -> None:
        """Do something on rank 0 while the others wait; an error of ours there ends all of them.

        Args:
            work: called on rank 0 alone.

        Raises:
            RhodiffError: on rank 0, what ``work`` raised.
            PeerEndedError: on the others, if it raised.
        """
        failure: RhodiffError | None = None
        if self.is_first:
            try:
                work()
            except RhodiffError as error:
                failure = error
        code = int(self.sum(torch.tensor([float(failure.exit_code if failure else 0)]))[0])
        if failure is not None:
            raise failure
        if code:
            raise PeerEndedError(code)

    def end_together(self, error: RhodiffError) -> NoReturn:
        """Raise an error that every process has come to: it is told once, by rank 0."""
        raise error if self.is_first else PeerEndedError(error.exit_code)

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


def _integer(environment: Mapping[str, str], name: str, default: int | None = None) -> int:
    if default is not None and name not in environment:
        return default
    try:
        return int(environment[name])
    except (KeyError, ValueError):
        raise ConfigError(f"the launcher set {name}={environment.get(name)!r}, an integer is needed") from None


def _checked(place: Place, launcher: str) -> Place:
    """The place, if a process can stand there."""
    for name, number, count in (
        ("process", place.rank, place.world_size),
        ("process on its node", place.local_rank, place.processes_here),
    ):
        if not 0 <= number < count:
            raise ConfigError(f"{launcher} says that this is {name} number {number} (from 0) of {count}")
    return place


def _from_torchrun(environment: Mapping[str, str]) -> Place:
    world_size, rank = _integer(environment, "WORLD_SIZE"), _integer(environment, "RANK")
    if world_size == 1 and rank == 0:
        return Place()
    if "MASTER_ADDR" not in environment:
        raise ConfigError("the launcher set RANK and WORLD_SIZE but no MASTER_ADDR: start with torchrun or srun")
    place = Place(
        rank=rank,
        world_size=world_size,
        local_rank=_integer(environment, "LOCAL_RANK", rank),
        processes_here=_integer(environment, "LOCAL_WORLD_SIZE", world_size),
        address=(environment["MASTER_ADDR"], _integer(environment, "MASTER_PORT")),
    )
    return _checked(place, "the launcher (RANK, WORLD_SIZE, LOCAL_RANK, LOCAL_WORLD_SIZE)")


def _from_slurm(environment: Mapping[str, str]) -> Place:
    """A bare ``srun``: the first node of the step listens on a port made from job and step."""
    # An interactive step has the job's SLURM_NTASKS, but is one process.
    tasks = "SLURM_STEP_NUM_TASKS" if "SLURM_STEP_NUM_TASKS" in environment else "SLURM_NTASKS"
    world_size = _integer(environment, tasks)
    if world_size == 1:
        return Place()
    step = _integer(environment, "SLURM_STEP_ID", 0)
    port = 20000 + (_integer(environment, "SLURM_JOB_ID") * 31 + step) % 20000
    place = Place(
        rank=_integer(environment, "SLURM_PROCID"),
        world_size=world_size,
        local_rank=_integer(environment, "SLURM_LOCALID", 0),
        processes_here=_tasks_here(environment),
        address=(first_host(environment["SLURM_STEP_NODELIST"]), port),
    )
    return _checked(place, f"Slurm (SLURM_PROCID, {tasks}, SLURM_LOCALID, SLURM_STEP_TASKS_PER_NODE)")


def _tasks_here(environment: Mapping[str, str]) -> int:
    """This node's entry of SLURM_STEP_TASKS_PER_NODE, e.g. the node with id 2 of ``4(x2),3`` has 3."""
    counts: list[int] = []
    for part in environment.get("SLURM_STEP_TASKS_PER_NODE", "1").split(","):
        match = re.fullmatch(r"(\d+)(?:\(x(\d+)\))?", part)
        if match is None:
            raise ConfigError(f"Slurm set SLURM_STEP_TASKS_PER_NODE with an entry {part!r} that we cannot read")
        counts += [int(match[1])] * int(match[2] or 1)
    node = _integer(environment, "SLURM_NODEID", 0)
    if not 0 <= node < len(counts):
        raise ConfigError(f"Slurm set SLURM_NODEID={node}, but SLURM_STEP_TASKS_PER_NODE is of {len(counts)} nodes")
    return counts[node]


def first_host(node_list: str) -> str:
    """First host of Slurm's compact list, e.g. ``n[003-005,9],m1`` -> ``n003``."""
    entry = re.match(r"(?:[^,\[\]]|\[\d[^\]]*\])+(?=,|$)", node_list)
    if entry is None:
        raise ConfigError(f"cannot read the node list {node_list!r} that Slurm set")
    return re.sub(r"\[(\d+)[^\]]*\]", r"\1", entry[0])


@contextmanager
def join_processes(place: Place, device: torch.device) -> Iterator[Processes]:
    """Join the others, check that all can be heard, and part at the end of the block.

    A network wrapped for data parallelism must not outlive the block: make it in a function that returns inside.

    Args:
        place: this process's place.
        device: its device; it decides the backend: gloo, nccl or xccl.

    Raises:
        EnvironmentLacksError: if torch lacks the backend, or not all processes answered.
        RhodiffError: if the connection to another process is lost in the block.
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
    with _told_of_lost_processes(place):
        dist.init_process_group(
            backend, rank=place.rank, world_size=place.world_size, timeout=timedelta(minutes=TIMEOUT_MIN)
        )
        try:
            _check_all_heard(processes)
            yield processes
            _release_networks(None)
        except RhodiffError as error:
            _release_networks(error)
            raise
        finally:
            dist.destroy_process_group()


def _release_networks(error: BaseException | None) -> None:
    """Let go of networks wrapped for data parallelism that frames of an error, or reference cycles, still hold.

    A wrapped network that outlives the process group takes it down while Python's lock is held, and waits for ever
    for threads that need that lock (seen with torch 2.13 and gloo, in 3 of 72 runs on a busy machine).
    """
    while error is not None:
        traceback.clear_frames(error.__traceback__)
        error = error.__cause__ or error.__context__
    gc.collect()


@contextmanager
def _told_of_lost_processes(place: Place) -> Iterator[None]:
    """Say in our words that another process is gone."""
    try:
        yield
    except RuntimeError as error:
        if not isinstance(error, dist.DistError) and not any(words in str(error) for words in LOST_CONNECTION):
            raise
        raise RhodiffError(
            f"process {place.rank} of {place.world_size} lost the connection to another one, which was killed (out "
            "of memory?) or is on a failed node. Checkpoints are intact: the same command goes on"
        ) from error


def _check_all_heard(processes: Processes) -> None:
    size = processes.place.world_size
    total = int(processes.sum(torch.tensor([processes.place.rank + 1.0]))[0])
    if total != size * (size + 1) // 2:
        raise EnvironmentLacksError(
            f"the first all-reduce over {size} processes gave {total} instead of {size * (size + 1) // 2}: "
            "the communication backend does not work here"
        )
