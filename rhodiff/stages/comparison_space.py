"""Where fields are compared: as the network sees them, or in physical units."""

import numpy as np
from numpy.typing import NDArray

from rhodiff.fields.transforms import Transform
from rhodiff.stages.training_data import fitted_transform
from rhodiff.stages.workspace import Workspace
from rhodiff.store.spec import FieldSpec

__all__ = ["ComparisonSpace"]


class ComparisonSpace:
    """Where fields are compared: as the network sees them, or in physical units.

    Args:
        workspace: the experiment.
        prefer_physical: take physical units wherever generated fields can be brought there, whatever
            ``evaluation.space`` says.
    """

    def __init__(self, workspace: Workspace, *, prefer_physical: bool = False) -> None:
        self.transform: Transform = fitted_transform(workspace)
        self.is_physical = workspace.experiment.evaluation.space == "physical" or (
            prefer_physical and self.transform.invertible_for_generated
        )
        self._stored = workspace.store.spec

    @property
    def spec(self) -> FieldSpec:
        """Geometry of the compared fields, named after what they are."""
        if self.is_physical:
            return self._stored
        return self._stored.model_copy(update={"name": self.transform.describe(self._stored), "unit": ""})

    def of_data(self, fields: NDArray[np.float32]) -> NDArray[np.float32]:
        """Fields of the data set."""
        return fields if self.is_physical else self.transform.forward(fields)

    def of_samples(self, fields: NDArray[np.float32]) -> NDArray[np.float32]:
        """Fields of a sample store."""
        if self.is_physical:
            return fields
        generated = self.transform if self.transform.invertible_for_generated else self.transform.generation
        return generated.forward(fields)
