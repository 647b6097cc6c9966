"""Figures of generated fields against the same fields draw what they were given, and say so in their tables."""

import csv
import io

import numpy as np
import pytest
from matplotlib.colors import LogNorm, SymLogNorm

from rhodiff.errors import DataError
from rhodiff.report.sequence import report_sequence, sequence_figure
from rhodiff.report.sequence_curves import (
    report_pair_differences,
    report_pair_power,
    report_separations,
    sequence_facts,
)
from rhodiff.statistics.paired_set import GENERATED, INTERPOLATED, NEAREST, TRUTH, PairedSet, summarise_pairs
from rhodiff.store.spec import FieldSpec, Parameter

RANDOM = np.random.default_rng(4)
TIME = Parameter(name="t_myr", unit="Myr")


def spec_of(*shape):
    return FieldSpec(
        name="density",
        unit="Msun",
        shape=shape,
        spacing=(2.0,) * len(shape),
        length_unit="kpc",
        periodic=(False,) * len(shape),
    )


def rows_of(*shape, count=3):
    truth = RANDOM.normal(size=(count, *shape))
    return {"simulated": truth, "generated": truth + 0.1 * RANDOM.normal(size=truth.shape)}


def images_of(figure):
    return [np.asarray(axes.get_images()[0].get_array()) for axes in figure.axes if axes.get_images()]


def table_of(figure):
    return list(csv.DictReader(io.StringIO(figure.csv)))


@pytest.mark.parametrize("shape", [(24,), (8, 8), (6, 6, 8)], ids=["1D", "2D", "3D"])
def test_a_sequence_can_be_encoded_in_every_dimension(shape):
    found = report_sequence(rows_of(*shape), spec_of(*shape), ["a", "b", "c"], note="Told.")
    assert found.pictures.png.startswith(b"\x89PNG")
    assert found.caption.endswith("Told.")
    assert ("quarter of its depth" in found.caption) == (len(shape) == 3)


def test_truth_generated_and_difference_stand_in_rows():
    rows = rows_of(8, 6)
    figure = sequence_figure(rows, spec_of(8, 6), ["0 Myr", "1 Myr", "2 Myr"])
    images = images_of(figure)
    assert len(images) == 9
    for column in range(3):
        assert images[column] == pytest.approx(rows["simulated"][column].T)
        assert images[3 + column] == pytest.approx(rows["generated"][column].T)
        assert images[6 + column] == pytest.approx((rows["generated"] - rows["simulated"])[column].T)
    titles = [axes.get_title() for axes in figure.axes[:3]]
    assert titles == ["0 Myr", "1 Myr", "2 Myr"]
    assert [figure.axes[3 * row].get_ylabel() for row in range(3)] == ["simulated", "generated", "difference"]


def test_fields_share_one_scale_and_differences_another_around_zero():
    figure = sequence_figure(rows_of(8, 6), spec_of(8, 6), ["a", "b", "c"])
    limits = [axes.get_images()[0].get_clim() for axes in figure.axes if axes.get_images()]
    assert len(set(limits[:6])) == 1
    assert len(set(limits[6:])) == 1
    assert limits[6][0] == -limits[6][1]


def test_densities_with_peaks_far_above_get_a_logarithmic_scale():
    place = np.linalg.norm(np.indices((16, 16)) - 8, axis=0)
    truth = np.stack([10.0**n * np.exp(-(place**2) / 2) for n in (1, 2)])
    figure = sequence_figure({"truth": truth, "generated": 0.9 * truth}, spec_of(16, 16), ["a", "b"])
    norms = [axes.get_images()[0].norm for axes in figure.axes if axes.get_images()]
    assert all(isinstance(norm, LogNorm) for norm in norms[:4])
    assert all(isinstance(norm, SymLogNorm) for norm in norms[4:])
    assert (norms[0].vmin, norms[0].vmax) == (pytest.approx(1e-2), 100)


def test_curves_hold_truth_generated_and_difference():
    rows = rows_of(24)
    figure = sequence_figure(rows, spec_of(24), ["a", "b", "c"])
    top, bottom = figure.axes[1], figure.axes[4]
    assert [line.get_label() for line in top.get_lines()] == ["simulated", "generated"]
    assert top.get_lines()[1].get_ydata() == pytest.approx(rows["generated"][1])
    assert bottom.get_lines()[0].get_ydata() == pytest.approx((rows["generated"] - rows["simulated"])[1])


