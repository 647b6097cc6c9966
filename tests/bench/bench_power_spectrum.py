"""CPU time of power spectra of 256 maps of 128 x 128 against loops over maps and Pylians, one thread, in one run.

    python tests/bench/bench_power_spectrum.py [--peers FOLDER] [--size 128] [--maps 256] [--repeats 15]

The loops are what scripts do: ``fft2`` of each map, squares, ``bincount`` over the full plane; and the same on the
half plane with ``rfft2``. Rounds alternate and the median of the paired ratios is reported, for maps of float64 and
of float32 (NumPy's transform of the latter is in float32, ours is not). Pylians' ``Pk_plane`` runs in its own process
and environment (see setup_peers.sh) and takes float32 only; without one it is left out.
"""

import argparse
import json
import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"

import numpy as np
from bench_training_step import HERE, Worker

from rhodiff.statistics import default_bin_edges, power_spectrum

BOX = 100.0


class Loop:
    """Power spectra of maps one by one with one of NumPy's transforms."""

    def __init__(self, size: int, *, half: bool) -> None:
        rows = np.fft.fftfreq(size, 1 / size)
        columns = np.fft.rfftfreq(size, 1 / size) if half else rows
        k = 2 * np.pi / BOX * np.hypot(rows[:, None], columns)
        self.num_bins = size // 2
        self.bins = np.digitize(k.ravel(), default_bin_edges((size, size), BOX))
        self.weights = np.where((columns == 0) | (columns == size / 2), 1.0, 2.0) if half else np.ones(size)
        self.transform = np.fft.rfft2 if half else np.fft.fft2
        self.counts = self.binned(np.ones(k.shape))
        self.scale = BOX**2 / size**4

    def binned(self, power: np.ndarray) -> np.ndarray:
        """Sums over the modes of each bin."""
        weighted = (power * self.weights).ravel()
        return np.bincount(self.bins, weighted, minlength=self.num_bins + 2)[1 : self.num_bins + 1]

    def __call__(self, maps: np.ndarray) -> np.ndarray:
        """Spectra ``[map, bin]``."""
        sums = [self.binned(np.abs(self.transform(field - field.mean())) ** 2) for field in maps]
        return self.scale * np.array(sums) / self.counts


def ours(maps: np.ndarray) -> np.ndarray:
    """Spectra ``[map, bin]``."""
    return power_spectrum(maps, box_size=BOX).power


def cpu_seconds(work: Callable[[], object]) -> float:
    """CPU time of this process for it."""
    start = time.process_time()
    work()
    return time.process_time() - start


def main() -> None:
    """Print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peers", type=Path, default=os.environ.get("RHODIFF_BENCH_PEERS"))
    for name, default in (("size", 128), ("maps", 256), ("repeats", 15)):
        parser.add_argument(f"--{name}", type=int, default=default)
    arguments = parser.parse_args()
    size, repeats = arguments.size, arguments.repeats
    double = np.random.default_rng(0).normal(size=(arguments.maps, size, size))
    single = double.astype(np.float32)
    plain, half = Loop(size, half=False), Loop(size, half=True)
    agreement = max(np.abs(loop(double) / ours(double) - 1).max() for loop in (plain, half))
    assert agreement < 1e-12, f"the loops give other numbers: {agreement}"
    result: dict[str, float] = {"largest_relative_difference": agreement}
    python = Path(arguments.peers) / "bin" / "python" if arguments.peers else None
    pylians = None
    if python and not os.system(f"'{python}' -c 'import Pk_library' 2>/dev/null"):
        pylians = Worker([str(python), str(HERE / "spectra_pylians.py"), str(arguments.maps), str(size)])
    for name, maps in (("float64", double), ("float32", single)):
        rivals = {"fft2_loop": lambda m=maps: plain(m), "rfft2_loop": lambda m=maps: half(m)}
        times: dict[str, list[float]] = {"ours": [], "pylians": []} | {rival: [] for rival in rivals}
        for _ in range(repeats + 1):
            times["ours"].append(cpu_seconds(lambda m=maps: ours(m)))
            for rival, work in rivals.items():
                times[rival].append(cpu_seconds(work))
            if pylians and name == "float32":
                times["pylians"].append(pylians.time("spectra"))
        for rival, seconds in times.items():
            if seconds:
                result[f"{name}_{rival}_ms"] = 1e3 * statistics.median(seconds[1:])
            if seconds and rival != "ours":
                pairs = zip(seconds[1:], times["ours"][1:], strict=True)
                result[f"{name}_{rival}_over_ours"] = statistics.median(a / b for a, b in pairs)
    if pylians:
        pylians.stop()
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
