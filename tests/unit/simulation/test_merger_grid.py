"""Merger grids: which points there are, in which order, and every wrong axis by its name."""

import itertools
from dataclasses import fields, replace

import numpy as np
import pytest

from rhodiff.config.mergers import AxisRange, MergerGrid
from rhodiff.errors import ConfigError
from rhodiff.simulation.grid import expand_grid, range_values, varied_axes
from rhodiff.simulation.initial_conditions import MergerPoint


def grid(**axes):
    return MergerGrid.model_validate(axes)


def drawn(number, method="sobol", seed=0, **axes):
    intervals = {"mass_ratio": {"low": 0.25, "high": 1.5}, "inc1_deg": {"low": 0, "high": 180}}
    return grid(**intervals | axes, samples={"number": number, "method": method, "seed": seed})


def column(points, name):
    return np.array([getattr(point, name) for point in points])


class TestProduct:
    def test_a_grid_of_single_values_is_one_point(self):
        assert expand_grid(grid()) == (MergerPoint(),)

    def test_the_last_axis_of_the_configuration_is_the_fastest(self):
        points = expand_grid(grid(seed=[4, 9], inc1_deg=[0, 30], mass_ratio=[1, 0.5, 0.25]))
        wanted = itertools.product([1, 0.5, 0.25], [0, 30], [4, 9])
        assert [(p.mass_ratio, p.inc1_deg, p.seed) for p in points] == list(wanted)

    def test_every_axis_of_a_point_can_be_set(self):
        values = {field.name: 10.0 + place for place, field in enumerate(fields(MergerPoint))}
        values |= {"seed": 7, "separation_kpc": 90.0}
        assert expand_grid(grid(**values)) == (MergerPoint(**values),)

    def test_seeds_are_whole_numbers_of_python(self):
        points = expand_grid(grid(seed={"start": 0, "stop": 2, "step": 1}))
        assert [point.seed for point in points] == [0, 1, 2]
        assert all(type(point.seed) is int for point in points)

    def test_the_papers_grid(self):
        ratios = {"start": 0.25, "stop": 1.5, "step": 0.25}
        points = expand_grid(grid(mass_ratio=ratios, size_ratio=ratios))
        assert len(set(points)) == 36
        assert set(column(points, "size_ratio")) == {0.25, 0.5, 0.75, 1.0, 1.25, 1.5}


class TestRanges:
    @pytest.mark.parametrize(
        ("start", "stop", "step", "values"),
        [
            (0.1, 0.5, 0.1, (0.1, 0.2, 0.3, 0.4, 0.5)),
            (-0.3, 0.3, 0.1, (-0.3, -0.2, -0.1, 0.0, 0.1, 0.2, 0.3)),
            (300, 650, 175, (300, 475, 650)),
            (0, 1, 0.3, (0, 0.3, 0.6, 0.9)),
            (0, 0, 1, (0,)),
            (300.1234567, 300.2, 1e6, (300.1234567,)),
            (0, 3e-20, 1e-20, (0, 1e-20, 2e-20, 3e-20)),
        ],
    )
    def test_values_are_those_one_would_write(self, start, stop, step, values):
        assert range_values(AxisRange(start=start, stop=stop, step=step)) == values

    def test_zero_has_no_sign(self):
        assert [str(value) for value in range_values(AxisRange(start=-1, stop=0, step=0.5))] == [
            "-1.0",
            "-0.5",
            "0.0",
        ]

    def test_times_of_the_paper(self):
        assert range_values(AxisRange(start=300, stop=650, step=5)) == tuple(range(300, 651, 5))

    @pytest.mark.parametrize(("excess", "count"), [(0.5e-9, 11), (-2e-9, 10)])
    def test_a_step_that_ends_within_a_billionth_of_the_stop_counts(self, excess, count):
        values = range_values(AxisRange(start=0, stop=1 + 0.1 * excess, step=0.1))
        assert len(values) == count and max(values) <= 1 + 0.1 * excess

    def test_a_step_that_rounding_stretches_does_not_pass_the_stop(self):
        stop = np.nextafter(0.3, 0)
        assert max(range_values(AxisRange(start=0, stop=stop, step=0.1))) == stop


