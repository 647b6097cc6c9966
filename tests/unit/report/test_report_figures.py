"""Figures show what they claim: one scale, the numbers given, units on every axis."""

import csv
import io
import os
import subprocess
import sys

import numpy as np
import pytest

from rhodiff.errors import DataError
from rhodiff.report import (
    TrainingCurve,
    columns_to_csv,
    comparison_csv,
    data_sheet,
    distribution_figure,
    figure_to_png,
    loss_figure,
    report_distribution,
    report_loss,
    report_samples,
    report_spectrum,
    report_trajectory,
    sample_sheet,
    spectrum_figure,
    trajectory_figure,
)
from rhodiff.report.encoding import encode_curves, encode_fields
from rhodiff.report.loss import running_median
from rhodiff.report.panels import nice_length
from rhodiff.report.style import label


def test_a_sheet_has_one_scale_for_reference_and_generated(experiment):
    figure = sample_sheet(experiment.reference, 5 * experiment.generated, experiment.spec)
    if experiment.spec.ndim == 1:
        drawn = [axes for axes in figure.axes if axes.lines]
        assert {axes.get_ylim() for axes in drawn} == {drawn[0].get_ylim()}
        assert drawn[0].get_ylim()[1] > 5 * experiment.generated[:6].max()
    else:
        images = [axes.images[0] for axes in figure.axes if axes.images]
        limits = np.quantile(experiment.reference, [0.001, 0.999])
        assert len(images) == 24
        for image in images:
            np.testing.assert_allclose(image.get_clim(), limits)
        assert figure.axes[-1].get_ylabel() == "log density [dex]"


def test_the_first_axis_of_a_field_points_right(experiment_2d):
    fields = experiment_2d.reference[:1] * 0
    fields[0, 3, 7] = 1
    image = data_sheet(fields, experiment_2d.spec).axes[0].images[0]
    drawn = image.get_array()
    assert image.origin == "lower"
    assert drawn[7, 3] == 1
    assert drawn.sum() == 1


def test_rows_are_filled_in_the_order_of_the_set(experiment_2d):
    figure = data_sheet(experiment_2d.reference, experiment_2d.spec, captions=["first", "second"], num_columns=4)
    images = [axes.images[0].get_array() for axes in figure.axes if axes.images]
    assert len(images) == 16
    np.testing.assert_array_equal(images[5].T, experiment_2d.reference[5])
    assert [axes.get_title() for axes in figure.axes[:3]] == ["first", "second", ""]


def test_a_trajectory_runs_from_the_first_step_to_the_last(experiment):
    levels = np.geomspace(10, 0.1, 9)
    steps = np.stack([experiment.generated[:3] / (1 + level) for level in levels], axis=1)
    figure = trajectory_figure(steps, experiment.spec, noise_levels=levels, num_columns=4)
    titles = [axes.get_title() for axes in figure.axes[:4]]
    assert titles[0] == "σ = 10"
    assert titles[-1] == "σ = 0.1"
    with pytest.raises(DataError, match="trajectory is"):
        trajectory_figure(steps, experiment.spec, noise_levels=levels[:-1])


def test_a_spectrum_is_drawn_with_ratio_units_and_nyquist(experiment):
    one = experiment.spectrum
    top, bottom = spectrum_figure({"sampler": one}, nyquist=1.5, training=one).axes
    np.testing.assert_array_equal(top.lines[0].get_ydata(), one.reference.mean)
    assert bottom.get_xlabel() == "k [h/Mpc]"
    assert top.get_ylabel().startswith("P(k) [dex²")
    drawn = [line.get_ydata() for line in bottom.lines if len(line.get_xdata()) == len(one.axis)]
    inside = np.where(np.abs(100 * one.relative_difference) <= bottom.get_ylim()[1], one.relative_difference, np.nan)
    assert any(np.allclose(line, 100 * inside, equal_nan=True) for line in drawn)
    assert any(np.allclose(line.get_xdata(), 1.5) for line in bottom.lines)


def test_several_sets_have_different_colours_and_dashes(experiment_2d):
    names = {f"cell {i}": experiment_2d.spectrum for i in range(12)}
    top = spectrum_figure(names).axes[0]
    styles = {(container.lines[0].get_color(), container.lines[0].get_linestyle()) for container in top.containers}
    assert len(styles) == 12


def test_a_distribution_is_drawn_with_its_quantiles(experiment):
    figure = distribution_figure({"sampler": experiment.density}, {"sampler": experiment.values})
    quantile_axes = figure.axes[-1]
    points = quantile_axes.containers[0].lines[0]
    np.testing.assert_array_equal(points.get_xdata(), experiment.values.quantile_difference)
    assert quantile_axes.get_yticklabels()[0].get_text() == "0.1 %"


def test_a_loss_curve_is_drawn_with_and_without_learning_rate():
    iterations = np.arange(1, 200.0)
    loss = iterations**-0.3
    assert len(loss_figure(TrainingCurve(iterations, loss)).axes) == 1
    assert len(loss_figure(TrainingCurve(iterations, loss, learning_rate=loss)).axes) == 2
    loss_figure(TrainingCurve(iterations[:1], -loss[:1], None, iterations[:1], loss[:1]))
    with pytest.raises(DataError, match="one loss an iteration"):
        loss_figure(TrainingCurve(iterations, loss[:-1]))


