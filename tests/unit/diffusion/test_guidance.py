"""Classifier-free guidance on Gaussian fields, whose denoisers are known with and without their parameters.

Fields of white cells: x_0 = theta + s n at a parameter theta, and theta ~ N(0, t^2). So D(x | theta) =
theta + s^2 / (s^2 + sigma^2) (x - theta), and without theta D(x) = S / (S + sigma^2) x with S = s^2 + t^2 in the mean
mode and s^2 in all others; a field of one cell has the mean mode alone.
"""

import pytest
import torch

from rhodiff.config.diffusion import DdpmSettings, EdmSettings, WienerSettings
from rhodiff.diffusion import NoiseRange, build_formulation, guide, sample
from rhodiff.diffusion.sampling import SAMPLERS, is_stochastic

SCATTER, PRIOR = 0.5, 1.2
TOTAL = SCATTER**2 + PRIOR**2
RANGE = NoiseRange(0.005, 200.0)
FORMULATIONS = {
    "edm": (EdmSettings(), 1.0),
    "wiener": (WienerSettings(), 1.0),
    "ddpm": (DdpmSettings(), 1.0),
    "ddpm_v": (DdpmSettings(prediction="v"), 1.0),
}


def estimate(x, sigma, parameters):
    """E[x_0 | x] at theta, and over all theta where it is NaN; ``x [N, 1, 1]``."""
    noise, theta = (sigma**2)[:, None, None], parameters[:, :1, None]
    told = theta + SCATTER**2 / (SCATTER**2 + noise) * (x - theta)
    return torch.where(theta.isnan(), TOTAL / (TOTAL + noise) * x, told)


class Exact:
    """The network that makes a formulation's denoiser exact: all are D_0 + F (D_1 - D_0), F the network's output."""

    def __init__(self, formulation):
        self.formulation, self.calls = formulation, 0

    def denoiser(self, parameters):
        def denoise(x, sigma):
            ends = [
                self.formulation.denoise(lambda shown, *_, value=value: torch.full_like(x, value), x, sigma)
                for value in (0.0, 1.0)
            ]
            answer = (estimate(x, sigma, parameters) - ends[0]) / (ends[1] - ends[0])

            def network(shown, noise_label, told):
                self.calls += 1
                assert torch.equal(torch.nan_to_num(told, -9.0), torch.nan_to_num(parameters, -9.0))
                return answer

            return self.formulation.denoise(network, x, sigma, parameters)

        return denoise


@pytest.fixture(params=FORMULATIONS)
def exact(request):
    settings, std = FORMULATIONS[request.param]
    spectrum = torch.tensor([TOTAL], dtype=torch.float64)
    return Exact(build_formulation(settings, std, RANGE, spectrum))


@pytest.fixture
def asked():
    generator = torch.Generator().manual_seed(4)
    x = torch.randn(5, 1, 1, dtype=torch.float64, generator=generator)
    sigma = torch.tensor([0.01, 0.2, 1.0, 4.0, 90.0], dtype=torch.float64)
    theta = torch.linspace(-2, 2, 5, dtype=torch.float64)[:, None]
    return x, sigma, theta


@pytest.mark.parametrize("weight", [0.5, 2.0, 3.5])
def test_guided_denoiser_is_the_linear_combination_of_the_two(exact, asked, weight):
    x, sigma, theta = asked
    found = guide(exact.denoiser, theta, weight)(x, sigma)
    nothing = torch.full_like(theta, torch.nan)
    told, untold = estimate(x, sigma, theta), estimate(x, sigma, nothing)
    torch.testing.assert_close(found, weight * told + (1 - weight) * untold, rtol=1e-6, atol=1e-6)
    assert not torch.allclose(told, untold, atol=0.01), "the case tells both apart"


@pytest.mark.parametrize("weight", [0.0, 1.0, 2.0])
def test_the_network_is_called_once_whatever_the_weight(exact, asked, weight):
    x, sigma, theta = asked
    guide(exact.denoiser, theta, weight)(x, sigma)
    assert exact.calls == 1


def test_weights_one_and_zero_are_the_two_denoisers_bit_for_bit(exact, asked):
    x, sigma, theta = asked
    assert torch.equal(guide(exact.denoiser, theta, 1.0)(x, sigma), exact.denoiser(theta)(x, sigma))
    nothing = torch.full_like(theta, torch.nan)
    assert torch.equal(guide(exact.denoiser, theta, 0.0)(x, sigma), exact.denoiser(nothing)(x, sigma))


@pytest.mark.parametrize("weight", [0.0, 0.5, 1.0, 2.0, 3.0])
@pytest.mark.parametrize("sampler", [name for name in SAMPLERS if not is_stochastic(name)])
def test_variance_of_the_guided_density(sampler, weight):
    """s^2 (s^2 / S)^(w - 1), from the flow of a deviation from the mean: a larger weight leaves less of it.

    The flow is linear, so the ratio of two fields' distances at its end and its start gives the variance: from
    sigma_max, where it is sigma_max^2 + S.
    """
    theta = torch.full((2, 1), 0.7, dtype=torch.float64)
    noise = torch.tensor([-1.0, 1.0], dtype=torch.float64)[:, None, None]
    found = sample(
        guide(lambda at: lambda x, sigma: estimate(x, sigma, at), theta, weight),
        noise,
        sampler=sampler,
        evaluations=1601,
        sigma_min=RANGE.sigma_min,
        sigma_max=RANGE.sigma_max,
        reference_spectrum=torch.tensor([TOTAL], dtype=torch.float64),
    )
    variance = float((found[1] - found[0]).square() / 4)
    assert variance == pytest.approx(SCATTER**2 * (SCATTER**2 / TOTAL) ** (weight - 1), rel=0.02)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_all_samplers_take_a_guided_denoiser(sampler):
    calls = []

    def denoiser_at(parameters):
        def denoise(x, sigma):
            calls.append(len(x))
            return estimate(x, sigma, parameters)

        return denoise

    theta = torch.full((3, 1), 0.7, dtype=torch.float64)
    options = {"step_noise": lambda step: torch.zeros(3, 1, 1)} if is_stochastic(sampler) else {}
    evaluations = SAMPLERS[sampler].possible_evaluations(8)
    found = sample(
        guide(denoiser_at, theta, 2.0),
        torch.randn(3, 1, 1, dtype=torch.float64),
        sampler=sampler,
        evaluations=evaluations,
        sigma_min=0.05,
        sigma_max=20.0,
        reference_spectrum=torch.tensor([TOTAL], dtype=torch.float64),
        **options,
    )
    assert found.shape == (3, 1, 1)
    assert calls == [6] * evaluations, "both evaluations are one batch"
