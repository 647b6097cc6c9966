import numpy as np
import pytest
import torch

from rhodiff.diffusion import SAMPLERS, integrate, sample
from rhodiff.diffusion.sampling import is_stochastic
from rhodiff.errors import ConfigError, DataError

RANGE = {"sigma_min": 0.02, "sigma_max": 20.0}


def options_of(sampler, shape):
    """What each sampler must be given beside the common arguments."""
    options = {"reference_spectrum": torch.ones(*shape[2:-1], shape[-1] // 2 + 1)}
    if is_stochastic(sampler):
        options["generator"] = torch.Generator().manual_seed(1)
    return options


class Counting:
    """A denoiser that knows the one field there is, and counts its calls."""

    def __init__(self, target):
        self.target = target
        self.calls = 0

    def __call__(self, x, sigma):
        assert sigma.shape == x.shape[:1]
        self.calls += 1
        return self.target.expand_as(x)


@pytest.mark.parametrize("space", [(16,), (8, 6), (4, 6, 8)])
@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_perfect_denoiser_of_one_field_is_followed_to_it(sampler, space):
    shape = (3, 2, *space)
    target = torch.randn(1, *shape[1:], generator=torch.Generator().manual_seed(2))
    denoiser = Counting(target)
    x = sample(denoiser, torch.randn(shape), sampler=sampler, evaluations=7, **RANGE, **options_of(sampler, shape))
    torch.testing.assert_close(x, target.expand_as(x))
    assert denoiser.calls == 7


@pytest.mark.parametrize("evaluations", [1, 2, 3, 10, 11])
@pytest.mark.parametrize("sampler", [name for name in SAMPLERS if not name.startswith("heun")])
def test_the_denoiser_is_called_exactly_as_often_as_asked(sampler, evaluations):
    denoiser = Counting(torch.zeros(1, 1, 8))
    sample(
        denoiser,
        torch.randn(2, 1, 8),
        sampler=sampler,
        evaluations=evaluations,
        **RANGE,
        **options_of(sampler, (2, 1, 8)),
    )
    assert denoiser.calls == evaluations


def test_heun_takes_odd_numbers_and_says_which():
    denoiser = Counting(torch.zeros(1, 1, 8))
    for evaluations in (1, 3, 35):
        denoiser.calls = 0
        sample(denoiser, torch.randn(2, 1, 8), sampler="heun", evaluations=evaluations, **RANGE)
        assert denoiser.calls == evaluations
    with pytest.raises(ConfigError, match="odd numbers, such as 35 or 37"):
        sample(denoiser, torch.randn(2, 1, 8), sampler="heun", evaluations=36, **RANGE)


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        ({"sampler": "dppm"}, "did you mean 'ddpm'"),
        ({"sampler": "ddim", "eta": 0.5}, "sampler 'ddim' has no option 'eta'"),
        ({"sampler": "ddim", "evaluations": 0}, "below 1"),
        ({"sampler": "ddim", "sigma_min": 30.0}, "sigma_min < sigma_max"),
        ({"sampler": "ddim", "grid": "cubic"}, "allowed are"),
        ({"sampler": "ddim", "rho": 5.0}, "no effect"),
        ({"sampler": "ddim", "schedule": [0.02, 1.0, 20.0]}, "3 noise levels"),
        ({"sampler": "ddpm"}, "step_noise and generator"),
        ({"sampler": "heun_churn", "step_noise": torch.zeros, "s_tmin": 2.0, "s_tmax": 1.0}, "s_tmin < s_tmax"),
        ({"sampler": "heun_churn", "step_noise": torch.zeros, "s_churn": -1.0}, "s_churn >= 0"),
        ({"sampler": "gaussian_reference"}, "needs a reference spectrum"),
    ],
)
def test_impossible_requests_are_refused(request_, message):
    arguments = {"evaluations": 5, **RANGE, **request_}
    with pytest.raises(ConfigError, match=message):
        sample(Counting(torch.zeros(1)), torch.randn(2, 1, 8), **arguments)


@pytest.mark.parametrize("spectrum", [torch.ones(8), -torch.ones(5), torch.full((5,), torch.nan)])
def test_an_unfit_reference_spectrum_is_refused(spectrum):
    with pytest.raises(DataError, match="reference_spectrum"):
        sample(
            Counting(torch.zeros(1)),
            torch.randn(2, 1, 8),
            sampler="ddim",
            evaluations=3,
            **RANGE,
            reference_spectrum=spectrum,
        )


