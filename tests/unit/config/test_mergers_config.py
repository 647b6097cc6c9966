"""Sources made of galaxy mergers: what their sections take, and each mistake by its key and reason."""

import warnings

import pytest

from rhodiff.config.experiment import Experiment
from rhodiff.config.loading import dump_experiment, parse_experiment, parse_section, read_yaml
from rhodiff.config.mergers import (
    AxisInterval,
    AxisRange,
    DeepGalaxySource,
    MergerGrid,
    MergersSource,
    TreegravSettings,
)
from rhodiff.config.section import result_settings
from rhodiff.errors import ConfigError


def refusal(kind, **settings):
    with pytest.raises(ConfigError) as caught:
        parse_section(kind, settings, "here")
    return str(caught.value).removeprefix("here:\n")


def experiment(**data):
    return {"name": "e", "data": data, "evaluation": {"reference": "test"}}


MERGERS = {
    "kind": "mergers",
    "grid": {
        "mass_ratio": [0.25, 0.5],
        "size_ratio": {"start": 0.5, "stop": 1, "step": 0.25},
        "inc1_deg": {"low": 0, "high": 180},
        "samples": {"number": 4},
    },
    "images": {"times_myr": [300, 400], "cameras": [0, {"polar_deg": 90, "azimuth_deg": 45}]},
    "engine": {"kind": "bonsai", "executable": "bonsai2_slowdust"},
    "particles": {"dark": 800, "disc": 150, "bulge": 50},
    "held_out": {"mass_ratio": [0.5]},
}


class TestForms:
    def test_an_axis_is_a_value_a_list_a_range_or_an_interval(self):
        grid = MergerGrid.model_validate(MERGERS["grid"])
        assert grid.mass_ratio == (0.25, 0.5) and grid.pericentre_kpc == 5.0
        assert grid.size_ratio == AxisRange(start=0.5, stop=1, step=0.25)
        assert grid.inc1_deg == AxisInterval(low=0, high=180)

    def test_an_experiment_written_out_is_the_same_experiment(self):
        made = parse_experiment(experiment(source=MERGERS), "here")
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert parse_experiment(read_yaml(dump_experiment(made), "again"), "again") == made

    def test_what_only_says_where_and_how_is_no_part_of_the_result(self):
        plain = parse_section(MergersSource, MERGERS, "here")
        where = {"archive": "elsewhere", "scratch": "/tmp", "keep_snapshots": False}
        engine = {
            "executable": "other",
            "device": 1,
            "launcher": ["mpiexec", "-n", "2"],
            "ranks": 2,
            "timeout_min": 5,
        }
        moved = parse_section(MergersSource, MERGERS | where | {"engine": MERGERS["engine"] | engine}, "here")
        assert moved != plain and result_settings(moved) == result_settings(plain)

    @pytest.mark.parametrize(
        "change",
        [
            {"grid": {"mass_ratio": [0.25, 0.75]}},
            {"images": {"size": 64}},
            {"galaxy": {"toomre_q": 1.5}},
            {"particles": 2000},
            {"engine": {"kind": "treegrav"}},
            {"engine": MERGERS["engine"] | {"time_step": 0.0625}},
            {"held_out": {"mass_ratio": [0.25]}},
        ],
        ids=lambda change: next(iter(change)),
    )
    def test_what_says_what_is_made_is_part_of_the_result(self, change):
        plain, changed = (parse_section(MergersSource, settings, "here") for settings in (MERGERS, MERGERS | change))
        assert result_settings(changed) != result_settings(plain)


NO_TEST = {"train": 0.8, "validation": 0.2, "test": 0}
DEEP = {"kind": "deepgalaxy", "file": "a.h5"}


class TestGrid:
    @pytest.mark.parametrize(
        ("axis", "message"),
        [
            ({"start": 2, "stop": 1, "step": 0.1}, "grid.mass_ratio: start 2 is above stop 1"),
            ({"start": 1, "stop": 2, "step": 0}, "grid.mass_ratio.step: got 0, should be greater than 0"),
            ({"start": 1, "stop": 2}, "grid.mass_ratio.step: missing"),
            ({"start": 1, "end": 2, "step": 1}, "grid.mass_ratio.end: unknown key"),
            ({"low": 2, "high": 2}, "grid.mass_ratio: low 2 is not below high 2"),
            ({"low": 2}, "grid.mass_ratio.high: missing"),
            ("1,2", "grid.mass_ratio: got '1,2', should be a valid number"),
            ([1, "x"], "grid.mass_ratio.1: got 'x', should be a valid number"),
            ([1, float("inf")], "grid.mass_ratio.1: got inf, should be a finite number"),
            (float("nan"), "grid.mass_ratio: got nan, should be a finite number"),
        ],
    )
    def test_a_wrong_axis_is_told_in_the_form_that_was_meant(self, axis, message):
        told = refusal(MergersSource, grid={"mass_ratio": axis})
        assert message in told and "; or:" not in told and "valid dictionary" not in told

    def test_an_unknown_axis_names_the_nearest(self):
        assert "grid.mass_ratios: unknown key; did you mean 'mass_ratio'?" in refusal(
            MergersSource, grid={"mass_ratios": [1]}
        )

    @pytest.mark.parametrize(
        ("grid", "message"),
        [
            (
                {"inc1_deg": {"low": 0, "high": 9}},
                "inc1_deg: values between low and high are to be drawn; say how many",
            ),
            ({"samples": {"number": 4}}, "'samples' has no effect: no axis of the grid is given as low and high"),
            (
                {"inc1_deg": {"low": 0, "high": 9}, "samples": {"number": 6}},
                "number 6 is no power of two, which Sobol points need to be balanced: take 8",
            ),
            (
                {"seed": {"low": 0, "high": 9}, "samples": {"number": 4}},
                "seed: whole numbers are needed, as a list or a range; they cannot be drawn",
            ),
        ],
    )
    def test_draws_and_intervals_need_each_other(self, grid, message):
        assert message in refusal(MergersSource, grid=grid)


