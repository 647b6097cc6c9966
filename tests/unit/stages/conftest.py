"""A small network trained in this process, told degree and order of harmonics."""

import pytest
import torch

from rhodiff.config.loading import apply_overrides, parse_experiment
from rhodiff.runtime.places import Place
from rhodiff.runtime.progress import Silent
from rhodiff.stages.prepare import prepare
from rhodiff.stages.train import train
from rhodiff.stages.workspace import Workspace

SETTINGS = {
    "name": "told",
    "data": {"source": {"kind": "harmonics", "size": 8, "max_degree": 3, "repeats": 3, "amplitude_scatter": 0.2}},
    "model": {
        "width": 8,
        "multipliers": [1, 2],
        "norm_groups": 4,
        "heads": 1,
        "head_channels": 4,
        "conditioning": {"parameters": ["l", "m"]},
    },
    "training": {"iterations": 4, "batch_size": 4, "checkpoint_every": 2, "metrics_every": 1, "sheet_samples": 0},
    "sampling": {"num_samples": 10, "micro_batch": 4, "shard_length": 4, "evaluations": [3]},
    "evaluation": {"bootstrap": 100},
    "runtime": {"threads": 1, "device": "cpu"},
}


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    """The workspace of a trained experiment; its folders are shared."""
    torch.set_num_threads(1)
    workspace = Workspace(parse_experiment(SETTINGS, "test"), tmp_path_factory.mktemp("told"), Silent())
    prepare(workspace)
    train(workspace, Place())
    return workspace


@pytest.fixture
def changed(trained, observer):
    """Makes a workspace of the same folders with other settings."""

    def change(*overrides):
        return Workspace(parse_experiment(apply_overrides(SETTINGS, overrides), "test"), trained.folder, observer)

    return change
