"""Frozen records of numbers and arrays survive the way through JSON, NaN included."""

import json
import math
from dataclasses import dataclass, fields

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from numpy.typing import NDArray

from rhodiff.statistics.comparison import BinnedComparison, compare_bins
from rhodiff.statistics.measurement import Measurement
from rhodiff.store.records import from_plain, to_plain


@dataclass(frozen=True)
class Inner:
    value: float
    error: float


@dataclass(frozen=True)
class Outer:
    name: str
    count: int
    values: NDArray[np.float64]
    counts: NDArray[np.int64]
    inner: Inner
    is_done: bool


def through_json(record):
    return from_plain(type(record), json.loads(json.dumps(to_plain(record), allow_nan=False)))


def equal(one, two):
    if isinstance(one, np.ndarray):
        return np.array_equal(one, two, equal_nan=one.dtype.kind == "f") and one.dtype == two.dtype
    if isinstance(one, float):
        return one == two or (math.isnan(one) and math.isnan(two))
    if hasattr(one, "__dataclass_fields__"):
        return type(one) is type(two) and all(equal(getattr(one, f.name), getattr(two, f.name)) for f in fields(one))
    return one == two


@given(
    values=arrays(np.float64, array_shapes(max_dims=3, max_side=4), elements=st.floats(allow_infinity=False)),
    counts=arrays(np.int64, array_shapes(max_dims=1, max_side=5)),
    number=st.floats(allow_infinity=False),
    text=st.text(),
)
def test_any_record_comes_back(values, counts, number, text):
    record = Outer(text, 3, values, counts, Inner(number, math.nan), True)
    assert equal(record, through_json(record))


def test_numbers_of_numpy_become_plain_and_infinities_become_nan():
    assert to_plain({"a": np.float32(0.5), "b": np.int64(3), "c": (1, np.bool_(True))}) == {
        "a": 0.5,
        "b": 3,
        "c": [1, True],
    }
    assert math.isnan(through_json(Inner(math.inf, 0.0)).value)


def test_a_real_comparison_comes_back():
    def measured(seed):
        values = np.random.default_rng(seed).random((6, 3))
        return Measurement(
            statistic="power_spectrum",
            channel="value",
            axis_name="k",
            axis_unit="h/Mpc",
            value_name="P",
            value_unit="",
            axis=np.arange(3.0),
            edges=np.arange(4.0),
            counts=np.array([4, 8, 12]),
            values=values,
        )

    found = compare_bins(measured(0), measured(1), resamples=100)
    assert isinstance(found, BinnedComparison)
    assert equal(found, through_json(found))


def test_a_field_that_the_record_does_not_have_is_an_error():
    with pytest.raises(KeyError):
        from_plain(Inner, {"value": 1.0, "other": 2.0})
