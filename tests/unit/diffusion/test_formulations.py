import math

import numpy as np
import pytest
import torch

from rhodiff.config.diffusion import DdpmSettings, EdmSettings
from rhodiff.diffusion import NoiseRange, build_formulation, noise_range, restore_formulation
from rhodiff.diffusion.formulation import stratify
from rhodiff.diffusion.preconditioning import precondition

RANGE = NoiseRange(0.01, 100.0)
SETTINGS = [
    EdmSettings(),
    EdmSettings(noise_distribution="log_normal", stratified=False),
    DdpmSettings(),
    DdpmSettings(prediction="v", schedule="cosine", loss="mse", timesteps=100),
]


def formulation_of(settings, sigma_data=1.0):
    return build_formulation(settings, sigma_data, RANGE)


def zero_network(x, label, parameters):
    return torch.zeros_like(x)


def test_preconditioning_gives_unit_variance_in_and_out():
    sigma, sigma_data = torch.logspace(-3, 3, 50, dtype=torch.float64), 0.7
    c_skip, c_out, c_in = precondition(sigma, sigma_data)
    one = torch.ones_like(sigma)
    torch.testing.assert_close(c_in**2 * (sigma**2 + sigma_data**2), one)
    target_variance = ((1 - c_skip) ** 2 * sigma_data**2 + c_skip**2 * sigma**2) / c_out**2
    torch.testing.assert_close(target_variance, one)
    # c_skip minimises c_out: the residual x0 - c_skip x does not correlate with x.
    torch.testing.assert_close((1 - c_skip) * sigma_data**2, c_skip * sigma**2)


@pytest.mark.parametrize("sigma_data", [0.5, 2.0])
def test_the_edm_loss_of_a_network_that_returns_zero_is_one(sigma_data):
    generator = torch.Generator().manual_seed(0)
    x0 = sigma_data * torch.randn(64, 1, 32, 32, generator=generator)
    noise = torch.randn(64, 1, 32, 32, generator=generator)
    loss = formulation_of(EdmSettings(), sigma_data).loss(zero_network, x0, noise, torch.arange(64) / 64)
    torch.testing.assert_close(loss, torch.ones(64), rtol=0, atol=0.2)
    assert float(loss.mean()) == pytest.approx(1, abs=0.02)


def test_the_edm_loss_is_the_weighted_error_of_the_denoiser():
    formulation = formulation_of(EdmSettings(), 1.3)
    x0, noise = torch.randn(2, 5, 2, 8, dtype=torch.float64)
    u = torch.rand(5, dtype=torch.float64)
    sigma = formulation.noise_levels(u)
    network = lambda x, label, parameters: torch.sin(x + label[:, None, None])  # noqa: E731
    error = formulation.denoise(network, x0 + sigma[:, None, None] * noise, sigma) - x0
    weight = (sigma**2 + 1.3**2) / (sigma * 1.3) ** 2
    expected = weight * error.square().mean(dim=(1, 2))
    torch.testing.assert_close(formulation.loss(network, x0, noise, u), expected)


@pytest.mark.parametrize("prediction", ["epsilon", "v"])
def test_a_ddpm_network_that_predicts_the_truth_denoises_exactly(prediction):
    formulation = formulation_of(DdpmSettings(prediction=prediction))
    x0, noise = torch.randn(2, 3, 1, 16, dtype=torch.float64)
    sigma = torch.tensor([0.02, 1.0, 50.0], dtype=torch.float64)
    column = sigma[:, None, None]
    alpha = 1 / torch.sqrt(1 + column**2)
    truth = noise if prediction == "epsilon" else alpha * noise - column * alpha * x0
    seen = []

    def network(x, label, parameters):
        seen.append((x, label))
        return truth

    torch.testing.assert_close(formulation.denoise(network, x0 + column * noise, sigma), x0)
    torch.testing.assert_close(seen[0][0], alpha * x0 + alpha * column * noise)
    torch.testing.assert_close(seen[0][1], sigma.log() / 4)
    loss = formulation.loss(network, x0, noise, torch.tensor([0.1, 0.5, 0.9], dtype=torch.float64))
    if prediction == "epsilon":
        torch.testing.assert_close(loss, torch.zeros_like(loss))


