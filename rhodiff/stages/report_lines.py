"""The section of a report on the lines of generated spectra against those of the spectra that they are to be.

Beside the model stands the training spectrum whose parameters are nearest, in units of their scatter: what a model
that only remembers would give.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from rhodiff.errors import ConfigError
from rhodiff.report import Fact, ReportFigure
from rhodiff.report.lines import SpectraPair, line_facts, report_line_scores, report_lines
from rhodiff.sources.source import TRAIN
from rhodiff.stages.comparison_space import ComparisonSpace
from rhodiff.stages.paired_fields import matched_pairs
from rhodiff.stages.sequence_pairs import require_paired_samples
from rhodiff.stages.sweep import describe_condition
from rhodiff.stages.training_data import open_training_reader
from rhodiff.stages.workspace import Workspace
from rhodiff.statistics.line_set import compare_spectra, summarise_lines
from rhodiff.store.field_store import FieldStore
from rhodiff.store.reader import read_fields

__all__ = ["check_lines", "lines_section"]

Indices = NDArray[np.int64]


def check_lines(workspace: Workspace) -> None:
    """Refuse lines that cannot be compared, before anything is computed.

    Raises:
        ConfigError: if the network is told no parameters, the sweep has conditions of its own, or fields are no
            spectra.
    """
    if workspace.experiment.report.lines is None:
        return
    require_paired_samples(workspace, "report.lines")
    ndim = workspace.source.spec.ndim
    if ndim != 1:
        raise ConfigError(f"report.lines are those of spectra (1D), the fields have {ndim} dimensions: leave it out")


def lines_section(workspace: Workspace, samples: FieldStore) -> tuple[tuple[ReportFigure, ...], tuple[Fact, ...]]:
    """Figures and headline numbers; none where ``report.lines`` is not set.

    Args:
        workspace: the experiment.
        samples: store of the cell that the report shows.
    """
    settings = workspace.experiment.report.lines
    if settings is None:
        return (), ()
    store, space, reader = (
        workspace.store,
        ComparisonSpace(workspace, prefer_physical=True),
        open_training_reader(workspace),
    )
    truths, matching = matched_pairs(workspace, samples)
    truth = space.of_data(reader.read(truths))[:, 0].astype(np.float64)
    nearest = space.of_data(reader.read(_nearest_training(workspace, truths)))[:, 0].astype(np.float64)
    generated = space.of_samples(read_fields(samples, matching))[:, 0].astype(np.float64)
    counted = {"floor": settings.floor, "reach": settings.reach_bins}
    found = {
        "generated": compare_spectra(generated, truth, **counted),
        "nearest training field": compare_spectra(nearest, truth, **counted),
    }
    evaluation = workspace.experiment.evaluation
    drawn: dict[str, Any] = {
        "reach": settings.reach_bins,
        "resamples": evaluation.bootstrap,
        "seed": evaluation.seed,
    }
    summaries = {name: summarise_lines(one, store.group[truths], **drawn) for name, one in found.items()}
    scores = np.array([np.mean(np.minimum(np.abs(one.offsets), settings.reach_bins)) for one in found["generated"]])
    order = np.argsort(scores, kind="stable")
    shown = order[np.linspace(0, len(order) - 1, min(settings.shown, len(order))).round().astype(np.int64)]
    pairs = [
        SpectraPair(truth[one], generated[one], found["generated"][one], _parameters(workspace, truths[one]))
        for one in shown
    ]
    figures = (report_lines(pairs, space.spec), report_line_scores(found, space.spec))
    return figures, line_facts(summaries, space.spec)


def _nearest_training(workspace: Workspace, truths: Indices) -> Indices:
    """The training field nearest to each truth in what the network is told, in units of the scatter."""
    store, told = workspace.store, workspace.experiment.model.conditioning.parameters
    names = [parameter.name for parameter in store.parameter_info]
    columns, training = [names.index(name) for name in told], store.indices(TRAIN)
    known = store.parameters[training][:, columns]
    scatter = np.where(known.std(axis=0) > 0, known.std(axis=0), 1.0)
    _, found = cKDTree(known / scatter).query(store.parameters[truths][:, columns] / scatter)
    return np.asarray(training[found])


def _parameters(workspace: Workspace, index: int) -> str:
    told = workspace.experiment.model.conditioning.parameters
    names = [parameter.name for parameter in workspace.store.parameter_info]
    return describe_condition({name: float(workspace.store.parameters[index, names.index(name)]) for name in told})
