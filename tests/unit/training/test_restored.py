"""A checkpoint holds everything that sampling needs."""

import pytest
import torch

from rhodiff.config.loading import parse_experiment
from rhodiff.errors import ConfigError, DataError
from rhodiff.models.conditioning import ConditioningTable
from rhodiff.runtime.places import Place
from rhodiff.stages.prepare import prepare
from rhodiff.stages.train import build_network, train
from rhodiff.stages.training_data import fitted_transform
from rhodiff.stages.workspace import Workspace
from rhodiff.training.checkpoints import read_checkpoint
from rhodiff.training.restored import restore_model

CPU = torch.device("cpu")


def trained(harmonics, folder, observer, **training):
    settings = {
        **harmonics,
        "model": {"width": 8, "multipliers": [1], "norm_groups": 4, "conditioning": {"parameters": ["m", "l"]}},
        "training": {"iterations": 3, "batch_size": 4, "checkpoint_every": 3, "sheet_samples": 0, **training},
        "sampling": {"weights": "raw"},
    }
    workspace = Workspace(parse_experiment(settings, "test"), folder, observer)
    prepare(workspace)
    return workspace, train(workspace, Place()).path


def test_both_kinds_of_weights_and_all_constants_come_back(harmonics, tmp_path, observer):
    workspace, path = trained(harmonics, tmp_path, observer)
    content = read_checkpoint(path)
    for weights, part in (("raw", "model"), ("ema", "ema")):
        model = restore_model(path, weights, CPU)
        for name, value in model.network.state_dict().items():
            assert torch.equal(value, content[part][name])
        assert not model.network.training
        assert not any(weight.requires_grad for weight in model.network.parameters())
        assert model.parameter_names == ("m", "l")
        assert model.spec == workspace.store.spec
        assert model.transform == fitted_transform(workspace)
        assert model.training_id == workspace.training_id
        assert model.iteration == 3
        assert model.spectrum.shape == (8, 8, 5)
        assert 0 < model.formulation.sigma_min < model.formulation.sigma_max


def test_denoiser_takes_parameters_in_physical_units(harmonics, tmp_path, observer):
    _, path = trained(harmonics, tmp_path, observer)
    model = restore_model(path, "raw", CPU)
    denoise = model.denoiser(torch.tensor([[-1.0, 2.0], [0.0, 0.0]]))
    found = denoise(torch.zeros(2, 1, 8, 8, 8), torch.ones(2))
    assert found.shape == (2, 1, 8, 8, 8)
    assert torch.isfinite(found).all()


def test_average_that_was_not_kept_is_asked_for_in_vain(harmonics, tmp_path, observer):
    _, path = trained(harmonics, tmp_path, observer, ema_gamma=None)
    with pytest.raises(ConfigError, match="trained without ema_gamma: take 'raw'"):
        restore_model(path, "ema", CPU)
    assert restore_model(path, "raw", CPU).iteration == 3


def test_damaged_checkpoint_is_refused(harmonics, tmp_path, observer):
    _, path = trained(harmonics, tmp_path, observer)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(DataError, match="is damaged"):
        restore_model(path, "raw", CPU)


def test_weights_at_the_start_follow_from_the_seed_and_leave_the_stream_of_torch_alone(harmonics, tmp_path, observer):
    workspace, path = trained(harmonics, tmp_path, observer)

    table = ConditioningTable.model_validate(read_checkpoint(path)["conditioning"])
    torch.manual_seed(5)
    before = torch.get_rng_state()
    one, two = build_network(workspace, table), build_network(workspace, table)
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), two.parameters(), strict=True))