def test_the_running_median_ignores_outliers_and_ends():
    values = np.ones(20)
    values[7] = 1000
    median = running_median(values, 5)
    assert np.isnan(median[[0, 1, -2, -1]]).all()
    np.testing.assert_array_equal(median[2:-2], 1)


def test_nothing_to_draw_is_refused(experiment_2d):
    with pytest.raises(DataError, match="got none"):
        spectrum_figure({})
    with pytest.raises(DataError, match="sheet needs"):
        data_sheet(experiment_2d.reference[:0], experiment_2d.spec)
    with pytest.raises(DataError, match="sheet needs"):
        sample_sheet(experiment_2d.reference, np.zeros((2, 5, 5)), experiment_2d.spec)


def test_constant_fields_and_single_groups_can_be_drawn(experiment_2d):
    constant = np.zeros_like(experiment_2d.reference)
    assert figure_to_png(sample_sheet(constant, constant, experiment_2d.spec), dpi=30)


ENCODE = """
import hashlib, numpy as np
from rhodiff.report import data_sheet
from rhodiff.report.encoding import encode_curves
from rhodiff.store.spec import FieldSpec
spec = FieldSpec(name="ρ", shape=(4, 4), spacing=(1.0, 1.0), periodic=(True, True))
files = encode_curves(data_sheet(np.arange(32.0).reshape(2, 4, 4), spec, captions=["σ = 1", "é"])).files()
print({suffix: hashlib.sha256(content).hexdigest() for suffix, content in files.items()})
"""


def test_pictures_are_encoded_the_same_by_every_process_at_any_time():
    encoded = {
        subprocess.run(
            [sys.executable, "-c", ENCODE],
            env=os.environ | {"PYTHONHASHSEED": seed, "SOURCE_DATE_EPOCH": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2000000000")
    }
    assert len(encoded) == 1


def test_curves_have_vectors_and_fields_rasters(experiment_2d):
    curves = encode_curves(spectrum_figure({"a": experiment_2d.spectrum})).files()
    fields = encode_fields(data_sheet(experiment_2d.reference, experiment_2d.spec)).files()
    starts = {"svg": b"<?xml", "pdf": b"%PDF", "png": b"\x89PNG"}
    assert list(curves) == ["svg", "pdf", "png"]
    assert list(fields) == ["pdf", "png"]
    for suffix, content in [*curves.items(), *fields.items()]:
        assert content.startswith(starts[suffix])
    assert b"/Subtype /Image" not in curves["pdf"]
    assert b"/Subtype /Type3" not in curves["pdf"]
    assert b"/Subtype /Image" in fields["pdf"]


def test_report_figures_carry_captions_and_numbers(experiment):
    spec, name = experiment.spec, "dpmpp_2m, 25"
    sheet = report_samples(experiment.reference, experiment.generated, spec, labels=("test", "generated"))
    spectrum = report_spectrum({name: experiment.spectrum}, nyquist=1.0, periodic=False, note="Noted.")
    density = report_distribution({name: experiment.density}, {name: experiment.values}, training=experiment.density)
    path = report_trajectory(experiment.generated[:2, None], spec, noise_levels=[0.1])
    loss = report_loss(TrainingCurve(np.arange(1.0, 9), np.ones(8), np.ones(8)))
    assert sheet.csv is None
    assert "none chosen" in sheet.caption
    assert "do not wrap around" in spectrum.caption
    assert "15 generated fields against 20 reference fields" in spectrum.caption
    assert spectrum.caption.endswith("Noted.")
    assert "training fields" in density.caption
    shown = [one.pictures.shown[1] for one in (sheet, path, loss)]
    assert shown == ["image/png", "image/png", "image/svg+xml"]
    assert loss.csv.splitlines()[0] == "iteration,loss,learning_rate"


def test_the_table_of_a_comparison_reads_back_exactly(experiment):
    one = experiment.spectrum
    table = comparison_csv({"a, b": one}, training=one)
    rows = list(csv.DictReader(io.StringIO(table)))
    assert len(rows) == len(one.axis)
    for column, values in {
        "k [h/Mpc]": one.axis,
        "counts_per_field": one.counts,
        "reference_error": one.reference.error,
        "a, b: relative_difference": one.relative_difference,
        "training: difference_sigma": one.difference_sigma,
    }.items():
        np.testing.assert_array_equal([float(row[column]) for row in rows], values)


def test_columns_of_different_length_are_refused():
    with pytest.raises(DataError, match="one length"):
        columns_to_csv({"a": [1, 2], "b": [1]})


@pytest.mark.parametrize(("extent", "length"), [(100, 20), (25, 10), (5, 2), (0.3, 0.1), (1, 0.2), (128, 50)])
def test_lengths_are_round_and_fit(extent, length):
    assert nice_length(extent) == pytest.approx(length)


def test_labels_have_units_and_raised_powers():
    assert label("P", "dex^2 (Mpc/h)^-3") == "P [dex² (Mpc/h)⁻³]"
    assert label("x", "") == "x"
