"""The timed side of a benchmark: waits for orders on standard input, answers with CPU seconds on standard output.

Runs in rhodiff's environment or in that of its peers, hence imports neither. An order is ``train`` or ``denoise``;
the first answer is the number of parameters.
"""

import json
import resource
import sys
from collections.abc import Callable

import torch

__all__ = ["BATCH", "SIZE", "serve"]

BATCH = 8
SIZE = 64


def serve(network: torch.nn.Module, loss: Callable[[torch.Tensor], torch.Tensor], denoise: Callable) -> None:
    """Answer orders until standard input ends.

    Args:
        network: whose parameters are trained.
        loss: training loss of fields ``[N, 1, y, x]``.
        denoise: one evaluation of the network on such fields.
    """
    torch.set_num_threads(1)
    torch.manual_seed(0)
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-4)
    fields = torch.randn(BATCH, 1, SIZE, SIZE)

    def train() -> None:
        optimizer.zero_grad(set_to_none=True)
        loss(fields).backward()
        optimizer.step()

    def evaluate() -> None:
        with torch.no_grad():
            denoise(fields)

    orders = {"train": train, "denoise": evaluate}
    print(json.dumps(sum(parameter.numel() for parameter in network.parameters())), flush=True)
    for line in sys.stdin:
        before = _cpu_seconds()
        orders[line.strip()]()
        print(json.dumps(_cpu_seconds() - before), flush=True)


def _cpu_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime
