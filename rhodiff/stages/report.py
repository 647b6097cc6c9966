"""Stage report: one self-contained HTML file, and its figures as files, from what the other stages left behind."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from rhodiff.config.loading import dump_experiment
from rhodiff.report import (
    CellRow,
    ReportContent,
    ReportFigure,
    TrainingCurve,
    format_estimate,
    functional_numbers,
    further_numbers,
    further_statistics,
    headline_numbers,
    report_distribution,
    report_functionals,
    report_further,
    report_loss,
    report_samples,
    report_spectrum,
    report_trajectory,
    sizes_sentence,
)
from rhodiff.sources.source import TRAIN
from rhodiff.stages.comparison_set import ComparisonSet
from rhodiff.stages.comparison_space import ComparisonSpace
from rhodiff.stages.evaluate import evaluation_tasks, read_evaluation
from rhodiff.stages.reference import is_matched, pair_with_reference
from rhodiff.stages.report_denoising import denoising_figures, denoising_numbers, denoising_warnings
from rhodiff.stages.report_facts import cost_facts, data_facts, environment_facts
from rhodiff.stages.report_files import WrittenReport, write_report_files
from rhodiff.stages.sweep import Cell, describe_condition
from rhodiff.stages.training_data import open_training_reader
from rhodiff.stages.workspace import Workspace
from rhodiff.statistics import BinnedComparison, Estimate, nyquist
from rhodiff.store.field_store import FieldStore, open_fields, read_trajectory
from rhodiff.store.journal import read_journal, utc_now
from rhodiff.store.reader import read_fields
from rhodiff.training.metrics import read_metrics

__all__ = ["write_report"]

UNKNOWN = Estimate(math.nan, math.nan)
SCALE_FIELDS = 256
"""The colour scale of the sheets is that of so many reference fields."""
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
    shown_cell, shown = found[-1]
    channel = workspace.store.spec.channels[0]
    spectrum, values = shown.bins.get(("power_spectrum", channel)), shown.values.get(channel)
    events = read_journal(workspace.run_folder.journal)
    samples = open_fields(workspace.run_folder.samples(shown_cell.identity))
    sizes = next(iter(shown.bins.values())).sizes
    return ReportContent(
        title=workspace.experiment.report.title or workspace.experiment.name,
        summary=_summary(workspace, shown_cell),
        basis=(sizes_sentence(sizes, f"{workspace.experiment.evaluation.reference}-split"),),
        key_numbers=(
            *headline_numbers(
                spectrum,
                values,
                training_spectrum=training.bins.get(("power_spectrum", channel)),
                training_values=training.values.get(channel),
            ),
            *functional_numbers(_functionals(shown, channel), _functionals(training, channel)),
            *further_numbers(further_statistics(shown.bins, channel), further_statistics(training.bins, channel)),
        ),
        warnings=_warnings(workspace, samples, sizes.reference_groups, training),
        samples=_sample_figures(workspace, samples, shown_cell),
        spectra=_spectrum_figures(workspace, shown, shown_cell, training),
        distributions=_distribution_figures(workspace, shown, shown_cell, training),
        functionals=_functional_figures(workspace, shown, shown_cell, training),
        further=_further_figures(workspace, shown, shown_cell, training),
        training=_training_figures(workspace),
        cells=tuple(_row(workspace, cell, one, events, shown=cell is shown_cell) for cell, one in found),
        trajectory=_trajectory_figures(workspace, samples),
        denoising=denoising_figures(workspace),
        denoising_numbers=denoising_numbers(workspace),
        data=data_facts(workspace),
        costs=cost_facts(events),
        configuration=dump_experiment(workspace.experiment),
        environment=environment_facts(workspace),
        created=utc_now(),
        run=workspace.run_folder.path.name,
    )


def _summary(workspace: Workspace, cell: Cell) -> str:
    experiment, spec = workspace.experiment, workspace.store.spec
    cells = " × ".join(str(n) for n in spec.shape)
    conditioning = experiment.model.conditioning.parameters
    told = f", conditioned on {', '.join(conditioning)}" if conditioning else ""
    return (
        f"Diffusion model ({experiment.diffusion.kind.upper()}){told}, trained on "
        f"{len(workspace.store.indices(TRAIN))} fields of {spec.name} ({cells} cells, source "
        f"'{experiment.data.source.kind}') for {cell.checkpoint.iteration} iterations at batch "
        f"{experiment.training.batch_size}; sampled with {cell.sampler} in {cell.evaluations} evaluations."
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


def _sample_figures(workspace: Workspace, samples: FieldStore, cell: Cell) -> tuple[ReportFigure, ...]:
    space, count = ComparisonSpace(workspace), workspace.experiment.report.samples_shown
    pairing = pair_with_reference(workspace, cell, samples.valid)
    reference = space.of_data(open_training_reader(workspace).read(pairing.reference[:SCALE_FIELDS]))
    generated = space.of_samples(read_fields(samples, pairing.generated[:count]))
    rows = -(-count // 6)
    note = "Fields one above the other have the same parameters." if is_matched(workspace, cell) else ""
    stores = _stores(workspace, samples, reference=True)
    return tuple(
        report_samples(
            reference[:, c],
            generated[:, c],
            space.spec,
            num_rows=rows,
            note=note,
            name=f"samples_{name}",
            stores=stores,
        )
        for c, name in enumerate(space.spec.channels)
    )


def _stores(workspace: Workspace, samples: FieldStore, *, reference: bool) -> tuple[str, ...]:
    """Where pictured fields are, relative to the experiment."""
    run, data = workspace.run_folder.path, workspace.data_folder
    generated = f"{run.name}/{samples.path.relative_to(run)} (generated)"
    return (f"{data.path.name}/{data.fields.name} (reference)", generated) if reference else (generated,)


def _spectrum_figures(
    workspace: Workspace, shown: ComparisonSet, cell: Cell, training: ComparisonSet
) -> tuple[ReportFigure, ...]:
    spec = workspace.store.spec
    return tuple(
        report_spectrum(
            {f"generated ({cell.sampler} {cell.evaluations})": one},
            nyquist=nyquist(spec.shape, spec.box_size),
            training=training.bins.get(key),
            periodic=all(spec.periodic),
        )
        for key, one in shown.bins.items()
        if key[0] == "power_spectrum"
    )


def _distribution_figures(
    workspace: Workspace, shown: ComparisonSet, cell: Cell, training: ComparisonSet
) -> tuple[ReportFigure, ...]:
    name = f"generated ({cell.sampler} {cell.evaluations})"
    return tuple(
        report_distribution({name: one}, {name: shown.values[key[1]]}, training=training.bins.get(key))
        for key, one in shown.bins.items()
        if key[0] == "pixel_distribution"
    )


def _functional_figures(
    workspace: Workspace, shown: ComparisonSet, cell: Cell, training: ComparisonSet
) -> tuple[ReportFigure, ...]:
    name = f"generated ({cell.sampler} {cell.evaluations})"
    return tuple(
        report_functionals([{name: one} for one in functionals], training=_functionals(training, channel))
        for channel in workspace.store.spec.channels
        if (functionals := _functionals(shown, channel))
    )


def _further_figures(
    workspace: Workspace, shown: ComparisonSet, cell: Cell, training: ComparisonSet
) -> tuple[ReportFigure, ...]:
    name = f"generated ({cell.sampler} {cell.evaluations})"
    return tuple(
        report_further(
            [{name: one} for one in curves], training=[training.bins.get((one.statistic, channel)) for one in curves]
        )
        for channel in workspace.store.spec.channels
        for curves in further_statistics(shown.bins, channel).values()
        if len(curves[0].axis) > 1
    )


def _functionals(found: ComparisonSet, channel: str) -> list[BinnedComparison]:
    return [one for (name, of), one in found.bins.items() if of == channel and name.startswith("minkowski_")]


def _training_figures(workspace: Workspace) -> tuple[ReportFigure, ...]:
    records = read_metrics(workspace.run_folder.metrics)
    if not records:
        return ()
    columns = {name: np.array([r[name] for r in records]) for name in ("iteration", "loss", "learning_rate")}
    return (report_loss(TrainingCurve(**columns)),)


def _trajectory_figures(workspace: Workspace, samples: FieldStore) -> tuple[ReportFigure, ...]:
    number = workspace.experiment.sampling.trajectory
    if not number:
        return ()
    space = ComparisonSpace(workspace)
    states = read_trajectory(samples, 4)
    shown = np.stack([space.of_samples(states[:, step]) for step in range(number)], axis=1)
    levels = samples.attributes["trajectory_sigma"]
    stores = _stores(workspace, samples, reference=False)
    return (report_trajectory(shown[:, :, 0], space.spec, noise_levels=levels, stores=stores),)


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
    )
