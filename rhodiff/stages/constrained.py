"""Generated fields made to obey ``sampling.constraints`` before they are stored, in physical units.

The mean of the training split is measured once for a data set and kept beside it. A field that cannot obey (of
negative mean, to be scaled to a positive one) is counted as diverged, like one that left the range of its transform.

Axes: n sample, C channel, P parameter.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rhodiff.config.constraints import Constraints
from rhodiff.errors import DataError
from rhodiff.fields.constraints import constrain, require_reachable
from rhodiff.fields.moments import RunningMoments
from rhodiff.fields.transforms import Transform
from rhodiff.sources.source import TRAIN
from rhodiff.stages.constraint_checks import TRAINING
from rhodiff.stages.generation import Generated
from rhodiff.stages.training_data import open_training_reader, read_batches
from rhodiff.stages.workspace import Workspace
from rhodiff.store.files import write_json
from rhodiff.training.restored import RestoredModel

__all__ = ["Constrainer", "training_means"]

Float = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Constrainer:
    """Makes the fields of one network obey.

    Attributes:
        settings: bound and mean.
        transform: of the network.
        training: mean of the training split by channel, ``[C]``; None where it is not asked for.
        column: of the conditions that holds the mean; None where it is not asked for.
    """

    settings: Constraints
    transform: Transform
    training: Float | None
    column: int | None

    @classmethod
    def of(cls, workspace: Workspace, model: RestoredModel) -> "Constrainer":
        """The one of an experiment and its network."""
        settings = workspace.experiment.sampling.constraints
        is_parameter = settings.mean not in (None, TRAINING)
        return cls(
            settings,
            model.transform,
            training_means(workspace) if settings.mean == TRAINING else None,
            model.parameter_names.index(str(settings.mean)) if is_parameter else None,
        )

    def apply(self, generated: Generated, parameters: Float) -> Generated:
        """The fields as they are stored; their trajectory stays what the network made.

        Args:
            generated: a micro-batch.
            parameters: its conditions, ``[n, P]``.

        Raises:
            DataError: if a mean is not above the bound.
        """
        if self.settings.is_empty:
            return generated
        means = self._means(parameters)
        fields, valid = generated.fields.copy(), generated.valid.copy()
        for index in np.flatnonzero(valid):
            try:
                obeying = constrain(fields[index][None], self.settings, None if means is None else means[index][None])
                self.transform.forward(obeying)
                fields[index] = obeying[0]
            except DataError:
                fields[index], valid[index] = np.nan, False
        return replace(generated, fields=fields, valid=valid)

    def to_record(self) -> dict[str, Any]:
        """Settings and the means of the training split, as plain JSON values."""
        found = None if self.training is None else self.training.tolist()
        return {**self.settings.model_dump(mode="json"), "training_mean": found}

    def _means(self, parameters: Float) -> Float | None:
        if self.settings.mean is None:
            return None
        if self.column is None:
            assert self.training is not None, "a mean is that of the training split or of a parameter"
            means = np.broadcast_to(self.training, (len(parameters), len(self.training)))
        else:
            means = parameters[:, self.column : self.column + 1]
        require_reachable(means, self.settings)
        return means


def training_means(workspace: Workspace) -> Float:
    """Mean of the training split by channel, ``[C]``, unit of the store: read if it was measured before."""
    path = workspace.data_folder.training_means
    if path.exists():
        return np.array(workspace.read_record(path)["mean"], dtype=np.float64)
    moments = RunningMoments()
    for batch in read_batches(open_training_reader(workspace), workspace.store.indices(TRAIN)):
        moments.add(batch.astype(np.float64))
    write_json(path, {"mean": moments.mean.tolist()})
    return moments.mean
