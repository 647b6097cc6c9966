"""Stage report: one self-contained HTML file, and its figures as files, from what the other stages left behind."""

import math
from collections.abc import Sequence
from typing import Any

from rhodiff.config.loading import dump_experiment
from rhodiff.report import (
    CellRow,
    KeyNumber,
    ReportContent,
    format_estimate,
    functional_numbers,
    further_numbers,
    further_statistics,
    headline_numbers,
    sizes_sentence,
)
from rhodiff.sources.source import TRAIN
from rhodiff.stages.comparison_set import ComparisonSet
from rhodiff.stages.evaluate import evaluation_tasks, read_evaluation
from rhodiff.stages.report_calibration import calibration_section
from rhodiff.stages.report_conditions import condition_warnings
from rhodiff.stages.report_curves import (
    ShownCell,
    distribution_figures,
    functional_figures,
    functionals_of,
    further_figures,
    spectrum_figures,
)
from rhodiff.stages.report_denoising import denoising_figures, denoising_numbers, denoising_warnings
from rhodiff.stages.report_facts import cost_facts, data_facts, environment_facts
from rhodiff.stages.report_files import WrittenReport, write_report_files
from rhodiff.stages.report_harmonics import harmonics_section
from rhodiff.stages.report_lines import lines_section
from rhodiff.stages.report_pictures import sample_figures, training_figures, trajectory_figures
from rhodiff.stages.report_selection import (
    checkpoint_figures,
    choose_shown,
    optimism_warning,
    ranking_tables,
)
from rhodiff.stages.report_sequence import sequence_section
from rhodiff.stages.report_verdicts import (
    copies_warning,
    difference_figures,
    mean_test_rows,
    memorisation_facts,
    memorisation_figures,
)
from rhodiff.stages.selection import rank_checkpoints
from rhodiff.stages.sweep import Cell, describe_condition
from rhodiff.stages.workspace import Workspace
from rhodiff.statistics import BinnedComparison, Estimate
from rhodiff.store.field_store import FieldStore, open_fields
from rhodiff.store.journal import read_journal, utc_now

__all__ = ["write_report"]

UNKNOWN = Estimate(math.nan, math.nan)
SIGNIFICANT_ERRORS = 3.0
FEW_GROUPS = 30
"""With fewer independent groups than this, bootstrap errors are themselves uncertain by more than ten per cent."""


def write_report(workspace: Workspace) -> WrittenReport:
    """Write ``report/report.html`` and its figures.

    Args:
        workspace: the experiment, evaluated.

    Returns:
        Its files.

    Raises:
        DataError: if the statistics are not there.
    """
    training_task, *cell_tasks = evaluation_tasks(workspace)
    training = read_evaluation(workspace, training_task)
    found = [(task.cell, read_evaluation(workspace, task)) for task in cell_tasks if task.cell is not None]
    return write_report_files(workspace, _content(workspace, training, found))


def _content(
    workspace: Workspace, training: ComparisonSet, found: Sequence[tuple[Cell, ComparisonSet]]
) -> ReportContent:
    rankings = rank_checkpoints(workspace)
    cell = choose_shown(workspace, rankings, [one for one, _ in found])
    several = len({one.checkpoint.iteration for one, _ in found}) > 1
    shown = ShownCell(cell, _comparison_of(cell, found), training, several)
    events = read_journal(workspace.run_folder.journal)
    samples = open_fields(workspace.run_folder.samples(cell.identity))
    sizes = next(iter(shown.found.bins.values())).sizes
    sequence, sequence_numbers = sequence_section(workspace, samples)
    lines, lines_numbers = lines_section(workspace, samples)
    harmonics, harmonics_numbers, harmonics_rows = harmonics_section(workspace, samples)
    calibration, calibration_numbers, calibration_rows = calibration_section(workspace, samples)
    return ReportContent(
        title=workspace.experiment.report.title or workspace.experiment.name,
        summary=_summary(workspace, cell),
        basis=(sizes_sentence(sizes, f"{workspace.experiment.evaluation.reference}-split"),),
        key_numbers=_key_numbers(workspace, shown),
        warnings=(
            *copies_warning(shown),
            *optimism_warning(workspace, rankings, cell),
            *condition_warnings(workspace, cell),
            *_warnings(workspace, samples, sizes.reference_groups, training),
        ),
        samples=sample_figures(workspace, samples, cell),
        spectra=spectrum_figures(workspace, shown),
        distributions=distribution_figures(shown),
        functionals=functional_figures(workspace, shown),
        further=further_figures(workspace, shown),
        tests=mean_test_rows(shown),
        differences=difference_figures(shown),
        memorisation=memorisation_figures(shown),
        memorisation_facts=memorisation_facts(shown),
        selection=ranking_tables(workspace, rankings, cell),
        checkpoints=checkpoint_figures(workspace, rankings, found, cell),
        training=training_figures(workspace),
        cells=tuple(
            _row(workspace, one, compared, events, shown=one.identity == cell.identity) for one, compared in found
        ),
        trajectory=trajectory_figures(workspace, samples),
        sequence=sequence,
        sequence_numbers=sequence_numbers,
        lines=lines,
        lines_numbers=lines_numbers,
        harmonics=harmonics,
        harmonics_numbers=harmonics_numbers,
        harmonics_rows=harmonics_rows,
        calibration=calibration,
        calibration_numbers=calibration_numbers,
        calibration_rows=calibration_rows,
        denoising=denoising_figures(workspace),
        denoising_numbers=denoising_numbers(workspace),
        data=data_facts(workspace),
        costs=cost_facts(events),
        configuration=dump_experiment(workspace.experiment),
        environment=environment_facts(workspace),
        created=utc_now(),
        run=workspace.run_folder.path.name,
    )


