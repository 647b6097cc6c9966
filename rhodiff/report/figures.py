"""Figures ready for the report: the picture encoded, its caption with the conventions, its numbers as CSV.

The numbers behind a sheet of fields are not repeated: the sheet names the stores that they are in.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rhodiff.report.content import ReportFigure
from rhodiff.report.curves import distribution_figure, spectrum_figure
from rhodiff.report.encoding import Pictures, columns_to_csv, encode_curves, encode_fields
from rhodiff.report.headline import sizes_sentence
from rhodiff.report.loss import TrainingCurve, loss_figure
from rhodiff.report.sheets import sample_sheet, trajectory_figure
from rhodiff.statistics.comparison import BinnedComparison
from rhodiff.statistics.value_comparison import ValueComparison
from rhodiff.store.spec import FieldSpec

__all__ = [
    "comparison_csv",
    "report_distribution",
    "report_loss",
    "report_samples",
    "report_spectrum",
    "report_trajectory",
]

Fields = NDArray[Any]
BANDS = (
    "Light band: central 68 % of single reference fields (cosmic variance); dark band: standard error of the "
    "reference mean. Lower panel: relative difference of the means; bars are its standard error (both sets, "
    "bootstrap over independent groups), the band is the reference's share; guide lines at ±5 and ±10 %; triangles "
    "lie outside the panel."
)


def report_samples(
    reference: Fields,
    generated: Fields,
    spec: FieldSpec,
    *,
    labels: tuple[str, str] = ("reference", "generated"),
    num_rows: int = 2,
    note: str = "",
    name: str = "samples",
    stores: Sequence[str] = (),
) -> ReportFigure:
    """A sheet of reference and generated fields of one channel (:func:`~rhodiff.report.sheets.sample_sheet`).

    Args:
        reference: ``[field, *space]``.
        generated: ``[field, *space]``.
        spec: geometry and units.
        labels: names of the two sets.
        num_rows: rows of six for each set.
        note: further sentence of the caption, e.g. the conditions.
        name: of the files.
        stores: where the fields are.
    """
    figure = sample_sheet(reference, generated, spec, labels=labels, num_rows=num_rows)
    caption = (
        f"The first fields of each set, none chosen: {labels[0]} above, {labels[1]} below. {_scale_sentence(spec)} "
        f"{_geometry_sentence(spec)} {note}"
    ).strip()
    title = f"{labels[0].capitalize()} and {labels[1]} fields"
    return ReportFigure(name, title, encode_fields(figure), caption, stores=tuple(stores))


def report_trajectory(
    trajectory: Fields, spec: FieldSpec, *, noise_levels: Sequence[float], note: str = "", stores: Sequence[str] = ()
) -> ReportFigure:
    """Denoised estimates along the sampling (:func:`~rhodiff.report.sheets.trajectory_figure`)."""
    figure = trajectory_figure(trajectory, spec, noise_levels=noise_levels)
    caption = (
        "The network's estimate of the clean field as the noise level σ (of the transformed field) falls from left "
        f"to right, one sample a row. One scale, fixed by the last step. {note}"
    ).strip()
    title = "Denoised estimates along the sampling"
    return ReportFigure("trajectory", title, encode_fields(figure), caption, stores=tuple(stores))


def report_spectrum(
    comparisons: Mapping[str, BinnedComparison],
    *,
    nyquist: float | None = None,
    training: BinnedComparison | None = None,
    periodic: bool = True,
    note: str = "",
) -> ReportFigure:
    """Spectra with ratio (:func:`~rhodiff.report.curves.spectrum_figure`).

    Args:
        comparisons: of one channel, by name.
        nyquist: Nyquist wavenumber in the unit of the axis.
        training: training against reference fields.
        periodic: whether the fields wrap around; the caption warns if they do not.
        note: further sentence of the caption.
    """
    figure = spectrum_figure(comparisons, nyquist=nyquist, training=training)
    one = next(iter(comparisons.values()))
    edges = "" if periodic else "The fields do not wrap around: all sets share the leakage from their edges. "
    caption = (
        f"{sizes_sentence(one.sizes)} P(k) = |δ(k)|² V / N² of the field with its mean removed, averaged over "
        f"{len(one.axis)} bins in |k|. {edges}{BANDS} {_training_sentence(training)} {note}"
    )
    return _curves(f"Power spectrum{_channel(one)}", encode_curves(figure), caption, comparisons, training)


def report_distribution(
    densities: Mapping[str, BinnedComparison],
    values: Mapping[str, ValueComparison],
    *,
    training: BinnedComparison | None = None,
    note: str = "",
) -> ReportFigure:
    """Distributions with ratio and quantiles (:func:`~rhodiff.report.curves.distribution_figure`)."""
    figure = distribution_figure(densities, values, training=training)
    one = next(iter(densities.values()))
    caption = (
        f"Probability density of the cell values. {sizes_sentence(one.sizes)} {BANDS} Right: differences of the "
        "quantiles over the reference's standard deviation, with standard errors. "
        f"{_training_sentence(training)} {note}"
    )
    return _curves(f"Distribution of values{_channel(one)}", encode_curves(figure), caption, densities, training)


def report_loss(curve: TrainingCurve, *, note: str = "") -> ReportFigure:
    """Loss and learning rate (:func:`~rhodiff.report.loss.loss_figure`)."""
    columns: dict[str, ArrayLike] = {"iteration": curve.iteration, "loss": curve.loss}
    if curve.learning_rate is not None:
        columns["learning_rate"] = curve.learning_rate
    caption = f"Training loss against iteration. A low loss is no proof of good statistics. {note}".strip()
    return ReportFigure("loss", "Loss", encode_curves(loss_figure(curve)), caption, columns_to_csv(columns))


def comparison_csv(comparisons: Mapping[str, BinnedComparison], training: BinnedComparison | None = None) -> str:
    """Every number of a figure of binned statistics, one row a bin, names of the sets in the header."""
    first = next(iter(comparisons.values()))
    columns: dict[str, ArrayLike] = {
        f"{first.axis_name} [{first.axis_unit}]": first.axis,
        "bin_low": first.edges[:-1],
        "bin_high": first.edges[1:],
        "counts_per_field": first.counts,
        f"reference_mean [{first.value_unit}]": first.reference.mean,
        "reference_error": first.reference.error,
        "reference_scatter": first.reference.scatter,
        "reference_percentile_16": first.reference.low,
        "reference_percentile_84": first.reference.high,
    }
    for name, one in comparisons.items():
        columns |= {f"{name}: mean": one.generated.mean, f"{name}: error": one.generated.error}
        columns |= _differences(name, one)
    if training is not None:
        columns |= _differences("training", training)
    return columns_to_csv(columns)


def _differences(name: str, one: BinnedComparison) -> dict[str, NDArray[np.float64]]:
    return {
        f"{name}: relative_difference": one.relative_difference,
        f"{name}: relative_error": one.relative_error,
        f"{name}: difference_sigma": one.difference_sigma,
    }


def _curves(
    title: str,
    pictures: Pictures,
    caption: str,
    comparisons: Mapping[str, BinnedComparison],
    training: BinnedComparison | None,
) -> ReportFigure:
    one = next(iter(comparisons.values()))
    name = f"{one.statistic}_{one.channel}"
    return ReportFigure(name, title, pictures, " ".join(caption.split()), comparison_csv(comparisons, training))


def _channel(one: BinnedComparison) -> str:
    return "" if one.channel == "value" else f": {one.channel}"


def _training_sentence(training: BinnedComparison | None) -> str:
    if training is None:
        return ""
    return f"Grey line: training fields against the reference ({training.sizes.generated_fields} training fields)."


def _scale_sentence(spec: FieldSpec) -> str:
    if spec.ndim == 1:
        return "All curves share one pair of axes."
    return "One colour scale, the central 99.8 % of the reference values; the ends of the bar take what lies outside."


def _geometry_sentence(spec: FieldSpec) -> str:
    cells = " × ".join(str(n) for n in spec.shape)
    box = " × ".join(f"{extent:.4g}" for extent in spec.box_size)
    slices = " Slices across the last axis at a quarter and at half of its depth." if spec.ndim == 3 else ""
    return f"Each is {cells} cells, {box} {spec.length_unit}.{slices}"
