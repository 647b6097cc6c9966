"""What a report is made of: plain frozen records, filled by whoever ran the experiment, rendered by the document.

Strings are shown as given (escaped); numbers that carry an error are :class:`~rhodiff.statistics.Estimate` and are
formatted by the document.
"""

from dataclasses import dataclass, fields

from rhodiff.report.calibration_rows import CalibrationRow
from rhodiff.report.encoding import Pictures
from rhodiff.report.harmonic_rows import HarmonicRow
from rhodiff.report.ranking import RankingTable
from rhodiff.statistics.estimate import Estimate

__all__ = ["CellRow", "Fact", "KeyNumber", "MeanTestRow", "ReportContent", "ReportFigure"]


@dataclass(frozen=True)
class Fact:
    """One labelled fact of a table.

    Attributes:
        label: what it is.
        value: formatted, with unit.
        note: convention or reference behind it.
    """

    label: str
    value: str
    note: str = ""


@dataclass(frozen=True)
class KeyNumber:
    """One headline number.

    Attributes:
        label: what it is, e.g. ``mean |dP/P|``.
        estimate: the number with its error, and the floor where it cannot be negative.
        percent: show as per cent.
        ideal: value of a perfect model where the number is signed; None where the floor says it.
        training: the same number of training against reference fields; None where it was not measured.
        meaning: how it is made, one line.
    """

    label: str
    estimate: Estimate
    percent: bool = False
    ideal: float | None = None
    training: Estimate | None = None
    meaning: str = ""


@dataclass(frozen=True)
class ReportFigure:
    """One figure with what a reader needs beside it.

    Attributes:
        name: of its files, without suffix; no two of a report share one.
        title: heading of the figure.
        pictures: the figure in all formats.
        caption: what one sees, with conventions.
        csv: the numbers behind curves; None for pictures of fields.
        stores: where the values of pictured fields are, as ``path (what)``.
    """

    name: str
    title: str
    pictures: Pictures
    caption: str
    csv: str | None = None
    stores: tuple[str, ...] = ()

    def files(self) -> dict[str, bytes]:
        """Contents of its files by suffix."""
        table = {} if self.csv is None else {"csv": self.csv.encode()}
        return {**self.pictures.files(), **table}


@dataclass(frozen=True)
class CellRow:
    """One cell of the sampling sweep, compared with the reference.

    Attributes:
        checkpoint: iteration of the checkpoint.
        sampler: name of the sampler.
        evaluations: network evaluations a sample.
        seed: seed of the starting noise.
        condition: parameters sampled at, as text; empty without conditioning.
        num_fields: generated fields.
        mean_absolute: mean over bins of |dP/P|.
        worst: largest |dP/P| of a bin.
        w1_over_std: Wasserstein-1 distance over the reference's standard deviation.
        std_ratio: generated over reference standard deviation.
        skewness_difference: generated minus reference.
        seconds_per_sample: wall seconds; None where it was not measured.
        shown: this is the cell of the figures and headline numbers.
        guidance: weight of classifier-free guidance.
    """

    checkpoint: int
    sampler: str
    evaluations: int
    seed: int
    condition: str
    num_fields: int
    mean_absolute: Estimate
    worst: Estimate
    w1_over_std: Estimate
    std_ratio: Estimate
    skewness_difference: Estimate
    seconds_per_sample: float | None = None
    shown: bool = False
    guidance: float = 1.0


@dataclass(frozen=True)
class MeanTestRow:
    """One statistic, compared over all its bins together.

    Attributes:
        statistic: its name, and that of the channel where there are several.
        reduced_chi_squared: with the full covariance; None where the comparison is not given.
        p_value: probability of a larger difference if the sets follow one distribution.
        method: of the p-value.
        num_bins: bins that have scatter of their own.
        bins_off: of these, how many are off on their own.
        scatter_ratio: median over bins of the scatter, generated over reference.
        training_p_value: the p-value of training fields; None where it is not given.
        sentence: the result, or why there is none.
    """

    statistic: str
    reduced_chi_squared: float | None = None
    p_value: float | None = None
    method: str = ""
    num_bins: int = 0
    bins_off: int = 0
    scatter_ratio: float | None = None
    training_p_value: float | None = None
    sentence: str = ""


