"""Every section of the configuration: closed, frozen, documented, and strict where YAML is too kind."""

import importlib
import pkgutil

import pytest
from pydantic import ValidationError

import rhodiff.config
from rhodiff.config.evaluation import PowerSpectrum
from rhodiff.config.experiment import Experiment, Paths, Runtime
from rhodiff.config.fields import Data, Log10, MinMax, Split
from rhodiff.config.model import Conditioning, UNetSettings
from rhodiff.config.sampling import Sampling
from rhodiff.config.section import Operational, Section, result_settings
from rhodiff.config.sources import CosmicWebSource, HarmonicsSource
from rhodiff.config.training import Optimizer, Training
from rhodiff.store.spec import FieldSpec, Parameter

for module in pkgutil.iter_modules(rhodiff.config.__path__):
    importlib.import_module(f"rhodiff.config.{module.name}")


def subclasses(cls):
    for child in cls.__subclasses__():
        yield child
        yield from subclasses(child)


SECTIONS = sorted({*subclasses(Section)}, key=lambda cls: (cls.__module__, cls.__name__))
CONFIG_SECTIONS = [cls for cls in SECTIONS if cls.__module__.startswith("rhodiff.config.")]


def test_all_sections_are_found():
    assert {Experiment, Data, Log10, Training, Optimizer, Sampling, Paths} <= set(CONFIG_SECTIONS)


@pytest.mark.parametrize("section", SECTIONS, ids=lambda cls: cls.__name__)
def test_sections_are_frozen_and_closed(section):
    assert section.model_config["frozen"] is True
    assert section.model_config["extra"] == "forbid"
    assert section.model_config["allow_inf_nan"] is False


@pytest.mark.parametrize("section", CONFIG_SECTIONS, ids=lambda cls: cls.__name__)
def test_every_setting_says_what_it_is(section):
    assert section.__doc__
    silent = [name for name, field in section.model_fields.items() if name != "kind" and not field.description]
    assert silent == []


def test_a_section_cannot_be_changed():
    with pytest.raises(ValidationError, match="frozen"):
        Training().iterations = 5


@pytest.mark.parametrize(
    ("section", "settings"),
    [
        (Training, {"iterations": True}),
        (Training, {"ema_gamma": False}),
        (Sampling, {"trajectory": False}),
        (CosmicWebSource, {"omega_m": True}),
        (Log10, {"floor": True}),
    ],
)
def test_truth_values_are_no_numbers(section, settings):
    with pytest.raises(ValidationError, match="no switch"):
        section.model_validate(settings)


@pytest.mark.parametrize(("said", "meant"), [(True, "on"), (False, "off"), ("on", "on"), ("auto", "auto")])
def test_ipex_is_said_by_a_word_or_by_what_yaml_makes_of_it(said, meant):
    assert Runtime(ipex=said).ipex == meant


def test_switches_take_truth_values():
    assert Training(compile=True).compile
    assert not Split(shuffle=False).shuffle


@pytest.mark.parametrize(
    ("section", "settings", "reason"),
    [
        (Split, {"train": 0.5, "validation": 0.1, "test": 0.1}, "must be 1"),
        (Log10, {"floor": -1.0, "offset": 0.5}, "not positive"),
        (MinMax, {"low": 1.0, "high": 1.0}, "not below"),
        (Optimizer, {"kind": "adam", "weight_decay": 0.1}, "no effect"),
        (Sampling, {"shard_length": 24, "micro_batch": 16}, "not a multiple"),
        (PowerSpectrum, {"bin_edges": [0.1, 0.1]}, "rising"),
        (PowerSpectrum, {"bin_edges": [0.1]}, "two or more"),
        (Conditioning, {"categorical": ["a"]}, "not among"),
        (Conditioning, {"parameters": ["a"], "categorical": ["a"], "embedding": "hash"}, "no effect"),
        (UNetSettings, {"attention": ["full", "none"]}, "2 entries for 3 levels"),
        (UNetSettings, {"width": 20}, "not divisible"),
        (HarmonicsSource, {"min_degree": 3, "max_degree": 2}, "above"),
        (FieldSpec, {"name": "a", "shape": [4, 4], "spacing": [1.0], "periodic": [True, True]}, "one entry for each"),
        (FieldSpec, {"name": "a", "shape": [4] * 4, "spacing": [1.0] * 4, "periodic": [True] * 4}, "1, 2 or 3"),
        (FieldSpec, {"name": "a", "shape": [0], "spacing": [1.0], "periodic": [True]}, "greater than or equal to 1"),
    ],
)
def test_contradictions_are_refused(section, settings, reason):
    with pytest.raises(ValidationError, match=reason):
        section.model_validate(settings)


