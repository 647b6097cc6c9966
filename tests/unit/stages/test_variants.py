"""Variants: one file stands for many experiments, each with its values, its name and its own results."""

import pytest
import yaml

from rhodiff.errors import ConfigError
from rhodiff.stages.pipeline import Workflow
from rhodiff.stages.variants import load_variants
from rhodiff.stages.workspace import Workspace


@pytest.fixture
def path(tmp_path, harmonics):
    file = tmp_path / "rhodiff.yaml"
    file.write_text(yaml.safe_dump(harmonics))
    return file


def workflow(fan_out=None, **stages):
    return Workflow.model_validate({"stages": stages or {"train": {}}, "fan_out": fan_out or {}})


def test_without_fan_out_there_is_the_experiment_itself(path):
    (variant,) = load_variants(path, ["seed=3"], workflow())
    assert (variant.experiment.name, variant.experiment.seed, variant.overrides) == ("small", 3, ("seed=3",))


def test_several_keys_give_all_combinations_the_last_varying_fastest(path):
    found = load_variants(path, [], workflow({"seed": [0, 1], "training.batch_size": [4, 8, 16]}))
    assert [(v.experiment.seed, v.experiment.training.batch_size) for v in found] == [
        (0, 4),
        (0, 8),
        (0, 16),
        (1, 4),
        (1, 8),
        (1, 16),
    ]
    assert found[5].experiment.name == "small-seed1-batch_size16"


@pytest.mark.parametrize("rate", [1e-05, 0.001, 3.0e-7])
def test_small_numbers_arrive_as_they_are(path, rate):
    """YAML 1.1 takes ``1e-05`` for text."""
    (variant,) = load_variants(path, [], workflow({"training.optimizer.learning_rate": [rate]}))
    assert variant.experiment.training.optimizer.learning_rate == rate


def test_lists_and_nothing_can_be_values(path):
    found = load_variants(path, [], workflow({"model.multipliers": [[1, 2], [1, 2, 4]], "training.ema_gamma": [9.0]}))
    assert [v.experiment.model.multipliers for v in found] == [(1, 2), (1, 2, 4)]
    assert [v.experiment.name for v in found] == [
        "small-multipliers1_2-ema_gamma9.0",
        "small-multipliers1_2_4-ema_gamma9.0",
    ]


def test_the_overrides_of_a_variant_make_it_again(path):
    for variant in load_variants(path, ["training.iterations=7"], workflow({"seed": [4, 5]})):
        (again,) = load_variants(path, variant.overrides, workflow())
        assert again.experiment == variant.experiment


def test_seeds_share_the_data_and_not_the_run(path, tmp_path, observer):
    spaces = [
        Workspace(v.experiment, tmp_path, observer) for v in load_variants(path, [], workflow({"seed": [0, 1]}))
    ]
    assert len({space.data_folder.path for space in spaces}) == 1
    assert len({space.run_folder.path for space in spaces}) == 2


@pytest.mark.parametrize("override", ["seed=1", "training.optimizer={learning_rate: 0.1}"])
def test_what_the_fan_out_sets_cannot_be_set_beside_it(path, override):
    spread = workflow({"seed": [0, 1], "training.optimizer.learning_rate": [0.1, 0.2]})
    with pytest.raises(ConfigError, match="contradict each other"):
        load_variants(path, [override], spread)


def test_a_name_too_long_is_refused_with_its_length(path):
    with pytest.raises(ConfigError, match="would have 70 characters, at most 64"):
        load_variants(path, ["name=" + "n" * 60], workflow({"seed": [12345]}))


@pytest.mark.parametrize("values", [[1, 1], [1, "1"]])
def test_values_that_are_equal_are_refused(path, values):
    with pytest.raises(ConfigError, match="the name small-seed1"):
        load_variants(path, [], workflow({"seed": values}))


def test_the_name_is_not_for_the_fan_out(path):
    with pytest.raises(ConfigError, match=r"fan_out\.name"):
        load_variants(path, [], workflow({"name": ["a", "b"]}))


def test_a_wrong_key_of_the_fan_out_is_named(path):
    with pytest.raises(ConfigError, match="sead: unknown key; did you mean 'seed'"):
        load_variants(path, [], workflow({"sead": [0]}))
