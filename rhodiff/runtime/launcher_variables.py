"""Environment variables by which a job's body tells the processes that it starts what it asked for."""

__all__ = ["CPUS", "LAUNCHER", "LINEAGE", "NUM_PROCESSES"]

LAUNCHER = "RHODIFF_LAUNCHER"
"""``none``, ``srun``, ``mpiexec`` or ``ibrun``."""
NUM_PROCESSES = "RHODIFF_NUM_PROCESSES"
"""How many processes the launcher was to start."""
CPUS = "RHODIFF_CPUS"
"""CPUs of each process."""
LINEAGE = "RHODIFF_LINEAGE"
"""Name that consecutive attempts at the same work share: of these, no two ever run at a time."""
