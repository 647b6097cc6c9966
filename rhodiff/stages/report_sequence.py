"""The section of a report on generated fields beside the very fields that they are to be, along one parameter."""

import numpy as np
from numpy.typing import NDArray

from rhodiff.config.sequence import SequenceSettings
from rhodiff.report import (
    Fact,
    ReportFigure,
    report_pair_differences,
    report_pair_power,
    report_separations,
    report_sequence,
    sequence_facts,
)
from rhodiff.stages.measured_pairs import centres_of, measure_pairs
from rhodiff.stages.paired_fields import PairedFields, pair_fields
from rhodiff.stages.sequence_pairs import choose_sequence, describe_combination
from rhodiff.stages.sweep import describe_condition
from rhodiff.stages.workspace import Workspace
from rhodiff.statistics.centres import Centres
from rhodiff.statistics.paired_set import GENERATED, INTERPOLATED, summarise_pairs
from rhodiff.store.field_store import FieldStore
from rhodiff.store.spec import Parameter

__all__ = ["sequence_section"]

Indices = NDArray[np.int64]

SIMULATED = ("mergers", "deepgalaxy")
"""Sources whose truths are called simulated."""


def sequence_section(workspace: Workspace, samples: FieldStore) -> tuple[tuple[ReportFigure, ...], tuple[Fact, ...]]:
    """Figures and headline numbers; none where ``report.sequence`` is not set.

    Args:
        workspace: the experiment.
        samples: store of the cell that the report shows.

    Raises:
        ConfigError: if there are no fields as ``report.sequence`` asks for.
    """
    settings = workspace.experiment.report.sequence
    if settings is None:
        return (), ()
    along = next(one for one in workspace.store.parameter_info if one.name == settings.along)
    pairs = pair_fields(workspace, samples, settings)
    names = [parameter.name for parameter in workspace.store.parameter_info]
    sequence = choose_sequence(pairs.parameters, names, settings)
    centres = None if settings.separation is None else centres_of(settings.separation, workspace.store.spec)
    found = measure_pairs(pairs, pairs.parameters[:, names.index(along.name)], centres)
    evaluation = workspace.experiment.evaluation
    summary = summarise_pairs(found, resamples=evaluation.bootstrap, seed=evaluation.seed)
    figures = [
        _picture(workspace, pairs, sequence, along, settings),
        report_pair_differences(found, along),
        report_pair_power(found, pairs.spec),
    ]
    if centres is not None:
        note = _describe_centres(centres, pairs.spec.length_unit)
        figures.append(report_separations(found, along, sequence, pairs.spec, note=note))
    return tuple(figures), sequence_facts(summary, pairs.spec, settings.neighbour_parameter)


def _picture(
    workspace: Workspace, pairs: PairedFields, sequence: Indices, along: Parameter, settings: SequenceSettings
) -> ReportFigure:
    """A few fields of the sequence, evenly over it."""
    shown = sequence[np.linspace(0, len(sequence) - 1, min(settings.shown, len(sequence))).round().astype(np.int64)]
    names = [parameter.name for parameter in workspace.store.parameter_info]
    values = pairs.parameters[shown, names.index(along.name)]
    estimates = {kind: fields[:, 0] for kind, fields in pairs.read_estimates(shown).items()}
    truth = "simulated" if workspace.experiment.data.source.kind in SIMULATED else "truth"
    rows = {truth: pairs.read_truths(shown)[:, 0], "generated": estimates[GENERATED]}
    between = estimates[INTERPOLATED]
    note = ""
    if np.isfinite(between).all():
        rows["interpolated"] = between
        note = f" interpolated: between training fields on both sides in {settings.neighbour_parameter}."
    varies = np.ptp(pairs.parameters, axis=0) > 0
    shared = describe_condition(describe_combination(pairs.parameters[shown[0]], names, along.name, varies))
    data, run = workspace.data_folder, workspace.run_folder.path
    return report_sequence(
        rows,
        pairs.spec,
        [f"{along.name} {value:.4g} {along.unit}".strip() for value in values],
        note=f"{len(shown)} of {len(sequence)} fields with {shared or 'all other parameters the same'}.{note}",
        stores=(
            f"{data.path.name}/{data.fields.name} ({truth})",
            f"{run.name}/{pairs.store.path.relative_to(run)} (generated)",
        ),
    )


def _describe_centres(centres: Centres, unit: str) -> str:
    return (
        f"Centres: maxima of the image smoothed by a Gaussian of {centres.smoothing:.3g} {unit}, the second at least "
        f"{100 * centres.share:g} % as high as the first and {centres.apart:.3g} {unit} away."
    )