class TestImages:
    @pytest.mark.parametrize(
        ("images", "message"),
        [
            ({"times_myr": []}, "'times_myr' is empty: name at least one"),
            ({"times_myr": [-1]}, "times_myr.0: got -1, should be greater than or equal to 0"),
            ({"times_myr": {"start": -5, "stop": 5, "step": 5}}, "'times_myr' starts at -5: simulations start at 0"),
            ({"times_myr": [300, 300.0]}, "'times_myr' names the same twice"),
            ({"cameras": []}, "'cameras' is empty"),
            ({"cameras": [14]}, "cameras.0: got 14, should be less than or equal to 13"),
            ({"cameras": [3, 3]}, "'cameras' names the same twice"),
            ({"cameras": [{"polar_deg": 181, "azimuth_deg": 0}]}, "polar_deg: got 181"),
            ({"channels": ["gas"]}, "channels.0: got 'gas', should be 'stars', 'dark' or 'velocity'"),
            ({"channels": ["stars", "stars"]}, "'channels' names the same twice"),
            ({"size": 7}, "size: got 7, should be a multiple of 2"),
            ({"width_kpc": 0}, "width_kpc: got 0, should be greater than 0"),
        ],
    )
    def test_a_mistake_is_told(self, images, message):
        assert message in refusal(MergersSource, images=images)


class TestSimulation:
    @pytest.mark.parametrize(
        ("settings", "message"),
        [
            ({"galaxy": {"bulge_mass_msun": 0, "disc_mass_msun": 0}}, "a galaxy needs stars to be seen"),
            ({"galaxy": {"halo_mass_msun": 0}}, "galaxy.halo_mass_msun: got 0, should be greater than 0"),
            ({"particles": 10}, "particles: got 10, should be greater than or equal to 100"),
            ({"particles": {"dark": -1, "disc": 1, "bulge": 1}}, "particles.dark: got -1"),
            ({"engine": {"kind": "gadget"}}, "engine: unknown kind 'gadget'. Allowed: treegrav, bonsai"),
            ({"engine": {"executable": "bonsai"}}, "engine.executable: unknown key"),
            ({"engine": {"kind": "bonsai"}}, "engine.executable: missing"),
            ({"engine": {"kind": "treegrav", "device": 0}}, "engine.device: unknown key"),
            ({"engine": {"kind": "treegrav", "time_step": 0}}, "engine.time_step: got 0"),
            ({"held_out": {"mass_ratio": 0.5}}, "held_out.mass_ratio: got 0.5, should be a valid list"),
        ],
    )
    def test_a_mistake_is_told(self, settings, message):
        assert message in refusal(MergersSource, **settings)

    def test_an_engine_of_which_no_kind_is_said_is_the_embedded_one(self):
        made = parse_section(MergersSource, {"engine": {"theta": 0.5}}, "here")
        assert made.engine == TreegravSettings(theta=0.5)


class TestDeepGalaxy:
    @pytest.mark.parametrize(
        ("settings", "message"),
        [
            ({"size": 7}, "size: got 7, should be a multiple of 2"),
            ({"cameras": []}, "'cameras' is empty: name at least one, or say null for all"),
            ({"size_ratios": []}, "'size_ratios' is empty"),
            ({"mass_ratios": [0]}, "mass_ratios.0: got 0, should be greater than 0"),
            ({"t_min_myr": 400, "t_max_myr": 300}, "t_min_myr 400 is above t_max_myr 300"),
            ({"width_kpc": -1}, "width_kpc: got -1"),
            ({"dataset": "x"}, "dataset: unknown key"),
        ],
    )
    def test_a_mistake_is_told(self, settings, message):
        assert message in refusal(DeepGalaxySource, file="a.h5", **settings)

    def test_the_file_is_needed(self):
        assert "file: missing" in refusal(DeepGalaxySource)


class TestTestPart:
    """Whoever holds out values needs no share of the test part."""

    @pytest.mark.parametrize("source", [MERGERS, DEEP | {"held_out": {"t_myr": [400]}}], ids=lambda s: s["kind"])
    def test_held_out_values_are_a_test_part_without_a_share(self, source):
        settings = experiment(source=source, split=NO_TEST) | {"denoising": {"split": "test"}}
        made = parse_experiment(settings, "here")
        assert made.data.fills("test") and made.data.fills("train") and made.data.fills("validation")

    @pytest.mark.parametrize("source", [DEEP, {"kind": "mergers"}, {"kind": "cosmic_web"}], ids=lambda s: s["kind"])
    def test_without_them_the_share_is_needed(self, source):
        told = refusal(Experiment, **experiment(source=source, split=NO_TEST))
        assert "evaluation.reference is 'test', but data.split gives it no share" in told

    def test_they_are_no_validation_part(self):
        settings = experiment(source=MERGERS, split={"train": 1, "validation": 0, "test": 0})
        told = refusal(Experiment, **settings | {"evaluation": {"reference": "validation"}})
        assert "evaluation.reference is 'validation', but data.split gives it no share" in told
