"""What a device must be able to do for rhodiff, done on it in a minute: the tests of a site without the test suite.

    arithmetic   convolution, product, Fourier transform and sum against float64 on the CPU, and a product in bfloat16
    memory       what torch.accelerator tells of the device, and that its work can be waited for
    step         losses of the first steps of a small training, against the same on the CPU
    resume       a training that goes on from its checkpoint ends with the weights of one that was never stopped
    sampling     fields sampled on the device, against the same on the CPU

A device adds in another order than the CPU: agreement is to a tolerance there, and exact where both are the CPU.
"""

import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from rhodiff.config.loading import parse_experiment
from rhodiff.errors import RhodiffError
from rhodiff.runtime.health.checks import Result, State
from rhodiff.runtime.places import Place
from rhodiff.runtime.progress import Silent
from rhodiff.stages.prepare import prepare
from rhodiff.stages.sample import sample_sweep
from rhodiff.stages.train import train
from rhodiff.stages.workspace import Workspace
from rhodiff.store.field_store import open_fields
from rhodiff.training.checkpoints import CheckpointFolder, read_checkpoint, weights_digest
from rhodiff.training.metrics import read_metrics

__all__ = ["check_arithmetic", "check_memory", "check_network", "run_selftest"]

STEPS, MIDDLE = 8, 4
LOSS_TOLERANCE, FIELD_TOLERANCE, WEIGHT_TOLERANCE = 1e-3, 1e-2, 1e-5
FLOAT32, BFLOAT16 = 1e-4, 2e-2
"""Relative errors of sums over some hundred products: 2^-24 and 2^-9 a rounding, TF32 counts as broken."""


def run_selftest(device: torch.device, folder: Path, tell: Callable[[str], None]) -> list[Result]:
    """All checks of one device; an error in one does not keep the others from being made.

    Args:
        device: the device.
        folder: an empty folder, for a small data set and some trainings.
        tell: takes a line before each check.
    """
    checks: list[tuple[str, Callable[[], Iterator[Result]]]] = [
        ("arithmetic", lambda: check_arithmetic(device)),
        ("memory", lambda: check_memory(device)),
        ("network", lambda: check_network(device, folder)),
    ]
    results: list[Result] = []
    for name, look in checks:
        tell(f"selftest on {device}: {name}")
        try:
            results += look()
        except (RhodiffError, RuntimeError, OSError) as error:
            results.append(Result(name, "fault", f"on {device}: {' '.join(str(error).split())}"))
    return results


def check_arithmetic(device: torch.device) -> Iterator[Result]:
    """The operations that networks and samplers are made of."""
    began = time.perf_counter()
    errors = {name: _error_of(work, device) for name, work in OPERATIONS.items()}
    with torch.autocast(device.type, dtype=torch.bfloat16):
        low = _error_of(OPERATIONS["product"], device)
    found = ", ".join(f"{name} {error:.1e}" for name, error in {**errors, "product in bfloat16": low}.items())
    wrong = [name for name, error in errors.items() if not error < FLOAT32]
    wrong += [] if low < BFLOAT16 else ["product in bfloat16"]
    words = f"{device} in {time.perf_counter() - began:.2f} s; relative errors against float64: {found}"
    if wrong:
        fix = "do not compute on it: report torch's version and this line to its makers"
        yield Result("arithmetic", "fault", f"{', '.join(wrong)} wrong on {words}", fix)
    else:
        yield Result("arithmetic", "ok", words)


def _convolution(dimensions: int) -> Callable[[torch.Tensor], torch.Tensor]:
    """3^d kernels over 8 channels, in the layout that the network has."""
    layout = {2: torch.channels_last, 3: torch.channels_last_3d}[dimensions]
    convolve = {2: torch.nn.functional.conv2d, 3: torch.nn.functional.conv3d}[dimensions]

    def work(values: torch.Tensor) -> torch.Tensor:
        fields = values[: 2 * 8 * 8**dimensions].reshape(2, 8, *[8] * dimensions).contiguous(memory_format=layout)
        kernels = values[: 8 * 8 * 3**dimensions].reshape(8, 8, *[3] * dimensions)
        return convolve(fields, kernels, padding=1)

    return work


OPERATIONS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "product": lambda values: values[:8192].reshape(64, 128) @ values[-8192:].reshape(128, 64),
    "2D convolution": _convolution(2),
    "3D convolution": _convolution(3),
    "Fourier transform": lambda values: torch.view_as_real(torch.fft.rfftn(values[:4096].reshape(16, 16, 16))),
    "sum": lambda values: values.square().sum(),
}


def _error_of(work: Callable[[torch.Tensor], torch.Tensor], device: torch.device) -> float:
    """Norm of the difference to float64 on the CPU, over the norm of that."""
    values = torch.randn(16384, dtype=torch.float64, generator=torch.Generator().manual_seed(7))
    with torch.autocast("cpu", enabled=False):
        exact = work(values)
    found = work(values.to(torch.float32).to(device)).to("cpu", torch.float64)
    return float(torch.linalg.vector_norm(found - exact) / torch.linalg.vector_norm(exact))


