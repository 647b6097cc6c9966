"""What oneCCL is told by its environment, whether it is inside torch (``xccl``), in Intel's bindings or by itself.

Sources: oneCCL's reference of environment variables (2021.16), recipes of sites with Intel Max GPUs (2024 to 2026),
and what was seen on CPUs with the wheels (2026-11).
"""

from collections.abc import Set as AbstractSet
from pathlib import Path

from rhodiff.runtime.contract import Proposal
from rhodiff.runtime.places import Place

__all__ = ["collective_variables", "device_variables"]

OVER_ONECCL = ("xccl", "ccl", "rho_oneccl")


def device_variables() -> dict[str, Proposal]:
    """What must be said before torch looks for devices."""
    return {"ZE_FLAT_DEVICE_HIERARCHY": Proposal("FLAT", "a tile is a device, with a process of its own")}


def collective_variables(
    backend: str | None, place: Place, cpus: AbstractSet[int], providers: Path | None = None
) -> dict[str, Proposal]:
    """What must be said before the processes of a training meet.

    Args:
        backend: torch's name of the backend.
        place: this process's place.
        cpus: CPUs that it may use.
        providers: folder of libfabric's providers; None: libfabric knows.
    """
    if backend not in OVER_ONECCL:
        return {}
    variables = {
        "CCL_PROCESS_LAUNCHER": Proposal("none", "rhodiff says who is where, whatever launcher there is"),
        "CCL_LOCAL_RANK": Proposal(str(place.local_rank), "number of this process on its node"),
        "CCL_LOCAL_SIZE": Proposal(str(place.processes_here), "processes on this node"),
        "CCL_ATL_TRANSPORT": Proposal("ofi", "libfabric; the default, mpi, wants a launcher of Intel MPI's"),
        "CCL_KVS_CONNECTION_TIMEOUT": Proposal("600", "seconds for all processes to come; nodes may start late"),
        "CCL_LOG_LEVEL": Proposal("error", "it would warn of every variable that is set here"),
    }
    if backend == "rho_oneccl":
        variables["FI_PROVIDER"] = Proposal("tcp", "works on every network; a site profile names the fabric's own")
        variables["CCL_WORKER_AFFINITY"] = Proposal(
            ",".join([str(_worker_cpu(place, cpus))] * place.processes_here),
            "oneCCL's thread stays on a CPU of this process's own; one entry for each process of the node, of which "
            "it reads its own",
        )
        # Spinning, two processes on each of two nodes took 10 s and more for 4 MB; so, 0.01 s (two cores in all).
        variables["CCL_YIELD"] = Proposal("sleep", "oneCCL's thread leaves its CPU to others while it waits")
    if providers is not None:
        variables["FI_PROVIDER_PATH"] = Proposal(str(providers), "the providers of the wheels' libfabric")
        variables["I_MPI_ROOT"] = Proposal(
            str(providers.parent), "Intel MPI of the wheels, for CCL_ATL_TRANSPORT=mpi"
        )
    return variables


def _worker_cpu(place: Place, cpus: AbstractSet[int]) -> int:
    """The last CPU of this process's share of those that it may use."""
    share = sorted(cpus)
    size = max(1, len(share) // place.processes_here)
    return share[((place.local_rank + 1) * size - 1) % len(share)]