def test_huber_is_quadratic_then_linear():
    formulation = formulation_of(DdpmSettings())
    noise = torch.tensor([[[0.5]], [[3.0]]])
    loss = formulation.loss(zero_network, torch.zeros(2, 1, 1), noise, torch.tensor([0.2, 0.8]))
    torch.testing.assert_close(loss, torch.tensor([0.125, 2.5]))


@pytest.mark.parametrize("settings", SETTINGS)
def test_a_sample_s_loss_does_not_depend_on_its_batch_mates(settings):
    formulation = formulation_of(settings)
    x0, noise = torch.randn(2, 4, 1, 8, dtype=torch.float64)
    u = torch.rand(4, dtype=torch.float64)
    network = lambda x, label, parameters: torch.tanh(x) * label[:, None, None]  # noqa: E731
    together = formulation.loss(network, x0, noise, u)
    alone = torch.cat([formulation.loss(network, x0[i : i + 1], noise[i : i + 1], u[i : i + 1]) for i in range(4)])
    torch.testing.assert_close(together, alone)


@pytest.mark.parametrize("settings", SETTINGS)
def test_noise_levels_stay_in_the_range_and_rise_with_u(settings):
    formulation = formulation_of(settings)
    if isinstance(settings, DdpmSettings):
        formulation = build_formulation(settings, 1.0, noise_range(np.ones(3), settings))
    sigma = formulation.noise_levels(torch.linspace(0, 1 - 1e-7, 1001, dtype=torch.float64))
    assert bool((sigma.diff() >= 0).all())
    assert float(sigma[0]) == pytest.approx(formulation.sigma_min)
    assert float(sigma[-1]) == pytest.approx(formulation.sigma_max, rel=0.05)
    assert float(sigma[-1]) <= formulation.sigma_max * (1 + 1e-12)


def test_log_normal_levels_have_the_stated_quantiles():
    formulation = build_formulation(EdmSettings(noise_distribution="log_normal"), 1.0, NoiseRange(1e-6, 1e6))
    u = torch.tensor([0.5, 0.8413447460685429], dtype=torch.float64)
    ln_sigma = formulation.noise_levels(u).log()
    torch.testing.assert_close(ln_sigma, torch.tensor([-1.2, 0.0], dtype=torch.float64), rtol=0, atol=1e-6)


def test_strata_hold_one_sample_each_however_the_batch_is_split():
    u = torch.rand(12)
    whole = stratify(u, torch.arange(12), 12)
    assert torch.equal((whole * 12).long(), torch.arange(12))
    halves = [stratify(u[part], torch.arange(12)[part], 12) for part in (slice(0, 5), slice(5, 12))]
    assert torch.equal(torch.cat(halves), whole)


def test_only_a_stratified_formulation_stratifies():
    u, index = torch.rand(4), torch.arange(4)
    assert not torch.equal(formulation_of(EdmSettings()).stratify(u, index, 4), u)
    assert torch.equal(formulation_of(EdmSettings(stratified=False)).stratify(u, index, 4), u)
    assert torch.equal(formulation_of(DdpmSettings()).stratify(u, index, 4), u)


@pytest.mark.parametrize("settings", SETTINGS)
def test_a_record_restores_the_formulation(settings):
    formulation = formulation_of(settings, 0.9)
    formulation.noise_levels(torch.rand(3))
    assert restore_formulation(formulation.model_dump(mode="json")) == formulation


def test_parameters_reach_the_network():
    parameters = torch.rand(2, 3)
    seen = []

    def network(x, label, given):
        seen.append(given)
        return x

    denoiser = formulation_of(EdmSettings()).denoiser(network, parameters)
    denoiser(torch.randn(2, 1, 8), torch.ones(2))
    assert seen[0] is parameters


def test_the_label_is_a_quarter_of_ln_sigma():
    labels = []
    formulation_of(EdmSettings()).denoise(
        lambda x, label, parameters: labels.append(label) or x, torch.randn(1, 1, 8), torch.tensor([math.e])
    )
    torch.testing.assert_close(labels[0], torch.tensor([0.25]))
