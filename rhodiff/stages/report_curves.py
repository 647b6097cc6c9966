"""Figures of a report made from comparisons: spectra, distributions, functionals and all further statistics."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from rhodiff.report import (
    ReportFigure,
    further_statistics,
    report_distribution,
    report_functionals,
    report_further,
    report_spectrum,
)
from rhodiff.stages.comparison_set import ComparisonSet, Key
from rhodiff.stages.sweep import Cell
from rhodiff.stages.workspace import Workspace
from rhodiff.statistics import BinnedComparison, nyquist

__all__ = [
    "ShownCell",
    "distribution_figures",
    "functional_figures",
    "functionals_of",
    "further_figures",
    "in_order",
    "spectrum_figures",
]

FUNCTIONAL_ORDER = ("length", "area", "volume", "perimeter", "surface", "curvature", "euler")
"""From the dimension of the space down, as Minkowski functionals are counted."""


@dataclass(frozen=True)
class ShownCell:
    """The cell of the figures and headline numbers.

    Attributes:
        cell: of the sweep.
        found: its comparison with the reference.
        training: that of training fields.
        of_several: the sweep has more than one checkpoint.
    """

    cell: Cell
    found: ComparisonSet
    training: ComparisonSet
    of_several: bool

    @property
    def name(self) -> str:
        """In legends."""
        checkpoint = f"iteration {self.cell.checkpoint.iteration}, " if self.of_several else ""
        return f"generated ({checkpoint}{self.cell.called})"

    def of(self, statistic: str) -> Mapping[Key, BinnedComparison]:
        """Comparisons of one statistic."""
        return {key: one for key, one in self.found.bins.items() if key[0] == statistic}


def spectrum_figures(workspace: Workspace, shown: ShownCell) -> tuple[ReportFigure, ...]:
    """Power spectra of each channel."""
    spec = workspace.store.spec
    return tuple(
        report_spectrum(
            {shown.name: one},
            nyquist=nyquist(spec.shape, spec.box_size),
            training=shown.training.bins.get(key),
            periodic=all(spec.periodic),
        )
        for key, one in shown.of("power_spectrum").items()
    )


def distribution_figures(shown: ShownCell) -> tuple[ReportFigure, ...]:
    """Distributions of the values of each channel."""
    return tuple(
        report_distribution(
            {shown.name: one}, {shown.name: shown.found.values[key[1]]}, training=shown.training.bins.get(key)
        )
        for key, one in shown.of("pixel_distribution").items()
    )


def functional_figures(workspace: Workspace, shown: ShownCell) -> tuple[ReportFigure, ...]:
    """Minkowski functionals of each channel."""
    return tuple(
        report_functionals(
            [{shown.name: one} for one in functionals], training=functionals_of(shown.training, channel)
        )
        for channel in workspace.store.spec.channels
        if (functionals := functionals_of(shown.found, channel))
    )


def further_figures(workspace: Workspace, shown: ShownCell) -> tuple[ReportFigure, ...]:
    """All other statistics that are curves, a figure a family."""
    return tuple(
        report_further(
            [{shown.name: one} for one in curves],
            training=[shown.training.bins.get((one.statistic, channel)) for one in curves],
        )
        for channel in workspace.store.spec.channels
        for curves in further_statistics(shown.found.bins, channel).values()
        if len(curves[0].axis) > 1
    )


def in_order(keys: Iterable[Key]) -> list[Key]:
    """Statistics and channels as the report shows them: spectra, distributions, functionals, all others by name."""
    order = ["power_spectrum", "pixel_distribution", *(f"minkowski_{name}" for name in FUNCTIONAL_ORDER)]
    return sorted(keys, key=lambda key: (order.index(key[0]) if key[0] in order else len(order), key))


def functionals_of(found: ComparisonSet, channel: str) -> list[BinnedComparison]:
    """Minkowski functionals of one channel, in their usual order."""
    names = (f"minkowski_{name}" for name in FUNCTIONAL_ORDER)
    return [found.bins[name, channel] for name in names if (name, channel) in found.bins]
