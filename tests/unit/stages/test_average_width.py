"""Sampling from an average that was not kept: which weights, which identity, what is refused."""

import shutil

import numpy as np
import pytest
import torch

from rhodiff.errors import ConfigError
from rhodiff.runtime.places import Place
from rhodiff.stages.sample import sample_sweep
from rhodiff.stages.sweep import sweep_cells
from rhodiff.stages.train import train
from rhodiff.stages.trained_network import find_checkpoints, find_snapshots, load_network
from rhodiff.store.field_store import open_fields
from rhodiff.store.reader import read_fields
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


def test_widths_are_an_axis_and_each_cell_is_what_it_is_alone(two, changed):
    both = changed(*TWO, "sampling.ema_gamma=[8, 12]", "sampling.num_samples=4")
    cells = sweep_cells(both)
    assert [cell.ema_gamma for cell in cells] == [8, 12]
    assert cells[1].describe().endswith("EMA gamma 12, seed 0")
    alone = changed(*TWO, "sampling.ema_gamma=12", "sampling.num_samples=4")
    assert sweep_cells(alone)[0].identity == cells[1].identity
    sample_sweep(both)
    made = [open_fields(both.run_folder.samples(cell.identity)) for cell in cells]
    assert [store.attributes["ema_gamma"] for store in made] == [8, 12]
    in_sweep = read_fields(made[1], np.arange(4))
    assert not np.array_equal(read_fields(made[0], np.arange(4)), in_sweep)
    shutil.rmtree(made[1].path)
    both.run_folder.samples_marker(cells[1].identity, 0).unlink()
    sample_sweep(alone)
    np.testing.assert_array_equal(read_fields(open_fields(made[1].path), np.arange(4)), in_sweep)


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
        ((*TWO, "sampling.ema_gamma=[9, 12, 9]"), "names a value twice"),
        ((*TWO, "sampling.ema_gamma=[9, -1]"), "ema_gamma.1"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(overrides, words, changed):
    with pytest.raises(ConfigError, match=words):
        changed(*overrides)
