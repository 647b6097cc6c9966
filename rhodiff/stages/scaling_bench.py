"""How the training of an experiment would scale on a network: its own step measured here, the rest predicted."""

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import asdict, dataclass
from typing import Any

import torch

from rhodiff.config.training import Training
from rhodiff.errors import ConfigError
from rhodiff.runtime.places import Place
from rhodiff.runtime.processes import Processes
from rhodiff.stages.train import TrainingParts, build_parts
from rhodiff.stages.workspace import Workspace
from rhodiff.training.scaling import ComputeTimes, LinkSpeed, StepTime, predict_step, put_into_buckets
from rhodiff.training.state import TrainingState
from rhodiff.training.step_profile import measure_step

__all__ = ["Scaling", "ScalingRow", "measure_share", "predict_scaling"]

WORTH_IT = 0.5
"""Efficiency below which more nodes cost more than twice the node-hours of one process."""


@dataclass(frozen=True)
class ScalingRow:
    """The training on some nodes.

    Attributes:
        nodes: how many.
        share: fields of a process in a step.
        time: of a step.
        speedup: over one process.
        efficiency: speed-up over the number of processes.
        node_hours: of the whole training.
    """

    nodes: int
    share: int
    time: StepTime
    speedup: float
    efficiency: float
    node_hours: float


@dataclass(frozen=True)
class Scaling:
    """What was measured and predicted.

    Attributes:
        rows: by number of nodes.
        parameters: of the network.
        gradient_mb: what a step sums over the processes, MiB.
        bucket_sizes_mb: in the order in which they travel, MiB.
        device: where it was measured.
        threads: CPU threads of a process.
    """

    rows: tuple[ScalingRow, ...]
    parameters: int
    gradient_mb: float
    bucket_sizes_mb: tuple[float, ...]
    device: str
    threads: int

    @property
    def largest_worth_it(self) -> int | None:
        """The most nodes with an efficiency of at least a half; None: not even the fewest asked for."""
        return max((row.nodes for row in self.rows if row.efficiency >= WORTH_IT), default=None)

    def to_plain(self) -> dict[str, Any]:
        """JSON values."""
        return {**asdict(self), "largest_worth_it": self.largest_worth_it}


def predict_scaling(
    workspace: Workspace,
    device: torch.device,
    nodes: Sequence[int],
    per_node: int,
    node_link: LinkSpeed,
    repeats: int = 5,
) -> Scaling:
    """Measure the step of one process with each share of the batch, and predict the rest.

    Args:
        workspace: the experiment, prepared.
        device: where a process computes.
        nodes: numbers of nodes.
        per_node: processes on each.
        node_link: latency and bandwidth of a node, which its processes share.
        repeats: steps that each time is the median of.

    Raises:
        ConfigError: if the batch has fewer fields than there are processes.
    """
    settings = workspace.experiment.training
    counts = sorted({1, *(number * per_node for number in nodes)})
    if counts[-1] > settings.batch_size:
        raise ConfigError(
            f"training.batch_size {settings.batch_size} gives no field to each of {counts[-1]} processes: take fewer "
            "nodes, or a larger batch"
        )
    shares = {count: -(-settings.batch_size // count) for count in counts}
    parts = build_parts(workspace, Processes(Place(), device))
    measured = {one: measure_share(parts, settings, device, one, repeats) for one in sorted(set(shares.values()))}
    link = LinkSpeed(node_link.latency_s, node_link.bandwidth_bytes_s / per_node)
    alone = measured[settings.batch_size].step_s
    rows = []
    for number in sorted(nodes):
        count = number * per_node
        step = predict_step(measured[shares[count]], count, link, settings.bucket_mb)
        speedup = alone / step.step_s
        hours = number * step.step_s * settings.iterations / 3600
        rows.append(ScalingRow(number, shares[count], step, speedup, speedup / count, hours))
    sizes = [size / (1 << 20) for _, size in put_into_buckets(measured[settings.batch_size], settings.bucket_mb)]
    return Scaling(
        rows=tuple(rows),
        parameters=round(sum(sizes) * (1 << 20) / 4),
        gradient_mb=sum(sizes),
        bucket_sizes_mb=tuple(sizes),
        device=str(device),
        threads=torch.get_num_threads(),
    )


def measure_share(
    parts: TrainingParts, settings: Training, device: torch.device, share: int, repeats: int
) -> ComputeTimes:
    """Times within a step of one process that has ``share`` fields of the batch.

    Args:
        parts: of the training; its network stays as it is.
        settings: the ``training`` section.
        device: where it computes.
        share: number of fields.
        repeats: steps that each time is the median of.
    """
    state = TrainingState.begin(deepcopy(parts.network), settings)
    return measure_step(state, parts.formulation, parts.batches.make(0, range(share)), settings, device, repeats)
