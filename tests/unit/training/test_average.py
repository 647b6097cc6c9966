"""The power-function average against its closed form."""

import numpy as np
import pytest
import torch
from torch import nn

from rhodiff.training.average import WeightAverage


class Network(nn.Module):
    def __init__(self, dtype=torch.float64):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(3, dtype=dtype))
        self.register_buffer("count", torch.tensor(0))
        self.register_buffer("scale", torch.tensor(1.0, dtype=dtype))


def closed_form(values, gamma):
    """Sum of the values with weights (1 - beta_s) prod of the later betas, beta(t) = (1 - 1/t)^(gamma + 1)."""
    steps = np.arange(1, len(values) + 1)
    beta = (1 - 1 / steps) ** (gamma + 1)
    weights = (1 - beta) * np.array([np.prod(beta[s:]) for s in steps])
    assert weights.sum() == pytest.approx(1)
    return weights @ values


def run(values, gamma):
    network = Network()
    average = WeightAverage(network, gamma)
    for step, value in enumerate(values, 1):
        with torch.no_grad():
            network.weight.copy_(torch.from_numpy(value))
        network.count.fill_(step)
        network.scale.fill_(float(step))
        average.update(network, step)
    return average


@pytest.mark.parametrize("gamma", [0.0, 1.0, 6.94, 16.97])
def test_the_average_is_the_weighted_sum(gamma):
    values = np.random.default_rng(0).normal(size=(40, 3))
    average = run(values, gamma)
    np.testing.assert_allclose(average.weights["weight"].numpy(), closed_form(values, gamma), rtol=1e-12)


@pytest.mark.parametrize("gamma", [0.0, 9.0])
def test_the_weights_fall_like_the_power_function(gamma):
    """For many steps the average of theta(t) = t tends to T (gamma + 1) / (gamma + 2)."""
    steps = 2000
    average = run(np.arange(1.0, steps + 1)[:, None] * np.ones(3), gamma)
    assert float(average.weights["weight"][0]) == pytest.approx(steps * (gamma + 1) / (gamma + 2), rel=2e-3)


def test_the_first_step_forgets_the_initial_weights_entirely():
    network = Network(torch.float32)
    with torch.no_grad():
        network.weight.fill_(1e30)
    average = WeightAverage(network, 9.0)
    with torch.no_grad():
        network.weight.fill_(0.3)
    average.update(network, 1)
    assert torch.equal(average.weights["weight"], network.weight.detach())


def test_counters_are_copied_and_the_average_is_a_copy():
    average = run(np.ones((5, 3)), 1.0)
    assert int(average.weights["count"]) == 5
    network = Network()
    average = WeightAverage(network, 1.0)
    with torch.no_grad():
        network.weight.fill_(7)
    assert float(average.weights["weight"].sum()) == 0
    average.update(network, 3)
    assert float(network.weight.detach().sum()) == 21
