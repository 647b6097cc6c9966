"""What was measured of the single fields of a set, for whoever compares further than bin by bin."""

from typing import Literal

from rhodiff.stages.comparison_set import StoredMeasurements, read_measurements
from rhodiff.stages.evaluate import evaluation_tasks, finished_comparison
from rhodiff.stages.sweep import Cell
from rhodiff.stages.workspace import Workspace

__all__ = ["read_measured"]


def read_measured(workspace: Workspace, which: Cell | Literal["reference", "training"]) -> StoredMeasurements:
    """Measurements of the single fields of a set.

    Args:
        workspace: the experiment, evaluated.
        which: a cell of the sweep, the whole reference split, or the training fields that stood against it.

    Raises:
        DataError: if its comparison was not made yet.
    """
    training, *cells = evaluation_tasks(workspace)
    if isinstance(which, str):
        path = finished_comparison(workspace, training)
        return read_measurements(path, "reference" if which == "reference" else "generated")
    (task,) = (task for task in cells if task.cell is not None and task.cell.identity == which.identity)
    return read_measurements(finished_comparison(workspace, task), "generated")
