"""Bound and mean of fields: they are kept, by the smallest change, and what may stay stays."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.optimize import brentq

from rhodiff.config.constraints import Constraints
from rhodiff.errors import DataError
from rhodiff.fields.constraints import constrain

FIELDS = np.random.default_rng(0).normal(0.3, 1.0, (4, 2, 6, 6)).astype(np.float32)
MEANS = np.random.default_rng(1).uniform(0.5, 2.0, (4, 2))


def means_of(fields):
    return fields.astype(np.float64).mean(axis=tuple(range(2, fields.ndim)))


class TestBound:
    def test_alone_it_raises_what_lies_below_and_nothing_else(self):
        found = constrain(FIELDS, Constraints(lower=0.0), None)
        np.testing.assert_array_equal(found, np.maximum(FIELDS, 0))

    @pytest.mark.parametrize("by", ["scale", "shift"])
    @pytest.mark.parametrize("lower", [0.0, -0.5, 0.25])
    def test_it_is_kept_together_with_the_mean(self, by, lower):
        found = constrain(FIELDS, Constraints(lower=lower, mean="training", by=by), MEANS)
        assert found.min() >= np.float32(lower)
        np.testing.assert_allclose(means_of(found), MEANS, rtol=1e-6)


class TestScale:
    def test_ratios_and_zeros_stay(self):
        fields = np.abs(FIELDS)
        fields[:, :, 0] = 0
        found = constrain(fields, Constraints(mean="training"), MEANS)
        np.testing.assert_allclose(means_of(found), MEANS, rtol=1e-6)
        assert np.all(found[:, :, 0] == 0)
        factor = (MEANS / means_of(fields))[:, :, None, None]
        np.testing.assert_allclose(found, fields * factor, rtol=1e-6)

    def test_a_field_of_the_mean_stays(self):
        found = constrain(np.abs(FIELDS), Constraints(lower=0.0, mean="training"), means_of(np.abs(FIELDS)))
        np.testing.assert_allclose(found, np.abs(FIELDS), rtol=1e-6)

    def test_a_negative_mean_cannot_be_scaled_to_a_positive_one(self):
        with pytest.raises(DataError, match=r"mean -2 cannot be scaled to the mean 1 about 0: take by 'shift'"):
            constrain(np.full((1, 1, 4), -2, np.float32), Constraints(mean="training"), np.ones((1, 1)))


class TestShift:
    def test_without_a_bound_it_adds_a_constant(self):
        found = constrain(FIELDS, Constraints(mean="training", by="shift"), MEANS).astype(np.float64)
        added = (MEANS - means_of(FIELDS))[:, :, None, None]
        np.testing.assert_allclose(found - FIELDS, np.broadcast_to(added, FIELDS.shape), atol=1e-6)

    @settings(max_examples=60, deadline=None)
    @given(arrays(np.float32, (1, 1, 12), elements=st.floats(-5, 5, width=32)), st.floats(0.05, 4))
    def test_it_is_the_euclidean_projection(self, fields, mean):
        """The constant that gives the mean, found by a root finder."""
        values = fields.ravel().astype(np.float64)
        constant = brentq(lambda c: np.maximum(values + c, 0).mean() - mean, -10, 12, xtol=1e-12)
        found = constrain(fields, Constraints(lower=0.0, mean="training", by="shift"), np.array([[mean]]))
        np.testing.assert_allclose(found.ravel(), np.maximum(values + constant, 0), atol=2e-6)

    def test_no_other_field_with_the_mean_and_the_bound_is_nearer(self):
        found = constrain(FIELDS, Constraints(lower=0.0, mean="training", by="shift"), MEANS).astype(np.float64)
        nearest = np.square(found - FIELDS).sum(axis=(2, 3))
        rng = np.random.default_rng(2)
        for _ in range(50):
            other = np.abs(found + rng.normal(0, 0.2, found.shape))
            other *= (MEANS / other.mean(axis=(2, 3)))[:, :, None, None]
            assert np.all(np.square(other - FIELDS).sum(axis=(2, 3)) >= nearest)


class TestBadInput:
    def test_a_mean_that_is_not_above_the_bound_is_refused(self):
        with pytest.raises(DataError, match=r"mean 0\.5\S* is not above the lower bound 3"):
            constrain(FIELDS, Constraints(lower=3.0, mean="training"), np.full((4, 2), 0.5))

    def test_a_way_without_a_mean_is_refused(self):
        with pytest.raises(ValueError, match="no effect without a mean"):
            Constraints(lower=0.0, by="shift")
