"""Options of ``submit`` that say what a stage's jobs ask for."""

import math
from typing import Annotated

import typer

__all__ = [
    "Account",
    "Chain",
    "Constraint",
    "CpusPerTask",
    "GpusPerNode",
    "Gres",
    "MemoryGb",
    "Nodes",
    "Pack",
    "Partition",
    "Parts",
    "Qos",
    "SideBySide",
    "TasksPerNode",
    "Throttle",
    "Time",
    "positive",
]


def _word(value: str | None) -> str | None:
    """Refuse what a shell variable that is not set leaves behind, and what would break a script's line."""
    if value is not None and (not value.isprintable() or len(value.split()) != 1):
        raise typer.BadParameter(f"got {value!r}, and one word is needed; leave the option out for the default")
    return value


def positive(value: float | None) -> float | None:
    """Refuse what is no amount."""
    if value is not None and not (value > 0 and math.isfinite(value)):
        raise typer.BadParameter(f"got {value:g}, and it must be more than 0")
    return value


Nodes = Annotated[int | None, typer.Option("--nodes", min=1, help="Nodes of a job (train).")]
TasksPerNode = Annotated[
    int | None, typer.Option("--tasks-per-node", min=1, help="Processes on each node (train); default one a device.")
]
CpusPerTask = Annotated[int | None, typer.Option("--cpus-per-task", min=1, help="CPUs of a process.")]
Time = Annotated[
    str | None, typer.Option("--time", metavar="LIMIT", help="Time limit of a job: minutes or [D-]HH:MM:SS.")
]
MemoryGb = Annotated[float | None, typer.Option("--memory-gb", callback=positive, help="Memory a node.")]
GpusPerNode = Annotated[int | None, typer.Option("--gpus-per-node", min=0, help="Devices a node.")]
Partition = Annotated[str | None, typer.Option("--partition", callback=_word, help="Partition of the cluster.")]
Account = Annotated[str | None, typer.Option("--account", callback=_word, help="Account to charge.")]
Qos = Annotated[str | None, typer.Option("--qos", callback=_word, help="Quality of service.")]
Constraint = Annotated[
    str | None, typer.Option("--constraint", callback=_word, help="Features that nodes must have.")
]
Gres = Annotated[
    str | None, typer.Option("--gres", callback=_word, help="Generic resources a node, as Slurm writes them.")
]
Parts = Annotated[int | None, typer.Option("--parts", min=1, help="Parts of an array stage; default one a task.")]
Pack = Annotated[int | None, typer.Option("--pack", min=1, help="Parts that share one job.")]
SideBySide = Annotated[int | None, typer.Option("--side-by-side", min=1, help="Parts of a job that run at a time.")]
Throttle = Annotated[int | None, typer.Option("--throttle", min=1, help="Most jobs of an array at a time.")]
Chain = Annotated[
    int | None, typer.Option("--chain", min=1, help="Jobs submitted ahead, each going on where the last stopped.")
]
