"""How well the model of scaling predicts data-parallel steps on this machine, and what its knobs do.

    python tests/bench/bench_scaling.py EXPERIMENT.yaml [--processes 1,2,4] [--steps 20] [--set key.path=value ...]

For each number of local processes, all at once so that they contend for the cores alike: the step as the training
makes it; the same step without any communication (the control, which shows what contention alone costs); and the time
of an all-reduce of each bucket's size. The prediction is made of the control's times and of these. Every process has
its share of the experiment's batch (strong scaling). Medians over the steps; a step of the slowest process counts.
"""

import argparse
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"

import numpy as np
import torch

from rhodiff.config.loading import load_experiment
from rhodiff.runtime.devices import configure_torch
from rhodiff.runtime.places import place_from_environment
from rhodiff.runtime.processes import Processes, join_processes
from rhodiff.runtime.progress import Silent
from rhodiff.stages.train import build_parts
from rhodiff.stages.workspace import Workspace
from rhodiff.training.gradient import batch_gradient
from rhodiff.training.parallel import share_network
from rhodiff.training.scaling import ComputeTimes, predict_step, put_into_buckets
from rhodiff.training.state import TrainingState
from rhodiff.training.step_profile import measure_step

WARM_UP = 3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("experiment", type=Path, help="with prepared data")
    parser.add_argument("--processes", default="1,2,4", help="numbers of local processes")
    parser.add_argument("--steps", type=int, default=20, help="steps of which the median is taken")
    parser.add_argument("--set", dest="overrides", action="append", default=[], help="key.path=value")
    given = parser.parse_args()
    if "RANK" in os.environ:
        work(given.experiment, given.overrides, given.steps)
        return
    print("| processes | share | control s | step s | predicted s | step / that | efficiency | of the control |")
    print("|---|---|---|---|---|---|---|---|")
    alone = None
    for number in map(int, given.processes.split(",")):
        found = run_processes(number)
        alone = alone or found
        ours, control = (number * found[key] for key in ("step_s", "control_s"))
        row = [number, found["share"], *(f"{found[key]:.4f}" for key in ("control_s", "step_s", "predicted_s"))]
        row += [f"{found['step_s'] / found['predicted_s']:.2f}", f"{alone['step_s'] / ours:.2f}"]
        print("| " + " | ".join(map(str, [*row, f"{alone['control_s'] / control:.2f}"])) + " |", flush=True)


def run_processes(number: int) -> dict[str, Any]:
    """This script once more on each of some processes; what the first one found."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    common = {"WORLD_SIZE": str(number), "LOCAL_WORLD_SIZE": str(number), "MASTER_ADDR": "127.0.0.1"}
    started = []
    for rank in range(number):
        own = {"RANK": str(rank), "LOCAL_RANK": str(rank), "MASTER_PORT": str(port)}
        words = [sys.executable, *sys.argv]
        started.append(subprocess.Popen(words, env={**os.environ, **common, **own}, stdout=subprocess.PIPE))
    outputs = [process.communicate()[0] for process in started]
    if any(process.returncode for process in started):
        raise SystemExit("a process failed: see above")
    found: dict[str, Any] = json.loads(outputs[0])
    return found


def work(experiment: Path, overrides: list[str], steps: int) -> None:
    """One process: measure, and as the first one print."""
    workspace = Workspace(load_experiment(experiment, overrides), experiment.resolve().parent, Silent())
    configure_torch(1, 1, deterministic=False)
    with join_processes(place_from_environment(os.environ), torch.device("cpu")) as processes:
        found = measure(workspace, processes, steps)
        if processes.is_first:
            print(json.dumps(found))


def measure(workspace: Workspace, processes: Processes, steps: int) -> dict[str, Any]:
    """The step, the control and the prediction."""
    settings, place = workspace.experiment.training, processes.place
    parts = build_parts(workspace, processes)
    batch = parts.batches.make(0, processes.share(place.rank, settings.batch_size))
    processes.sum(torch.zeros(1))  # all measure at the same time
    times = measure_step(
        TrainingState.begin(parts.network, settings), parts.formulation, batch, settings, processes.device, steps
    )
    buckets = put_into_buckets(times, settings.bucket_mb)
    costs = [median_time(reducer(size, processes), steps, processes) for _, size in buckets]
    state = TrainingState.begin(build_parts(workspace, processes).network, settings)
    network = share_network(state.network, settings, processes)

    def step() -> None:
        state.optimizer.zero_grad(set_to_none=True)
        batch_gradient(network, parts.formulation, batch, settings, processes)
        torch.nn.utils.clip_grad_norm_(network.parameters(), settings.optimizer.gradient_clip or float("inf"))
        state.optimizer.step()
        state.iteration += 1
        for average in state.averages:
            average.update(state.network, state.iteration)

    measured = median_time(step, steps, processes)
    slowest = slowest_of(times.step_s, processes)
    stretched = stretch(times, slowest / times.step_s)
    predicted = predict_step(stretched, place.world_size, costs, settings.bucket_mb)
    return {
        "share": len(batch.fields),
        "control_s": slowest,
        "step_s": measured,
        "predicted_s": predicted.step_s,
        "all_reduce_s": costs,
    }


def stretch(times: ComputeTimes, factor: float) -> ComputeTimes:
    """The times of a process that is slower by a factor."""
    ready = tuple(factor * at for at in times.ready_s)
    return ComputeTimes(ready, times.sizes, factor * times.backward_s, factor * times.update_s)


def reducer(size: int, processes: Processes) -> Callable[[], object]:
    """Sums as many bytes over the processes."""
    values = torch.zeros(size // 4)
    return lambda: processes.sum(values)


def median_time(act: Callable[[], object], repeats: int, processes: Processes) -> float:
    """Median time of something that all processes do together, by the slowest of them."""
    times = []
    for _ in range(WARM_UP + repeats):
        processes.sum(torch.zeros(1))
        began = time.perf_counter()
        act()
        times.append(slowest_of(time.perf_counter() - began, processes))
    return float(np.median(times[WARM_UP:]))


def slowest_of(seconds: float, processes: Processes) -> float:
    """The largest of all processes' times."""
    own = torch.zeros(processes.place.world_size, dtype=torch.float64)
    own[processes.place.rank] = seconds
    return float(processes.sum(own).max())


if __name__ == "__main__":
    main()
