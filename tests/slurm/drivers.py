"""``rhodiff-hpc`` as a process of its own, in an experiment's folder."""

import json
import multiprocessing
import os
import subprocess
import sys

from experiments import Lab
from impatience import look_often

EXPERIMENT = {
    "name": "small",
    "data": {"source": {"kind": "harmonics", "size": 8, "max_degree": 3}, "shard_length": 4},
    "model": {"width": 8, "multipliers": [1, 2], "norm_groups": 4, "heads": 1, "head_channels": 4},
    "training": {"iterations": 4, "batch_size": 4, "checkpoint_every": 2, "sheet_samples": 0},
    "runtime": {"threads": 1, "device": "cpu"},
}


class Drivers:
    """Commands in one experiment's folder.

    Args:
        folder: the folder; it gets an experiment.
    """

    def __init__(self, folder):
        self.folder, self._lab = folder, Lab.make(folder, EXPERIMENT)

    def start(self, *words):
        """Start a command."""
        return self._lab.start(*words, environment={"SLURM_CONF": os.environ["SLURM_CONF"]}, before=look_often)

    def call(self, *words, code=0):
        """Run a command; what it prints on both streams, one after the other."""
        ended = self.start(*words).wait()
        assert ended.code == code, ended.out + ended.err
        return ended.out + ended.err

    def at_once(self, *commands):
        """Run commands at the same moment; exit code and output of each. Forked, so that none waits for imports."""
        context = multiprocessing.get_context("fork")
        barrier = context.Barrier(len(commands))
        processes = [
            context.Process(target=self._run, args=(barrier, number, words)) for number, words in enumerate(commands)
        ]
        for process in processes:
            process.start()
        for process in processes:
            process.join(200)
        texts = [(self.folder / f"out-{number}.txt").read_text() for number in range(len(commands))]
        return [(process.exitcode, text) for process, text in zip(processes, texts, strict=True)]

    def _run(self, barrier, number, words):
        from rhodiff.cli.app import main

        os.chdir(self.folder)
        with (self.folder / f"out-{number}.txt").open("w") as out:
            os.dup2(out.fileno(), 1)
            os.dup2(out.fileno(), 2)
            sys.stdout, sys.stderr = os.fdopen(1, "w"), os.fdopen(2, "w")
            sys.argv = ["rhodiff-hpc", *words]
            barrier.wait(60)
            main()

    def plans(self):
        """All plans, by number of the submission."""
        plans = [json.loads(path.read_text()) for path in self.folder.glob("runs/*/jobs/*/plan.json")]
        return sorted(plans, key=lambda plan: plan["number"])

    def num_jobs(self, plan):
        """Jobs in the queue that belong to a submission."""
        words = ["squeue", "--me", "-h", "-r", "-o", "%j"]
        names = subprocess.run(words, capture_output=True, text=True, check=True).stdout.split()
        return sum(f"-{plan['token']}-" in name for name in names)
