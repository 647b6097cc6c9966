"""Tiny experiments, and real ``rhodiff-hpc`` processes to run them.

Commands run in children of a fork server that has imported torch already: each is a process of its own with its own
signals, files and exit code, and starts in a fraction of a second.
"""

import json
import multiprocessing
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from scipy.ndimage import gaussian_filter1d

from rhodiff.training.checkpoints import CheckpointFolder, read_checkpoint
from rhodiff.training.metrics import read_metrics

SERVER = multiprocessing.get_context("forkserver")
SERVER.set_forkserver_preload(
    [
        "rhodiff.cli.app",
        "rhodiff.cli.submit_pipeline",
        "rhodiff.jobs.stage_submission",
        "rhodiff.stages.train",
        "rhodiff.stages.report",
        "rhodiff.stages.sample",
        "rhodiff.sources.arrays",
        "tensorboard.compat.proto.event_pb2",
        "torch._inductor",  # torch loads it, in 1.5 s, as soon as it is asked for deterministic algorithms
    ]
)

LIMIT_S = 300.0
"""A command that takes longer hangs; no machine is so slow."""

LAUNCHER = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT", "SLURM_PROCID")


def write_arrays(path: Path, seed: int = 0, num_fields: int = 120, cells: int = 32) -> Path:
    """Smooth periodic noise, ``[num_fields, cells]``."""
    noise = np.random.default_rng(seed).normal(size=(num_fields, cells))
    np.save(path, gaussian_filter1d(noise, 2, axis=1, mode="wrap").astype(np.float32))
    return path


def tiny_settings(fields: Path) -> dict[str, Any]:
    """One-dimensional fields from a file and the smallest network."""
    return {
        "name": "tiny",
        "data": {"source": {"kind": "arrays", "fields": str(fields), "periodic": True}, "shard_length": 40},
        "fields": {"augmentation": ["dihedral", "periodic_shift"]},
        "model": {"width": 8, "multipliers": [1, 2], "norm_groups": 4, "heads": 1, "head_channels": 4},
        "training": {
            "iterations": 40,
            "batch_size": 8,
            "checkpoint_every": 10,
            "metrics_every": 1,
            "sheet_samples": 0,
            "optimizer": {"warmup_iterations": 5},
        },
        "sampling": {"num_samples": 16, "evaluations": [4], "micro_batch": 8, "shard_length": 8},
        "evaluation": {"bootstrap": 100},
        "runtime": {"threads": 1, "device": "cpu"},
    }


@dataclass
class Ended:
    """A command that has ended: exit code, and what it wrote."""

    code: int
    out: str
    err: str

    @property
    def value(self) -> dict[str, Any]:
        """The JSON value on stdout."""
        return json.loads(self.out)


@dataclass
class Started:
    """A running command."""

    process: Any
    log: Path

    @property
    def pid(self) -> int:
        return self.process.pid

    def is_running(self) -> bool:
        return self.process.is_alive()

    def is_held(self) -> bool:
        """Whether it stands still, by SIGSTOP."""
        return self.is_running() and _state(self.pid) == "T"

    def wait_until_held(self) -> None:
        """Wait until it has come to where it stops itself (:mod:`holds`)."""
        wait_until(self.is_held, self)

    def send(self, *numbers: int) -> None:
        for number in numbers:
            os.kill(self.pid, number)

    def wait(self, timeout_s: float = LIMIT_S) -> Ended:
        self.process.join(timeout_s)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()
            raise AssertionError(f"still running after {timeout_s} s:\n{self._read('err')}")
        return Ended(self.process.exitcode, self._read("out"), self._read("err"))

    def _read(self, stream: str) -> str:
        path = self.log.with_suffix(f".{stream}")
        return path.read_text() if path.exists() else ""


def _child(
    arguments: Sequence[str],
    folder: str,
    log: str,
    environment: Mapping[str, str],
    uid: int | None,
    before: Callable[[], object] | None,
) -> None:
    """Become ``rhodiff-hpc``."""
    for stream in (1, 2):
        path = f"{log}.{'out' if stream == 1 else 'err'}"
        descriptor = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o644)
        os.dup2(descriptor, stream)
        os.close(descriptor)
    os.chdir(folder)
    for name in LAUNCHER:
        os.environ.pop(name, None)
    os.environ.update(environment)
    if uid is not None:
        os.setgid(uid)
        os.setuid(uid)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if before is not None:
        before()
    sys.argv = ["rhodiff-hpc", *arguments]
    from rhodiff.cli.app import main

    main()


