"""Fields against templates: distances in closed form, the nearest one by brute force, equal templates, bad input."""

import numpy as np
import pytest
from scipy.stats import wasserstein_distance

from rhodiff.errors import DataError
from rhodiff.statistics.template_match import equal_templates, match_templates


def templates(count=5, seed=0):
    return np.random.default_rng(seed).normal(size=(count, 4, 4, 4))


class TestDistances:
    def test_a_scaled_template_has_closed_forms(self):
        known = templates()
        found = match_templates(1.2 * known, known, np.arange(5))
        np.testing.assert_allclose(found.relative_l2, 0.2, rtol=1e-12)
        np.testing.assert_allclose(found.amplitude, 1.2, rtol=1e-12)
        np.testing.assert_allclose(found.w1, 0.2 * np.abs(known).mean(axis=(1, 2, 3)), rtol=1e-12)

    def test_the_template_itself_is_met_without_error(self):
        known = templates()
        found = match_templates(known[[3, 0]], known, np.array([3, 0]))
        np.testing.assert_array_equal(found.relative_l2, 0)
        np.testing.assert_array_equal(found.w1, 0)
        assert found.is_identified.all()

    def test_values_in_other_places_have_no_distance_of_histograms_but_one_in_l2(self):
        known = templates(1)
        moved = known[:, ::-1]
        found = match_templates(moved, known, np.array([0]))
        assert found.w1[0] == 0
        assert found.relative_l2[0] == pytest.approx(np.linalg.norm(moved - known) / np.linalg.norm(known))

    def test_w1_agrees_with_scipy(self):
        known, fields = templates(1), templates(1, seed=1)
        expected = wasserstein_distance(fields.ravel(), known.ravel())
        assert match_templates(fields, known, np.array([0])).w1[0] == pytest.approx(expected, rel=1e-12)


class TestNearest:
    def test_it_is_that_of_all_distances(self):
        known, rng = templates(), np.random.default_rng(2)
        own = rng.integers(5, size=200)
        fields = known[own] + 4 * rng.normal(size=(200, 4, 4, 4))
        found = match_templates(fields, known, own)
        distances = [[np.linalg.norm(field - one) for one in known] for field in fields]
        np.testing.assert_array_equal(found.nearest, np.argmin(distances, axis=1))
        assert 0.2 < found.is_identified.mean() < 1

    def test_opposite_signs_are_told_apart(self):
        known = np.concatenate([templates(1), -templates(1)])
        found = match_templates(known[::-1], known, np.array([0, 1]))
        np.testing.assert_array_equal(found.nearest, [1, 0])
        np.testing.assert_allclose(found.amplitude, -1)

    def test_equal_templates_count_as_ones_own(self):
        known = np.concatenate([templates(2), templates(1)])
        np.testing.assert_array_equal(equal_templates(known), [[0, 0, 1], [0, 0, 0], [1, 0, 0]])
        found = match_templates(known, known, np.array([0, 1, 2]))
        np.testing.assert_array_equal(found.nearest, [0, 1, 2])


class TestBadInput:
    def test_other_shapes_are_refused(self):
        with pytest.raises(DataError, match="all axes but the first must agree"):
            match_templates(np.zeros((2, 3, 3)), np.ones((2, 4, 4)), np.array([0, 1]))
        with pytest.raises(DataError, match="with 1 templates"):
            match_templates(np.zeros((2, 3, 3)), np.ones((2, 3, 3)), np.array([0]))

    def test_a_template_of_zeros_is_refused(self):
        with pytest.raises(DataError, match="template 1 is zero"):
            match_templates(np.ones((1, 3)), np.array([[1.0, 0, 0], [0, 0, 0]]), np.array([0]))
