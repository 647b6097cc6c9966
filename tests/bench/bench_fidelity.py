"""Which statistics generated fields get right, checkpoint by checkpoint and seed by seed, on a CPU.

    python tests/bench/bench_fidelity.py FOLDER [--seeds 3] [--peers .venv-peers] [--peer-samples 256]

Maps of the cosmic web of 32^2 cells and 100 Mpc/h at one cosmology, compared as log10 of the density: the shipped
experiments ``cosmic_web_32`` (ours) and ``cosmic_web_32_paper_a`` (the recipe of Mudur & Finkbeiner 2022), and
denoising-diffusion-pytorch with its own defaults, all with the CPU time of training that the first took, on one
thread. Every step is a resumable run of ours in FOLDER: started again, the script goes on. A perfect model would show
the rows of training fields; single checkpoints scatter by them.
"""

import argparse
import json
import os
import subprocess
import sys
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"

import numpy as np
import zarr
from numpy.typing import NDArray

from rhodiff.sources.source import TEST, TRAIN
from rhodiff.statistics import minkowski_functionals, power_spectrum, wasserstein_1

BIN, HERE = Path(sys.executable).parent, Path(__file__).parent
OURS, PAPER_A = "cosmic_web_32", "cosmic_web_32_paper_a"
BOX, SPLIT_FLOOR_SAMPLES = 100.0, 1000
THRESHOLDS = np.linspace(0.01, 0.99, 25)
"""Shares of the reference's values below the thresholds of the Minkowski functionals."""

Maps = NDArray[np.float64]


@dataclass(frozen=True)
class Score:
    """Differences of a set of maps from the reference."""

    power: float
    """Mean over the bins of |dP/P|, in per cent."""
    worst: float
    """Largest |dP/P|, in per cent."""
    w1: float
    """Wasserstein-1 distance of the values over their standard deviation."""
    std: float
    """Standard deviation, in per cent."""
    skewness: float
    """In per cent."""
    tail: float
    """99.9 % quantile, in standard deviations."""
    low_tail: float
    """0.1 % quantile, in standard deviations."""
    minkowski: float
    """Largest difference of a Minkowski functional over the thresholds, over the scatter of a single map there."""


TITLES = ("mean |dP/P| %", "worst %", "W1/std", "std %", "skewness %", "99.9 % q", "0.1 % q", "Minkowski")


class Reference:
    """The reference maps, measured once.

    Args:
        maps: ``[map, y, x]``.
    """

    def __init__(self, maps: Maps) -> None:
        self._values, self._std, self._skewness = maps.ravel(), float(maps.std()), skewness(maps)
        self._power = power_spectrum(maps, box_size=BOX).power.mean(axis=0)
        self._levels = np.quantile(maps, THRESHOLDS)
        functionals = minkowski_functionals(maps, self._levels, boundary="periodic")
        self._functionals, self._scatter = functionals.mean(axis=0), functionals.std(axis=0)
        self._tails = np.quantile(maps, [0.999, 0.001])

    def score(self, maps: Maps) -> Score:
        """Compare maps ``[map, y, x]``."""
        ratio = 100 * (power_spectrum(maps, box_size=BOX).power.mean(axis=0) / self._power - 1)
        functionals = minkowski_functionals(maps, self._levels, boundary="periodic").mean(axis=0)
        tails = (np.quantile(maps, [0.999, 0.001]) - self._tails) / self._std
        return Score(
            power=float(np.abs(ratio).mean()),
            worst=float(np.abs(ratio).max()),
            w1=wasserstein_1(maps, self._values) / self._std,
            std=100 * (float(maps.std()) / self._std - 1),
            skewness=100 * (skewness(maps) / self._skewness - 1),
            tail=float(tails[0]),
            low_tail=float(tails[1]),
            minkowski=float(np.abs((functionals - self._functionals) / self._scatter).max()),
        )


def skewness(maps: Maps) -> float:
    """Third standardised moment of all values together."""
    centred = maps - maps.mean()
    return float((centred**3).mean() / centred.std() ** 3)


