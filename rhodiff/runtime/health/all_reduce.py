"""All-reduce between the processes of a job: whether sums are right, and how fast they are for each size.

Each process adds the pattern (rank + 1) (i mod 7 + 1) in float32: with n processes entry i of the sum is
n (n + 1) / 2 (i mod 7 + 1), exactly. Bandwidth is the algorithm's: bytes of the buffer over the time from the call to
its end, the median over repeats, of the slowest process.
"""

import time
from dataclasses import asdict, dataclass, replace
from statistics import median
from typing import Any

import torch

from rhodiff.runtime.health.checks import Result
from rhodiff.runtime.processes import Processes

__all__ = ["SIZES", "BackendTimes", "SizeTime", "all_reduce_result", "measure_all_reduce", "sums_are_right"]

SIZES = (1_000, 4_000, 16_000, 64_000, 256_000, 1_000_000, 4_000_000, 16_000_000, 64_000_000)
"""Bytes."""
PERIOD = 7
MOST, FEWEST = 20, 3
"""Repeats of a size."""
SIZE_S, BACKEND_S = 1.0, 30.0
"""Time for the repeats of a size, and time after which no larger size is begun."""


@dataclass(frozen=True)
class SizeTime:
    """One size.

    Attributes:
        size_bytes: bytes of the buffer.
        repeats: times that it was summed, after two of warm-up.
        seconds: median, of the slowest process.
    """

    size_bytes: int
    repeats: int
    seconds: float

    @property
    def gb_per_s(self) -> float:
        """Algorithm bandwidth in 10^9 bytes a second."""
        return self.size_bytes / self.seconds / 1e9


@dataclass(frozen=True)
class BackendTimes:
    """One backend.

    Attributes:
        backend: as it is asked for.
        device: type of the device whose memory is summed.
        num_processes: how many took part.
        first_s: seconds of the first all-reduce, in which connections are made.
        wrong: sizes whose sums were wrong; None: it did not come that far.
        times: sizes, ascending, as far as the time sufficed.
        error: why it did not work; empty: it did.
    """

    backend: str
    device: str
    num_processes: int
    first_s: float | None = None
    wrong: tuple[int, ...] | None = None
    times: tuple[SizeTime, ...] = ()
    error: str = ""

    def to_plain(self) -> dict[str, Any]:
        """JSON values."""
        return {**asdict(self), "times": [{**asdict(one), "gb_per_s": one.gb_per_s} for one in self.times]}


def measure_all_reduce(processes: Processes, backend: str, sizes: tuple[int, ...] = SIZES) -> BackendTimes:
    """Sum buffers of all sizes over all processes; they all call it.

    Args:
        processes: joined.
        backend: the backend's name as it was asked for.
        sizes: bytes, multiples of four.
    """
    found = BackendTimes(backend, processes.device.type, processes.place.world_size, processes.first_all_reduce_s)
    began, wrong, times = time.perf_counter(), list[int](), list[SizeTime]()
    for size in sizes:
        if _slowest(processes, time.perf_counter() - began) > BACKEND_S:
            break
        wrong += [] if sums_are_right(processes, size) else [size]
        times.append(_time_size(processes, size))
    return replace(found, wrong=tuple(wrong), times=tuple(times))


def sums_are_right(processes: Processes, size_bytes: int) -> bool:
    """Whether every entry of a summed buffer is what it must be, on all processes.

    Args:
        processes: joined.
        size_bytes: of the buffer, a multiple of four.
    """
    pattern = (torch.arange(size_bytes // 4, device=processes.device) % PERIOD + 1).to(torch.float32)
    summed = processes.sum(pattern * (processes.place.rank + 1))
    size = processes.place.world_size
    return not processes.any(not torch.equal(summed, pattern * (size * (size + 1) // 2)))


def _time_size(processes: Processes, size_bytes: int) -> SizeTime:
    buffer = torch.zeros(size_bytes // 4, dtype=torch.float32, device=processes.device)
    _timed_sum(processes, buffer)
    once_s = _slowest(processes, _timed_sum(processes, buffer))
    repeats = max(FEWEST, min(MOST, int(SIZE_S / once_s)))
    seconds = median(_timed_sum(processes, buffer) for _ in range(repeats))
    return SizeTime(size_bytes, repeats, _slowest(processes, seconds))


def _slowest(processes: Processes, seconds: float) -> float:
    """The longest time of all processes, the same number on all of them."""
    place = processes.place
    own = [seconds if rank == place.rank else 0.0 for rank in range(place.world_size)]
    return float(processes.sum(torch.tensor(own)).max())


def _timed_sum(processes: Processes, buffer: torch.Tensor) -> float:
    began = time.perf_counter()
    processes.sum(buffer)
    if processes.device.type != "cpu":
        torch.accelerator.synchronize(processes.device)
    return time.perf_counter() - began


def all_reduce_result(found: BackendTimes) -> Result:
    """What the screen says of a backend, beside its table."""
    where = f"{found.backend}, {found.num_processes} processes on {found.device}"
    if found.error:
        return Result("all-reduce", "fault", f"{where}: {found.error}")
    if found.wrong:
        fix = "do not train over it: report versions, transport (CCL_*, FI_*) and this table to its makers"
        sizes = ", ".join(f"{size:,}" for size in found.wrong)
        return Result("all-reduce", "fault", f"{where}: sums of {sizes} bytes are wrong", fix)
    best = max(found.times, key=lambda one: one.gb_per_s)
    return Result("all-reduce", "ok", f"{where}: all sums are right; at best {best.gb_per_s:.3g} GB/s")
