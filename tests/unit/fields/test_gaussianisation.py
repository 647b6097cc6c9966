"""Values made normal: against maps that are known in closed form, their inverse, and bad input."""

import json

import numpy as np
import pytest
from scipy import stats

from rhodiff.config.fields import Gaussianise, Log10, Standardise
from rhodiff.errors import DataError
from rhodiff.fields.transforms import Transform, fit_transform
from rhodiff.store.spec import FieldSpec


def lognormal(shape=(400, 1, 32, 32), seed=0, width=0.8):
    return np.exp(np.random.default_rng(seed).normal(1.0, width, shape)).astype(np.float32)


def fit(steps, fields, batch=64):
    return fit_transform(steps, lambda: (fields[i : i + batch] for i in range(0, len(fields), batch)))


class TestMap:
    def test_a_lognormal_field_is_mapped_by_its_logarithm(self):
        """F is known: y = (ln x - mu) / width. A quantile at y has a standard error of sqrt(p q / n) / phi(y)."""
        fields = lognormal()
        transform = fit((Gaussianise(),), fields)
        y = np.linspace(-3.8, 3.8, 200)
        x = np.exp(1.0 + 0.8 * y).astype(np.float32).reshape(1, 1, -1)
        error = np.sqrt(stats.norm.cdf(y) * stats.norm.sf(y) / fields.size) / stats.norm.pdf(y)
        assert np.all(np.abs(transform.forward(x).ravel() - y) < 5 * error + 2e-3)

    def test_the_values_of_another_draw_are_normal(self):
        fields = np.random.default_rng(3).gamma(2.0, 1.5, (300, 1, 32, 32)).astype(np.float32)
        transform = fit((Gaussianise(),), fields[:150])
        y = transform.forward(fields[150:]).ravel().astype(np.float64)
        assert abs(y.mean()) < 0.02 and abs(y.std() - 1) < 0.02
        assert abs(stats.skew(y)) < 0.03 and abs(stats.kurtosis(y)) < 0.05
        assert stats.kstest(y, "norm").statistic < 0.01

    def test_between_the_outermost_knots_it_is_the_same_before_or_after_a_logarithm(self):
        """Ranks do not change under an increasing map; between knots the two curves differ a little."""
        fields = lognormal()
        plain, after = (
            fit(steps, fields).forward(fields[:20]) for steps in ((Gaussianise(),), (Log10(), Gaussianise()))
        )
        inside = np.abs(plain) < 3.5
        np.testing.assert_allclose(plain[inside], after[inside], atol=0.02)

    def test_beyond_the_outermost_knots_it_is_straight(self):
        transform = fit((Gaussianise(),), lognormal())
        y = np.array([5.0, 6.0, 7.0, -5.0, -6.0, -7.0], np.float32).reshape(1, 1, -1)
        x = transform.inverse(y).ravel().astype(np.float64)
        np.testing.assert_allclose(x[2] - x[1], x[1] - x[0], rtol=1e-5)
        np.testing.assert_allclose(x[5] - x[4], x[4] - x[3], rtol=1e-4)
        assert transform.lower_bound == -np.inf

    def test_channels_have_curves_of_their_own(self):
        fields = np.concatenate([lognormal((200, 1, 16)), -5 + 3 * lognormal((200, 1, 16), 1)], axis=1)
        y = fit((Gaussianise(),), fields).forward(fields)
        np.testing.assert_allclose(y.std(axis=(0, 2)), 1, atol=0.03)

    def test_a_value_of_many_cells_stays_one_value_and_keeps_its_place(self):
        fields = lognormal((100, 1, 16, 16))
        empty = np.random.default_rng(5).random(fields.shape) < 0.3
        fields[empty] = 0.01
        transform = fit((Gaussianise(),), fields)
        y = transform.forward(fields)
        assert np.unique(y[empty]).size == 1 and y[empty][0] < y[~empty].min()
        np.testing.assert_allclose(transform.inverse(y)[empty], 0.01, rtol=1e-5)


class TestInverse:
    @pytest.mark.parametrize("steps", [(Gaussianise(),), (Log10(), Gaussianise()), (Gaussianise(), Standardise())])
    def test_it_undoes_the_map_to_1e_5_of_the_standard_deviation(self, steps):
        fields = lognormal()
        transform = fit(steps, fields)
        back = transform.inverse(transform.forward(fields))
        assert np.abs(back - fields).max() < 1e-5 * fields.std()

    def test_any_score_comes_back(self):
        transform = fit((Gaussianise(),), lognormal())
        y = np.linspace(-7, 7, 5001, dtype=np.float32).reshape(1, 1, -1)
        np.testing.assert_allclose(transform.forward(transform.inverse(y)), y, atol=2e-5)

    def test_it_increases(self):
        x = np.sort(lognormal((1, 1, 4096), 9, width=1.2), axis=-1)
        y = fit((Gaussianise(),), lognormal()).forward(x)
        assert np.all(np.diff(y)[np.diff(x) > 1e-5] > 0)


class TestFit:
    def test_no_bit_depends_on_batches_or_their_order(self):
        fields = lognormal((60, 2, 16))
        order = np.random.default_rng(1).permutation(len(fields))
        assert fit((Log10(), Gaussianise()), fields, 60) == fit((Log10(), Gaussianise()), fields[order], 1)

    def test_json_keeps_every_bit(self):
        transform = fit((Gaussianise(),), lognormal((60, 2, 16)))
        again = Transform.from_record(json.loads(json.dumps(transform.to_record())))
        assert again == transform
        np.testing.assert_array_equal(again.forward(lognormal((3, 2, 16))), transform.forward(lognormal((3, 2, 16))))

    def test_knots_and_tails_are_as_asked(self):
        fields = lognormal()
        step = fit((Gaussianise(num_knots=9, tail_count=1000),), fields).steps[0]
        assert len(step.scores[0]) == 9
        assert np.count_nonzero(fields > step.values[0][-1]) == 1000
        assert np.count_nonzero(fields < step.values[0][0]) == 1000

    def test_a_small_set_has_at_most_a_hundredth_in_a_tail(self):
        step = fit((Gaussianise(),), lognormal((4, 1, 100))).steps[0]
        assert step.scores[0][-1] == pytest.approx(stats.norm.isf(0.01))

    def test_label_for_an_axis(self):
        spec = FieldSpec(name="rho", unit="Msun", shape=(8,), spacing=(1.0,), periodic=(False,))
        assert fit((Log10(), Gaussianise()), lognormal()).describe(spec) == "log10(rho / Msun), normal score"


class TestBadInput:
    def test_a_constant_channel_is_refused(self):
        fields = lognormal((20, 2, 16))
        fields[:, 1] = 3
        with pytest.raises(DataError, match=r"gaussianise: channel 1 has the value 3 at all knots"):
            fit((Gaussianise(),), fields)

    def test_an_empty_training_split_is_refused(self):
        with pytest.raises(DataError, match="no valid field"):
            fit_transform((Gaussianise(),), lambda: [np.empty((0, 1, 8), np.float32)])

    @pytest.mark.parametrize("scores", [[0.0, 1.0], [0.0, 2.0, 1.0], [0.0, 1.0, 1.0]])
    def test_knots_that_do_not_increase_are_a_damaged_record(self, scores):
        def record(scores):
            return {"steps": [{"kind": "gaussianise", "values": [[0.0, 1.0, 2.0]], "scores": [scores]}]}

        assert Transform.from_record(record([0.0, 1.0, 2.0])).steps
        with pytest.raises(DataError, match="stored transform"):
            Transform.from_record(record(scores))
