"""Quantiles in two passes against a sort of the whole set."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from rhodiff.fields.quantiles import find_quantiles


def found(fields, probabilities, batch=7):
    def batches():
        return (fields[i : i + batch].astype(np.float64) for i in range(0, len(fields), batch))

    return find_quantiles(batches, lambda _: np.asarray(probabilities))


def sorted_quantiles(fields, probabilities):
    channels = fields.swapaxes(0, 1).reshape(fields.shape[1], -1)
    return np.quantile(channels.astype(np.float64), probabilities, axis=1, method="hazen").T


@settings(max_examples=100, deadline=None)
@given(
    arrays(np.float32, (5, 2, 3), elements=st.floats(-(2.0**100), 2.0**100, width=32)),
    st.lists(st.floats(0, 1), min_size=1, max_size=6),
    st.integers(1, 6),
)
def test_they_are_those_of_the_sorted_set_of_any_range_and_sign(fields, probabilities, batch):
    quantiles, count = found(fields, probabilities, batch)
    scale = np.abs(fields).max()
    np.testing.assert_allclose(quantiles, sorted_quantiles(fields, probabilities), rtol=1e-12, atol=1e-12 * scale)
    assert count == 15


def test_a_large_set_with_many_equal_values():
    rng = np.random.default_rng(0)
    fields = np.exp(rng.normal(0, 3, (200, 1, 16, 16))).astype(np.float32)
    fields[rng.random(fields.shape) < 0.3] = 0.05
    probabilities = np.linspace(0.0, 1.0, 41)
    quantiles, count = found(fields, probabilities)
    np.testing.assert_allclose(quantiles, sorted_quantiles(fields, probabilities), rtol=1e-13)
    assert count == fields.size


def test_no_bit_depends_on_order_and_batches():
    fields = np.random.default_rng(1).normal(size=(60, 2, 9)).astype(np.float32)
    order = np.random.default_rng(2).permutation(60)
    probabilities = np.linspace(0.01, 0.99, 13)
    one, other = found(fields, probabilities, 60)[0], found(fields[order], probabilities, 1)[0]
    np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("batches", [[], [np.empty((0, 2, 4))]])
def test_of_nothing_there_are_none(batches):
    def unasked(count):
        raise AssertionError(count)

    quantiles, count = find_quantiles(lambda: batches, unasked)
    assert count == 0 and quantiles.size == 0
