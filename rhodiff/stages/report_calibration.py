"""The section of a report on statistics at each held-out parameter vector: generated against true fields.

A vector is a distinct set of values of the parameters that the network is told. Its true fields are all of the
reference split that have it, its generated ones all samples at it; vectors with few of either are left out.

Axes: V vector, P parameter.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rhodiff.config.calibration import CalibrationSettings
from rhodiff.config.evaluation import PowerSpectrum
from rhodiff.errors import ConfigError
from rhodiff.models.trained_range import departures
from rhodiff.report import Fact, ReportFigure
from rhodiff.report.calibration import report_calibration, report_calibration_errors
from rhodiff.report.calibration_numbers import VectorSet, calibration_facts, calibration_rows
from rhodiff.report.calibration_rows import CalibrationRow
from rhodiff.stages.asked_conditions import trained_table
from rhodiff.stages.comparison_space import ComparisonSpace
from rhodiff.stages.measuring import first_fields
from rhodiff.stages.reference import matched_indices, reference_indices
from rhodiff.stages.sequence_pairs import require_paired_samples
from rhodiff.stages.training_data import conditions_of, open_training_reader
from rhodiff.stages.workspace import Workspace
from rhodiff.statistics import Statistic, ValueGrid, build_statistic, fit_channels, measure_channels, measure_values
from rhodiff.statistics.calibration import (
    CalibratedVector,
    CalibrationSummary,
    MeasuredFields,
    calibrate_vector,
    summarise_calibration,
)
from rhodiff.store.field_store import FieldStore
from rhodiff.store.reader import read_fields

__all__ = ["CalibrationSection", "calibration_section", "check_calibration"]

CalibrationSection = tuple[tuple[ReportFigure, ...], tuple[Fact, ...], tuple[CalibrationRow, ...]]
Float = NDArray[np.float64]
Indices = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class _Vectors:
    """The vectors of the reference split that have enough fields.

    Attributes:
        values: ``[V, P]``.
        true: indices of the true fields of each in the data set.
        generated: indices of the samples of each.
    """

    values: Float
    true: list[Indices]
    generated: list[Indices]


def check_calibration(workspace: Workspace) -> None:
    """Refuse a calibration that cannot be made, before anything is computed.

    Raises:
        ConfigError: if the network is told no parameters, the sweep has conditions of its own, or no vector has
            enough fields, as far as the data are prepared.
    """
    settings = workspace.experiment.report.calibration
    if settings is None:
        return
    require_paired_samples(workspace, "report.calibration")
    if workspace.data_folder.done.exists():
        _find_vectors(workspace, settings, np.ones(workspace.experiment.sampling.num_samples, dtype=np.bool_))


def calibration_section(workspace: Workspace, samples: FieldStore) -> CalibrationSection:
    """Figures, headline numbers and rows; none where ``report.calibration`` is not set.

    Args:
        workspace: the experiment.
        samples: store of the cell that the report shows.
    """
    settings = workspace.experiment.report.calibration
    if settings is None:
        return (), (), ()
    chosen = _find_vectors(workspace, settings, np.asarray(samples.valid, dtype=np.bool_))
    found = _compare(workspace, samples, chosen)
    table = trained_table(workspace)
    is_inside = np.array([not text for text in departures(table, chosen.values)])
    known = {parameter.name: parameter for parameter in workspace.store.parameter_info}
    vectors = VectorSet(found, [known[name] for name in table.names], chosen.values, is_inside)
    counts = [(len(ours), len(theirs)) for ours, theirs in zip(chosen.true, chosen.generated, strict=True)]
    return (
        (
            report_calibration(vectors, ComparisonSpace(workspace).spec),
            report_calibration_errors(vectors, table.ranges),
        ),
        calibration_facts(_summaries(workspace, vectors), workspace.experiment.evaluation.reference),
        calibration_rows(vectors, settings.listed, counts),
    )


def _find_vectors(workspace: Workspace, settings: CalibrationSettings, valid: NDArray[np.bool_]) -> _Vectors:
    reference = reference_indices(workspace)
    values, vector_of = np.unique(conditions_of(workspace, reference), axis=0, return_inverse=True)
    place = np.zeros(int(reference.max()) + 1, dtype=np.int64)
    place[reference] = vector_of.reshape(-1)
    samples = np.flatnonzero(valid)
    sampled = place[matched_indices(workspace, len(valid))[samples]]
    true = [np.sort(reference[vector_of.reshape(-1) == v]) for v in range(len(values))]
    generated = [samples[sampled == v] for v in range(len(values))]
    fewest = [min(len(ours), len(theirs)) for ours, theirs in zip(true, generated, strict=True)]
    kept = [v for v, number in enumerate(fewest) if number >= settings.fewest_fields]
    if not kept:
        raise ConfigError(
            f"report.calibration: none of the {len(values)} parameter vectors of the reference has "
            f"{settings.fewest_fields} reference fields and as many samples, the best has {max(fewest)}: raise "
            "sampling.num_samples, lower report.calibration.fewest_fields, or leave the calibration out"
        )
    return _Vectors(values[kept], [true[v] for v in kept], [generated[v] for v in kept])


def _compare(workspace: Workspace, samples: FieldStore, vectors: _Vectors) -> list[CalibratedVector]:
    space, reader, evaluation = (
        ComparisonSpace(workspace),
        open_training_reader(workspace),
        workspace.experiment.evaluation,
    )
    first = space.of_data(reader.read(first_fields(reference_indices(workspace), space.spec)))
    wanted = next((one for one in evaluation.statistics if isinstance(one, PowerSpectrum)), PowerSpectrum())
    measurer = _FieldMeasurer(
        space, fit_channels(build_statistic(wanted), first, space.spec), ValueGrid.of(first[:, 0])
    )
    found = []
    for done, (true, generated) in enumerate(zip(vectors.true, vectors.generated, strict=True), 1):
        ours = measurer.measure(space.of_data(reader.read(true)))
        theirs = measurer.measure(space.of_samples(read_fields(samples, generated)))
        drawn = {"resamples": evaluation.bootstrap, "seed": evaluation.seed}
        found.append(calibrate_vector(ours, theirs, measurer.grid, **drawn))
        workspace.observer.progress(done, len(vectors.true), "parameter vectors compared")
    return found


@dataclass(frozen=True, eq=False)
class _FieldMeasurer:
    """Power spectrum and values of the first channel."""

    space: ComparisonSpace
    spectrum: tuple[Statistic, ...]
    grid: ValueGrid

    def measure(self, fields: NDArray[np.float32]) -> MeasuredFields:
        """Measure fields ``[n, channel, *space]``."""
        spectra = measure_channels(self.spectrum, fields, self.space.spec)[0]
        return MeasuredFields(spectra, measure_values(fields[:, 0], self.grid))


def _summaries(workspace: Workspace, vectors: VectorSet) -> dict[str, CalibrationSummary]:
    evaluation = workspace.experiment.evaluation
    kinds = {"within the trained range": vectors.is_inside, "extrapolated": ~vectors.is_inside}
    return {
        kind: summarise_calibration(
            [one for one, is_one in zip(vectors.found, chosen, strict=True) if is_one],
            resamples=evaluation.bootstrap,
            seed=evaluation.seed,
        )
        for kind, chosen in kinds.items()
        if chosen.any()
    }
