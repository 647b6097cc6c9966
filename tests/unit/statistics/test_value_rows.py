"""Rows of values: their definition, independence of how a set is split, and what is refused."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from rhodiff.errors import DataError
from rhodiff.statistics import ValueGrid, ValueRows, measure_values

REFERENCE = np.random.default_rng(0).gamma(2.0, size=(20, 8, 6)).astype(np.float32)
GRID = ValueGrid.of(REFERENCE)
FIELDS = arrays(
    np.float32, st.tuples(st.integers(1, 6), st.just(3), st.just(4)), elements=st.floats(-500, 500, width=32)
)


@settings(deadline=None)
@given(FIELDS)
def test_rows_are_what_they_are_defined_as(fields):
    rows = measure_values(fields, GRID)
    flat = fields.reshape(len(fields), -1).astype(np.float64)
    np.testing.assert_array_equal(rows.below, (flat[:, :, None] <= GRID.points).sum(axis=1))
    np.testing.assert_array_equal(rows.extremes, np.stack([flat.min(axis=1), flat.max(axis=1)], axis=1))
    np.testing.assert_array_equal(rows.cells, 12)
    first, last = GRID.points[[0, -1]]
    outside = np.stack([(first - flat).clip(0).sum(axis=1), (flat - last).clip(0).sum(axis=1)], axis=1)
    np.testing.assert_allclose(rows.beyond, outside, rtol=1e-12)
    scaled = (flat - GRID.mean) / GRID.std
    np.testing.assert_allclose(rows.central[:, 0], scaled.mean(axis=1), rtol=1e-12, atol=1e-12)
    for column, order in ((1, 2), (2, 3), (3, 4)):
        truth = np.mean((scaled - scaled.mean(axis=1, keepdims=True)) ** order, axis=1)
        np.testing.assert_allclose(
            rows.central[:, column], truth, rtol=1e-9, atol=1e-12 * np.abs(scaled).max() ** order
        )


@settings(deadline=None)
@given(FIELDS, st.data())
def test_a_set_may_be_measured_in_any_blocks(fields, data):
    whole = measure_values(fields, GRID).to_arrays()
    cut = data.draw(st.integers(0, len(fields)))
    blocks = [block for block in (fields[:cut], fields[cut:]) if len(block)]
    joined = ValueRows.concatenate([measure_values(block, GRID) for block in blocks])
    for name, array in ValueRows.from_arrays(joined.to_arrays()).to_arrays().items():
        np.testing.assert_array_equal(array, whole[name])
        assert array.dtype == whole[name].dtype


def test_a_grid_survives_json_with_every_digit():
    read = ValueGrid.from_record(json.loads(json.dumps(GRID.to_record())))
    assert (read.mean, read.std, read.key) == (GRID.mean, GRID.std, GRID.key)
    np.testing.assert_array_equal(read.points, GRID.points)
    with pytest.raises(DataError, match="lacks points"):
        ValueGrid.from_record({"mean": 0.0, "std": 1.0})


def test_points_are_dense_over_the_reference_and_reach_ten_ranges_beyond():
    random = np.random.default_rng(1)
    reference = random.normal(3.0, 2.0, size=(50, 1000))
    grid = ValueGrid.of(reference)
    assert grid.mean == pytest.approx(reference.mean(), rel=1e-12)
    assert grid.std == pytest.approx(reference.std(), rel=1e-12)
    steps = np.diff(grid.points)
    assert steps.min() > 0
    assert len(grid.points) <= 768 + 512 + 2 * 160
    low, high = reference.min(), reference.max()
    assert {low, high} <= set(grid.points)
    assert grid.points[[0, -1]] == pytest.approx([low - 10 * (high - low), high + 10 * (high - low)])
    inside = (grid.points[:-1] >= low) & (grid.points[1:] <= high)
    assert steps[inside].max() <= (high - low) / 511 * (1 + 1e-9)
    after = grid.points[1:] > high
    np.testing.assert_array_less(steps[after], 1.1 * (high - low) / 511 + 0.035 * (grid.points[1:][after] - high))


@pytest.mark.parametrize("every", [1, 3])
def test_the_body_of_a_large_reference_is_laid_over_a_part_of_it(monkeypatch, every):
    reference = np.random.default_rng(2).exponential(size=(10, 3000))
    monkeypatch.setattr("rhodiff.statistics.value_rows.BODY_VALUES", -(-reference.size // every))
    grid = ValueGrid.of(reference)
    shares = measure_values(reference, grid).below.sum(axis=0) / reference.size
    assert grid.mean == pytest.approx(reference.mean(), rel=1e-12)
    assert np.max(np.diff(shares)) < 0.006 + 0.002 * every


def test_a_value_shared_by_many_cells_has_a_point_just_below_it():
    reference = np.random.default_rng(3).poisson(1.0, size=(10, 200)).astype(float)
    points = ValueGrid.of(reference).points
    shares = measure_values(reference, ValueGrid.of(reference)).below.sum(axis=0) / reference.size
    for count in range(4):
        at = np.searchsorted(points, count)
        assert points[at - 1] == np.nextafter(count, -1)
        assert shares[at] - shares[at - 1] == pytest.approx(np.mean(reference == count), rel=1e-12)


@pytest.mark.parametrize("values", [np.full((2, 3), 0.1), np.zeros((1, 4)), np.full((2, 2), 7)])
def test_a_constant_reference_is_refused(values):
    with pytest.raises(DataError, match="constant"):
        ValueGrid.of(values)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_fields_that_are_not_finite_are_refused_by_number(bad):
    fields = REFERENCE.copy()
    fields[4, 2, 3] = bad
    with pytest.raises(DataError, match="field 4 holds NaN or infinite"):
        measure_values(fields, GRID)
    with pytest.raises(DataError, match="NaN or infinite"):
        ValueGrid.of(fields)


@pytest.mark.parametrize("fields", [np.zeros(3), np.zeros((0, 4)), np.zeros((2, 0)), np.zeros((2, 3), dtype=complex)])
def test_what_is_no_set_of_fields_is_refused(fields):
    with pytest.raises(DataError):
        measure_values(fields, GRID)
    with pytest.raises(DataError):
        ValueGrid.of(fields)


def test_a_diverged_field_is_named_before_its_moments_overflow():
    with pytest.raises(DataError, match=r"field 0 reaches from .* diverged"):
        measure_values(np.array([[1e200, -1e200, 0.0]]), GRID)


def test_a_constant_field_has_no_spread_at_all():
    rows = measure_values(np.full((1, 49), 0.1), GRID)
    np.testing.assert_array_equal(rows.central[0, 1:], 0)


def test_rows_of_different_grids_are_not_joined():
    other = ValueGrid.of(REFERENCE[:10])
    with pytest.raises(DataError, match="one grid"):
        ValueRows.concatenate([measure_values(REFERENCE, grid) for grid in (GRID, other)])
    with pytest.raises(DataError, match="nothing to join"):
        ValueRows.concatenate([])
    with pytest.raises(DataError, match="lack beyond, cells"):
        ValueRows.from_arrays({name: np.zeros(1) for name in ("grid_key", "below", "central", "extremes")})
