"""QuantImPy's part of bench_minkowski.py, in its own interpreter: CPU seconds of all thresholds on all fields."""

import json
import sys
import time

import numpy as np
from minkowski_fields import KINDS, LEVELS, make_fields
from quantimpy import minkowski


def measure(fields: np.ndarray) -> np.ndarray:
    """Functionals ``[N, threshold, ndim + 1]``, masks made on the way."""
    found = [[minkowski.functionals(field >= level) for level in LEVELS] for field in fields]
    return np.array(found)


def main() -> None:
    """Answer with the first field's sums over thresholds of each kind, then with the time of each order."""
    fields = {kind: make_fields(kind) for kind in KINDS}
    answer({kind: measure(some[:1])[0].sum(axis=0).tolist() for kind, some in fields.items()})
    for line in sys.stdin:
        start = time.process_time()
        measure(fields[line.strip()])
        answer(time.process_time() - start)


def answer(value: object) -> None:
    """One line of JSON."""
    print(json.dumps(value), flush=True)


if __name__ == "__main__":
    main()
