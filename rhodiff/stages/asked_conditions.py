"""The conditions that a sweep asks for, held against what the network is trained on.

They are looked at as soon as the data are prepared: before a training or a sampling is started or submitted, and by
the sampling itself. Before that only their names can be checked (:func:`rhodiff.stages.sweep.check_sweep`).

Axes: V vector, P parameter, in the order of ``model.conditioning.parameters``.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rhodiff.errors import ConfigError, DataError
from rhodiff.models.conditioning import ConditioningTable
from rhodiff.models.trained_range import departures, require_known
from rhodiff.sources.source import TRAIN
from rhodiff.stages.reference import matched_indices
from rhodiff.stages.training_data import conditions_of
from rhodiff.stages.workspace import Workspace

__all__ = ["AskedVectors", "asked_vectors", "check_conditions", "describe_departures", "trained_table"]

MOST_LISTED = 4

Float = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class AskedVectors:
    """The distinct parameter vectors of a sweep.

    Attributes:
        values: ``[V, P]``.
        departures: what leads each out of the trained range, ``[V]``; empty for one inside.
    """

    values: Float
    departures: list[str]

    @property
    def outside(self) -> list[str]:
        """Departures of those outside."""
        return [text for text in self.departures if text]


def trained_table(workspace: Workspace) -> ConditioningTable:
    """Constants and ranges of the training split, as a training would store them in its checkpoints."""
    store = workspace.store
    names = [parameter.name for parameter in store.parameter_info]
    conditioning = workspace.experiment.model.conditioning
    return ConditioningTable.fit(conditioning, names, store.parameters[store.indices(TRAIN)])


def asked_vectors(workspace: Workspace, table: ConditioningTable) -> AskedVectors:
    """The distinct parameter vectors that the sweep asks for.

    Args:
        workspace: the experiment, prepared, with a network that is told parameters.
        table: of the training split.

    Raises:
        ConfigError: for a value that is not finite, or a label that training did not see.
    """
    sampling = workspace.experiment.sampling
    if sampling.conditions == "reference":
        asked = conditions_of(workspace, matched_indices(workspace, sampling.num_samples))
        source = f" (those of the {workspace.experiment.evaluation.reference} split)"
    else:
        asked = np.array([[condition[name] for name in table.names] for condition in sampling.conditions])
        source = ""
    try:
        require_known(table, asked)
    except DataError as error:
        raise ConfigError(f"sampling.conditions{source}: {error}") from error
    distinct = np.unique(asked, axis=0)
    return AskedVectors(distinct, departures(table, distinct))


def check_conditions(workspace: Workspace) -> None:
    """Refuse conditions that the network does not know, and warn of those outside of its range, or refuse them too.

    Raises:
        ConfigError: for an unknown label, or conditions outside the range where ``sampling.outside_range`` refuses.
    """
    experiment = workspace.experiment
    if not experiment.model.conditioning.parameters or not workspace.data_folder.done.exists():
        return
    asked = asked_vectors(workspace, trained_table(workspace))
    if not asked.outside or experiment.sampling.outside_range == "allow":
        return
    text = f"sampling.conditions: {describe_departures(asked)}"
    if experiment.sampling.outside_range == "refuse":
        raise ConfigError(f"{text}. Ask for others, or set sampling.outside_range to warn")
    workspace.warn_once(f"{text}. The network extrapolates there (sampling.outside_range refuses or allows it)")


def describe_departures(asked: AskedVectors) -> str:
    """How many vectors lie outside the range of the training split, and which."""
    count, outside = len(asked.values), asked.outside
    listed = " | ".join(outside[:MOST_LISTED])
    more = f" | ... ({len(outside)} in all)" if len(outside) > MOST_LISTED else ""
    verb = "lies" if len(outside) == 1 else "lie"
    return (
        f"{len(outside)} of {count} parameter vectors {verb} outside the range of the training split: {listed}{more}"
    )
