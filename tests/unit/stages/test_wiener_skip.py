"""Wiener skip through the stages: the filter of the training fields comes with every checkpoint."""

import numpy as np
import pytest
import torch

from rhodiff.config.loading import apply_overrides, parse_experiment
from rhodiff.errors import ConfigError
from rhodiff.runtime.places import Place
from rhodiff.stages.denoise import denoise, denoise_tasks
from rhodiff.stages.denoised_block import ESTIMATES
from rhodiff.stages.generation import generate
from rhodiff.stages.prepare import prepare
from rhodiff.stages.sweep import sweep_cells
from rhodiff.stages.train import train
from rhodiff.stages.trained_network import load_network
from rhodiff.stages.training_data import fitted_transform, training_spectrum
from rhodiff.stages.workspace import Workspace
from rhodiff.store.block_store import read_blocks

CPU = torch.device("cpu")
SKIP = "diffusion={kind: wiener}"
UNTRAINED = ("training.iterations=1", "training.optimizer.learning_rate=1.e-30")
"""The network's last convolution starts from zero, so it returns zero."""


def restored(workspace):
    (cell,) = sweep_cells(workspace)
    return cell, load_network(workspace, cell.checkpoint, "ema", CPU)


@pytest.fixture(scope="module")
def two_channels(tmp_path_factory):
    """Maps of two channels whose spectra differ, trained for two steps."""
    folder = tmp_path_factory.mktemp("two")
    noise = np.random.default_rng(0).normal(size=(60, 2, 8, 12))
    noise[:, 1] += 2 * noise[:, 1].mean(axis=-1, keepdims=True)
    np.save(folder / "fields.npy", noise.astype(np.float32))
    settings = {
        "name": "two",
        "data": {
            "source": {
                "kind": "arrays",
                "fields": str(folder / "fields.npy"),
                "channels": ["a", "b"],
                "periodic": True,
            }
        },
        "model": {"width": 8, "multipliers": [1, 2], "norm_groups": 4, "heads": 1, "head_channels": 4},
        "diffusion": {"kind": "wiener"},
        "training": {"iterations": 2, "batch_size": 4, "checkpoint_every": 2, "sheet_samples": 0},
        "sampling": {"num_samples": 4, "micro_batch": 4, "shard_length": 4, "evaluations": [3]},
        "runtime": {"threads": 1, "device": "cpu"},
    }
    return settings, folder


def test_an_untrained_network_denoises_like_the_wiener_filter_of_the_statistics(changed):
    """That filter is numpy's, of the same training fields; volumes, told degree and order."""
    section = "denoising={split: test, noise: {sigma: 0.5, of: std}, posterior_samples: 2, evaluations: 2}"
    workspace = changed(SKIP, *UNTRAINED, section)
    train(workspace, Place())
    denoise(workspace)
    (task, *_) = denoise_tasks(workspace)
    found = read_blocks(workspace.run_folder.denoised(task.identity), ("rmse", "correlation"))
    for values in found.values():
        mean, wiener = (values[:, ESTIMATES.index(name)] for name in ("posterior_mean", "wiener"))
        np.testing.assert_allclose(mean, wiener, rtol=1e-4)


def test_the_spectrum_of_a_checkpoint_is_that_of_the_training_fields(changed):
    workspace = changed(SKIP)
    train(workspace, Place())
    _, model = restored(workspace)
    expected, _ = training_spectrum(workspace, fitted_transform(workspace))
    assert torch.equal(model.formulation.reference.power, torch.from_numpy(expected))
    assert model.training_id != changed().training_id


@pytest.mark.parametrize("sampler", ["gaussian_reference", "dpmpp_2m", "ddpm"])
def test_samples_are_drawn_with_every_kind_of_sampler(sampler, changed):
    workspace = changed(SKIP, f"sampling.samplers=[{sampler}]")
    train(workspace, Place())
    cell, model = restored(workspace)
    one = generate(model, cell, np.array([[2.0, 1.0]] * 4), 0, 4, 0)
    other = generate(model, cell, np.array([[3.0, -2.0]] * 4), 0, 4, 0)
    assert one.valid.all()
    assert other.valid.all()
    assert not np.array_equal(one.fields, other.fields), "the network is told the parameters"


def test_maps_of_several_channels(two_channels, observer):
    settings, folder = two_channels
    workspace = Workspace(parse_experiment(settings, "test"), folder, observer)
    prepare(workspace)
    train(workspace, Place())
    cell, model = restored(workspace)
    found = generate(model, cell, np.zeros((4, 0)), 0, 4, 0)
    assert found.fields.shape == (4, 2, 8, 12)
    assert found.valid.all()


def test_a_plug_in_network_is_refused(two_channels):
    settings, _ = two_channels
    overrides = ("model={kind: plugin, name: mine}",)
    with pytest.raises(ConfigError, match="shows the network 2 fields, but a plug-in network takes one"):
        parse_experiment(apply_overrides(settings, overrides), "test")
