"""Sampling from an average that was not kept: which weights, which identity, what is refused."""

import pytest
import torch

from rhodiff.errors import ConfigError
from rhodiff.runtime.places import Place
from rhodiff.stages.sample import sample_sweep
from rhodiff.stages.sweep import sweep_cells
from rhodiff.stages.train import train
from rhodiff.stages.trained_network import find_checkpoints, find_snapshots, load_network
from rhodiff.store.field_store import open_fields
from rhodiff.training.checkpoints import read_checkpoint

CPU = torch.device("cpu")
TWO = ("training.ema_gamma=[16.97, 6.94]", "training.checkpoint_every=1")


@pytest.fixture
def two(changed):
    workspace = changed(*TWO)
    train(workspace, Place())
    return workspace


def test_stored_exponents_give_the_stored_weights_and_others_lie_between(two):
    (last,) = find_checkpoints(two, "last", "")
    content = read_checkpoint(last.path)
    found = {g: load_network(two, last, "ema", CPU, g).network.state_dict() for g in (16.97, 10.0, 6.94)}
    for name, weight in content["ema"].items():
        torch.testing.assert_close(found[16.97][name], weight)
        torch.testing.assert_close(found[6.94][name], content["ema_second"][name])
    assert any(not torch.equal(found[10.0][name], weight) for name, weight in content["ema"].items())
    assert [c.iteration for c in find_snapshots(two, last)] == [1, 2, 3, 4]


def test_samples_differ_and_say_by_what(two, changed):
    own = changed(*TWO, "sampling.ema_gamma=10")
    (plain,), (asked,) = sweep_cells(two), sweep_cells(own)
    assert asked.identity != plain.identity
    sample_sweep(own)
    store = open_fields(own.run_folder.samples(asked.identity))
    assert store.attributes["ema_gamma"] == 10
    assert store.valid.all()


def test_identity_follows_the_checkpoints_that_the_average_is_made_of(two, changed):
    own = changed(*TWO, "sampling.ema_gamma=10")
    (before,) = sweep_cells(own)
    first = find_snapshots(own, before.checkpoint)[0]
    moved = [
        path.rename(path.with_name(f"{path.name}.away")) for path in (first.path, first.path.with_suffix(".json"))
    ]
    (after,) = sweep_cells(own)
    for path in moved:
        path.rename(path.with_suffix(""))
    assert after.identity != before.identity
    assert sweep_cells(own)[0].identity == before.identity


def test_what_cannot_be_made_up_is_refused(two, changed):
    (last,) = find_checkpoints(two, "last", "")
    with pytest.raises(ConfigError, match="ema_gamma 500 cannot be made up from 4 checkpoints"):
        load_network(two, last, "ema", CPU, 500.0)


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (("sampling.ema_gamma=10",), r"two averages, .* training.ema_gamma 9.0"),
        ((*TWO, "sampling.ema_gamma=10", "sampling.weights=raw"), "sampling.weights is 'raw'"),
        (("training.ema_gamma=[9, 9]",), "ema_gamma has 9 twice"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(overrides, words, changed):
    with pytest.raises(ConfigError, match=words):
        changed(*overrides)