def test_with_a_reference_the_start_has_the_variance_of_noise_and_signal():
    spectrum = torch.tensor([4.0, 400.0, 9.0, 1.0, 0.0], dtype=torch.float64)
    seen = []
    noise = torch.randn(4000, 1, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    sample(
        lambda x, sigma: seen.append(x) or x,
        noise,
        sampler="ddim",
        evaluations=1,
        **RANGE,
        reference_spectrum=spectrum,
    )
    power = torch.fft.rfft(seen[0], norm="ortho").abs().square().mean(dim=(0, 1))
    torch.testing.assert_close(power, spectrum + 20.0**2, rtol=0.1, atol=0)


@pytest.mark.parametrize("prepare", [torch.Tensor.half, torch.Tensor.float, torch.Tensor.double])
def test_the_state_is_at_least_single_precision(prepare):
    seen = set()

    def denoiser(x, sigma):
        seen.add(x.dtype)
        return (x / (1 + sigma[:, None, None] ** 2)).half()

    sample(denoiser, prepare(torch.randn(2, 1, 8)), sampler="dpmpp_2m", evaluations=4, **RANGE)
    assert seen <= {torch.float32, torch.float64}
    assert len(seen) == 1


def test_a_sample_does_not_depend_on_its_batch_mates():
    noise = torch.randn(4, 1, 8)
    per_step = torch.randn(9, 4, 1, 8)

    def run(rows):
        return sample(
            lambda x, sigma: x.tanh() / (1 + sigma[:, None, None]),
            noise[rows],
            sampler="ddpm",
            evaluations=10,
            **RANGE,
            step_noise=lambda step: per_step[step, rows],
        )

    torch.testing.assert_close(run([0, 1, 2, 3])[2:3], run([2]), rtol=0, atol=0)


def test_ddpm_is_the_textbook_ancestral_update():
    """Ho et al. 2020, algorithm 2 with beta-tilde, in variance-preserving variables."""
    beta = np.linspace(1e-3, 0.2, 20)
    alpha_bar = np.cumprod(1 - beta)
    sigma = np.sqrt((1 - alpha_bar) / alpha_bar)
    noise = torch.randn(20, 2, 1, 8, dtype=torch.float64)

    def predict_noise(x_vp, t):
        return torch.sin(x_vp + 0.1 * t)

    def denoiser(x, level):
        t = int(np.argmin(np.abs(sigma - float(level[0]))))
        return x - level[:, None, None] * predict_noise(x * alpha_bar[t] ** 0.5, t)

    ours = sample(
        denoiser,
        noise[-1],
        sampler="ddpm",
        evaluations=20,
        sigma_min=sigma[0],
        sigma_max=sigma[-1],
        schedule=sigma,
        step_noise=lambda step: noise[step],
    )
    x = noise[-1] * (1 - alpha_bar[-1]) ** 0.5
    for t in reversed(range(20)):
        mean = (x - beta[t] / (1 - alpha_bar[t]) ** 0.5 * predict_noise(x, t)) / (1 - beta[t]) ** 0.5
        if t:
            variance = (1 - alpha_bar[t - 1]) / (1 - alpha_bar[t]) * beta[t]
            x = mean + variance**0.5 * noise[19 - t]
    torch.testing.assert_close(ours, mean)


def test_the_callback_sees_one_estimate_for_each_level():
    steps = []
    sample(
        Counting(torch.ones(1, 1, 8)),
        torch.randn(2, 1, 8),
        sampler="heun",
        evaluations=9,
        **RANGE,
        callback=lambda step, clean: steps.append((step, clean.shape)),
    )
    assert steps == [(step, (2, 1, 8)) for step in range(5)]


def test_integrate_starts_from_the_field_it_is_given():
    x = torch.full((1, 1, 8), 5.0)
    seen = []
    integrate(lambda y, sigma: seen.append(y) or y, x, sampler="ddim", evaluations=2, **RANGE)
    assert torch.equal(seen[0], x)


def test_no_graph_is_kept():
    weight = torch.ones(1, requires_grad=True)
    x = sample(lambda y, sigma: y * weight, torch.randn(1, 1, 8), sampler="ddim", evaluations=2, **RANGE)
    assert not x.requires_grad
