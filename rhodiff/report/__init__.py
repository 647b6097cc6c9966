"""Figures and the self-contained HTML report, made from plain records and arrays."""

from rhodiff.report.checkpoints import (
    checkpoint_ratios_figure,
    report_checkpoint_ratios,
    report_spread,
    spread_figure,
)
from rhodiff.report.content import CellRow, Fact, KeyNumber, MeanTestRow, ReportContent, ReportFigure
from rhodiff.report.copies import copies_facts, copies_figure, copies_verdict, report_copies
from rhodiff.report.curves import distribution_figure, spectrum_figure
from rhodiff.report.document import render_report
from rhodiff.report.encoding import columns_to_csv, figure_to_png, figure_to_svg
from rhodiff.report.figures import (
    comparison_csv,
    report_distribution,
    report_loss,
    report_samples,
    report_spectrum,
    report_trajectory,
)
from rhodiff.report.functionals import functional_figure, functional_numbers, report_functionals
from rhodiff.report.further import further_numbers, further_statistics, report_further
from rhodiff.report.headline import headline_numbers, sizes_sentence
from rhodiff.report.loss import TrainingCurve, loss_figure
from rhodiff.report.mean_tests import differences_figure, report_differences, tabulate_tests
from rhodiff.report.number_format import format_estimate, format_number, format_seconds
from rhodiff.report.ranking import RankedRow, RankingTable, SpreadRow, tabulate_ranking
from rhodiff.report.sequence import report_sequence, sequence_figure
from rhodiff.report.sequence_curves import (
    report_pair_differences,
    report_pair_power,
    report_separations,
    sequence_facts,
)
from rhodiff.report.sheets import data_sheet, sample_sheet, trajectory_figure
from rhodiff.report.simulation_sheet import SimulationHistory, contact_sheet, simulation_history

__all__ = [
    "CellRow",
    "Fact",
    "KeyNumber",
    "MeanTestRow",
    "RankedRow",
    "RankingTable",
    "ReportContent",
    "ReportFigure",
    "SimulationHistory",
    "SpreadRow",
    "TrainingCurve",
    "checkpoint_ratios_figure",
    "columns_to_csv",
    "comparison_csv",
    "contact_sheet",
    "copies_facts",
    "copies_figure",
    "copies_verdict",
    "data_sheet",
    "differences_figure",
    "distribution_figure",
    "figure_to_png",
    "figure_to_svg",
    "format_estimate",
    "format_number",
    "format_seconds",
    "functional_figure",
    "functional_numbers",
    "further_numbers",
    "further_statistics",
    "headline_numbers",
    "loss_figure",
    "render_report",
    "report_checkpoint_ratios",
    "report_copies",
    "report_differences",
    "report_distribution",
    "report_functionals",
    "report_further",
    "report_loss",
    "report_pair_differences",
    "report_pair_power",
    "report_samples",
    "report_separations",
    "report_sequence",
    "report_spectrum",
    "report_spread",
    "report_trajectory",
    "sample_sheet",
    "sequence_facts",
    "sequence_figure",
    "simulation_history",
    "sizes_sentence",
    "spectrum_figure",
    "spread_figure",
    "tabulate_ranking",
    "tabulate_tests",
    "trajectory_figure",
]
