"""torch's backend ``rho_oneccl``: registered once a process, made by ``torch.distributed.init_process_group``.

The processes tell their names (host and process id) through torch's store, so that one that is lost can be named. A
lost one is noticed by a thread of the group that has a connection to the store of its own (``peer_watch.hpp``).
"""

import os
import socket
from datetime import timedelta
from types import ModuleType
from typing import Any

import torch.distributed as dist
from torch._C._distributed_c10d import PrefixStore, Store, TCPStore

from rhodiff.errors import EnvironmentLacksError
from rhodiff.runtime.oneccl.extension import import_extension, provide_extension
from rhodiff.runtime.oneccl.installation import find_installation, load_libraries, refuse_two_mpis

__all__ = ["BACKEND", "prepare_backend", "register_backend"]

BACKEND = "rho_oneccl"
CONNECT_S = 600.0
"""For all processes to come: containers and file systems may be slow."""
PATIENCE_S = 15
"""Seconds without a sign of life after which a process counts as lost."""


def prepare_backend() -> str:
    """See to it that the backend can be loaded here, and in all processes that see the same files.

    Returns:
        Which oneCCL it is.

    Raises:
        EnvironmentLacksError: saying what is missing.
    """
    refuse_two_mpis()
    installation = find_installation()
    load_libraries(installation)
    provide_extension(installation)
    return str(installation)


def register_backend() -> str:
    """Load the backend and tell torch its name.

    Returns:
        The name for ``init_process_group``.

    Raises:
        EnvironmentLacksError: saying what is missing.
    """
    refuse_two_mpis()
    installation = find_installation()
    load_libraries(installation)
    extension = import_extension(provide_extension(installation))

    def make(options: Any, _: Any) -> dist.Backend:
        return _make_group(extension, options)

    dist.Backend.register_backend(BACKEND, make, extended_api=True, devices=["cpu"])
    return BACKEND


def _make_group(extension: ModuleType, options: Any) -> dist.Backend:
    """``options``: torch's DistributedBackendOptions."""
    names = _exchange_names(options.store, options.group_rank, options.group_size)
    watch = PrefixStore(f"{BACKEND}/{options.group_id}", _own_connection(options.store))
    timeout_s = options.timeout.total_seconds()
    try:
        group: dist.Backend = extension.make_group(
            options.store, watch, options.group_rank, names, timeout_s, CONNECT_S, PATIENCE_S
        )
    except dist.DistBackendError as error:
        said = str(error).splitlines()[0].removeprefix(f"{BACKEND}: ")
        if "oneCCL: " not in said:  # another process is gone
            raise
        raise EnvironmentLacksError(
            f"oneCCL cannot connect {options.group_size} processes: {said}. The variables that it reads (CCL_*, "
            "FI_*) are those of the site profile, unless you have set them"
        ) from error
    return group


def _exchange_names(store: Store, rank: int, size: int) -> list[str]:
    """Names of all processes, in order; the first one collects them."""
    store.set(f"name/{rank}", f"process {rank} of {size} ({socket.gethostname()}, pid {os.getpid()})")
    wanted = [f"name/{other}" for other in range(size)] if rank == 0 else ["names"]
    try:
        store.wait(wanted, timedelta(seconds=CONNECT_S))
    except dist.DistStoreError as error:
        late = [name.removeprefix("name/") for name in wanted if not store.check([name])] if rank == 0 else ["0"]
        raise EnvironmentLacksError(
            f"process {', '.join(late)} of {size} did not come within {CONNECT_S:.0f} s to where all meet"
        ) from error
    if rank == 0:
        names = [store.get(name).decode() for name in wanted]
        store.set("names", "\n".join(names))
        return names
    return str(store.get("names").decode()).split("\n")


def _own_connection(store: Any) -> Store:
    """A second connection to torch's store: one that waits does not hold up the other."""
    while hasattr(store, "underlying_store"):
        store = store.underlying_store
    if not isinstance(store, TCPStore):
        raise EnvironmentLacksError(
            f"{BACKEND} needs torch's TCPStore (MASTER_ADDR and MASTER_PORT), got {type(store).__name__}"
        )
    return TCPStore(store.host, store.port, is_master=False, wait_for_workers=False)
