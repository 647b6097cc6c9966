"""Constraints of a sweep: stored fields keep them, the record says so, impossible ones are refused at plan time."""

import numpy as np
import pytest
import torch

from rhodiff.config.constraints import Constraints
from rhodiff.config.loading import apply_overrides, parse_experiment
from rhodiff.errors import ConfigError, DataError
from rhodiff.fields.transforms import Transform
from rhodiff.runtime.places import Place
from rhodiff.runtime.progress import Silent
from rhodiff.sources.source import TRAIN
from rhodiff.stages.checks import check_experiment
from rhodiff.stages.constrained import Constrainer
from rhodiff.stages.generation import Generated
from rhodiff.stages.prepare import prepare
from rhodiff.stages.sample import sample_sweep
from rhodiff.stages.sweep import sweep_cells
from rhodiff.stages.train import train
from rhodiff.stages.workspace import Workspace
from rhodiff.store.field_store import open_fields

SETTINGS = {
    "name": "constrained",
    "data": {
        "source": {
            "kind": "arrays",
            "fields": "fields.npy",
            "parameters": "mass.npy",
            "parameter_names": ["mean_mass"],
        },
        "split": {"train": 0.5, "validation": 0.0, "test": 0.5},
    },
    "model": {
        "width": 8,
        "multipliers": [1, 2],
        "norm_groups": 4,
        "heads": 1,
        "head_channels": 4,
        "conditioning": {"parameters": ["mean_mass"]},
    },
    "training": {"iterations": 4, "batch_size": 4, "checkpoint_every": 4, "metrics_every": 1, "sheet_samples": 0},
    "sampling": {"num_samples": 12, "micro_batch": 4, "shard_length": 12, "evaluations": [3]},
    "runtime": {"threads": 1, "device": "cpu"},
}


def workspace_of(folder, *overrides):
    return Workspace(parse_experiment(apply_overrides(SETTINGS, overrides), "test"), folder, Silent())


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A trained network of fields whose mean is their parameter."""
    where = tmp_path_factory.mktemp("constrained")
    fields = np.random.default_rng(0).lognormal(size=(24, 8, 8))
    np.save(where / "fields.npy", fields.astype(np.float32))
    np.save(where / "mass.npy", fields.mean(axis=(1, 2))[:, None])
    workspace = workspace_of(where)
    prepare(workspace)
    train(workspace, Place())
    torch.set_num_threads(1)
    return where


def sampled(folder, *overrides):
    workspace = workspace_of(folder, *overrides)
    sample_sweep(workspace)
    (cell,) = sweep_cells(workspace)
    return workspace, open_fields(workspace.run_folder.samples(cell.identity))


def test_the_mean_is_that_of_each_fields_own_parameter(folder):
    _, samples = sampled(folder, "sampling.constraints={mean: mean_mass, lower: 0}")
    fields = samples.fields[:].astype(np.float64)
    assert samples.valid.all() and fields.min() >= 0
    np.testing.assert_allclose(fields.mean(axis=(1, 2, 3)), samples.parameters[:][:, 0], rtol=1e-6)
    assert np.ptp(samples.parameters[:]) > 0


def test_the_mean_is_that_of_the_training_split(folder):
    workspace, samples = sampled(folder, "sampling.constraints={mean: training, by: shift}")
    training = workspace.store.fields[:][workspace.store.indices(TRAIN)].astype(np.float64).mean()
    np.testing.assert_allclose(samples.fields[:].astype(np.float64).mean(axis=(1, 2, 3)), training, rtol=1e-6)
    assert samples.attributes["constraints"] == {
        "lower": None,
        "mean": "training",
        "by": "shift",
        "training_mean": [pytest.approx(training)],
    }


def test_a_bound_alone_changes_what_lies_below_it(folder):
    _, free = sampled(folder)
    _, bounded = sampled(folder, "sampling.constraints.lower=0")
    assert free.fields[:].min() < 0
    np.testing.assert_array_equal(bounded.fields[:], np.maximum(free.fields[:], 0))


def test_a_field_that_cannot_obey_counts_as_diverged():
    fields = np.ones((3, 1, 4), np.float32) * np.array([2, -1, 1], np.float32)[:, None, None]
    made = Generated(fields, np.ones(3, np.bool_), None)
    constrainer = Constrainer(Constraints(mean="training"), Transform(), np.array([1.5]), None)
    found = constrainer.apply(made, np.zeros((3, 0)))
    np.testing.assert_array_equal(found.valid, [True, False, True])
    assert np.isnan(found.fields[1]).all() and np.all(found.fields[[0, 2]] == 1.5)


def test_a_bound_above_the_mean_ends_with_both_numbers(folder):
    with pytest.raises(DataError, match=r"is not above the lower bound 50"):
        sampled(folder, "sampling.constraints={mean: training, lower: 50}")


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (
            ["sampling.constraints.mean=mass"],
            r"'mass' is neither 'training' nor one of the parameters that the network is told, \['mean_mass'\]",
        ),
        (
            ["sampling.constraints.lower=0", "fields.transform=[{kind: min_max, scope: image}]"],
            r"sampling\.constraints are in physical units",
        ),
        (
            ["sampling.constraints.lower=0", "fields.transform=[{kind: log10}, {kind: standardise}]"],
            r"begins with log10, which keeps generated values above 0 by itself",
        ),
        (
            ["sampling.constraints={mean: training, by: shift}", "fields.transform=[{kind: log10}]"],
            r"can move values to where the log10 of fields\.transform does not exist: set lower",
        ),
        (["sampling.constraints.by=shift"], r"no effect without a mean"),
    ],
)
def test_constraints_that_cannot_be_kept_are_refused_at_plan_time(folder, overrides, message):
    with pytest.raises(ConfigError, match=message):
        check_experiment(workspace_of(folder, *overrides))