class Bench:
    """The runs in one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def command(self, *words: str) -> None:
        """Run rhodiff-hpc; what is finished is not done again."""
        print("$ rhodiff-hpc", *words, flush=True)
        subprocess.run([BIN / "rhodiff-hpc", *words], cwd=self.folder, check=True, stdout=sys.stderr)

    def experiment(self, name: str, *overrides: str, stages: tuple[str, ...] = ("train", "sample")) -> list[str]:
        """Run stages of a shipped experiment; returns the words that name it."""
        file = self.folder / f"{name}.yaml"
        if not file.exists():
            self.command("init", name, "-o", file.name)
        words = ["-c", file.name, *(word for one in overrides for word in ("--set", one))]
        for stage in stages:
            self.command("run", stage, *words)
        return words

    def run_folder(self, name: str) -> Path:
        """Of the one run with this name."""
        (found,) = (self.folder / "runs").glob(f"{name}-????????")
        return found

    def training_seconds(self, name: str) -> float:
        """CPU time of a training, all its attempts together."""
        lines = [line for file in self.run_folder(name).glob("journal/*.jsonl") for line in file.open()]
        events: list[dict[str, Any]] = [json.loads(line) for line in lines]
        return float(sum(event["cpu_s"] for event in events if event["event"] == "training ended"))

    def data(self, part: int) -> Maps:
        """Maps of a part of the data set, log10 of the density."""
        (store,) = (self.folder / "data").glob("cosmic_web-*/fields.zarr")
        root = zarr.open_group(store, mode="r")
        return log10_maps(root, np.flatnonzero(np.asarray(root["split"]) == part))

    def samples(self, name: str) -> dict[int, Maps]:
        """Generated maps by iteration."""
        found = {}
        for store in self.run_folder(name).glob("samples/*.zarr"):
            root = zarr.open_group(store, mode="r")
            iteration = int(str(root.attrs["checkpoint"]).split("-")[1])
            found[iteration] = log10_maps(root, np.flatnonzero(np.asarray(root["valid"])))
        return dict(sorted(found.items()))


def log10_maps(root: zarr.Group, chosen: NDArray[np.int64]) -> Maps:
    """The first channel of some stored fields."""
    stored = np.asarray(root["fields"])[chosen, 0]
    return np.log10(stored.astype(np.float64))


def print_row(title: str, score: Score, remark: str = "") -> None:
    """One line of the table."""
    numbers = [f"{value:+.2f}" if field.name in SIGNED else f"{value:.4g}" for field, value in _items(score)]
    print(f"| {title} | " + " | ".join(numbers) + f" | {remark} |", flush=True)


SIGNED = ("std", "skewness", "tail", "low_tail")


def _items(score: Score) -> list[tuple[Any, float]]:
    return list(zip(fields(score), astuple(score), strict=True))


def run_ours(bench: Bench, seeds: int) -> float:
    """Our recipe at every seed; returns the mean CPU time of its trainings."""
    bench.experiment(OURS, stages=("prepare",))
    names = [f"{OURS}-seed{seed}" for seed in range(seeds)]
    for seed, name in enumerate(names):
        bench.experiment(OURS, f"seed={seed}", f"name={name}")
    return float(np.mean([bench.training_seconds(name) for name in names]))


def run_paper_a(bench: Bench, seconds: float) -> None:
    """Paper A's recipe for as long: a trial tells how many iterations that is."""
    trial = f"{PAPER_A}-trial"
    bench.experiment(PAPER_A, f"name={trial}", "training.iterations=20", stages=("train",))
    per_iteration = bench.training_seconds(trial) / 20
    iterations = max(100, int(seconds / per_iteration) // 10 * 10)
    checkpoints = f"training.checkpoint_every={iterations // 10}"
    bench.experiment(PAPER_A, f"training.iterations={iterations}", checkpoints)


def run_lucidrains(bench: Bench, python: Path, seconds: float, samples: int) -> Maps:
    """denoising-diffusion-pytorch for as long, on the same training maps scaled to [0, 1]."""
    maps = bench.data(TRAIN)
    low, high = float(maps.min()), float(maps.max())
    given, made = bench.folder / "lucidrains_training.npy", bench.folder / f"lucidrains_{samples}.npy"
    if not made.exists():
        np.save(given, ((maps - low) / (high - low)).astype(np.float32))
        words = ["--data", given, "--cpu-seconds", f"{seconds:.0f}", "--samples", str(samples), "--out", made]
        subprocess.run([python, HERE / "fidelity_lucidrains.py", *words], check=True, stdout=sys.stderr)
    return np.load(made).astype(np.float64) * (high - low) + low


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="where data and runs go; a finished step is not repeated")
    parser.add_argument("--seeds", type=int, default=3, help="trainings of our recipe")
    parser.add_argument("--peers", type=Path, help="environment of tests/bench/setup_peers.sh; without: ours alone")
    parser.add_argument("--peer-samples", type=int, default=256, help="maps that the peer generates")
    given = parser.parse_args()
    bench = Bench(given.folder.resolve())
    seconds = run_ours(bench, given.seeds)
    reference, training = Reference(bench.data(TEST)), bench.data(TRAIN)
    print("| maps | " + " | ".join(TITLES) + " | |\n|" + "---|" * (len(TITLES) + 2))
    for start in range(0, 3 * SPLIT_FLOOR_SAMPLES, SPLIT_FLOOR_SAMPLES):
        part = training[start : start + SPLIT_FLOOR_SAMPLES]
        print_row(f"{len(part)} training maps", reference.score(part))
    for seed in range(given.seeds):
        name = f"{OURS}-seed{seed}"
        for iteration, maps in bench.samples(name).items():
            remark = f"{len(maps)} maps, {bench.training_seconds(name):.0f} s of training in all"
            print_row(f"ours, seed {seed}, iteration {iteration}", reference.score(maps), remark)
    if given.peers is not None:
        run_paper_a(bench, seconds)
        for iteration, maps in bench.samples(PAPER_A).items():
            remark = f"{len(maps)} maps, {bench.training_seconds(PAPER_A):.0f} s"
            print_row(f"paper A's recipe, iteration {iteration}", reference.score(maps), remark)
        maps = run_lucidrains(bench, given.peers / "bin" / "python", seconds, given.peer_samples)
        print_row("denoising-diffusion-pytorch", reference.score(maps), f"{len(maps)} maps, {seconds:.0f} s")


if __name__ == "__main__":
    main()
