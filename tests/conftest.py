# ruff: noqa: E402 - the environment is set before torch and numpy read it
"""What all tests share: one torch thread, no display, no launcher, and a small experiment to work on."""

import os

os.environ.update(OMP_NUM_THREADS="1", MPLBACKEND="Agg")
for name in [n for n in os.environ if n.startswith("SLURM_") or n in {"RANK", "WORLD_SIZE", "LOCAL_RANK"}]:
    del os.environ[name]  # else the tests of a job would take themselves for one of its processes

import subprocess

import pytest
import torch

from rhodiff.config.loading import parse_experiment
from rhodiff.stages.workspace import Workspace


class Recorder:
    """An observer that remembers what it was told."""

    def __init__(self):
        self.notes, self.warnings, self.steps = [], [], []

    def progress(self, done, total, text):
        self.steps.append((done, total))

    def note(self, text):
        self.notes.append(text)

    def warn(self, text):
        self.warnings.append(text)


@pytest.fixture(autouse=True)
def _one_torch_thread():
    torch.set_num_threads(1)


@pytest.fixture
def observer():
    return Recorder()


@pytest.fixture
def harmonics():
    """Settings of the cheapest data set: 16 volumes of 8^3 cells in 4 shards, the last one short."""
    return {
        "name": "small",
        "data": {"source": {"kind": "harmonics", "size": 8, "max_degree": 3}, "shard_length": 5},
    }


@pytest.fixture
def workspace(tmp_path, harmonics, observer):
    return Workspace(parse_experiment(harmonics, "test"), tmp_path, observer)


@pytest.fixture
def small_disk(tmp_path_factory):
    """Makes file systems of a given size that are really full when they are full."""
    mounted = []

    def mount(options):
        folder = tmp_path_factory.mktemp("disk")
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
        if os.geteuid() != 0 or subprocess.run(command, capture_output=True, check=False).returncode != 0:
            pytest.skip("mounting a small tmpfs needs root")
        mounted.append(folder)
        return folder

    yield mount
    for folder in mounted:
        subprocess.run(["umount", "-l", str(folder)], check=True)
