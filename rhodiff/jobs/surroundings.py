"""What a login node tells beside the cluster itself: launchers on the PATH, and PMI types of srun."""

from dataclasses import dataclass
from shutil import which

from rhodiff.errors import RhodiffError
from rhodiff.jobs.slurm_commands import run_slurm

__all__ = ["Surroundings", "parse_mpi_types", "read_surroundings"]

LAUNCHERS = ("srun", "mpiexec", "ibrun")
DEADLINE_S = 10.0


@dataclass(frozen=True)
class Surroundings:
    """What else there is.

    Attributes:
        launchers: launchers that are on the PATH.
        mpi_types: what ``srun --mpi`` takes; None: not known.
    """

    launchers: frozenset[str]
    mpi_types: frozenset[str] | None = None


def read_surroundings() -> Surroundings:
    """Look around."""
    launchers = frozenset(name for name in LAUNCHERS if which(name))
    if "srun" not in launchers:
        return Surroundings(launchers)
    try:
        answer = run_slurm(["srun", "--mpi=list"], DEADLINE_S)
    except RhodiffError:
        return Surroundings(launchers)
    return Surroundings(launchers, parse_mpi_types(answer.stdout + answer.stderr))


def parse_mpi_types(text: str) -> frozenset[str] | None:
    """Types that ``srun --mpi=list`` names, one an indented line; None if there is no list."""
    types = {line.strip() for line in text.splitlines() if line[:1].isspace() and line.strip()}
    older = {line.removeprefix("srun: ").strip() for line in text.splitlines() if line.startswith("srun: ")}
    found = types or {line for line in older if " " not in line}
    return frozenset(found) or None
