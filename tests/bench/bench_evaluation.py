"""What an evaluation costs: against checkpoints, against samples, and shared by MPI ranks.

    python tests/bench/bench_evaluation.py [--size 64] [--checkpoints 8] [--samples 256]

Maps of ``size``^2 cells, power spectrum, distribution, Minkowski functionals at 100 thresholds and the search for
copies of training fields. The network is trained for a few steps only: what is measured does not depend on how good
the samples are. Cost is CPU time of measuring and comparing, summed over ranks (starting Python is told apart), from
the run's journal. If it is linear, the cost of the last doubling is twice that of the one before. Strong scaling is
wall time of the same work by 1, 2 and 4 ranks; a machine of 2 cores can show a factor of 2 at most.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"

import numpy as np
import yaml
from scipy.ndimage import gaussian_filter

BIN = Path(sys.executable).parent


def settings(size: int, checkpoints: int) -> dict[str, Any]:
    """The experiment."""
    return {
        "name": "bench",
        "data": {
            "source": {"kind": "arrays", "fields": "fields.npy", "periodic": True},
            "split": {"train": 0.4, "validation": 0.1, "test": 0.5},
        },
        "fields": {"augmentation": ["dihedral", "periodic_shift"]},
        "model": {"width": 8, "multipliers": [1, 1, 1], "norm_groups": 4, "heads": 1, "head_channels": 8},
        "training": {
            "iterations": checkpoints,
            "batch_size": 2,
            "checkpoint_every": 1,
            "keep_checkpoints": None,
            "sheet_samples": 0,
            "optimizer": {"warmup_iterations": 1, "decay_fraction": 0.0},
        },
        "sampling": {"evaluations": [2], "micro_batch": 16, "shard_length": 64, "checkpoints": "all"},
        "evaluation": {
            "statistics": [
                {"kind": "power_spectrum"},
                {"kind": "pixel_distribution"},
                {"kind": "minkowski", "thresholds": {"number": 100}},
            ],
            "block_fields": 16,
        },
        "runtime": {"threads": 1, "device": "cpu"},
    }


class Bench:
    """One experiment, evaluated again and again."""

    def __init__(self, folder: Path, size: int, checkpoints: int) -> None:
        self.folder = folder
        noise = np.random.default_rng(0).normal(size=(1024, size, size))
        np.save(folder / "fields.npy", gaussian_filter(noise, (0, 2, 2), mode="wrap").astype(np.float32))
        (folder / "rhodiff.yaml").write_text(yaml.safe_dump(settings(size, checkpoints)))
        for stage in ("prepare", "train"):
            self.call("run", stage)

    def call(self, *words: str, ranks: int = 0, sets: tuple[str, ...] = ()) -> float:
        """Wall seconds of a command."""
        launcher = [str(BIN / "mpirun"), "-n", str(ranks)] if ranks else []
        options = [word for one in sets for word in ("--set", one)]
        began = time.perf_counter()
        subprocess.run(
            [*launcher, str(BIN / "rhodiff-hpc"), *words, "--quiet", *options],
            cwd=self.folder,
            check=True,
            stdout=subprocess.DEVNULL,
        )
        return time.perf_counter() - began

    def evaluate(self, checkpoints: int, samples: int, ranks: int) -> tuple[float, float, float]:
        """CPU seconds of all ranks, wall seconds of the slowest, wall seconds with starting Python."""
        sets = (f"sampling.num_samples={samples}", f"sampling.checkpoints={list(range(1, checkpoints + 1))}")
        self.call("run", "sample", sets=sets)
        (run,) = self.folder.glob("runs/*")
        shutil.rmtree(run / "statistics", ignore_errors=True)
        for marker in run.glob("markers/statistics-*"):
            marker.unlink()
        before = len(list(self._events()))
        wall = self.call("run", "evaluate", ranks=ranks, sets=sets)
        events = list(self._events())[before:]
        assert len(events) == ranks
        return sum(e["cpu_s"] for e in events), max(e["wall_s"] for e in events), wall

    def _events(self) -> Iterator[dict[str, Any]]:
        found = []
        for path in self.folder.glob("runs/*/journal/*.jsonl"):
            found += [json.loads(line) for line in path.read_text().splitlines()]
        return iter(sorted((e for e in found if e["event"] == "evaluated"), key=lambda e: e["time"]))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--checkpoints", type=int, default=8)
    parser.add_argument("--samples", type=int, default=256)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder), chosen.size, chosen.checkpoints)
        print(f"maps of {chosen.size}^2, reference of 512 maps; CPU s of measuring and comparing")
        print("checkpoints x samples      CPU s   wall s   with Python's start")
        numbers = [chosen.checkpoints >> shift for shift in (3, 2, 1, 0) if chosen.checkpoints >> shift]
        for checkpoints in numbers:
            report(bench, checkpoints, chosen.samples // 4, 1)
        for samples in (chosen.samples // 2, chosen.samples):
            report(bench, chosen.checkpoints, samples, 1)
        print(f"shared by ranks of MPI on {os.cpu_count()} cores")
        for ranks in (1, 2, 4):
            report(bench, chosen.checkpoints, chosen.samples, ranks)


def report(bench: Bench, checkpoints: int, samples: int, ranks: int) -> None:
    """One line."""
    cpu_s, wall_s, whole_s = bench.evaluate(checkpoints, samples, ranks)
    told = f", {ranks} ranks" if ranks > 1 else ""
    print(f"{checkpoints:>11} x {samples:<6}{told:<9} {cpu_s:8.2f} {wall_s:8.2f} {whole_s:8.2f}", flush=True)


if __name__ == "__main__":
    main()
