"""Which statistics generated fields get right, checkpoint by checkpoint and seed by seed, on a CPU.

    python tests/bench/bench_fidelity.py FOLDER [--seeds 3] [--samples 2000] [--peers .venv-peers]

Maps of the cosmic web of 32^2 cells and 100 Mpc/h at one cosmology, compared as log10 of the density: the shipped
experiments ``cosmic_web_32`` (ours) and ``cosmic_web_32_paper_a`` (the recipe of Mudur & Finkbeiner 2022), and
denoising-diffusion-pytorch with its own defaults, all with the CPU time of training that the first took, on one
thread. The width of the averaged weights is chosen once, by the power spectrum of the validation split at the end of
the first training; each of the last five checkpoints of each training is then held against the test split. Every step
is a resumable run of ours in FOLDER: started again, the script goes on. A perfect model would show the rows of
training fields.
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
BOX, FLOOR_SETS = 100.0, 3
LAST_FIVE = (3500, 3625, 3750, 3875, 4000)
WIDTHS, WIDTH_SAMPLES = (5, 7, 9, 12, 17, 24), 1000
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

    def samples(self, name: str, gamma: float | None = None) -> dict[int, Maps]:
        """Generated maps by iteration, of one width of the average; the larger set of two."""
        found: dict[int, Maps] = {}
        for store in self.run_folder(name).glob("samples/*.zarr"):
            root = zarr.open_group(store, mode="r")
            maps = log10_maps(root, np.flatnonzero(np.asarray(root["valid"])))
            iteration = int(str(root.attrs["checkpoint"]).split("-")[1])
            if root.attrs["ema_gamma"] == gamma and len(maps) > len(found.get(iteration, ())):
                found[iteration] = maps
        return dict(sorted(found.items()))

    def chosen_width(self, name: str) -> float:
        """The width that the last ranking of a run put first."""
        ranked = max(self.run_folder(name).glob("statistics/selection-*.json"), key=lambda path: path.stat().st_mtime)
        (ranking,) = json.loads(ranked.read_text())["rankings"]
        print(f"widths: {ranking['sentence']}", flush=True)
        best = ranking["samples"][ranking["ranking"]["rows"][0]["name"]]
        root = zarr.open_group(self.run_folder(name) / "samples" / f"{best}.zarr", mode="r")
        return float(str(root.attrs["ema_gamma"]))


def log10_maps(root: zarr.Group, chosen: NDArray[np.int64]) -> Maps:
    """The first channel of some stored fields."""
    maps: Maps = np.log10(np.asarray(root["fields"], dtype=np.float64)[chosen, 0])
    return maps


def print_row(title: str, score: Score, remark: str = "") -> None:
    """One line of the table."""
    numbers = [f"{value:+.2f}" if field.name in SIGNED else f"{value:.4g}" for field, value in _items(score)]
    print(f"| {title} | " + " | ".join(numbers) + f" | {remark} |", flush=True)


SIGNED = ("std", "skewness", "tail", "low_tail")


def _items(score: Score) -> list[tuple[Any, float]]:
    return list(zip(fields(score), astuple(score), strict=True))


def run_ours(bench: Bench, seeds: int, samples: int) -> float:
    """Our recipe at every seed; returns the width of the average that was chosen for all."""
    bench.experiment(OURS, stages=("prepare",))
    names = [f"{OURS}-seed{seed}" for seed in range(seeds)]
    for seed, name in enumerate(names):
        bench.experiment(OURS, f"seed={seed}", f"name={name}", stages=("train",))
    bench.experiment(
        OURS,
        "seed=0",
        f"name={names[0]}",
        f"sampling.ema_gamma={list(WIDTHS)}",
        f"sampling.num_samples={WIDTH_SAMPLES}",
        "evaluation.reference=validation",
        "evaluation.statistics=[{kind: power_spectrum}]",
        stages=("sample", "evaluate", "report"),
    )
    gamma = bench.chosen_width(names[0])
    for seed, name in enumerate(names):
        wanted = (f"sampling.num_samples={samples}", f"sampling.ema_gamma={gamma:g}")
        last = f"sampling.checkpoints={list(LAST_FIVE)}"
        bench.experiment(OURS, f"seed={seed}", f"name={name}", last, *wanted, stages=("sample",))
    return gamma


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
        words = [*("--cpu-seconds", f"{seconds:.0f}"), *("--samples", str(samples)), "--data", str(given)]
        script = [str(python), str(HERE / "fidelity_lucidrains.py")]
        subprocess.run([*script, *words, "--out", str(made)], check=True, stdout=sys.stderr)
    generated: Maps = np.load(made).astype(np.float64)
    return generated * (high - low) + low


def print_ours(bench: Bench, reference: Reference, seeds: int, gamma: float) -> float:
    """A row for each checkpoint, and their mean and scatter; returns the mean CPU time of the trainings."""
    rows, seconds = [], []
    for seed in range(seeds):
        name = f"{OURS}-seed{seed}"
        seconds.append(bench.training_seconds(name))
        for iteration, maps in bench.samples(name, gamma).items():
            rows.append(reference.score(maps))
            remark = f"{len(maps)} maps, {seconds[-1]:.0f} s"
            print_row(f"ours, seed {seed}, iteration {iteration}", rows[-1], remark)
    every = np.array([astuple(row) for row in rows])
    print_row(f"ours, mean of {len(rows)}", Score(*every.mean(axis=0)))
    print_row("ours, standard deviation of one", Score(*every.std(axis=0, ddof=1)))
    return float(np.mean(seconds))


def print_peers(bench: Bench, reference: Reference, python: Path, seconds: float, samples: int) -> None:
    """The same budget with paper A's recipe, and with denoising-diffusion-pytorch."""
    run_paper_a(bench, seconds)
    for iteration, maps in bench.samples(PAPER_A).items():
        remark = f"{len(maps)} maps, {bench.training_seconds(PAPER_A):.0f} s"
        print_row(f"paper A's recipe, iteration {iteration}", reference.score(maps), remark)
    maps = run_lucidrains(bench, python, seconds, samples)
    print_row("denoising-diffusion-pytorch", reference.score(maps), f"{len(maps)} maps, {seconds:.0f} s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="where data and runs go; a finished step is not repeated")
    parser.add_argument("--seeds", type=int, default=3, help="trainings of our recipe")
    parser.add_argument("--samples", type=int, default=2000, help="maps of each checkpoint")
    parser.add_argument("--peers", type=Path, help="environment of tests/bench/setup_peers.sh; without: ours alone")
    parser.add_argument("--peer-samples", type=int, default=256, help="maps that the peer generates")
    given = parser.parse_args()
    bench = Bench(given.folder.resolve())
    gamma = run_ours(bench, given.seeds, given.samples)
    reference, training = Reference(bench.data(TEST)), bench.data(TRAIN)
    print(f"average of the weights: gamma {gamma:g}\n")
    print("| maps | " + " | ".join(TITLES) + " | |\n|" + "---|" * (len(TITLES) + 2))
    for part in np.split(training[: FLOOR_SETS * given.samples], FLOOR_SETS):
        print_row(f"{len(part)} training maps", reference.score(part))
    seconds = print_ours(bench, reference, given.seeds, gamma)
    if given.peers is not None:
        print_peers(bench, reference, given.peers / "bin" / "python", seconds, given.peer_samples)


if __name__ == "__main__":
    main()
