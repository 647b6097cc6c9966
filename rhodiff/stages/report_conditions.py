"""What a reader of a report must know of the conditions that its fields were sampled at."""

from rhodiff.stages.asked_conditions import asked_vectors, describe_departures, trained_table
from rhodiff.stages.sweep import Cell
from rhodiff.stages.workspace import Workspace

__all__ = ["condition_warnings"]


def condition_warnings(workspace: Workspace, cell: Cell) -> tuple[str, ...]:
    """Sentences on guidance and on parameter vectors outside of the trained range; none where all is well.

    Args:
        workspace: the experiment, prepared.
        cell: the cell that the report shows.
    """
    return (*_guidance(cell), *_extrapolation(workspace))


def _guidance(cell: Cell) -> tuple[str, ...]:
    if cell.guidance == 1:
        return ()
    return (
        f"Sampled with guidance weight {cell.guidance:g}: a weight other than 1 biases variances and power spectra; "
        "these are not the statistics of the trained model.",
    )


def _extrapolation(workspace: Workspace) -> tuple[str, ...]:
    if not workspace.experiment.model.conditioning.parameters:
        return ()
    asked = asked_vectors(workspace, trained_table(workspace))
    if not asked.outside:
        return ()
    return (f"Extrapolated: {describe_departures(asked)}.",)
