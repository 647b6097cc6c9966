"""CPU time of Minkowski functionals at 100 thresholds against QuantImPy, one thread, in one run.

    python tests/bench/bench_minkowski.py --quantimpy PYTHON [--repeats 9]

256 maps of 128 x 128 and one field of 64^3, white noise and smooth. Rounds alternate and the median of the paired
ratios is reported. PYTHON is the interpreter of tests/oracles/setup_quantimpy.sh; QuantImPy's time has the making of
its masks in it. In 3D both count 2 x 2 x 2 windows, but QuantImPy's mean curvature overflows and its Euler number is
another one, so that only volume and surface are asserted to agree.
"""

import argparse
import json
import os
import statistics
import time

os.environ["OMP_NUM_THREADS"] = "1"

import numpy as np
from bench_training_step import HERE, Worker
from minkowski_fields import KINDS, LEVELS, make_fields

from rhodiff.statistics import minkowski_functionals


def cpu_seconds(fields: np.ndarray) -> float:
    """CPU time of this process for all thresholds."""
    start = time.process_time()
    minkowski_functionals(fields, LEVELS)
    return time.process_time() - start


def main() -> None:
    """Print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quantimpy", required=True)
    parser.add_argument("--repeats", type=int, default=9)
    arguments = parser.parse_args()
    if not arguments.quantimpy:
        print(json.dumps({"quantimpy": "left out: there is no interpreter that has it"}))
        return
    worker = Worker([arguments.quantimpy, str(HERE / "minkowski_quantimpy.py")])
    result: dict[str, float] = {}
    for kind in KINDS:
        fields = make_fields(kind)
        agreeing = slice(None) if kind.startswith("2d") else slice(2)
        ours = minkowski_functionals(fields[:1], LEVELS)[0].sum(axis=0)
        np.testing.assert_allclose(ours[agreeing], worker.num_parameters[kind][agreeing], rtol=1e-12)
        pairs = [(cpu_seconds(fields), worker.time(kind)) for _ in range(arguments.repeats + 1)][1:]
        result[f"{kind}_ours_ms"] = 1e3 * statistics.median(a for a, _ in pairs)
        result[f"{kind}_quantimpy_ms"] = 1e3 * statistics.median(b for _, b in pairs)
        result[f"{kind}_quantimpy_over_ours"] = statistics.median(b / a for a, b in pairs)
    worker.stop()
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