def _comparison_of(cell: Cell, found: Sequence[tuple[Cell, ComparisonSet]]) -> ComparisonSet:
    return next(one for other, one in found if other.identity == cell.identity)


def _key_numbers(workspace: Workspace, shown: ShownCell) -> tuple[KeyNumber, ...]:
    channel, found, training = workspace.store.spec.channels[0], shown.found, shown.training
    return (
        *headline_numbers(
            found.bins.get(("power_spectrum", channel)),
            found.values.get(channel),
            training_spectrum=training.bins.get(("power_spectrum", channel)),
            training_values=training.values.get(channel),
        ),
        *functional_numbers(functionals_of(found, channel), functionals_of(training, channel)),
        *further_numbers(further_statistics(found.bins, channel), further_statistics(training.bins, channel)),
    )


def _summary(workspace: Workspace, cell: Cell) -> str:
    experiment, spec = workspace.experiment, workspace.store.spec
    cells = " × ".join(str(n) for n in spec.shape)
    conditioning = experiment.model.conditioning.parameters
    told = f", conditioned on {', '.join(conditioning)}" if conditioning else ""
    guided = "" if cell.guidance == 1 else f" of two passes of the network each, guidance weight {cell.guidance:g}"
    return (
        f"Diffusion model ({experiment.diffusion.title}){told}, trained on "
        f"{len(workspace.store.indices(TRAIN))} fields of {spec.name} ({cells} cells, source "
        f"'{experiment.data.source.kind}') for {cell.checkpoint.iteration} iterations at batch "
        f"{experiment.training.batch_size}; sampled with {cell.sampler} in {cell.evaluations} evaluations{guided}."
    )


def _warnings(
    workspace: Workspace, samples: FieldStore, reference_groups: int, training: ComparisonSet
) -> tuple[str, ...]:
    found = []
    diverged = int((~samples.valid).sum())
    if diverged:
        found.append(f"{diverged} of {samples.num_fields} generated fields diverged and are left out.")
    if reference_groups < FEW_GROUPS:
        found.append(
            f"The reference has only {reference_groups} independent groups: its errors are rough, and no difference "
            "smaller than them is a claim."
        )
    found += [_own_difference(one) for one in training.bins.values() if _differs(one.mean_absolute)]
    found += denoising_warnings(workspace)
    failed = int((~workspace.store.valid).sum())
    if failed:
        found.append(f"{failed} fields of the data set could not be made; they are masked.")
    return tuple(found)


def _differs(estimate: Estimate) -> bool:
    """Whether a number that cannot be negative lies above its floor for more than chance."""
    return estimate.value - estimate.floor > SIGNIFICANT_ERRORS * estimate.error


def _own_difference(one: BinnedComparison) -> str:
    name = one.statistic.replace("_", " ")
    difference = format_estimate(one.mean_absolute, percent=True)
    return (
        f"Training and reference fields differ themselves: in the {name} by {difference} (mean over bins), where two "
        f"draws of one distribution would by {100 * one.mean_absolute.floor:.2g} %. A network learns the training "
        "fields: compare generated fields with the grey line first."
    )


def _row(
    workspace: Workspace, cell: Cell, found: ComparisonSet, events: Sequence[dict[str, Any]], *, shown: bool
) -> CellRow:
    channel = workspace.store.spec.channels[0]
    spectrum, values = found.bins.get(("power_spectrum", channel)), found.values.get(channel)
    spent = [e for e in events if e["event"] == "sampled" and e["cell"] == cell.identity]
    seconds = sum(e["wall_s"] for e in spent) / max(sum(e["samples"] for e in spent), 1) if spent else None
    return CellRow(
        checkpoint=cell.checkpoint.iteration,
        sampler=cell.sampler,
        evaluations=cell.evaluations,
        seed=cell.seed,
        condition="" if cell.condition is None else describe_condition(cell.condition),
        num_fields=next(iter(found.bins.values())).sizes.generated_fields,
        mean_absolute=spectrum.mean_absolute if spectrum else UNKNOWN,
        worst=spectrum.worst if spectrum else UNKNOWN,
        w1_over_std=values.w1_over_std if values else UNKNOWN,
        std_ratio=values.std_ratio if values else UNKNOWN,
        skewness_difference=values.skewness_difference if values else UNKNOWN,
        seconds_per_sample=seconds,
        shown=shown,
        guidance=cell.guidance,
    )
