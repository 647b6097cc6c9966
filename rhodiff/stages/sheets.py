"""Sheets drawn while training: a few generated fields above which stand training fields, on one colour scale.

They draw from their own random addresses, so that looking at a training does not change it.
"""

import numpy as np
import torch

from rhodiff.report.encoding import figure_to_png
from rhodiff.report.sheets import sample_sheet
from rhodiff.sources.source import TRAIN
from rhodiff.stages.comparison_space import ComparisonSpace
from rhodiff.stages.generation import generate
from rhodiff.stages.sweep import Cell
from rhodiff.stages.training_data import conditions_of, open_training_reader
from rhodiff.stages.workspace import Workspace
from rhodiff.store.files import write_atomic
from rhodiff.training.checkpoints import Checkpoint
from rhodiff.training.restored import restore_model

__all__ = ["write_sheet"]

SAMPLER, EVALUATIONS = "dpmpp_2m", 20


def write_sheet(workspace: Workspace, checkpoint: Checkpoint, device: torch.device) -> None:
    """Generate a few fields from a checkpoint and draw them beside training fields of the same parameters.

    Args:
        workspace: the experiment.
        checkpoint: whose averaged weights are used, or the raw ones if there is no average.
        device: where to compute.
    """
    settings = workspace.experiment.training
    count = settings.sheet_samples
    model = restore_model(checkpoint.path, "raw" if settings.ema_gamma is None else "ema", device)
    chosen = np.resize(workspace.store.indices(TRAIN), count)
    cell = Cell("sheet", checkpoint, None, SAMPLER, EVALUATIONS, workspace.experiment.seed)
    generated = generate(model, cell, conditions_of(workspace, chosen), 0, count, 0)
    if not generated.valid.any():
        workspace.observer.warn(f"{checkpoint.name}: no sheet is drawn, all {count} generated fields diverged")
        return
    space = ComparisonSpace(workspace)
    figure = sample_sheet(
        space.of_data(open_training_reader(workspace).read(chosen))[:, 0],
        space.of_samples(generated.fields[generated.valid])[:, 0],
        space.spec,
        labels=("training", f"generated, {checkpoint.name}"),
        num_rows=1,
    )
    write_atomic(workspace.run_folder.sheet(checkpoint.name), lambda handle: handle.write(figure_to_png(figure, 120)))
