"""Time of ``rhodiff-hpc --help`` against ``python -c pass``, whole processes in turn.

python tests/bench/bench_help.py [--repeats 15]
"""

import argparse
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path


def run(command: list[str]) -> float:
    """Wall seconds of a process."""
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def main() -> None:
    """Print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=15)
    repeats = parser.parse_args().repeats
    program = str(Path(sys.executable).parent / "rhodiff-hpc")
    pairs = [(run([program, "--help"]), run([sys.executable, "-c", "pass"])) for _ in range(repeats + 1)][1:]
    result = {
        "help_s": statistics.median(a for a, _ in pairs),
        "pass_s": statistics.median(b for _, b in pairs),
        "ratio": statistics.median(a / b for a, b in pairs),
    }
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
