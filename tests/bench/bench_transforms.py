"""What a transform does to the statistics of the linear field, at equal training time.

    python tests/bench/bench_transforms.py FOLDER [--fields cosmic_web dust] [--iterations 600] [--only NAME ...]
        [--against test]

One small network (width 32, otherwise as the experiment's, with its noise levels) is trained for as many iterations
with each transform, on the data of the shipped experiments ``cosmic_web_32`` and ``demo`` (dust), and sampled;
generated fields are brought back to physical units and compared there with the test split (``--against training``:
with the training split, where the two differ by more than any model could, as patches of one small sky do): mean and
worst |dP/P| over the bins up to the Nyquist frequency, W1 and the 99.9 % quantile in standard deviations of a pixel,
the ratios of standard deviation and skewness, and the share of values below the smallest of the training split. The
first row is as many fields of the other split. One thread; an aborted run goes on where it was.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from rhodiff.config.loading import parse_experiment
from rhodiff.config.shipped import read_shipped
from rhodiff.runtime.places import Place
from rhodiff.runtime.progress import Silent
from rhodiff.sources.source import TEST, TRAIN
from rhodiff.stages.prepare import prepare
from rhodiff.stages.sample import sample_sweep
from rhodiff.stages.sweep import sweep_cells
from rhodiff.stages.train import train
from rhodiff.stages.workspace import Workspace
from rhodiff.statistics import moments, power_spectrum, quantiles, wasserstein_1
from rhodiff.store.field_store import open_fields
from rhodiff.store.journal import read_journal

Fields = NDArray[np.float64]
STANDARDISE = {"kind": "standardise"}
LOG = {"kind": "log10"}
SCALE = {"cosmic_web": 0.3, "dust": 0.02}
"""Where asinh turns logarithmic: about a third of the median, in units of the field."""
EXPERIMENTS = {"cosmic_web": "cosmic_web_32", "dust": "demo"}
STATISTICS = ("mean dP/P", "worst bin", "W1", "std ratio", "skewness ratio", "99.9 % quantile", "below")


def transforms(kind: str) -> dict[str, list[dict[str, Any]]]:
    """Chains to compare, by name."""
    return {
        "linear": [STANDARDISE],
        "power 1/4": [{"kind": "power", "exponent": 0.25}, STANDARDISE],
        f"asinh(x / {SCALE[kind]})": [{"kind": "asinh", "scale": SCALE[kind]}, STANDARDISE],
        "log10": [LOG, STANDARDISE],
        "gaussianise": [{"kind": "gaussianise"}],
        "log10, gaussianise": [LOG, {"kind": "gaussianise"}],
    }


def experiment(kind: str, name: str, chain: list[dict[str, Any]], iterations: int, samples: int) -> dict[str, Any]:
    """The shipped experiment with another transform, a smaller network and a shorter training."""
    base = yaml.safe_load(read_shipped("configs", EXPERIMENTS[kind]))
    slug = "".join(c if c.isalnum() else "_" for c in name)
    return {
        "name": f"{kind}_{slug}"[:60],
        "data": base["data"],
        "fields": {**base["fields"], "transform": chain},
        "model": {**base["model"], "width": 32},
        "diffusion": base.get("diffusion", {"kind": "edm"}),
        "training": {
            **base["training"],
            "iterations": iterations,
            "checkpoint_every": iterations,
            "sheet_samples": 0,
            "tensorboard": False,
        },
        "sampling": {
            "num_samples": samples,
            "samplers": ["gaussian_reference"],
            "evaluations": [20],
            "micro_batch": 50,
            "shard_length": -(-samples // 50) * 50,
        },
        "runtime": {"threads": 1, "device": "cpu"},
    }


def generated_fields(folder: Path, settings: dict[str, Any]) -> tuple[Workspace, Fields, float]:
    """Train and sample; the workspace, valid fields in physical units, and CPU seconds of the training."""
    workspace = Workspace(parse_experiment(settings, settings["name"]), folder, Silent())
    prepare(workspace)
    train(workspace, Place())
    sample_sweep(workspace)
    (cell,) = sweep_cells(workspace)
    store = open_fields(workspace.run_folder.samples(cell.identity))
    spent = sum(e["cpu_s"] for e in read_journal(workspace.run_folder.journal) if e["event"] == "training ended")
    return workspace, store.fields[:][store.valid[:]][:, 0].astype(np.float64), spent


def compare(fields: Fields, reference: Fields, box: float, lowest: float) -> dict[str, float]:
    """Statistics of the linear field against the reference."""
    ours, truth = (power_spectrum(one[:, None], box_size=box) for one in (fields, reference))
    inside = truth.k <= np.pi * reference.shape[1] / box
    ratio = ours.power.mean(axis=0)[inside] / truth.power.mean(axis=0)[inside] - 1
    mine, theirs = moments(fields), moments(reference)
    tail = quantiles(fields, [0.999])[0] - quantiles(reference, [0.999])[0]
    values = (
        100 * np.abs(ratio).mean(),
        100 * np.abs(ratio).max(),
        wasserstein_1(fields, reference) / theirs.std,
        mine.std / theirs.std,
        mine.skewness / theirs.skewness,
        tail / theirs.std,
        100 * float((fields < lowest).mean()),
    )
    return dict(zip(STATISTICS, map(float, values), strict=True))


def row(name: str, found: dict[str, float], note: str) -> str:
    """One line of the table."""
    mean, worst, w1, std, skewness, tail, below = (found[key] for key in STATISTICS)
    return (
        f"| {name} | {mean:.1f} % | {worst:.1f} % | {w1:.3f} | {std:.3f} | {skewness:.2f} | {tail:+.2f} | "
        f"{below:.2f} % | {note} |"
    )


def bench(
    folder: Path, kind: str, only: list[str], iterations: int, samples: int, against: str = "test"
) -> list[str]:
    """The table of one kind of fields."""
    lines = [
        "| transform | mean abs dP/P | worst bin | W1 / std | std ratio | skewness ratio | 99.9 % quantile, std | "
        "below the data | training |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    floor: dict[str, float] | None = None
    for name, chain in transforms(kind).items():
        if only and name not in only:
            continue
        settings = experiment(kind, name, chain, iterations, samples)
        workspace, fields, seconds = generated_fields(folder, settings)
        store = workspace.store
        box, stored = store.spec.box_size[0], store.fields[:][:, 0].astype(np.float64)
        training, test = (stored[store.indices(part)] for part in (TRAIN, TEST))
        reference, other, title = (test, training, "training") if against == "test" else (training, test, "test")
        if floor is None:
            chosen = np.random.default_rng(0).choice(len(other), min(samples, len(other)), replace=False)
            floor = compare(other[chosen], reference, box, training.min())
            lines.append(row(f"({title} fields)", floor, ""))
        found = compare(fields, reference, box, float(training.min()))
        diverged = samples - len(fields)
        note = f"{seconds:.0f} s" + (f", {diverged} of {samples} samples diverged" if diverged else "")
        lines.append(row(name, found, note))
        (folder / f"{settings['name']}.json").write_text(json.dumps(found))
        print(lines[-1], flush=True)
    return lines


def main() -> None:
    """Print a table for each kind of fields."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--fields", nargs="+", choices=sorted(EXPERIMENTS), default=sorted(EXPERIMENTS))
    parser.add_argument("--only", nargs="+", default=[])
    parser.add_argument("--iterations", type=int, default=600)
    parser.add_argument("--samples", type=int, default=500)
    parser.add_argument("--against", choices=["test", "training"], default="test")
    arguments = parser.parse_args()
    for kind in arguments.fields:
        lines = bench(
            arguments.folder, kind, arguments.only, arguments.iterations, arguments.samples, arguments.against
        )
        print(f"\n{kind}\n", *lines, sep="\n", flush=True)


if __name__ == "__main__":
    main()
