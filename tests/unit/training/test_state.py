"""A state that is saved and restored goes on bit for bit, and knows when it is broken."""

import copy
import io

import pytest
import torch
from training_parts import Line

from rhodiff.config.training import Optimizer, Training
from rhodiff.training.state import TrainingState, build_optimizer


def step(state: TrainingState) -> None:
    generator = torch.Generator().manual_seed(state.iteration)
    state.optimizer.zero_grad()
    for weight in state.network.parameters():
        weight.grad = torch.randn(weight.shape, generator=generator)
    state.optimizer.step()
    state.iteration += 1
    for average in state.averages:
        average.update(state.network, state.iteration)


def saved(state: TrainingState) -> dict:
    buffer = io.BytesIO()
    torch.save(state.to_checkpoint(), buffer)
    buffer.seek(0)
    return torch.load(buffer, weights_only=True)


@pytest.mark.parametrize("kind", ["adam", "adamw"])
@pytest.mark.parametrize("ema_gamma", [None, 9.0, (16.97, 6.94)])
def test_restored_state_goes_on_bit_for_bit(kind, ema_gamma):
    settings = Training(optimizer=Optimizer(kind=kind), ema_gamma=ema_gamma)
    straight = TrainingState.begin(Line(), settings)
    for _ in range(7):
        step(straight)
    cut = TrainingState.begin(Line(), settings)
    for _ in range(3):
        step(cut)
    resumed = TrainingState.begin(Line(), settings)
    resumed.restore(saved(cut))
    for _ in range(4):
        step(resumed)

    assert resumed.iteration == straight.iteration == 7
    for part in ("model", "ema", "ema_second", "optimizer"):
        one, two = straight.to_checkpoint()[part], resumed.to_checkpoint()[part]
        assert str(one) == str(two)
    for name, weight in straight.network.state_dict().items():
        assert torch.equal(weight, resumed.network.state_dict()[name])


def test_checkpoint_is_not_changed_by_going_on():
    state = TrainingState.begin(Line(), Training())
    step(state)
    content = saved(state)
    before = copy.deepcopy(content)
    other = TrainingState.begin(Line(), Training())
    other.restore(content)
    step(other)
    assert all(torch.equal(content["model"][n], before["model"][n]) for n in before["model"])
    assert all(torch.equal(content["ema"][n], before["ema"][n]) for n in before["ema"])


def test_sound_state_has_nothing_broken():
    state = TrainingState.begin(Line(), Training())
    step(state)
    assert state.find_non_finite() is None


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("part", ["model", "ema", "ema_second", "optimizer"])
def test_broken_number_is_found_wherever_it_is(part, value):
    state = TrainingState.begin(Line(), Training(ema_gamma=(16.97, 6.94)))
    step(state)
    if part == "model":
        state.network.linear.weight.data[1, 2] = value
    elif part.startswith("ema"):
        state.averages[part == "ema_second"].weights["linear.bias"][0] = value
    else:
        state.optimizer.state[state.network.told.weight]["exp_avg_sq"][0, 0] = value
    assert state.find_non_finite().startswith(f"{part}:" if part != "optimizer" else part)


def test_weight_decay_belongs_to_adamw():
    decayed = build_optimizer(Line(), Optimizer(kind="adamw", weight_decay=0.1))
    assert isinstance(decayed, torch.optim.AdamW)
    assert decayed.param_groups[0]["weight_decay"] == 0.1
    assert not isinstance(build_optimizer(Line(), Optimizer(kind="adam")), torch.optim.AdamW)
