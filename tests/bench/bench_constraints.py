"""What positivity and a kept total mass do to the statistics of generated fields, in physical units.

    python tests/bench/bench_constraints.py SAMPLES.zarr DATA/fields.zarr

The fields of a sample store are constrained as ``sampling.constraints`` does it at the end of sampling, each way, and
compared with the test split (see ``bench_transforms.py`` for the columns); the bound is the smallest value of the
training split. ``scatter of totals``: standard deviation of the mean of a field over its average, to be held against
that of the test split. ``changed``: rms of the change over the standard deviation of a cell.
"""

import sys
from pathlib import Path

import numpy as np
from bench_transforms import STATISTICS, compare
from numpy.typing import NDArray

from rhodiff.config.constraints import Constraints
from rhodiff.fields.constraints import constrain
from rhodiff.sources.source import TEST, TRAIN
from rhodiff.store.field_store import open_fields

Fields = NDArray[np.float64]


def scatter_of_totals(fields: Fields) -> float:
    """Of the means of fields, per cent of their own mean."""
    means = fields.mean(axis=(1, 2))
    return 100 * float(means.std() / means.mean())


def options(lowest: float) -> dict[str, Constraints]:
    """Constraints to compare, by name."""
    return {
        "none": Constraints(),
        "lower": Constraints(lower=lowest),
        "mean, scale": Constraints(lower=lowest, mean="training", by="scale"),
        "mean, shift": Constraints(lower=lowest, mean="training", by="shift"),
    }


def main(samples: Path, data: Path) -> None:
    """Print the table."""
    store, generated = open_fields(data), open_fields(samples)
    made = generated.fields[:][generated.valid[:]]
    stored = store.fields[:][:, 0].astype(np.float64)
    training, test = (stored[store.indices(part)] for part in (TRAIN, TEST))
    means = np.full((len(made), 1), training.mean())
    keys = [key for key in STATISTICS if key != "below"]
    print(f"scatter of totals in the test split: {scatter_of_totals(test):.2f} %; {len(made)} fields")
    print("| constraints | " + " | ".join(keys) + " | changed | scatter of totals |")
    print("|---" * (len(keys) + 3) + "|")
    for name, settings in options(float(training.min())).items():
        fields = made if settings.is_empty else constrain(made, settings, None if settings.mean is None else means)
        values = fields[:, 0].astype(np.float64)
        found = compare(values, test, store.spec.box_size[0], float(training.min()))
        changed = np.sqrt(np.square(values - made[:, 0]).mean()) / test.std()
        numbers = " | ".join(f"{found[key]:.3f}" for key in keys)
        print(f"| {name} | {numbers} | {changed:.4f} | {scatter_of_totals(values):.2f} % |")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