class TestDraws:
    @pytest.mark.parametrize("method", ["sobol", "latin_hypercube"])
    def test_there_is_one_draw_in_each_slice_of_every_axis(self, method):
        points = expand_grid(drawn(16, method))
        for name, low, high in (("mass_ratio", 0.25, 1.5), ("inc1_deg", 0, 180)):
            slices = np.floor((column(points, name) - low) / (high - low) * 16)
            assert sorted(slices) == list(range(16))

    def test_sobol_points_are_balanced_in_both_axes_together(self):
        points = expand_grid(drawn(64))
        cells = np.stack(
            [np.floor((column(points, "mass_ratio") - 0.25) / 1.25 * 4), column(points, "inc1_deg") // 45]
        )
        _, numbers = np.unique(cells, axis=1, return_counts=True)
        assert set(numbers) <= {3, 4, 5} and numbers.sum() == 64

    def test_twice_the_sobol_points_begin_with_those_there_were(self):
        assert expand_grid(drawn(32, seed=5))[:16] == expand_grid(drawn(16, seed=5))

    def test_draws_are_the_slowest_and_meet_every_other_value(self):
        points = expand_grid(drawn(4, size_ratio=[0.5, 1]))
        singles = expand_grid(drawn(4))
        wanted = [replace(point, size_ratio=size) for point in singles for size in (0.5, 1.0)]
        assert list(points) == wanted

    @pytest.mark.parametrize("method", ["sobol", "latin_hypercube"])
    def test_the_seed_of_the_draws_decides(self, method):
        assert expand_grid(drawn(8, method, seed=1)) == expand_grid(drawn(8, method, seed=1))
        assert not set(expand_grid(drawn(8, method, seed=1))) & set(expand_grid(drawn(8, method, seed=2)))

    def test_draws_stay_between_their_ends(self):
        masses = column(expand_grid(drawn(1024)), "mass_ratio")
        assert masses.min() >= 0.25 and masses.max() <= 1.5
        assert masses.mean() == pytest.approx(0.875, abs=1e-3)


class TestVariedAxes:
    def test_axes_with_one_value_do_not_vary(self):
        assert varied_axes(grid(mass_ratio=[0.5], seed={"start": 3, "stop": 3, "step": 1})) == ()

    def test_lists_ranges_and_draws_vary_in_the_order_of_the_grid(self):
        varied = drawn(2, seed=1, omega2_deg={"start": 0, "stop": 1, "step": 1}, size_ratio=[1, 2])
        assert varied_axes(varied) == ("mass_ratio", "size_ratio", "inc1_deg", "omega2_deg")

    def test_one_draw_does_not_vary(self):
        assert varied_axes(drawn(1)) == ()

    def test_they_are_those_in_which_points_differ(self):
        varied = drawn(2, size_ratio=[1, 2])
        points = expand_grid(varied)
        differing = {field.name for field in fields(MergerPoint) if len(set(column(points, field.name))) > 1}
        assert set(varied_axes(varied)) == differing


class TestBadAxes:
    @pytest.mark.parametrize(
        ("axis", "values", "message"),
        [
            ("mass_ratio", 0, r"data\.source\.grid\.mass_ratio has the value 0; it must be > 0"),
            ("mass_ratio", [1, -0.5], r"grid\.mass_ratio has the value -0\.5; it must be > 0"),
            ("size_ratio", {"start": 0, "stop": 1, "step": 0.5}, r"grid\.size_ratio has the value 0; it must be > 0"),
            ("pericentre_kpc", -1, r"grid\.pericentre_kpc has the value -1; it must be > 0"),
            ("separation_kpc", 0, r"grid\.separation_kpc has the value 0; it must be > 0"),
            ("eccentricity", -0.1, r"grid\.eccentricity has the value -0\.1; it must be >= 0"),
            ("seed", 1.5, r"grid\.seed has the value 1\.5; it must be a whole number"),
            ("seed", [-1], r"grid\.seed has the value -1; it must be a whole number, 0 <= seed"),
            ("seed", 2.0**53, r"grid\.seed has the value 9\.0072e\+15; .* < 2\^53"),
            ("inc2_deg", [], r"grid\.inc2_deg has no values: give at least one, or leave the axis out"),
            ("omega1_deg", [0, 90, 0.0], r"grid\.omega1_deg has 0 more than once"),
            ("inc1_deg", {"start": 0, "stop": 1, "step": 1e-9}, r"grid\.inc1_deg: steps of 1e-09 .* wider step"),
            ("inc1_deg", {"start": 1e9, "stop": 1e9 + 1e-4, "step": 1e-5}, r"grid\.inc1_deg: the step .* is lost"),
        ],
    )
    def test_a_wrong_value_names_its_axis(self, axis, values, message):
        for use in (expand_grid, varied_axes):
            with pytest.raises(ConfigError, match=message):
                use(grid(**{axis: values}))

    def test_an_interval_that_reaches_out_of_range_is_refused(self):
        with pytest.raises(ConfigError, match=r"grid\.mass_ratio has the value 0; it must be > 0"):
            expand_grid(drawn(2, mass_ratio={"low": 0, "high": 1}))

    def test_points_without_an_orbit_are_refused(self):
        with pytest.raises(ConfigError, match=r"data\.source\.grid: orbit: pericentre_kpc 70\.0, separation_kpc 60"):
            expand_grid(grid(pericentre_kpc=[5, 70]))
        with pytest.raises(ConfigError, match=r"data\.source\.grid: orbit: the ellipse .* reaches out to 15 kpc"):
            expand_grid(grid(eccentricity=[1, 0.5]))

    def test_a_grid_beyond_counting_is_refused_before_it_is_made(self):
        axis = {"start": 1, "stop": 1000, "step": 1}
        with pytest.raises(ConfigError, match="1000000000 points; at most 1000000"):
            expand_grid(grid(mass_ratio=axis, inc1_deg=axis, seed=axis))