@dataclass(frozen=True)
class ReportContent:
    """Everything in a report; an empty tuple leaves its section out.

    Attributes:
        title: name of the experiment.
        summary: what was trained on what, one or two sentences.
        basis: sentences on the fields and independent groups behind the numbers.
        key_numbers: headline numbers of one cell.
        warnings: what a reader must know before trusting them.
        samples: sheets of reference and generated fields.
        spectra: power spectra.
        distributions: distributions of the values.
        functionals: Minkowski functionals.
        further: all other statistics.
        tests: statistics compared over all their bins.
        differences: each bin of these.
        memorisation: distances to the training fields.
        memorisation_facts: verdict and numbers on copies of them.
        selection: rankings of the checkpoints.
        checkpoints: figures of several checkpoints.
        training: loss curves.
        cells: the sweep.
        trajectory: denoised estimates along the sampling.
        sequence: generated fields beside those that they are to be, along one parameter.
        sequence_numbers: headline numbers of these.
        lines: generated spectra against true ones, line by line.
        lines_numbers: headline numbers of these.
        harmonics: generated harmonics against the true ones.
        harmonics_numbers: headline numbers of these.
        harmonics_rows: scores of each (l, m).
        calibration: statistics at held-out parameter vectors, predicted against true.
        calibration_numbers: headline numbers of these.
        calibration_rows: scores at some of the vectors.
        denoising: noisy fields of the data, denoised.
        denoising_numbers: headline numbers of these.
        data: provenance of the data: source, split, conventions, references.
        costs: wall and CPU seconds, rates, parameters.
        configuration: the resolved experiment file, YAML.
        environment: versions, git, host.
        created: UTC time, ISO 8601.
        run: identity of the run.
    """

    title: str
    summary: str
    basis: tuple[str, ...] = ()
    key_numbers: tuple[KeyNumber, ...] = ()
    warnings: tuple[str, ...] = ()
    samples: tuple[ReportFigure, ...] = ()
    spectra: tuple[ReportFigure, ...] = ()
    distributions: tuple[ReportFigure, ...] = ()
    functionals: tuple[ReportFigure, ...] = ()
    further: tuple[ReportFigure, ...] = ()
    tests: tuple[MeanTestRow, ...] = ()
    differences: tuple[ReportFigure, ...] = ()
    memorisation: tuple[ReportFigure, ...] = ()
    memorisation_facts: tuple[Fact, ...] = ()
    selection: tuple[RankingTable, ...] = ()
    checkpoints: tuple[ReportFigure, ...] = ()
    training: tuple[ReportFigure, ...] = ()
    cells: tuple[CellRow, ...] = ()
    trajectory: tuple[ReportFigure, ...] = ()
    sequence: tuple[ReportFigure, ...] = ()
    sequence_numbers: tuple[Fact, ...] = ()
    lines: tuple[ReportFigure, ...] = ()
    lines_numbers: tuple[Fact, ...] = ()
    harmonics: tuple[ReportFigure, ...] = ()
    harmonics_numbers: tuple[Fact, ...] = ()
    harmonics_rows: tuple[HarmonicRow, ...] = ()
    calibration: tuple[ReportFigure, ...] = ()
    calibration_numbers: tuple[Fact, ...] = ()
    calibration_rows: tuple[CalibrationRow, ...] = ()
    denoising: tuple[ReportFigure, ...] = ()
    denoising_numbers: tuple[Fact, ...] = ()
    data: tuple[Fact, ...] = ()
    costs: tuple[Fact, ...] = ()
    configuration: str = ""
    environment: tuple[Fact, ...] = ()
    created: str = ""
    run: str = ""

    @property
    def figures(self) -> tuple[ReportFigure, ...]:
        """All figures, in the order of the sections."""
        sections = (getattr(self, section.name) for section in fields(self))
        rows = (row for section in sections if isinstance(section, tuple) for row in section)
        return tuple(row for row in rows if isinstance(row, ReportFigure))
