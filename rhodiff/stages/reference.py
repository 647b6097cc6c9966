"""The reference split, in a fixed random order, and which of its fields stand against a cell of the sweep.

Neighbouring fields of a data set are often alike (maps of one simulation, overlapping patches of sky), so the first
few would be a poor sample of it; shuffled once and for all, any first few are a fair one. Sample i of a conditional
sweep has the parameters of field i mod N in that order and is compared with just these fields: what differs is then
the network, not the parameters.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rhodiff.models.conditioning import ConditioningTable
from rhodiff.runtime.streams import stream
from rhodiff.sources.source import TEST, VALIDATION
from rhodiff.stages.sweep import Cell, describe_condition
from rhodiff.stages.workspace import Workspace

__all__ = ["Pairing", "is_matched", "matched_indices", "pair_with_reference", "reference_indices"]


@dataclass(frozen=True)
class Pairing:
    """Which fields a cell's comparison is made of.

    Attributes:
        reference: indices of fields of the data set.
        generated: indices of samples of the cell.
        matched: both have the same independent groups in the same shares.
    """

    reference: NDArray[np.int64]
    generated: NDArray[np.int64]
    matched: bool


def reference_indices(workspace: Workspace) -> NDArray[np.int64]:
    """Indices of the valid fields of the evaluation's reference split, in their fixed random order."""
    part = {"validation": VALIDATION, "test": TEST}[workspace.experiment.evaluation.reference]
    return stream(0, "reference order").permutation(workspace.store.indices(part))


def matched_indices(workspace: Workspace, count: int) -> NDArray[np.int64]:
    """Reference field of each of ``count`` samples, cyclically."""
    return np.resize(reference_indices(workspace), count)


def is_matched(workspace: Workspace, cell: Cell) -> bool:
    """Whether the samples of a cell are made at the parameters of reference fields."""
    return cell.condition is None and bool(workspace.experiment.model.conditioning.parameters)


def pair_with_reference(workspace: Workspace, cell: Cell, valid: NDArray[np.bool_]) -> Pairing:
    """The fields that a cell is compared with, and the samples that take part.

    Args:
        workspace: the experiment.
        cell: a cell of the sweep.
        valid: which of its samples did not diverge, ``[sample]``.
    """
    reference, samples = reference_indices(workspace), np.flatnonzero(valid)
    if not is_matched(workspace, cell):
        return Pairing(_at_condition(workspace, cell, reference), samples, matched=False)
    if len(valid) < len(reference):
        return Pairing(reference[samples], samples, matched=True)
    complete = len(valid) // len(reference) * len(reference)
    samples = samples[samples < complete]
    return Pairing(reference, samples, matched=len(samples) == complete)


def _at_condition(workspace: Workspace, cell: Cell, reference: NDArray[np.int64]) -> NDArray[np.int64]:
    """The reference fields at a cell's condition where there are any, else all."""
    if cell.condition is None:
        return reference
    names = [parameter.name for parameter in workspace.store.parameter_info]
    columns = ConditioningTable.columns(workspace.experiment.model.conditioning, names)
    wanted = np.array([cell.condition[names[c]] for c in columns])
    same = np.isclose(workspace.store.parameters[reference][:, columns], wanted, rtol=1e-6).all(axis=1)
    if same.any():
        return np.asarray(reference[same])
    workspace.observer.warn(
        f"no field of the reference has {describe_condition(cell.condition)}: these samples are compared with the "
        "reference at all its parameters, which shows the difference of the parameters too"
    )
    return reference
