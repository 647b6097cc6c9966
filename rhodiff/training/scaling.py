r"""How a data-parallel training scales: the time of a step from its compute time, its buckets and the network.

Torch's data parallelism puts gradients into buckets in the order in which the backward pass makes them, and sums each
over the processes as soon as it is full, one after another, while the pass goes on. With :math:`r_i` the time in the
step at which bucket i is full and :math:`c_i(n)` that of its all-reduce over n processes,

.. math:: e_i = \max(r_i, e_{i-1}) + c_i(n), \qquad T(n) = \max(t_{backward}, e_{last}) + t_{update}

An all-reduce over a ring costs (Patarasuk & Yuan 2009, J. Parallel Distrib. Comput. 69, 117)

.. math:: c(s, n) = 2 (n - 1) \left( \alpha + \frac{s}{n \beta} \right)

with latency alpha and bandwidth beta of a process's link; measured times of all-reduces take its place where there
are any. The global batch is fixed (strong scaling), so compute times are those of a process's share of it. What waits
for data, checkpoints and other users of the network is not in it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from rhodiff.errors import ConfigError

__all__ = ["ComputeTimes", "LinkSpeed", "StepTime", "predict_step", "put_into_buckets", "ring_all_reduce"]

MEGABYTE = 1 << 20


@dataclass(frozen=True)
class LinkSpeed:
    """What a process's way to the others can do.

    Attributes:
        latency_s: alpha, time of an empty message in seconds.
        bandwidth_bytes_s: beta, bytes a second.
    """

    latency_s: float
    bandwidth_bytes_s: float

    def __post_init__(self) -> None:
        if not (self.latency_s >= 0 and self.bandwidth_bytes_s > 0):
            raise ConfigError(
                f"a link has a latency of 0 or more and a positive bandwidth, got {self.latency_s:g} s and "
                f"{self.bandwidth_bytes_s:g} bytes/s"
            )


@dataclass(frozen=True)
class ComputeTimes:
    """Times within one step of a process that waits for nobody.

    Attributes:
        ready_s: when each gradient is there, from the start of the step, in the order of the backward pass.
        sizes: bytes of each.
        backward_s: end of the backward pass.
        update_s: what follows it: clipping, optimizer, average.
    """

    ready_s: tuple[float, ...]
    sizes: tuple[int, ...]
    backward_s: float
    update_s: float

    @property
    def step_s(self) -> float:
        """The whole step."""
        return self.backward_s + self.update_s


@dataclass(frozen=True)
class StepTime:
    """A predicted step.

    Attributes:
        processes: how many share the batch.
        step_s: its time.
        compute_s: of which without communication.
        exposed_s: communication that nothing hides.
        hidden_s: communication during the backward pass.
    """

    processes: int
    step_s: float
    compute_s: float
    exposed_s: float
    hidden_s: float


def ring_all_reduce(size: int, processes: int, link: LinkSpeed) -> float:
    """Time of an all-reduce over a ring, seconds.

    Args:
        size: bytes.
        processes: on the ring.
        link: between neighbours.
    """
    return 2 * (processes - 1) * (link.latency_s + size / (processes * link.bandwidth_bytes_s))


def put_into_buckets(times: ComputeTimes, bucket_mb: float, first_mb: float = 1.0) -> list[tuple[float, int]]:
    """Buckets as torch fills them: a small first one, so that communication begins early.

    Args:
        times: of the gradients.
        bucket_mb: largest size of a bucket, MiB; a gradient that is larger has a bucket of its own.
        first_mb: largest size of the first one, MiB; no more than ``bucket_mb`` counts.

    Returns:
        Time when each is full, and its bytes.
    """
    if not bucket_mb > 0:
        raise ConfigError(f"a bucket has a positive size, got {bucket_mb:g} MiB")
    buckets: list[tuple[float, int]] = []
    filled, ready = 0, 0.0
    limit = min(first_mb, bucket_mb) * MEGABYTE
    for at, size in zip(times.ready_s, times.sizes, strict=True):
        filled, ready = filled + size, max(ready, at)
        if filled >= limit:
            buckets.append((ready, filled))
            filled, ready, limit = 0, 0.0, bucket_mb * MEGABYTE
    if filled:
        buckets.append((ready, filled))
    return buckets


def predict_step(
    times: ComputeTimes, processes: int, network: LinkSpeed | Sequence[float], bucket_mb: float = 25.0
) -> StepTime:
    """The time of a step over some processes.

    Args:
        times: of one process with its share of the batch.
        processes: that share it.
        network: latency and bandwidth, or the measured time of each bucket's all-reduce over these processes.
        bucket_mb: largest size of a bucket, MiB.

    Raises:
        ConfigError: for measured times of another number of buckets.
    """
    buckets = put_into_buckets(times, bucket_mb)
    if processes == 1:
        return StepTime(1, times.step_s, times.step_s, 0.0, 0.0)
    costs = (
        [ring_all_reduce(size, processes, network) for _, size in buckets]
        if isinstance(network, LinkSpeed)
        else list(network)
    )
    if len(costs) != len(buckets):
        raise ConfigError(f"{len(costs)} times of all-reduces for {len(buckets)} buckets: give one each")
    end = 0.0
    for (ready, _), cost in zip(buckets, costs, strict=True):
        end = max(ready, end) + cost
    exposed = max(0.0, end - times.backward_s)
    return StepTime(processes, times.step_s + exposed, times.step_s, exposed, sum(costs) - exposed)