@dataclass
class Lab:
    """A folder with an experiment file, in which commands are run.

    Attributes:
        folder: the folder.
        overrides: ``--set`` values of every command.
    """

    folder: Path
    overrides: tuple[str, ...] = ()
    _count: list[int] = field(default_factory=lambda: [0])

    @classmethod
    def make(cls, folder: Path, settings: Mapping[str, Any], *overrides: str) -> "Lab":
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "rhodiff.yaml").write_text(yaml.safe_dump(dict(settings), sort_keys=False))
        return cls(folder, overrides)

    def sibling(self, folder: Path, *overrides: str) -> "Lab":
        """The same experiment in another folder."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "rhodiff.yaml").write_text((self.folder / "rhodiff.yaml").read_text())
        return Lab(folder, (*self.overrides, *overrides))

    def start(
        self,
        *arguments: str,
        environment: Mapping[str, str] | None = None,
        uid: int | None = None,
        before: Callable[[], object] | None = None,
    ) -> Started:
        """Start ``rhodiff-hpc`` with these arguments.

        Args:
            arguments: of the command line.
            environment: further variables.
            uid: user to become.
            before: called in the process before the command.
        """
        self._count[0] += 1
        log = self.folder / f"command-{self._count[0]:03d}"
        sets = [word for override in self.overrides for word in ("--set", override)]
        process = SERVER.Process(
            target=_child,
            args=([*arguments, *sets], str(self.folder), str(log), dict(environment or {}), uid, before),
        )
        process.start()
        return Started(process, log)

    def run(self, *arguments: str, timeout_s: float = LIMIT_S, **options: Any) -> Ended:
        """Run ``rhodiff-hpc`` to its end, whatever it is."""
        return self.start(*arguments, **options).wait(timeout_s)

    def do(self, *arguments: str, **options: Any) -> Ended:
        """Run ``rhodiff-hpc``, which must succeed."""
        ended = self.run(*arguments, **options)
        assert ended.code == 0, f"{arguments} ended with {ended.code}:\n{ended.err}"
        return ended

    def start_ranks(self, number: int, *arguments: str, **options: Any) -> list[Started]:
        """Start the processes of one training as torchrun would."""
        port = free_port()
        return [
            self.start(*arguments, environment=torchrun_environment(rank, number, port), **options)
            for rank in range(number)
        ]

    def do_ranks(self, number: int, *arguments: str, **options: Any) -> list[Ended]:
        """Run the processes of one training, which must succeed."""
        ended = [rank.wait() for rank in self.start_ranks(number, *arguments, **options)]
        assert [e.code for e in ended] == [0] * number, "\n".join(e.err for e in ended)
        return ended

    def run_folder(self) -> Path:
        """The only run folder."""
        (found,) = (self.folder / "runs").iterdir()
        return found

    def data_folder(self) -> Path:
        """The only data folder."""
        (found,) = (self.folder / "data").iterdir()
        return found

    def checkpoints_done(self) -> int:
        """Number of finished checkpoints, in all runs."""
        return len(list(self.folder.glob("runs/*/checkpoints/step-*.json")))

    def losses(self) -> list[tuple[int, float]]:
        """Loss history of the only run."""
        records = read_metrics(self.run_folder() / "metrics")
        return [(record["iteration"], record["loss"]) for record in records]

    def final(self) -> dict[str, Any]:
        """Content of the last checkpoint of the only run."""
        return last_checkpoint(self.run_folder())


def torchrun_environment(rank: int, number: int, port: int) -> dict[str, str]:
    """The variables that torchrun sets."""
    return {
        "RANK": str(rank),
        "LOCAL_RANK": str(rank),
        "WORLD_SIZE": str(number),
        "LOCAL_WORLD_SIZE": str(number),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
    }


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _state(pid: int) -> str:
    """The kernel's letter for how a process stands."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def wait_until(condition: Callable[[], Any], process: Started | None = None, timeout_s: float = LIMIT_S) -> None:
    """Return when the condition holds; fail if the process ends before."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if process is not None and not process.is_running():
            raise AssertionError(f"ended too early:\n{process.wait().err}")
        assert time.monotonic() < deadline, "timed out"
        time.sleep(0.002)


def last_checkpoint(run: Path) -> dict[str, Any]:
    return read_checkpoint(CheckpointFolder(run / "checkpoints").list()[-1].path)


def differing(one: Any, two: Any, path: str = "") -> list[str]:
    """Where two nested structures of tensors and values differ, bit for bit."""
    if isinstance(one, Mapping):
        if not isinstance(two, Mapping) or one.keys() != two.keys():
            return [f"{path}: keys"]
        return [found for key in one for found in differing(one[key], two[key], f"{path}/{key}")]
    if isinstance(one, torch.Tensor):
        return [] if torch.equal(one, two) else [path]
    if isinstance(one, list | tuple):
        pairs = enumerate(zip(one, two, strict=True))
        return [found for number, (a, b) in pairs for found in differing(a, b, f"{path}/{number}")]
    return [] if one == two else [path]


def differing_weights(one: Mapping[str, Any], two: Mapping[str, Any]) -> list[str]:
    """Where raw weights, averaged weights, optimizer state or iteration differ, bit for bit."""
    return [
        found
        for part in ("model", "ema", "optimizer", "iteration")
        for found in differing(one[part], two[part], part)
    ]


def snapshot(folder: Path) -> dict[str, tuple[int, int, int]]:
    """Inode, modification time and size of every file below a folder."""
    return {
        str(path.relative_to(folder)): (path.stat().st_ino, path.stat().st_mtime_ns, path.stat().st_size)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
