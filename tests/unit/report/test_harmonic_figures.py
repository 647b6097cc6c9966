"""Figures of harmonics: the cutaway shows the cells that can be seen; the table has a row for each (l, m)."""

import csv
import io

import numpy as np
import pytest

from rhodiff.report.cutaway import visible_faces
from rhodiff.report.harmonic_rows import HarmonicRow
from rhodiff.report.harmonics import HarmonicVolumes, harmonic_facts, report_harmonic, report_harmonic_scores


def rows():
    return [
        HarmonicRow(0, 0, 2, 0.01, 0.0, 0.1, 0.0, 1.0, 0.0, 1.0),
        *(HarmonicRow(1, m, 2, 0.02, 0.01, 0.3, 0.1, 0.9, 0.1, 0.5, "(0, 0)") for m in (-1, 0, 1)),
    ]


class TestCutaway:
    def test_it_covers_three_outer_faces_whose_missing_quarters_lie_at_the_centre(self):
        n = 6
        corners, values = visible_faces(np.arange(n**3, dtype=float).reshape(n, n, n))
        assert len(values) == 3 * n**2
        area = np.abs(np.cross(corners[:, 1] - corners[:, 0], corners[:, 3] - corners[:, 0])).sum(axis=1)
        assert area.sum() == pytest.approx(3 * 2**2)
        on_outside = (corners == 1).all(axis=1).any(axis=1)
        assert on_outside.sum() == 3 * (n**2 - (n // 2) ** 2)

    def test_a_face_has_the_value_of_the_cell_behind_it(self):
        n = 4
        axis = (2 * np.arange(n) + 1) / n - 1
        x, y, z = np.meshgrid(axis, axis, axis, indexing="ij")
        for component, cells in enumerate((x, y, z)):
            corners, values = visible_faces(cells)
            centres = corners.mean(axis=1)[:, component]
            across = np.isclose(centres, 1) | (
                np.isclose(centres, 0) & (np.ptp(corners[:, :, component], axis=1) == 0)
            )
            np.testing.assert_allclose(values[~across], centres[~across])
            np.testing.assert_allclose(values[across], centres[across] - 1 / n)


class TestFigures:
    def test_the_figure_of_one_harmonic_is_drawn_and_named(self):
        directions = np.zeros((3, 4, 5))
        directions[2] = 1
        truth = np.random.default_rng(0).normal(size=(4, 4, 4))
        shown = HarmonicVolumes("l = 1, m = 0", directions, np.full((4, 5), 0.3), truth, truth + 0.1)
        figure = report_harmonic(shown, ("run/samples/x.zarr",))
        assert figure.title.endswith("l = 1, m = 0") and figure.pictures.png.startswith(b"\x89PNG")
        assert set(figure.files()) == {"pdf", "png"}

    def test_the_table_has_all_rows_and_reads_back(self):
        figure = report_harmonic_scores(rows(), np.eye(4))
        table = list(csv.DictReader(io.StringIO(figure.csv)))
        assert [(int(row["l"]), int(row["m"])) for row in table] == [(0, 0), (1, -1), (1, 0), (1, 1)]
        assert float(table[1]["relative L2"]) == 0.3 and table[1]["taken for"] == "(0, 0)"

    def test_headline_numbers(self):
        told = {fact.label: (fact.value, fact.note) for fact in harmonic_facts(rows(), 0)}
        assert told["volumes"][0] == "8 of 4 (l, m)"
        assert told["identified"][0] == "62.5 %"
        assert told["relative L2"][0] == "0.25" and "l = 1, m = -1" in told["relative L2"][1]
        assert "2 of the true volumes" in harmonic_facts(rows(), 2)[-1].note
