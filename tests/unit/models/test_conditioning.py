import math

import numpy as np
import pytest
import torch

from rhodiff.config.model import Conditioning
from rhodiff.errors import ConfigError, DataError
from rhodiff.models import ConditioningTable, hash_embedding
from rhodiff.models.conditioning import build_condition_encoder

NAMES = ("time", "camera", "mass")
SETTINGS = Conditioning(parameters=("mass", "camera", "time"), categorical=("camera",), fourier_features=4)
TRAINING = np.array([[300.0, 0.0, 0.25], [305.0, 3.0, 0.5], [650.0, 13.0, 1.5], [400.0, 3.0, 1.0]])


def values(*rows):
    return torch.tensor(rows, dtype=torch.float64)


@pytest.fixture
def encoder():
    torch.manual_seed(0)
    return build_condition_encoder(SETTINGS, ConditioningTable.fit(SETTINGS, NAMES, TRAINING), 32)


def test_the_table_holds_the_constants_of_the_training_split():
    table = ConditioningTable.fit(SETTINGS, NAMES, TRAINING)
    assert table.names == ("mass", "camera", "time")
    np.testing.assert_allclose(table.mean, TRAINING[:, [2, 0]].mean(axis=0))
    np.testing.assert_allclose(table.std, TRAINING[:, [2, 0]].std(axis=0))
    assert table.categories == {"camera": (0.0, 3.0, 13.0)}
    assert table.ranges == {"mass": (0.25, 1.5), "time": (300.0, 650.0)}
    assert ConditioningTable.model_validate(table.model_dump(mode="json")) == table
    assert ConditioningTable.columns(SETTINGS, NAMES) == [2, 1, 0]


def test_unfit_training_values_are_refused():
    with pytest.raises(ConfigError, match=r"'mas' is not in the data.*did you mean 'mass'"):
        ConditioningTable.fit(Conditioning(parameters=("mas",)), NAMES, TRAINING)
    with pytest.raises(DataError, match="'time' holds NaN"):
        ConditioningTable.fit(SETTINGS, NAMES, np.where(TRAINING == 300, np.nan, TRAINING))
    with pytest.raises(ConfigError, match=r"'mass' is 0\.25 in the whole training split"):
        ConditioningTable.fit(SETTINGS, NAMES, TRAINING[:1].repeat(3, axis=0))
    ConditioningTable.fit(Conditioning(parameters=("time",), embedding="hash"), ["time"], TRAINING[:1, :1])


def test_every_parameter_changes_the_embedding(encoder):
    base = encoder(values([0.5, 3, 400]))
    assert base.shape == (1, 32)
    for other in ([0.6, 3, 400], [0.5, 13, 400], [0.5, 3, 405]):
        assert not torch.allclose(encoder(values(other)), base)


def test_continuous_parameters_interpolate(encoder):
    middle = encoder(values([0.5, 3, 402.5]))
    ends = [encoder(values([0.5, 3, time])) for time in (402, 403)]
    torch.testing.assert_close(middle, (ends[0] + ends[1]) / 2, rtol=0, atol=1e-3)


def test_a_label_that_training_did_not_see_is_refused(encoder):
    with pytest.raises(DataError, match=r"'camera' has values \[4.0, 5.0\].*allowed are \[0.0, 3.0, 13.0\]"):
        encoder(values([0.5, 5, 400], [0.5, 3, 400], [0.5, 4, 400]))


def test_labels_are_found_in_single_precision(encoder):
    settings = Conditioning(parameters=("m",), categorical=("m",))
    table = ConditioningTable.fit(settings, ["m"], np.array([[0.1], [0.3]]))
    tenths = build_condition_encoder(settings, table, 8)
    assert torch.equal(tenths(torch.tensor([[0.1], [0.3]])), tenths(values([0.1], [0.3])))


def test_the_number_of_values_is_checked(encoder):
    with pytest.raises(DataError, match=r"\[N, 3\].*got \[1, 2\]"):
        encoder(values([0.5, 3]))


def test_hash_vectors_are_those_of_the_parameter_dict():
    settings = Conditioning(parameters=("l", "m", "x"), embedding="hash", hash_length=256)
    table = ConditioningTable.fit(settings, ("l", "m", "x"), np.ones((1, 3)))
    hashed = build_condition_encoder(settings, table, 8).encoders[0]
    expected = torch.from_numpy(hash_embedding({"l": 5, "m": 2, "x": 0.3}, 256))
    assert torch.equal(hashed.encode(values([5, 2, 0.3]))[0], expected)
    assert torch.equal(hashed.encode(torch.tensor([[5, 2, 0.3]], dtype=torch.float32))[0], expected)


def test_three_kinds_of_embedding_are_added():
    settings = SETTINGS.model_copy(
        update={"parameters": (*SETTINGS.parameters, "run", "code"), "hashed": ("run", "code")}
    )
    names = (*NAMES, "code", "run")
    training = np.column_stack([TRAINING, [7, 7, 8, 9], [1, 2, 1, 2]])
    table = ConditioningTable.fit(settings, names, training)
    assert table.hashed == ("run", "code")
    assert table.combinations == ((1.0, 7.0), (1.0, 8.0), (2.0, 7.0), (2.0, 9.0))
    encoder = build_condition_encoder(settings, table, 32)
    asked = values([0.5, 3, 402.5, 2, 9])
    hashed = torch.from_numpy(hash_embedding({"run": 2, "code": 9}, 128))
    label, number, vector = encoder.encoders
    expected = label(asked) + number(asked) + vector.network(hashed[None])
    torch.testing.assert_close(encoder(asked), expected)
    for changed in ([0.6, 3, 402.5, 2, 9], [0.5, 0, 402.5, 2, 9], [0.5, 3, 402.5, 1, 9]):
        assert not torch.allclose(encoder(values(changed)), expected)


def test_rows_of_nan_get_a_vector_of_their_own_where_dropout_trained_one():
    settings = SETTINGS.model_copy(update={"dropout": 0.1})
    encoder = build_condition_encoder(settings, ConditioningTable.fit(settings, NAMES, TRAINING), 32)
    with torch.no_grad():
        encoder.without.copy_(torch.arange(32.0))
    found = encoder(values([0.5, 3, 400], [math.nan] * 3, [0.5, 3, 400]))
    assert torch.equal(found[1], torch.arange(32.0))
    assert torch.equal(found[0], found[2])
    torch.testing.assert_close(found[:1], encoder(values([0.5, 3, 400])))
    encoder(values([math.nan] * 3)).sum().backward()
    assert torch.equal(encoder.without.grad, torch.ones(32))
    others = [weight.grad for name, weight in encoder.named_parameters() if name != "without"]
    assert all(grad is None or not bool(grad.any()) for grad in others)
    with pytest.raises(DataError, match=r"'camera' has values \[nan\]"):
        encoder(values([0.5, math.nan, 400]))


def test_networks_without_dropout_keep_the_weights_that_they_had(encoder):
    assert not [name for name in encoder.state_dict() if "without" in name or "stand_in" in name]


def test_gradients_reach_every_weight(encoder):
    encoder(values([0.5, 0, 400], [0.7, 3, 300], [0.1, 13, 320])).square().sum().backward()
    assert all(weight.grad is not None and bool(weight.grad.any()) for weight in encoder.parameters())


def test_a_table_of_other_parameters_is_refused():
    table = ConditioningTable.fit(SETTINGS, NAMES, TRAINING)
    with pytest.raises(ConfigError, match="conditioning table is of"):
        build_condition_encoder(Conditioning(parameters=("mass",)), table, 8)