def check_memory(device: torch.device) -> Iterator[Result]:
    """Memory and waiting, by the interface that all devices share."""
    if device.type == "cpu":
        yield Result("memory", "absent", "no accelerator: there is nothing to ask torch.accelerator")
        return
    module = torch.get_device_module(device)
    before = module.memory_allocated(device)
    block = torch.ones(2**22, device=device)
    began = time.perf_counter()
    total = float((block * 2).sum())
    torch.accelerator.synchronize(device)
    taken = module.memory_allocated(device) - before
    name = module.get_device_name(device)
    found = (
        f"{name}: {taken / 2**20:.0f} MiB for 16 MiB of numbers, waited {1e3 * (time.perf_counter() - began):.1f} ms"
    )
    is_right = total == 2 * block.numel() and taken >= block.numel() * 4
    yield Result("memory", "ok" if is_right else "fault", found)


def check_network(device: torch.device, folder: Path) -> Iterator[Result]:
    """A small training and a small sweep, there and on the CPU, through the stages themselves.

    Args:
        device: the device.
        folder: an empty folder.
    """
    there, here = _workspace(folder / "device", device), _workspace(folder / "cpu", torch.device("cpu"))
    prepare(there)
    shutil.copytree(there.folder, here.folder)
    began = time.perf_counter()
    _train(there)
    spent_s = time.perf_counter() - began
    _train(here)
    yield _agreement(
        "step", f"losses of {STEPS} steps ({spent_s:.1f} s)", _losses(there), _losses(here), LOSS_TOLERANCE
    )
    yield _check_resume(there, folder / "resumed")
    fields = _sampled(there)
    _replace_checkpoints(there, here)
    yield _agreement("sampling", f"{len(fields)} fields", fields, _sampled(here), FIELD_TOLERANCE)


def _settings(device: torch.device) -> dict[str, Any]:
    """Volumes of 8^3 cells and a small network, so that a minute is enough on any machine."""
    return {
        "name": "selftest",
        "data": {"source": {"kind": "harmonics", "size": 8, "max_degree": 3}, "shard_length": 8},
        "model": {"width": 8, "multipliers": [1, 2], "norm_groups": 4, "heads": 1, "head_channels": 4},
        "training": {
            "iterations": STEPS,
            "batch_size": 8,
            "checkpoint_every": MIDDLE,
            "metrics_every": 1,
            "sheet_samples": 0,
            "tensorboard": False,
            "optimizer": {"warmup_iterations": 0, "decay_fraction": 0.0},
        },
        "sampling": {"num_samples": 4, "evaluations": [4], "micro_batch": 4, "shard_length": 4},
        "runtime": {"device": device.type, "threads": 1},
    }


def _workspace(folder: Path, device: torch.device) -> Workspace:
    return Workspace(parse_experiment(_settings(device), "the selftest"), folder, Silent())


def _train(workspace: Workspace) -> None:
    train(workspace, Place())


def _losses(workspace: Workspace) -> NDArray[np.float64]:
    return np.array([record["loss"] for record in read_metrics(workspace.run_folder.metrics)])


def _agreement(
    name: str, what: str, found: NDArray[np.floating[Any]], wanted: NDArray[np.floating[Any]], tolerance: float
) -> Result:
    """Largest difference to the CPU, relative to the largest value there."""
    if found.shape != wanted.shape or not np.isfinite(found).all():
        return Result(name, "fault", f"{what}: not finite, or {found.shape} where the CPU has {wanted.shape}")
    error = float(np.abs(found - wanted).max() / np.abs(wanted).max())
    state: State = "ok" if error <= tolerance else "fault"
    return Result(name, state, f"{what} differ from the CPU's by {error:.1e} (allowed {tolerance:g})")


def _check_resume(workspace: Workspace, folder: Path) -> Result:
    """Take the last checkpoint away, and train again from the one before."""
    shutil.copytree(workspace.folder, folder)
    again = Workspace(workspace.experiment, folder, Silent())
    checkpoints = CheckpointFolder(again.run_folder.checkpoints)
    for path in again.run_folder.checkpoints.glob(f"step-{STEPS:08d}*"):
        path.unlink()
    start = [found.iteration for found in checkpoints.list()]
    _train(again)
    whole, resumed = (_weights(one) for one in (workspace, again))
    if weights_digest({"model": whole}) == weights_digest({"model": resumed}):
        return Result(
            "resume", "ok", f"{STEPS} steps, and {start[-1]} + {STEPS - start[-1]}: the same weights, bit for bit"
        )
    error = max(float((whole[name] - resumed[name]).abs().max() / whole[name].abs().max()) for name in whole)
    state: State = "ok" if error <= WEIGHT_TOLERANCE and workspace.experiment.runtime.device != "cpu" else "fault"
    return Result("resume", state, f"weights differ by {error:.1e} after going on from step {start[-1]}")


def _weights(workspace: Workspace) -> dict[str, torch.Tensor]:
    """Of the last checkpoint."""
    newest = CheckpointFolder(workspace.run_folder.checkpoints).list()[-1]
    weights: dict[str, torch.Tensor] = read_checkpoint(newest.path)["model"]
    return weights


def _replace_checkpoints(source: Workspace, target: Workspace) -> None:
    """Both are to sample from the same weights."""
    shutil.rmtree(target.run_folder.checkpoints)
    shutil.copytree(source.run_folder.checkpoints, target.run_folder.checkpoints)


def _sampled(workspace: Workspace) -> NDArray[np.float32]:
    cell = sample_sweep(workspace)[-1]
    return np.asarray(open_fields(workspace.run_folder.samples(cell.identity)).fields[:])
