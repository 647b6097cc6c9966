"""Which of several processes this one is: what its launcher says in its environment.

torchrun sets RANK, WORLD_SIZE, LOCAL_RANK and MASTER_*. A bare ``srun`` sets SLURM_PROCID, SLURM_NTASKS and
SLURM_LOCALID. A job's body says by RHODIFF_LAUNCHER which launcher it used, how many processes it asked for, and
where the first one listens: under ``mpiexec`` the launcher's own numbers count, since inside Slurm its processes
inherit the SLURM_PROCID of the proxy that started them. A bare ``mpiexec`` names no host to meet at: enough for what
talks over MPI, which finds its peers itself.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from rhodiff.errors import ConfigError, EnvironmentLacksError
from rhodiff.runtime.launcher_variables import LAUNCHER, NUM_PROCESSES
from rhodiff.runtime.node_list import first_host

__all__ = ["Place", "place_from_environment"]

OF_MPIEXEC = (
    ("PMI_RANK", "PMI_SIZE", "MPI_LOCALRANKID", "MPI_LOCALNRANKS"),
    ("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_LOCAL_RANK", "OMPI_COMM_WORLD_LOCAL_SIZE"),
)
"""Rank, size, local rank and local size by hydra (MPICH, Intel MPI), and by Open MPI."""


@dataclass(frozen=True)
class Place:
    """Where a process stands among all.

    Attributes:
        rank: number of this process, from 0.
        world_size: number of processes.
        local_rank: number of this process on its node.
        processes_here: number of processes on its node.
        address: host and port where rank 0 listens; None for a single process, and where the launcher names none.
    """

    rank: int = 0
    world_size: int = 1
    local_rank: int = 0
    processes_here: int = 1
    address: tuple[str, int] | None = None


def place_from_environment(environment: Mapping[str, str]) -> Place:
    """Read a process's place from the variables of its launcher.

    Args:
        environment: usually ``os.environ``.

    Returns:
        The place; a single process where no launcher speaks.

    Raises:
        ConfigError: if the variables contradict each other.
        EnvironmentLacksError: if the launcher of a job started another number of processes than it was asked for.
    """
    launcher = environment.get(LAUNCHER, "none")
    if launcher == "none":
        return _found_place(environment)
    place = _found_place(environment) if launcher == "srun" else _from_body(environment, launcher)
    wanted = _integer(environment, NUM_PROCESSES)
    if place.world_size != wanted:
        raise EnvironmentLacksError(
            f"{launcher} was to start {wanted} processes together, and this one finds itself one of "
            f"{place.world_size}: its PMI does not fit. Set 'launcher' and 'mpi' of the site profile ('srun "
            "--mpi=list' names the types that this Slurm has)"
        )
    return place


def _found_place(environment: Mapping[str, str]) -> Place:
    if "RANK" in environment and "WORLD_SIZE" in environment:
        return _from_torchrun(environment)
    if any(names[2] in environment for names in OF_MPIEXEC):  # srun sets PMI_RANK too, but no local rank of hydra's
        return _from_mpiexec(environment, "mpiexec", _given_address(environment))
    if "SLURM_PROCID" in environment and "SLURM_STEP_NODELIST" in environment:
        return _from_slurm(environment)
    return Place()


def _from_body(environment: Mapping[str, str], launcher: str) -> Place:
    """``mpiexec`` or ``ibrun``, started by a job's body, which gives the address."""
    if all(names[0] not in environment for names in OF_MPIEXEC):
        return Place()
    address = (_text(environment, "MASTER_ADDR", launcher), _integer(environment, "MASTER_PORT"))
    return _from_mpiexec(environment, launcher, address)


def _from_mpiexec(environment: Mapping[str, str], launcher: str, address: tuple[str, int] | None) -> Place:
    """The launcher's own numbers, and where to meet."""
    names = next((names for names in OF_MPIEXEC if names[0] in environment), None)
    if names is None or _integer(environment, names[1]) == 1:
        return Place()
    rank, size, local_rank, local_size = (_integer(environment, name) for name in names)
    return _checked(Place(rank, size, local_rank, local_size, address), f"{launcher} ({', '.join(names)})")


def _given_address(environment: Mapping[str, str]) -> tuple[str, int] | None:
    """What the user says himself."""
    if "MASTER_ADDR" not in environment:
        return None
    return environment["MASTER_ADDR"], _integer(environment, "MASTER_PORT")


def _text(environment: Mapping[str, str], name: str, launcher: str) -> str:
    if not environment.get(name):
        raise ConfigError(f"{name} is not set: {launcher} was to start this from a job made by 'rhodiff-hpc submit'")
    return environment[name]


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
    """``srun``: where no job's body says otherwise, the first node listens on a port made from job and step."""
    # An interactive step has the job's SLURM_NTASKS, but is one process.
    tasks = "SLURM_STEP_NUM_TASKS" if "SLURM_STEP_NUM_TASKS" in environment else "SLURM_NTASKS"
    world_size = _integer(environment, tasks)
    if world_size == 1:
        return Place()
    place = Place(
        rank=_integer(environment, "SLURM_PROCID"),
        world_size=world_size,
        local_rank=_integer(environment, "SLURM_LOCALID", 0),
        processes_here=_tasks_here(environment),
        address=_slurm_address(environment),
    )
    return _checked(place, f"Slurm (SLURM_PROCID, {tasks}, SLURM_LOCALID, SLURM_STEP_TASKS_PER_NODE)")


def _slurm_address(environment: Mapping[str, str]) -> tuple[str, int]:
    if LAUNCHER in environment and "MASTER_ADDR" in environment:
        return environment["MASTER_ADDR"], _integer(environment, "MASTER_PORT")
    step = _integer(environment, "SLURM_STEP_ID", 0)
    port = 20000 + (_integer(environment, "SLURM_JOB_ID") * 31 + step) % 20000
    return first_host(environment["SLURM_STEP_NODELIST"]), port


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
