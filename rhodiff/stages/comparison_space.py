"""Where fields are compared: as the network sees them, in physical units, or in a space of the evaluation's own."""

import numpy as np
from numpy.typing import NDArray

from rhodiff.fields.transforms import Transform
from rhodiff.stages.training_data import fitted_transform
from rhodiff.stages.workspace import Workspace
from rhodiff.store.spec import FieldSpec

__all__ = ["ComparisonSpace"]


class ComparisonSpace:
    """Where fields are compared: as the network sees them, in physical units, or after the evaluation's own steps.

    Args:
        workspace: the experiment.
        prefer_physical: take physical units wherever generated fields can be brought there, whatever
            ``evaluation.space`` says.
    """

    def __init__(self, workspace: Workspace, *, prefer_physical: bool = False) -> None:
        wanted = workspace.experiment.evaluation.space
        self.transform: Transform = fitted_transform(workspace)
        self.is_physical = wanted == "physical" or (prefer_physical and self.transform.invertible_for_generated)
        if isinstance(wanted, str):
            self._of_data = self.transform
            stored_scale = self.transform.invertible_for_generated
            self._of_samples = self.transform if stored_scale else self.transform.generation
        else:
            self._of_data = self._of_samples = fitted_transform(workspace, wanted)
        self._stored = workspace.store.spec

    @property
    def spec(self) -> FieldSpec:
        """Geometry of the compared fields, named after what they are."""
        if self.is_physical:
            return self._stored
        return self._stored.model_copy(update={"name": self._of_data.describe(self._stored), "unit": ""})

    def of_data(self, fields: NDArray[np.float32]) -> NDArray[np.float32]:
        """Fields of the data set."""
        return fields if self.is_physical else self._of_data.forward(fields)

    def of_samples(self, fields: NDArray[np.float32]) -> NDArray[np.float32]:
        """Fields of a sample store."""
        return fields if self.is_physical else self._of_samples.forward(fields)
