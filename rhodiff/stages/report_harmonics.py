"""The section of a report on generated harmonics against the volumes that their (l, m) stand for.

Every sample of the cell counts: it has starting noise of its own, drawn from the sampling seed, which no training has
seen. The true volume is that of amplitude one; where the copies of the data set scatter in amplitude, generated ones
should too.
"""

import numpy as np
from numpy.typing import NDArray

from rhodiff.errors import ConfigError
from rhodiff.report import Fact, ReportFigure
from rhodiff.report.harmonic_rows import HarmonicRow
from rhodiff.report.harmonics import (
    HarmonicVolumes,
    harmonic_facts,
    report_harmonic,
    report_harmonic_scores,
)
from rhodiff.sources.harmonics import Harmonics
from rhodiff.stages.comparison_space import ComparisonSpace
from rhodiff.stages.workspace import Workspace
from rhodiff.statistics.template_match import TemplateMatch, equal_templates, match_templates
from rhodiff.store.field_store import FieldStore
from rhodiff.store.reader import read_fields

__all__ = ["HarmonicsSection", "check_harmonics", "harmonics_section"]

Float = NDArray[np.float64]
HarmonicsSection = tuple[tuple[ReportFigure, ...], tuple[Fact, ...], tuple[HarmonicRow, ...]]
Pairs = list[tuple[int, int]]
POLAR, AZIMUTHAL = 91, 181
"""Angles of the surface."""


def check_harmonics(workspace: Workspace) -> None:
    """Refuse harmonics that cannot be compared, before anything is computed.

    Raises:
        ConfigError: if the source makes none, the network is not told l and m, or the harmonic to be shown is
            not in the set.
    """
    settings, experiment = workspace.experiment.report.harmonics, workspace.experiment
    if settings is None:
        return
    source = workspace.source
    if not isinstance(source, Harmonics):
        raise ConfigError(
            f"report.harmonics needs data.source.kind 'harmonics', here it is '{experiment.data.source.kind}': "
            "leave it out"
        )
    told = experiment.model.conditioning.parameters
    if not {"l", "m"} <= set(told):
        raise ConfigError(
            f"report.harmonics needs a network that is told l and m; model.conditioning.parameters is {list(told)}"
        )
    if (settings.degree, settings.order) not in source.pairs:
        low, high = source.pairs[0][0], source.pairs[-1][0]
        raise ConfigError(
            f"report.harmonics shows l = {settings.degree}, m = {settings.order}, but the data has l = {low} to "
            f"{high}: set report.harmonics.degree and .order"
        )


def harmonics_section(workspace: Workspace, samples: FieldStore) -> HarmonicsSection:
    """Figures, headline numbers and a row for each (l, m); nothing where ``report.harmonics`` is not set.

    Args:
        workspace: the experiment.
        samples: store of the cell that the report shows.
    """
    settings, source = workspace.experiment.report.harmonics, workspace.source
    if settings is None or not isinstance(source, Harmonics):
        return (), (), ()
    space, kept = ComparisonSpace(workspace, prefer_physical=True), np.flatnonzero(samples.valid)
    columns = [[parameter.name for parameter in samples.parameter_info].index(name) for name in ("l", "m")]
    asked: Pairs = [(int(l), int(m)) for l, m in samples.parameters[kept][:, columns]]  # noqa: E741
    volumes = np.stack([source.volume(*pair) for pair in source.pairs])[:, None].astype(np.float32)
    templates = space.of_data(volumes)[:, 0].astype(np.float64)
    generated = space.of_samples(read_fields(samples, kept))[:, 0].astype(np.float64)
    match = match_templates(generated, templates, np.array([source.pairs.index(pair) for pair in asked]))
    present = np.unique(match.own)
    rows = tuple(_row(source.pairs, match, one) for one in present)
    figures: tuple[ReportFigure, ...] = (report_harmonic_scores(rows, _confusion(match, present)),)
    shown = source.pairs.index((settings.degree, settings.order))
    if shown in present:
        mine = np.flatnonzero(match.own == shown)
        middle = mine[np.argsort(match.relative_l2[mine], kind="stable")[len(mine) // 2]]
        volumes_shown = _volumes(source, source.pairs[shown], templates[shown], generated[middle])
        store = f"{workspace.run_folder.path.name}/{samples.path.relative_to(workspace.run_folder.path)}"
        figures = (report_harmonic(volumes_shown, (f"{store} (generated {kept[middle]})",)), *figures)
    return figures, harmonic_facts(rows, int(equal_templates(templates).any(axis=1).sum())), rows


def _volumes(source: Harmonics, pair: tuple[int, int], truth: Float, generated: Float) -> HarmonicVolumes:
    polar, azimuth = np.meshgrid(np.linspace(0, np.pi, POLAR), np.linspace(0, 2 * np.pi, AZIMUTHAL), indexing="ij")
    directions = np.stack([np.sin(polar) * np.cos(azimuth), np.sin(polar) * np.sin(azimuth), np.cos(polar)])
    surface = source.evaluate(*pair, *directions)
    return HarmonicVolumes(f"l = {pair[0]}, m = {pair[1]}", directions, surface, truth, generated)


def _row(pairs: tuple[tuple[int, int], ...], match: TemplateMatch, one: int) -> HarmonicRow:
    mine = match.own == one
    others = np.unique(match.nearest[mine & ~match.is_identified])
    return HarmonicRow(
        degree=pairs[one][0],
        order=pairs[one][1],
        number=int(mine.sum()),
        w1=float(match.w1[mine].mean()),
        w1_spread=float(match.w1[mine].std()),
        l2=float(match.relative_l2[mine].mean()),
        l2_spread=float(match.relative_l2[mine].std()),
        amplitude=float(match.amplitude[mine].mean()),
        amplitude_spread=float(match.amplitude[mine].std()),
        identified=float(match.is_identified[mine].mean()),
        nearest=" ".join(f"({pairs[other][0]}, {pairs[other][1]})" for other in others),
    )


def _confusion(match: TemplateMatch, present: NDArray[np.int64]) -> Float:
    """Share of the volumes of each present row that are nearest to each present column."""
    counts = np.array(
        [[np.sum((match.own == row) & (match.nearest == column)) for column in present] for row in present]
    )
    numbers = np.array([np.sum(match.own == row) for row in present])
    return np.asarray(counts / numbers[:, None])
