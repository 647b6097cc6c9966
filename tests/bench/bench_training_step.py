"""CPU time of a training and a denoising step against other packages, at equal parameters, on one thread.

    python tests/bench/bench_training_step.py --peers FOLDER      (or RHODIFF_BENCH_PEERS; see setup_peers.sh)

A pair of worker processes is alternated, ours and theirs, and the median of the ratios is reported: a busy machine
slows both. Batch 8, 64 x 64, one channel; a training step is loss, gradient and Adam. ``contiguous`` is our own step
in torch's default memory layout.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent

LAYOUT = "contiguous"
PEERS = ("lucidrains", "diffusers", LAYOUT)
OURS = {"multipliers": [1, 2, 4, 8]}
"""Our U-Net at the parameters of the peers, 35 M; all else is default."""


class Worker:
    """A process that runs one step when told."""

    def __init__(self, command: list[str]) -> None:
        environment = os.environ | {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )
        self.num_parameters = self._answer()

    def time(self, order: str) -> float:
        """CPU seconds of one step."""
        self.process.stdin.write(order + "\n")
        self.process.stdin.flush()
        return self._answer()

    def stop(self) -> None:
        """End the process."""
        self.process.stdin.close()
        self.process.wait()

    def _answer(self) -> float:
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"a worker ended with code {self.process.wait()}: {self.process.args}")
        return json.loads(line)


def compare(peer: str, peers: Path, repeats: int, model: str) -> dict[str, float]:
    """Medians of paired steps against one peer."""
    command = [sys.executable, str(HERE / "step_rhodiff.py"), model]
    ours = Worker(command)
    theirs = Worker(
        [*command, LAYOUT] if peer == LAYOUT else [str(peers / "bin" / "python"), str(HERE / f"step_{peer}.py")]
    )
    result = {"ours_parameters": ours.num_parameters, "theirs_parameters": theirs.num_parameters}
    for order in ("train", "denoise"):
        pairs = [(ours.time(order), theirs.time(order)) for _ in range(repeats + 1)][1:]
        result[f"{order}_ours_s"] = statistics.median(a for a, _ in pairs)
        result[f"{order}_theirs_s"] = statistics.median(b for _, b in pairs)
        result[f"{order}_ratio"] = statistics.median(a / b for a, b in pairs)
    ours.stop()
    theirs.stop()
    return result


def main() -> None:
    """Compare with each peer and print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peers", type=Path, default=os.environ.get("RHODIFF_BENCH_PEERS"))
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--only", choices=PEERS)
    parser.add_argument("--model", default=json.dumps(OURS), help="our model section as JSON")
    arguments = parser.parse_args()
    if arguments.peers is None:
        parser.error("give --peers FOLDER, made by tests/bench/setup_peers.sh FOLDER")
    names = [arguments.only] if arguments.only else PEERS
    peers, repeats, model = Path(arguments.peers), arguments.repeats, arguments.model
    print(json.dumps({name: compare(name, peers, repeats, model) for name in names}, indent=2))


if __name__ == "__main__":
    main()
