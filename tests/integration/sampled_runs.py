"""A tiny experiment that is sampled at several checkpoints, evaluated by real processes of ``mpirun``."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil
import zarr
from experiments import LAUNCHER, Lab, tiny_settings, write_arrays

BIN = Path(sys.executable).parent
SETTINGS = {
    "bootstrap": 1000,
    "block_fields": 1,
    "statistics": [{"kind": "power_spectrum"}, {"kind": "pixel_distribution"}, {"kind": "minkowski"}],
}


@dataclass
class Started:
    """A running ``mpirun`` whose output goes into files."""

    process: subprocess.Popen
    log: Path

    @property
    def ranks(self) -> list[psutil.Process]:
        """The processes that it has started, in no order."""
        below = psutil.Process(self.process.pid).children(recursive=True)
        return [one for one in below if _is_rank(one)]

    @property
    def is_running(self) -> bool:
        return self.process.poll() is None

    def wait(self, timeout_s: float = 120) -> tuple[int, str]:
        """Exit code and what was printed."""
        try:
            code = self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise
        return code, self.log.read_text()


def _is_rank(process: psutil.Process) -> bool:
    try:
        return any("rhodiff-hpc" in word for word in process.cmdline()[1:2])
    except (psutil.NoSuchProcess, psutil.ZombieProcess):  # it ended between two looks
        return False


@dataclass
class SampledRun:
    """An experiment up to its samples."""

    lab: Lab

    @classmethod
    def make(cls, folder: Path) -> "SampledRun":
        folder.mkdir(parents=True)
        settings = tiny_settings(write_arrays(folder / "fields.npy", num_fields=160))
        settings["data"]["split"] = {"train": 0.5, "validation": 0.1, "test": 0.4}
        settings["sampling"] |= {"num_samples": 24, "checkpoints": "all"}
        settings["evaluation"] = SETTINGS
        lab = Lab.make(folder, settings)
        for stage in ("prepare", "train", "sample"):
            lab.do("run", stage)
        return cls(lab)

    def copy(self, folder: Path) -> "SampledRun":
        """The same, not evaluated yet."""
        shutil.copytree(self.lab.folder, folder)
        return SampledRun(Lab(folder))

    def shipped_site(self, name: str) -> str:
        """Text of a shipped site profile."""
        return (Path(__file__).resolve().parents[2] / "slurm" / f"{name}.yaml").read_text()

    @property
    def statistics(self) -> Path:
        (run,) = self.lab.folder.glob("runs/*")
        return run / "statistics"

    @property
    def num_done(self) -> int:
        """Blocks measured and comparisons made; the blocks of a finished comparison are gone, and counted still."""
        blocks = len(list(self.statistics.glob("parts/*/*.npz")))
        finished = [
            json.loads(path.read_text())["attributes"] for path in self.statistics.glob("[!.]*.zarr/zarr.json")
        ]
        return blocks + sum(81 if one["samples"] is None else 25 for one in finished)

    def mpirun(self, ranks: int, *words: str) -> Started:
        """Start ``mpirun -n ranks rhodiff-hpc run evaluate``."""
        log = self.lab.folder / f"mpirun-{len(list(self.lab.folder.glob('mpirun-*')))}"
        environment = {name: value for name, value in os.environ.items() if name not in LAUNCHER}
        with log.open("wb") as output:
            process = subprocess.Popen(
                [BIN / "mpirun", "-n", str(ranks), BIN / "rhodiff-hpc", "run", "evaluate", *words],
                cwd=self.lab.folder,
                env={**environment, "OMP_NUM_THREADS": "1"},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        return Started(process, log)

    def numbers(self) -> dict[str, bytes | str]:
        """Every array, byte for byte, and every attribute of all comparisons."""
        found: dict[str, bytes | str] = {}
        for path in sorted(self.statistics.glob("*.zarr")):
            root = zarr.open_group(path, mode="r")
            found[path.name] = json.dumps(root.attrs.asdict())
            for name, member in root.members(max_depth=None):
                is_array = isinstance(member, zarr.Array)
                where = f"{path.name}/{name}"
                found[where] = np.asarray(member).tobytes() if is_array else json.dumps(member.attrs.asdict())
        assert found
        return found
