"""Transforms: exact inverses, constants of the training split, one clear error for bad input."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pydantic import ValidationError

from rhodiff.config.fields import Asinh, Log10, MinMax, Power, Standardise
from rhodiff.errors import ConfigError, DataError
from rhodiff.fields.transforms import Transform, fit_transform
from rhodiff.store.spec import FieldSpec

ROUNDING = 2.0**-24
DUST = FieldSpec(name="E(B-V)", unit="mag", shape=(8, 8), spacing=(1.0, 1.0), periodic=(False, False))


def lognormal(shape=(20, 2, 8, 8), seed=0):
    rng = np.random.default_rng(seed)
    return np.exp(rng.normal(1.0, 1.5, shape)).astype(np.float32)


def fit(steps, fields, batch=7):
    return fit_transform(steps, lambda: (fields[i : i + batch] for i in range(0, len(fields), batch)))


def positive_fields(low=2.0**-20, high=2.0**20):
    values = st.floats(low, high, width=32)
    return arrays(np.float32, (3, 1, 4), elements=values)


CHAINS = {
    "log10 standardise": (Log10(), Standardise()),
    "log10 offset floor": (Log10(offset=0.5, floor=0.01), Standardise()),
    "asinh": (Asinh(scale=2.0), MinMax()),
    "power": (Power(exponent=0.3), Standardise()),
    "min_max set": (MinMax(low=0.0, high=3.0),),
    "min_max twice": (MinMax(scope="image"), Asinh(scale=0.3), MinMax(scope="image", low=0.0)),
    "image then standardise": (Log10(), MinMax(scope="image"), Standardise()),
    "none": (),
}


class TestInverse:
    @pytest.mark.parametrize("name", CHAINS)
    def test_inverse_of_forward_is_the_field_to_a_few_roundings(self, name):
        fields = lognormal()
        fields = np.maximum(fields, np.float32(0.02))
        transform = fit(CHAINS[name], fields)
        back = transform.inverse(transform.forward(fields), transform.image_extremes(fields))
        np.testing.assert_allclose(back, fields, rtol=3e-6, atol=1e-6)
        assert back.dtype == transform.forward(fields).dtype == np.float32

    @settings(max_examples=60, deadline=None)
    @given(positive_fields(), st.floats(-3, 3), st.floats(0.05, 3))
    def test_standardised_log_keeps_the_stated_bound(self, fields, mean, std):
        transform = Transform.from_record(
            {"steps": [{"kind": "log10"}, {"kind": "standardise", "mean": [mean], "std": [std]}]}
        )
        back = transform.inverse(transform.forward(fields)).astype(np.float64)
        distance = np.abs(np.log10(fields.astype(np.float64)) - mean)
        bound = ROUNDING * (1 + np.log(10) * distance) * fields
        assert np.all(np.abs(back - fields) <= 1.01 * bound)

    @settings(max_examples=60, deadline=None)
    @given(arrays(np.float32, (2, 1, 5), elements=st.floats(-(2.0**20), 2.0**20, width=32)), st.floats(0.01, 100))
    def test_asinh_keeps_the_stated_bound_for_any_sign(self, fields, scale):
        transform = fit((Asinh(scale=scale),), fields)
        y = transform.forward(fields).astype(np.float64)
        back = transform.inverse(y.astype(np.float32)).astype(np.float64)
        bound = ROUNDING * (np.abs(fields) + np.abs(y) * np.hypot(fields.astype(np.float64), scale))
        assert np.all(np.abs(back - fields) <= 1.01 * bound + 1e-40)

    @settings(max_examples=60, deadline=None)
    @given(
        arrays(np.float32, (2, 1, 5), elements=st.floats(-(2.0**10), 2.0**10, width=32, allow_subnormal=False)),
        st.floats(0.25, 1.0),
    )
    def test_power_keeps_sign_and_relative_precision(self, fields, exponent):
        transform = fit((Power(exponent=exponent),), fields)
        back = transform.inverse(transform.forward(fields)).astype(np.float64)
        assert np.all(np.abs(back - fields) <= 1.01 * ROUNDING * (1 + 1 / exponent) * np.abs(fields))

    @settings(max_examples=60, deadline=None)
    @given(arrays(np.float32, (3, 2, 4), elements=st.floats(-1e6, 1e6, width=32)))
    def test_min_max_is_exact_to_the_range(self, fields):
        spread = fields.max(axis=(0, 2)) - fields.min(axis=(0, 2))
        if np.any(spread == 0):
            return
        transform = fit((MinMax(),), fields)
        back = transform.inverse(transform.forward(fields)).astype(np.float64)
        bound = 1.01 * ROUNDING * (np.abs(fields) + spread[:, None].astype(np.float64))
        assert np.all(np.abs(back - fields) <= bound + 1e-40)

    def test_a_floor_raises_values_and_only_those(self):
        fields = np.array([[[0.0, 0.02, 0.05, 7.0]]], np.float32)
        transform = fit((Log10(floor=0.05),), fields)
        back = transform.inverse(transform.forward(fields))
        np.testing.assert_allclose(back, np.maximum(fields, 0.05), rtol=1e-6)

    def test_steps_are_increasing(self):
        fields = np.sort(lognormal((4, 1, 16)), axis=-1)
        for chain in CHAINS.values():
            assert np.all(np.diff(fit(chain, fields).forward(fields), axis=-1) >= 0)


class TestFit:
    def test_standardise_gives_zero_mean_and_unit_variance_by_channel(self):
        fields = lognormal() * np.array([1, 50], np.float32)[:, None, None]
        seen = fit((Log10(), Standardise()), fields).forward(fields).astype(np.float64)
        np.testing.assert_allclose(seen.mean(axis=(0, 2, 3)), 0, atol=1e-6)
        np.testing.assert_allclose(seen.std(axis=(0, 2, 3)), 1, atol=1e-6)

    def test_constants_do_not_depend_on_batches_or_their_order(self):
        fields = lognormal((60, 1, 8)) + np.float32(1e4)
        order = np.random.default_rng(1).permutation(len(fields))
        one = fit((Standardise(),), fields, batch=60).steps[0]
        other = fit((Standardise(),), fields[order], batch=1).steps[0]
        np.testing.assert_allclose(other.mean, one.mean, rtol=1e-14)
        np.testing.assert_allclose(other.std, one.std, rtol=1e-11)

    def test_moments_are_stable_for_a_large_mean(self):
        fields = (1e6 + np.random.default_rng(0).normal(size=(200, 1, 64))).astype(np.float32)
        step = fit((Standardise(),), fields, batch=3).steps[0]
        exact = fields.astype(np.longdouble)
        assert step.std[0] == pytest.approx(float(exact.std()), rel=1e-10)
        assert step.mean[0] == pytest.approx(float(exact.mean()), rel=1e-15)

    def test_min_max_maps_the_extremes_of_the_set_to_the_ends(self):
        fields = lognormal()
        seen = fit((Log10(), MinMax(low=-2.0, high=5.0)), fields).forward(fields)
        np.testing.assert_array_equal(seen.min(axis=(0, 2, 3)), np.float32([-2, -2]))
        np.testing.assert_array_equal(seen.max(axis=(0, 2, 3)), np.float32([5, 5]))

    def test_each_image_fills_the_range_on_its_own(self):
        fields = lognormal()
        seen = fit((MinMax(scope="image"),), fields).forward(fields)
        assert np.all(seen.min(axis=(2, 3)) == -1) and np.all(seen.max(axis=(2, 3)) == 1)

    def test_one_pass_for_each_step_that_needs_constants(self):
        passes = []

        def batches():
            passes.append(1)
            yield lognormal()

        fit_transform((Log10(), Standardise(), MinMax()), batches)
        assert len(passes) == 2


class TestGenerated:
    def test_only_a_per_image_scale_forbids_the_inverse(self):
        fields = lognormal()
        assert fit((Log10(), MinMax()), fields).invertible_for_generated
        by_image = fit((Log10(), MinMax(scope="image")), fields)
        assert not by_image.invertible_for_generated
        with pytest.raises(ConfigError, match="no physical scale"):
            by_image.inverse(fields)

    def test_real_and_generated_meet_in_the_comparison_space(self):
        fields = lognormal()
        transform = fit((Log10(), MinMax(scope="image"), Standardise()), fields)
        seen = transform.forward(fields)
        np.testing.assert_allclose(
            transform.generation.inverse(seen), transform.comparison.forward(fields), rtol=1e-5, atol=1e-6
        )
        plain = fit((Log10(), Standardise()), fields)
        assert plain.comparison == Transform() and plain.generation == plain

    def test_a_logarithm_keeps_densities_positive(self):
        fields = lognormal()
        transform = fit((Log10(), Standardise()), fields)
        assert transform.is_positive and transform.lower_bound == 0
        wild = np.random.default_rng(0).normal(0, 8, fields.shape).astype(np.float32)
        assert transform.inverse(wild).min() >= 0
        assert fit((Log10(offset=0.5), MinMax()), fields).lower_bound == -0.5
        assert fit((Asinh(), Standardise()), fields).lower_bound == -np.inf
        assert not fit((Standardise(),), fields).is_positive
        assert fit((Log10(), MinMax(scope="image"), Standardise()), fields).lower_bound == 0


class TestRecord:
    @pytest.mark.parametrize("name", CHAINS)
    def test_json_keeps_every_bit(self, name):
        transform = fit(CHAINS[name], lognormal())
        again = Transform.from_record(json.loads(json.dumps(transform.to_record())))
        assert again == transform
        fields = lognormal(seed=3)
        np.testing.assert_array_equal(again.forward(fields), transform.forward(fields))

    @pytest.mark.parametrize(
        "record", [{"steps": [{"kind": "sqrt"}]}, {"steps": [{"kind": "standardise", "mean": [1.0]}]}, {"step": []}]
    )
    def test_a_damaged_record_is_refused(self, record):
        with pytest.raises(DataError, match="stored transform"):
            Transform.from_record(record)

    @pytest.mark.parametrize(
        ("steps", "label"),
        [
            ((Log10(), Standardise()), "log10(E(B-V) / mag), standardised"),
            ((Log10(offset=0.5),), "log10((E(B-V) + 0.5 mag) / mag)"),
            ((MinMax(scope="image"),), "E(B-V), each scaled to [-1, 1]"),
            ((MinMax(), Asinh(scale=0.1)), "asinh([E(B-V), scaled to [-1, 1]] / 0.1)"),
            ((Asinh(scale=2),), "asinh(E(B-V) / 2 mag)"),
            ((Power(),), "(E(B-V) / mag)^0.5"),
            ((), "E(B-V) / mag"),
        ],
    )
    def test_label_for_an_axis(self, steps, label):
        assert fit(steps, lognormal()).describe(DUST) == label


class TestBadInput:
    def test_log_of_values_that_are_not_positive_says_how_many_and_what_to_set(self):
        fields = lognormal((4, 1, 8))
        fields[2, 0, 3:5] = 0, -2
        with pytest.raises(DataError, match=r"2 of 32 values.*minimum -2.*'floor'.*'offset'.*fields\.transform"):
            fit((Log10(),), fields)
        with pytest.raises(DataError, match=r"offset 0\.5"):
            fit((Log10(offset=0.5), Standardise()), fields)

    def test_a_log_after_the_last_fitted_step_is_checked_before_training(self):
        with pytest.raises(DataError, match="not positive"):
            fit((Standardise(), Log10()), lognormal())

    @pytest.mark.parametrize("step", [Standardise(), MinMax()])
    def test_a_constant_channel_is_refused(self, step):
        fields = lognormal()
        fields[:, 1] = 0.1
        with pytest.raises(DataError, match=r"channel 1 is constant.*value is -1 at"):
            fit((Log10(), step), fields)

    def test_a_constant_image_is_refused_and_named(self):
        fields = lognormal()
        fields[5, 1] = 3
        with pytest.raises(DataError, match="field 5 of the batch, channel 1"):
            fit((MinMax(scope="image"),), fields, batch=20)

    @pytest.mark.parametrize("value", [np.nan, np.inf])
    def test_values_that_are_not_finite_are_refused_both_ways(self, value):
        fields = lognormal()
        transform = fit((Standardise(),), fields)
        fields[3, 0, 0, 0] = value
        for way in (transform.forward, transform.inverse):
            with pytest.raises(DataError, match=r"1 of 2560 values are NaN or infinite, the first in field 3"):
                way(fields)

    def test_overflow_of_the_inverse_is_refused(self):
        transform = fit((Log10(),), lognormal())
        with pytest.raises(DataError, match=r"float32 in 1 of 4 values.*diverged"):
            transform.inverse(np.array([[[1, 2, 3, 400]]], np.float32))
        with pytest.raises(DataError, match="float32"):
            fit((Power(exponent=9),), lognormal()).forward(np.full((1, 1, 2), 1e9, np.float32))

    def test_another_number_of_channels_is_refused(self):
        transform = fit((Standardise(),), lognormal())
        with pytest.raises(DataError, match="fitted for 2 channels, got 3"):
            transform.forward(lognormal((1, 3, 8, 8)))
        with pytest.raises(DataError, match=r"\[sample, channel, \*space\]"):
            transform.forward(lognormal((8, 8)))

    def test_an_empty_training_split_is_refused(self):
        for steps in ((Standardise(),), (Log10(),)):
            with pytest.raises(DataError, match="no valid field"):
                fit_transform(steps, lambda: [np.empty((0, 1, 8), np.float32)])

    def test_a_floor_without_a_logarithm_is_refused_in_the_settings(self):
        with pytest.raises(ValidationError, match="log does not exist"):
            Log10(floor=0.0)
