"""The processes of one training: who this one is, how they find each other, and the few collectives we need.

Its :class:`~rhodiff.runtime.places.Place` is what its launcher said. Everything below is given the joined
:class:`Processes` as an argument.
"""

import gc
import os
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import NoReturn

import torch
import torch.distributed as dist

from rhodiff.errors import ConfigError, EnvironmentLacksError, PeerEndedError, PeerLostError, RhodiffError
from rhodiff.runtime.oneccl.backend import BACKEND, register_backend
from rhodiff.runtime.places import Place

__all__ = ["Processes", "join_processes"]

TIMEOUT_MIN = 60
"""For a process that hangs: one that ends is noticed at once. It outlasts fitting a transform on a large set."""
LOST_CONNECTION = ("Connection closed", "Connection reset", "Broken pipe", "Timed out", "Socket Timeout")
"""What gloo writes into a plain RuntimeError when another process is gone."""
BACKENDS = {"cpu": "gloo", "cuda": "nccl", "xpu": "xccl"}
"""Where no other is asked for."""
FIRST_ALL_REDUCE_S = 300.0
"""Deadline of the first all-reduce, in which connections are made."""


@dataclass(frozen=True)
class Processes:
    """The joined processes.

    Attributes:
        place: this process's place.
        device: its device.
        backend: what carries collectives; None: there is a single process.
        first_all_reduce_s: time of the first all-reduce, whose result was checked; None: there is a single process.
    """

    place: Place
    device: torch.device
    backend: str | None = None
    first_all_reduce_s: float | None = None

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


@contextmanager
def join_processes(place: Place, device: torch.device, backend: str | None = None) -> Iterator[Processes]:
    """Join the others, check that all can be heard, and part at the end of the block.

    A network wrapped for data parallelism must not outlive the block: make it in a function that returns inside.

    Args:
        place: this process's place.
        device: its device.
        backend: torch's name of what carries collectives; None: gloo, nccl or xccl, as the device needs it.

    Raises:
        ConfigError: if the launcher named no place to meet.
        EnvironmentLacksError: if torch lacks the backend, or not all processes answered.
        PeerLostError: if the connection to another process is lost in the block.
    """
    if place.address is None and place.world_size > 1:
        raise ConfigError(
            f"a launcher started {place.world_size} processes, but said neither host nor port where they meet: start "
            "a training with torchrun, srun or 'rhodiff-hpc submit', or set MASTER_ADDR and MASTER_PORT"
        )
    if place.address is None:
        yield Processes(place, device)
        return
    backend = register_backend() if backend == BACKEND else backend or BACKENDS[device.type]
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
            processes = Processes(place, device, backend)
            yield replace(processes, first_all_reduce_s=_check_all_heard(processes))
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
        raise PeerLostError(_describe_loss(place, error)) from error


def _describe_loss(place: Place, error: RuntimeError) -> str:
    """Our backend knows which process is gone."""
    who = f"process {place.rank} of {place.world_size}"
    _, _, why = str(error).partition(f"{BACKEND}: ")
    if why:
        return f"{who} cannot go on: {why.splitlines()[0]}. Checkpoints are intact: the same command goes on"
    return (
        f"{who} lost the connection to another one, which was killed (out of memory?) or is on a failed node. "
        "Checkpoints are intact: the same command goes on"
    )


def _check_all_heard(processes: Processes) -> float:
    """Add up rank + 1 over all processes, under a deadline; returns the seconds that it took."""
    size, began = processes.place.world_size, time.perf_counter()
    total = torch.tensor([processes.place.rank + 1.0], device=processes.device)
    work = dist.all_reduce(total, async_op=True)
    assert work is not None, "an asynchronous all-reduce gives its work"
    try:
        work.wait(timedelta(seconds=FIRST_ALL_REDUCE_S))
    except RuntimeError as error:
        if "timed out" not in str(error).lower():
            raise
        raise EnvironmentLacksError(
            f"the first all-reduce over {size} processes was not over in {FIRST_ALL_REDUCE_S:.0f} s: the backend "
            f"'{processes.backend}' does not get through between their nodes"
        ) from error
    if int(total[0]) != size * (size + 1) // 2:
        raise EnvironmentLacksError(
            f"the first all-reduce over {size} processes gave {int(total[0])} instead of {size * (size + 1) // 2}: "
            f"the backend '{processes.backend}' does not work here"
        )
    return time.perf_counter() - began
