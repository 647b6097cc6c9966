"""Stage evaluate: statistics of every cell of the sweep against the reference split, one task a cell.

One more comparison belongs to every evaluation: training fields against the reference. It is what a perfect model
would show, and so the floor of every difference.
"""

from dataclasses import dataclass
from math import prod

import numpy as np

from rhodiff.config.identity import identity_hash
from rhodiff.config.section import result_settings
from rhodiff.errors import DataError
from rhodiff.runtime.stopping import listen_for_stop
from rhodiff.sources.source import TRAIN
from rhodiff.stages.comparison_set import ComparisonSet, FieldSet, compare_sets, read_comparisons, write_comparisons
from rhodiff.stages.comparison_space import ComparisonSpace
from rhodiff.stages.parts import WHOLE, Part
from rhodiff.stages.reference import pair_with_reference, reference_indices
from rhodiff.stages.sweep import Cell, check_identity, is_sampled, sweep_cells
from rhodiff.stages.training_data import open_training_reader
from rhodiff.stages.workspace import Workspace
from rhodiff.store.field_store import FieldStore, open_fields
from rhodiff.store.files import read_marker, write_marker
from rhodiff.store.reader import read_fields

__all__ = ["EvaluationTask", "evaluate", "evaluation_tasks", "read_evaluation"]

TRAINING_FIELDS, TRAINING_CELLS = 2048, 1 << 28
"""At most so many training fields, evenly spread, and cells in all of them (1 GiB) stand against the reference."""


@dataclass(frozen=True)
class EvaluationTask:
    """One comparison.

    Attributes:
        identity: names its store.
        cell: the cell; None: training fields.
    """

    identity: str
    cell: Cell | None


def evaluation_tasks(workspace: Workspace) -> list[EvaluationTask]:
    """The comparisons of the experiment, the one of training fields first."""
    settings = result_settings(workspace.experiment.evaluation)
    training = identity_hash("statistics", workspace.data_id, workspace.transform_id, settings)
    cells = sweep_cells(workspace)
    return [
        EvaluationTask(training, None),
        *(EvaluationTask(identity_hash("statistics", cell.identity, settings), cell) for cell in cells),
    ]


def evaluate(workspace: Workspace, part: Part = WHOLE) -> list[EvaluationTask]:
    """Make the comparisons of one part that are not there yet.

    Args:
        workspace: the experiment, sampled.
        part: which of the comparisons.

    Returns:
        All comparisons of the experiment.

    Raises:
        DataError: if a cell is not sampled completely.
        StoppedEarly: after a stop signal, with the comparison at hand finished.
    """
    tasks = evaluation_tasks(workspace)
    run = workspace.run_folder
    todo = [task for task in part.of(tasks) if read_marker(run.statistics_marker(task.identity)) is None]
    if not todo:
        workspace.observer.note(f"statistics: all {len(part.of(tasks))} comparisons done before")
        return tasks
    space = ComparisonSpace(workspace)
    with listen_for_stop() as stop:
        for done, task in enumerate(todo, 1):
            found = _compared(workspace, task, space)
            path = run.statistics(task.identity)
            cell = None if task.cell is None else task.cell.identity
            write_comparisons(path, found, {"identity": task.identity, "samples": cell})
            write_marker(run.statistics_marker(task.identity), [path / "zarr.json"])
            compared = "training fields" if task.cell is None else task.cell.describe()
            workspace.observer.progress(done, len(todo), compared)
            stop.leave_between(done, len(todo))
    return tasks


def read_evaluation(workspace: Workspace, task: EvaluationTask) -> ComparisonSet:
    """A finished comparison.

    Raises:
        DataError: if it was not made yet.
    """
    if read_marker(workspace.run_folder.statistics_marker(task.identity)) is None:
        raise DataError("the statistics are not there (completely): run 'rhodiff-hpc run evaluate'")
    return read_comparisons(workspace.run_folder.statistics(task.identity))


def _compared(workspace: Workspace, task: EvaluationTask, space: ComparisonSpace) -> ComparisonSet:
    reader, store = open_training_reader(workspace), workspace.store
    if task.cell is None:
        train = store.indices(TRAIN)
        most = max(1, min(TRAINING_FIELDS, TRAINING_CELLS // prod(store.spec.field_shape)))
        train = train[np.unique(np.linspace(0, len(train) - 1, most).round().astype(np.int64))]
        other = FieldSet(space.of_data(reader.read(train)), store.group[train])
        chosen, matched = reference_indices(workspace), False
    else:
        samples = _open_samples(workspace, task.cell)
        pairing = pair_with_reference(workspace, task.cell, samples.valid)
        generated = read_fields(samples, pairing.generated)
        other = FieldSet(space.of_samples(generated), samples.group[pairing.generated])
        chosen, matched = pairing.reference, pairing.matched
    reference = FieldSet(space.of_data(reader.read(chosen)), store.group[chosen])
    return compare_sets(workspace.experiment.evaluation, space.spec, reference, other, matched=matched)


def _open_samples(workspace: Workspace, cell: Cell) -> FieldStore:
    if not is_sampled(workspace, cell):
        raise DataError(f"{cell.describe()} is not sampled (completely): run 'rhodiff-hpc run sample'")
    path = workspace.run_folder.samples(cell.identity)
    check_identity(path, cell)
    store = open_fields(path)
    if not store.valid.any():
        raise DataError(f"every sample of {cell.describe()} diverged: nothing can be compared")
    return store