def test_rows_that_do_not_fit_are_refused():
    rows = rows_of(8, 6)
    with pytest.raises(DataError, match="two or more rows"):
        sequence_figure(rows, spec_of(8, 6), ["a", "b"])
    with pytest.raises(DataError, match="two or more rows"):
        sequence_figure({"simulated": rows["simulated"]}, spec_of(8, 6), ["a", "b", "c"])


def pairs_of(num_values=5, each=12, lacking=()):
    n = num_values * each
    along = np.repeat(np.linspace(100, 500, num_values), each)
    kinds = {GENERATED: 0.3, NEAREST: 0.6, INTERPOLATED: 0.5}
    l2 = {name: middle + 0.1 * RANDOM.random(n) for name, middle in kinds.items()}
    ratio = {name: 1 + 0.2 * RANDOM.random((n, 4)) for name in kinds}
    separation = {name: 30 * RANDOM.random(n) for name in (TRUTH, *kinds)}
    for name in lacking:
        for values in (l2, ratio, separation):
            values[name] = np.full_like(values[name], np.nan)
    return PairedSet(along, np.arange(n), np.arange(n) < 15, l2, {}, np.arange(1.0, 5.0), ratio, separation)


def test_the_table_of_differences_holds_their_medians():
    pairs = pairs_of()
    rows = table_of(report_pair_differences(pairs, TIME))
    assert [float(row["t_myr [Myr]"]) for row in rows] == [100, 200, 300, 400, 500]
    for row in rows:
        chosen = pairs.along == float(row["t_myr [Myr]"])
        assert int(row["fields"]) == 12
        for name, values in pairs.l2.items():
            assert float(row[f"{name}: median"]) == pytest.approx(np.median(values[chosen]))
            assert float(row[f"{name}: 16 %"]) == pytest.approx(np.percentile(values[chosen], 16))


def test_many_values_are_put_into_bins_that_hold_all_fields():
    pairs = pairs_of(num_values=400, each=1)
    rows = table_of(report_pair_differences(pairs, TIME))
    assert len(rows) == 20
    assert sum(int(row["fields"]) for row in rows) == 400


def test_the_table_of_power_holds_medians_by_k():
    pairs = pairs_of()
    rows = table_of(report_pair_power(pairs, spec_of(8, 8)))
    assert [float(row["k [1/kpc]"]) for row in rows] == [1, 2, 3, 4]
    assert [float(row["interpolated: 84 %"]) for row in rows] == pytest.approx(
        np.percentile(pairs.ratio[INTERPOLATED], 84, axis=0)
    )


def test_baselines_that_are_not_there_are_not_drawn():
    pairs = pairs_of(lacking=(NEAREST, INTERPOLATED))
    assert "nearest: median" not in table_of(report_pair_differences(pairs, TIME))[0]
    assert "interpolated: median" not in table_of(report_pair_power(pairs, spec_of(8, 8)))[0]
    rows = table_of(report_separations(pairs, TIME, np.arange(0, 60, 12), spec_of(8, 8)))
    assert "nearest: separation [kpc]" not in rows[0]


def test_the_table_of_separations_holds_every_field_and_marks_the_sequence():
    pairs = pairs_of()
    shown = np.arange(0, 60, 12)
    rows = table_of(report_separations(pairs, TIME, shown, spec_of(8, 8)))
    for name, values in pairs.separation.items():
        assert [float(row[f"{name}: separation [kpc]"]) for row in rows] == pytest.approx(values)
    assert [number for number, row in enumerate(rows) if row["in the sequence"] == "1"] == shown.tolist()


def test_facts_tell_all_numbers_and_what_was_left_out():
    pairs = pairs_of()
    pairs.l2[INTERPOLATED][:10] = np.nan
    summary = summarise_pairs(pairs, resamples=100, seed=0)
    facts = {fact.label: fact for fact in sequence_facts(summary, spec_of(8, 8), "mass_ratio")}
    assert facts["fields"].value.startswith("50 in 50")
    assert "both sides in mass_ratio" in facts["fields"].note
    assert "5 of them one of the very same parameters" in facts["fields"].note
    assert "the 10 others have not" in facts["fields"].note
    assert facts["better than nearest training field"].value.startswith("100")
    assert facts["separation off, generated"].value.endswith("kpc")
