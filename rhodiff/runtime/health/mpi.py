"""MPI: which library mpi4py finds, and whether its world is as large as the launcher says."""

import os
from collections.abc import Iterator
from importlib.util import find_spec

from rhodiff.errors import EnvironmentLacksError
from rhodiff.runtime.health.checks import Check, Result
from rhodiff.runtime.oneccl.installation import refuse_two_mpis
from rhodiff.runtime.places import Place

__all__ = ["compare_world", "mpi_checks"]

TITLE = "MPI"


def mpi_checks() -> list[Check]:
    """The library; MPI itself is not started."""
    return [Check(TITLE, "mpi", check_library, 20.0)]


def check_library() -> Iterator[Result]:
    """Which MPI there is."""
    if find_spec("mpi4py") is None:
        yield Result(
            "mpi",
            "absent",
            "mpi4py is not installed; only an evaluation by several processes needs it",
            "pip install 'rhodiff[mpi]', or mpi4py built with the site's MPI",
        )
        return
    try:
        refuse_two_mpis()
    except EnvironmentLacksError as error:
        yield Result("mpi", "fault", str(error))
        return
    try:
        yield Result("mpi", "ok", _library())
    except (ImportError, RuntimeError) as error:  # mpi4py raises RuntimeError where it finds no MPI library
        fix = "load the site's MPI module, or pip install 'rhodiff[mpi]'"
        yield Result("mpi", "fault", f"mpi4py is installed and cannot load an MPI: {str(error).splitlines()[0]}", fix)


def _library() -> str:
    import mpi4py

    mpi4py.rc.initialize = False  # looking is not starting: a start may hang, or end the process
    from mpi4py import MPI

    return f"mpi4py {mpi4py.__version__} with {' '.join(MPI.Get_library_version().splitlines()[0].split())}"


def compare_world(place: Place) -> Result:
    """Start MPI among the processes of a launcher, and compare sizes; to be called once, by all of them.

    Args:
        place: where the launcher says that this process stands.
    """
    if find_spec("mpi4py") is None:
        return Result("mpi-size", "absent", "mpi4py is not installed")
    if "RANK" in os.environ:
        return Result("mpi-size", "absent", "no launcher of MPI started these processes")
    try:
        library = _library()
        from mpi4py import MPI

        if not MPI.Is_initialized():
            MPI.Init()
        size = MPI.COMM_WORLD.Get_size()
        MPI.Finalize()
    except (ImportError, RuntimeError) as error:
        return Result("mpi-size", "fault", f"MPI does not start: {str(error).splitlines()[0]}")
    started = f"the launcher started {place.world_size} processes, and MPI ({library}) finds {size}"
    if size == place.world_size:
        return Result("mpi-size", "ok", started)
    fix = (
        "set 'mpi' of the site profile to another PMI type ('srun --mpi=list' names them, MPICH and Intel MPI take "
        "pmi2), or 'launcher' to this MPI's own mpiexec"
    )
    kind = os.environ.get("SLURM_MPI_TYPE")
    return Result("mpi-size", "fault", started + (f" (srun --mpi={kind})" if kind else ""), fix)
