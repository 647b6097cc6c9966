"""Networks and samples that diverge: told, and never trusted."""

from pathlib import Path

import numpy as np
import pytest
import torch
from experiments import Lab, tiny_settings, write_arrays

from rhodiff.config.sampling import Sampling
from rhodiff.stages.generation import generate
from rhodiff.stages.sweep import Cell
from rhodiff.store.field_store import open_fields
from rhodiff.training.checkpoints import Checkpoint, CheckpointFolder
from rhodiff.training.restored import restore_model

DIVERGING = (
    "--set",
    "training.optimizer.learning_rate=1e6",
    "--set",
    "training.optimizer.gradient_clip=null",
    "--set",
    "training.iterations=400",
)


@pytest.mark.parametrize("metrics_every", [1, 400])
@pytest.mark.parametrize("num_processes", [1, 2])
def test_diverging_training_ends_with_an_error_and_saves_no_broken_weights(num_processes, metrics_every, lab):
    sets = (*DIVERGING, "--set", f"training.metrics_every={metrics_every}")
    ended = [r.wait() for r in lab.start_ranks(num_processes, "run", "train", *sets)]

    assert [e.code for e in ended] == [1] * num_processes
    assert ended[0].err.count("error:") == 1
    assert "training has diverged" in ended[0].err
    assert "lower training.optimizer.learning_rate" in ended[0].err
    assert all(e.err == "" for e in ended[1:])
    for checkpoint in CheckpointFolder(lab.run_folder() / "checkpoints").list():
        content = torch.load(checkpoint.path, weights_only=True)
        for part in ("model", "ema"):
            assert all(bool(torch.isfinite(value).all()) for value in content[part].values()), checkpoint.name


def growth_until_some_diverge(checkpoint: Checkpoint) -> float:
    """Factor on the last layer at which some of 16 samples diverge and some do not."""
    model = restore_model(checkpoint.path, "ema", torch.device("cpu"))
    (sampler,) = Sampling().samplers
    cell = Cell("", checkpoint, None, sampler, 4, 0)
    growth, none = 1.0, np.zeros((8, 0))
    for _ in range(200):
        growth *= 1.1
        model.network.head.conv.weight.mul_(1.1)
        valid = np.concatenate([generate(model, cell, none, first, 8, 0).valid for first in (0, 8)])
        if not valid.all():
            return growth
    raise AssertionError("nothing diverged")


@pytest.mark.slow
def test_diverged_samples_are_masked_told_and_left_out(tmp_path):
    """Weights are blown up, step by step, until the logarithm of some samples stands for more than float32 holds."""
    noise = np.load(write_arrays(tmp_path / "fields.npy"))
    np.save(tmp_path / "fields.npy", np.exp(noise))
    settings = tiny_settings(tmp_path / "fields.npy")
    settings["fields"]["transform"] = [{"kind": "log10"}, {"kind": "standardise"}]
    lab = Lab.make(tmp_path / "lab", settings, "training.checkpoint_every=40")
    lab.do("run", "prepare")
    lab.do("run", "train")
    folder = CheckpointFolder(lab.run_folder() / "checkpoints")
    checkpoint, content = folder.list()[-1], lab.final()
    content["ema"]["head.conv.weight"] *= growth_until_some_diverge(checkpoint)
    folder.save(content, checkpoint.iteration, checkpoint.horizon)
    sampled = lab.do("run", "sample", "--json")
    store = open_fields(sampled.value["samples"][0])

    assert 0 < store.valid.sum() < store.num_fields, "some diverged, some did not"
    assert np.isnan(store.fields[:][~store.valid]).all()
    assert np.isfinite(store.fields[:][store.valid]).all()
    assert "samples diverged" in sampled.err
    assert any("diverged" in warning for warning in sampled.value["warnings"])
    lab.do("run", "evaluate")
    report = Path(lab.do("run", "report", "--json").value["report"]).read_text()
    assert f"{(~store.valid).sum()} of {store.num_fields} generated fields diverged and are left out" in report

    content["ema"]["head.conv.weight"] *= 1e6
    folder.save(content, checkpoint.iteration, checkpoint.horizon)
    lab.do("run", "sample")
    refused = lab.run("run", "evaluate")
    assert refused.code == 2
    assert "diverged: nothing can be compared" in refused.err
