"""The increasing curve: through its knots, smooth, straight beyond them, and its own inverse."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rhodiff.fields.monotone_spline import MonotoneSpline


def curve(steps_x=(1.0, 0.5, 2.0, 0.1), steps_y=(0.3, 2.0, 0.2, 0.4)):
    return MonotoneSpline(np.cumsum([-1.0, *steps_x]), np.cumsum([4.0, *steps_y]))


@st.composite
def curves(draw):
    count = draw(st.integers(1, 8))
    steps = st.lists(st.floats(1e-2, 1e2), min_size=count, max_size=count)
    return curve(draw(steps), draw(steps))


class TestCurve:
    def test_it_goes_through_its_knots(self):
        one = curve()
        np.testing.assert_allclose(one.evaluate(one.x), one.y, rtol=1e-15)
        np.testing.assert_allclose(one.invert(one.y), one.x, rtol=1e-14)

    def test_a_line_stays_a_line(self):
        line = MonotoneSpline(np.array([0.0, 0.2, 1.0, 5.0]), 3 + 2 * np.array([0.0, 0.2, 1.0, 5.0]))
        x = np.linspace(-10, 10, 101)
        np.testing.assert_allclose(line.evaluate(x), 3 + 2 * x, atol=1e-13)

    def test_a_smooth_function_is_met_better_with_more_knots(self):
        x = np.linspace(0.1, 1.9, 1001)
        errors = []
        for count in (9, 17, 33):
            knots = np.linspace(0, 2, count)
            errors.append(np.abs(MonotoneSpline(knots, np.sinh(knots)).evaluate(x) - np.sinh(x)).max())
        assert errors[0] > 3 * errors[1] > 9 * errors[2]

    def test_value_and_slope_are_continuous_at_the_knots_and_ends(self):
        one, step = curve(), 1e-7
        left, at, right = (one.evaluate(one.x + shift) for shift in (-step, 0.0, step))
        np.testing.assert_allclose((at - left) / step, (right - at) / step, rtol=1e-4)

    @pytest.mark.parametrize("place", [-np.inf, np.inf])
    def test_the_ends_go_on_for_ever(self, place):
        assert curve().evaluate(np.array([place]))[0] == curve().invert(np.array([place]))[0] == place

    @settings(max_examples=80, deadline=None)
    @given(curves())
    def test_it_increases_and_is_inverted(self, one):
        span = one.x[-1] - one.x[0]
        x = np.linspace(one.x[0] - span, one.x[-1] + span, 2001)
        y = one.evaluate(x)
        assert np.all(np.diff(y) > 0)
        steepest = (np.diff(one.x) / np.diff(one.y)).max()
        # two of the harmonic means are at most three times the smaller chord, so 1 / slope is bounded below by it
        np.testing.assert_allclose(one.evaluate(one.invert(y)), y, rtol=1e-11, atol=1e-11)
        np.testing.assert_allclose(one.invert(y), x, atol=1e-10 * (span + steepest * np.ptp(one.y)))
