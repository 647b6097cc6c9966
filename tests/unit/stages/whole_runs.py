"""An experiment taken through its stages in this process."""

import torch

from rhodiff.config.loading import apply_overrides, parse_experiment
from rhodiff.runtime.places import Place
from rhodiff.runtime.progress import Silent
from rhodiff.stages.evaluate import evaluate
from rhodiff.stages.prepare import prepare
from rhodiff.stages.sample import sample_sweep
from rhodiff.stages.train import train
from rhodiff.stages.workspace import Workspace


def open_run(folder, settings, *overrides):
    """The workspace of some settings in a folder."""
    return Workspace(parse_experiment(apply_overrides(settings, overrides), "test"), folder, Silent())


def run_to_evaluation(workspace):
    """Prepare, train, sample and evaluate, on one thread."""
    torch.set_num_threads(1)
    prepare(workspace)
    train(workspace, Place())
    sample_sweep(workspace)
    evaluate(workspace)
    torch.set_num_threads(1)