def test_field_spec_knows_extent_and_shape():
    spec = FieldSpec(name="a", channels=("p", "q"), shape=(4, 8), spacing=(0.5, 2.0), periodic=(True, False))
    assert (spec.ndim, spec.box_size, spec.field_shape) == (2, (2.0, 16.0), (2, 4, 8))
    assert Parameter(name="h").unit == ""


def test_settings_of_how_are_told_from_settings_of_what():
    """The list of settings that may change without changing a result; whoever adds one thinks of that here."""
    operational = {
        f"{section.__name__}.{name}"
        for section in CONFIG_SECTIONS
        for name, field in section.model_fields.items()
        if Operational in field.metadata
    }
    assert operational == {
        "BonsaiSettings.device",
        "BonsaiSettings.launcher",
        "BonsaiSettings.ranks",
        "BonsaiSettings.timeout_min",
        "Evaluation.block_fields",
        "Evaluation.selection",
        "Fields.memory_map",
        "Integration.timeout_min",
        "MergersSource.archive",
        "MergersSource.keep_snapshots",
        "MergersSource.scratch",
        "Minkowski.quantimpy_python",
        "Sampling.outside_range",
        "Sampling.skip_damaged",
        "Sampling.threads",
        "Training.bucket_mb",
        "Training.checkpoint_every",
        "Training.compile",
        "Training.iterations",
        "Training.keep_checkpoints",
        "Training.metrics_every",
        "Training.micro_batch",
        "Training.sheet_every",
        "Training.sheet_samples",
        "Training.static_graph",
        "Training.tensorboard",
        "Training.wandb_project",
        "TreegravSettings.timeout_min",
        "UNetSettings.gradient_checkpointing",
    }


@pytest.mark.parametrize(
    ("section", "used"),
    [
        (Conditioning(parameters=("a",)), {"dropout": 0.1}),
        (Conditioning(parameters=("a",)), {"hashed": ("a",)}),
        (Sampling(), {"guidance": (2.0,)}),
    ],
    ids=["dropout", "hashed", "guidance"],
)
def test_settings_that_came_later_count_as_soon_as_they_are_used(section, used):
    ((name, value),) = used.items()
    assert name not in result_settings(section)
    plain = result_settings(section.model_copy(update=used))
    assert plain[name] == (list(value) if isinstance(value, tuple) else value)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"parameters": ["mass"], "categorical": ["mas"]}, "categorical 'mas' is not among.*did you mean 'mass'"),
        ({"parameters": ["mass"], "hashed": ["mas"]}, "hashed 'mas' is not among.*did you mean 'mass'"),
        ({"parameters": ["a"], "embedding": "hash", "hashed": ["a"]}, "hashed has no effect with embedding 'hash'"),
        ({"parameters": ["a", "b"], "categorical": ["b"], "hashed": ["b"]}, "'b' is categorical and hashed"),
        ({"parameters": ["a", "a"]}, "parameters names 'a' twice"),
        ({"dropout": 0.1}, "dropout has no effect without parameters"),
        ({"parameters": ["a"], "dropout": 1.0}, "less than 1"),
    ],
)
def test_conditioning_that_cannot_be_is_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        Conditioning.model_validate(settings)


def test_one_weight_of_guidance_is_a_list_of_one():
    assert Sampling.model_validate({"guidance": 2}).guidance == (2.0,)
    assert Sampling.model_validate({"guidance": [1, 2.5]}).guidance == (1.0, 2.5)
    for wrong in ([], [-1], [2, 2.0], "two"):
        with pytest.raises(ValueError, match="guidance"):
            Sampling.model_validate({"guidance": wrong})


def test_guidance_needs_a_network_that_was_trained_for_it():
    settings = {
        "name": "a",
        "data": {"source": {"kind": "harmonics", "size": 8}},
        "model": {"conditioning": {"parameters": ["l", "m"]}},
        "sampling": {"guidance": [1, 2]},
    }
    with pytest.raises(ValueError, match=r"sampling.guidance 2 needs .*model.conditioning.dropout is 0"):
        Experiment.model_validate(settings)
    settings["model"]["conditioning"]["dropout"] = 0.1
    assert Experiment.model_validate(settings).sampling.guidance == (1.0, 2.0)


def test_result_settings_leave_out_paths_and_operational_settings_at_any_depth():
    plain = result_settings(
        Experiment.model_validate(
            {
                "name": "a",
                "data": {"source": {"kind": "camels", "fields": "x.npy", "parameters": "p.txt"}},
                "fields": {"transform": [{"kind": "log10"}], "memory_map": False},
            }
        )
    )
    assert "fields" not in plain["data"]["source"]
    assert plain["data"]["source"]["box_size_mpc_h"] == 25.0
    assert plain["fields"]["transform"] == [{"kind": "log10", "offset": 0.0, "floor": None}]
    assert "memory_map" not in plain["fields"]
    assert "iterations" not in plain["training"]
    assert "data" not in plain["paths"]
