"""The training split as the network sees it: fitted transform, its spectrum, the constants of the parameters."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from rhodiff.config.fields import TransformStep
from rhodiff.config.identity import transform_identity
from rhodiff.errors import DataError
from rhodiff.fields.spectrum import mode_power
from rhodiff.fields.transforms import Transform, fit_transform
from rhodiff.models.conditioning import ConditioningTable
from rhodiff.sources.source import TRAIN
from rhodiff.stages.workspace import Workspace
from rhodiff.store.files import write_json
from rhodiff.store.reader import FieldReader, open_reader

__all__ = ["conditions_of", "fitted_transform", "open_training_reader", "read_batches", "training_spectrum"]

READ_FIELDS = 64
SPECTRUM_FIELDS = 2048
"""The spectrum is measured on at most so many training fields, evenly spread over the split."""


def open_training_reader(workspace: Workspace) -> FieldReader:
    """The fast reader of the prepared data."""
    return open_reader(workspace.store, memory_map=workspace.experiment.fields.memory_map)


def read_batches(reader: FieldReader, indices: NDArray[np.int64]) -> Iterator[NDArray[np.float32]]:
    """Stored fields of ``indices``, a few at a time."""
    for start in range(0, len(indices), READ_FIELDS):
        yield reader.read(indices[start : start + READ_FIELDS])


def fitted_transform(workspace: Workspace, steps: Sequence[TransformStep] | None = None) -> Transform:
    """The transform fitted on the training split: read if it was fitted before, else fitted and stored.

    Args:
        workspace: the experiment, prepared.
        steps: of the transform; None: those of ``fields.transform``.
    """
    steps = workspace.experiment.fields.transform if steps is None else steps
    path = workspace.data_folder.transform(transform_identity(steps))
    if path.exists():
        return Transform.from_record(workspace.read_record(path))
    reader = open_training_reader(workspace)
    train = workspace.store.indices(TRAIN)
    transform = fit_transform(steps, lambda: read_batches(reader, train))
    write_json(path, transform.to_record())
    return transform


def training_spectrum(workspace: Workspace, transform: Transform) -> tuple[NDArray[np.float64], float]:
    """Power for each mode, and standard deviation of a cell, of the training split in network units.

    Returns:
        float64 ``[*rspace]`` and a number.

    Raises:
        DataError: if the transformed fields do not vary.
    """
    reader = open_training_reader(workspace)
    train = workspace.store.indices(TRAIN)
    chosen = train[np.unique(np.linspace(0, len(train) - 1, SPECTRUM_FIELDS).round().astype(np.int64))]
    spectrum = mode_power(transform.forward(batch) for batch in read_batches(reader, chosen))
    sums = np.array([_power_sums(transform.forward(batch)) for batch in read_batches(reader, chosen)]).sum(axis=0)
    variance = sums[2] / sums[0] - (sums[1] / sums[0]) ** 2
    if not variance > 0:
        raise DataError("the transformed training fields do not vary: check the source and fields.transform")
    return spectrum, float(np.sqrt(variance))


def _power_sums(fields: NDArray[np.float32]) -> tuple[float, float, float]:
    values = fields.astype(np.float64)
    return float(values.size), float(values.sum()), float(np.square(values).sum())


def conditions_of(workspace: Workspace, indices: NDArray[np.int64]) -> NDArray[np.float64]:
    """Values of the conditioning parameters of some fields, ``[len(indices), P]``."""
    names = [parameter.name for parameter in workspace.store.parameter_info]
    columns = ConditioningTable.columns(workspace.experiment.model.conditioning, names)
    return workspace.store.parameters[indices][:, columns]
