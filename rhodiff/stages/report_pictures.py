"""Pictures of a report made from fields and logs: samples beside the reference, trajectories, the training's loss."""

import numpy as np

from rhodiff.report import ReportFigure, TrainingCurve, report_loss, report_samples, report_trajectory
from rhodiff.stages.comparison_space import ComparisonSpace
from rhodiff.stages.reference import is_matched, pair_with_reference
from rhodiff.stages.sweep import Cell
from rhodiff.stages.training_data import open_training_reader
from rhodiff.stages.workspace import Workspace
from rhodiff.store.field_store import FieldStore, read_trajectory
from rhodiff.store.reader import read_fields
from rhodiff.training.metrics import read_metrics

__all__ = ["sample_figures", "training_figures", "trajectory_figures"]

SCALE_FIELDS = 256
"""The colour scale of the sheets is that of so many reference fields."""


def sample_figures(workspace: Workspace, samples: FieldStore, cell: Cell) -> tuple[ReportFigure, ...]:
    """A sheet of reference and generated fields for each channel.

    Args:
        workspace: the experiment.
        samples: store of the cell.
        cell: of the sweep.
    """
    space, count = ComparisonSpace(workspace), workspace.experiment.report.samples_shown
    pairing = pair_with_reference(workspace, cell, samples.valid)
    reference = space.of_data(open_training_reader(workspace).read(pairing.reference[:SCALE_FIELDS]))
    generated = space.of_samples(read_fields(samples, pairing.generated[:count]))
    note = "Fields one above the other have the same parameters." if is_matched(workspace, cell) else ""
    data = workspace.data_folder
    stores = (f"{data.path.name}/{data.fields.name} (reference)", _generated_store(workspace, samples))
    return tuple(
        report_samples(
            reference[:, c],
            generated[:, c],
            space.spec,
            num_rows=-(-count // 6),
            note=note,
            name=f"samples_{channel}",
            stores=stores,
        )
        for c, channel in enumerate(space.spec.channels)
    )


def trajectory_figures(workspace: Workspace, samples: FieldStore) -> tuple[ReportFigure, ...]:
    """Denoised estimates of the first channel along the sampling, where they were kept."""
    number = workspace.experiment.sampling.trajectory
    if not number:
        return ()
    space = ComparisonSpace(workspace)
    states = read_trajectory(samples, 4)
    shown = np.stack([space.of_samples(states[:, step]) for step in range(number)], axis=1)
    levels = samples.attributes["trajectory_sigma"]
    stores = (_generated_store(workspace, samples),)
    return (report_trajectory(shown[:, :, 0], space.spec, noise_levels=levels, stores=stores),)


def training_figures(workspace: Workspace) -> tuple[ReportFigure, ...]:
    """The loss, where it was logged."""
    records = read_metrics(workspace.run_folder.metrics)
    if not records:
        return ()
    columns = {name: np.array([r[name] for r in records]) for name in ("iteration", "loss", "learning_rate")}
    return (report_loss(TrainingCurve(**columns)),)


def _generated_store(workspace: Workspace, samples: FieldStore) -> str:
    run = workspace.run_folder.path
    return f"{run.name}/{samples.path.relative_to(run)} (generated)"
