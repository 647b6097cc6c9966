"""Posterior of a Gaussian field in closed form: mean S/(S + s^2) y, variance S s^2/(S + s^2) for each mode."""

import math

import numpy as np
import pytest
import torch

from rhodiff.config.diffusion import DdpmSettings, EdmSettings
from rhodiff.diffusion import build_formulation, noise_range
from rhodiff.diffusion.denoising import noise_ladder, posterior_mean, sample_posterior
from rhodiff.diffusion.modes import colour, from_modes, to_modes
from rhodiff.diffusion.preconditioning import precondition
from rhodiff.errors import ConfigError, DataError

SIZE = 8
K_SQUARED = (SIZE * np.hypot(*np.meshgrid(np.fft.fftfreq(SIZE), np.fft.rfftfreq(SIZE), indexing="ij"))) ** 2
SPECTRUM = torch.from_numpy(4.0 / (0.25 + K_SQUARED))
"""Power from 16 down to 0.1 a mode."""
SELF_CONJUGATE = [(x, y) for x in (0, SIZE // 2) for y in (0, SIZE // 2)]
"""Modes that are real: their variance is that of one number, all others' is shared by two."""


def wiener(x, sigma):
    variance = (sigma.to(x) ** 2).reshape(-1, 1, 1, 1)
    power = SPECTRUM.to(x)
    return from_modes(to_modes(x) * (power / (power + variance)), x.shape[2:])


def generator(seed):
    return torch.Generator().manual_seed(seed)


def drawn(seed, shape):
    """Standard normal noise of each step."""
    source = generator(seed)
    return lambda _step: torch.randn(shape, generator=source, dtype=torch.float64)


def observe(number, sigma, seed=0):
    """Fields of the spectrum, and what is seen of them."""
    white = torch.randn(2, number, 1, SIZE, SIZE, generator=generator(seed), dtype=torch.float64)
    clean = colour(white[0], SPECTRUM)
    return clean, clean + sigma.reshape(-1, 1, 1, 1) * white[1]


def exact_network(formulation):
    """The network that makes a formulation's denoiser the Wiener filter."""

    def edm(x, label, _parameters):
        sigma = torch.exp(4 * label).reshape(-1, 1, 1, 1)
        factors = precondition(sigma, formulation.sigma_data)
        noisy = x / factors.c_in
        return (wiener(noisy, sigma.flatten()) - factors.c_skip * noisy) / factors.c_out

    def ddpm(x, label, _parameters):
        sigma = torch.exp(4 * label).reshape(-1, 1, 1, 1)
        noisy = x * (1 + sigma**2).sqrt()
        return (noisy - wiener(noisy, sigma.flatten())) / sigma

    return {"edm": edm, "ddpm": ddpm}[formulation.kind]


FORMULATIONS = [
    build_formulation(settings, sigma_data=1.0, noise_range=noise_range(SPECTRUM.numpy(), settings))
    for settings in (EdmSettings(), DdpmSettings(timesteps=400))
]


@pytest.mark.parametrize("formulation", FORMULATIONS, ids=["edm", "ddpm"])
@pytest.mark.parametrize("evaluations", [1, 6])
def test_draws_have_the_closed_forms_mean_and_spread_in_every_mode(formulation, evaluations):
    number, levels = 3000, (0.4, 1.5)
    sigma = torch.tensor(levels, dtype=torch.float64).repeat(number)
    _, seen = observe(2, torch.tensor(levels, dtype=torch.float64))
    noisy = seen.repeat(number, 1, 1, 1)
    denoiser = formulation.denoiser(exact_network(formulation))
    ladder = noise_ladder(sigma, formulation.sigma_min, evaluations)
    draws = sample_posterior(denoiser, noisy, ladder, spectrum=SPECTRUM, step_noise=drawn(1, noisy.shape))
    for case, level in enumerate(levels):
        modes = to_modes(draws[case::2])[:, 0]
        mean = to_modes(wiener(seen[case : case + 1], torch.tensor([level])))[0, 0]
        variance = SPECTRUM * level**2 / (SPECTRUM + level**2)
        numbers = torch.full(SPECTRUM.shape, 2.0 * number)
        for mode in SELF_CONJUGATE:
            numbers[mode] = number
        assert ((modes.mean(dim=0) - mean).abs() < 5 * (variance / number).sqrt()).all()
        found = (modes - mean).abs().square().mean(dim=0) / variance
        assert ((found - 1).abs() < 5 * (2 / numbers).sqrt()).all()


def test_posterior_mean_is_the_wiener_filter_for_both_formulations():
    sigma = torch.tensor([0.3, 2.0], dtype=torch.float64)
    _, noisy = observe(2, sigma)
    for formulation in FORMULATIONS:
        found = posterior_mean(formulation.denoiser(exact_network(formulation)), noisy, sigma)
        torch.testing.assert_close(found, wiener(noisy, sigma))


def test_intervals_of_the_draws_hold_the_truth_as_often_as_they_say():
    number, draws = 2000, 39
    sigma = torch.full((number,), 0.8, dtype=torch.float64)
    clean, noisy = observe(number, sigma, seed=3)
    ladder = noise_ladder(sigma, 0.02, 8)
    below = torch.zeros(number)
    for index in range(draws):
        noise = drawn(100 + index, noisy.shape)
        found = sample_posterior(wiener, noisy, ladder, spectrum=SPECTRUM, step_noise=noise)
        below += (found < clean)[:, 0, 2, 5]
    for outside in (1, 6):  # central intervals of 38 / 40 and 28 / 40
        share = 1 - 2 * outside / (draws + 1)
        held = ((below >= outside) & (below <= draws - outside)).double().mean()
        assert abs(held - share) < 4 * math.sqrt(share * (1 - share) / number)


def spread_of_ddpm(evaluations):
    """Variance of the draws over that of the posterior, for one number with S = 1 and sigma = 1, exactly.

    The step is linear, so its variance follows a recursion: v' = (W + r^2 (1 - W))^2 v + s'^2 (1 - r^2).
    """
    levels = [float(level) for level in noise_ladder(torch.tensor([1.0]), 0.05, evaluations)[0]]
    variance = 0.0
    for sigma, following in zip(levels, [*levels[1:], 0.0], strict=True):
        ratio, gain = (following / sigma) ** 2, 1 / (1 + sigma**2)
        variance = (gain + ratio * (1 - gain)) ** 2 * variance + following**2 * (1 - ratio)
    return variance / 0.5


def test_ddpm_draws_are_too_narrow_by_what_its_own_recursion_says():
    number, evaluations = 40000, 10
    ladder = noise_ladder(torch.ones(number, dtype=torch.float64), 0.05, evaluations)
    shape = (number, 1, 1)
    draws = sample_posterior(
        lambda x, sigma: x / (1 + sigma.reshape(-1, 1, 1) ** 2),
        torch.zeros(shape, dtype=torch.float64),
        ladder,
        spectrum=None,
        step_noise=drawn(5, shape),
    )
    expected = spread_of_ddpm(evaluations)
    assert abs(float(draws.var()) / 0.5 / expected - 1) < 5 * math.sqrt(2 / number)
    deficits = [1 - spread_of_ddpm(count) for count in (10, 100, 1000)]
    assert deficits[0] > 0.2
    assert deficits[1] / deficits[0] < 0.2
    assert deficits[2] < 0.01


class TwoPeaks:
    """Cells that are independent, each -1.6 + 0.3 n or 0.4 + 0.3 n with odds 1 : 4, so that the mean is zero."""

    odds, centres, width = torch.tensor([0.2, 0.8]), torch.tensor([-1.6, 0.4]), 0.3
    spectrum = torch.tensor([0.64 + 0.09])

    def draw(self, number, seed):
        which = torch.multinomial(self.odds, number, replacement=True, generator=generator(seed))
        white = torch.randn(2, number, generator=generator(seed + 1))
        return (self.centres[which] + self.width * white[0]).reshape(-1, 1, 1), white[1].reshape(-1, 1, 1)

    def moments(self, x, sigma):
        """Posterior mean and variance, from Bayes' theorem for each peak."""
        sigma = sigma.to(x).reshape(-1, 1, 1, 1)
        x, total = x[..., None], self.width**2 + sigma**2
        share = (torch.log(self.odds) - (x - self.centres) ** 2 / (2 * total)).softmax(dim=-1)
        mean = (self.centres * sigma**2 + x * self.width**2) / total
        average = (share * mean).sum(dim=-1)
        square = (share * (mean**2 + self.width**2 * sigma**2 / total)).sum(dim=-1)
        return average, square - average**2


@pytest.mark.parametrize("level", [0.3, 0.8, 2.0])
def test_of_a_field_that_is_not_gaussian_the_spread_converges_and_sooner_than_ddpms(level):
    peaks, number = TwoPeaks(), 100_000
    clean, white = peaks.draw(number, seed=7)
    sigma = torch.full((number,), level)
    noisy = clean + level * white
    mean, variance = peaks.moments(noisy, sigma)
    found = {}
    for name, spectrum in (("gaussian_ancestral", peaks.spectrum), ("ddpm", None)):
        for evaluations in (10, 40):
            draws = sample_posterior(
                lambda x, sigma: peaks.moments(x, sigma)[0],
                noisy,
                noise_ladder(sigma, 0.01, evaluations),
                spectrum=spectrum,
                step_noise=lambda step: torch.randn(noisy.shape, generator=generator(11 + step)),
            )
            found[name, evaluations] = float((draws - mean).square().mean() / variance.mean())
    assert abs(found["gaussian_ancestral", 40] - 1) < 0.04
    for evaluations in (10, 40):
        assert found["ddpm", evaluations] < 1
        assert abs(found["gaussian_ancestral", evaluations] - 1) < abs(found["ddpm", evaluations] - 1) / 3


def test_each_observation_starts_at_its_own_level_whatever_stands_beside_it():
    sigma = torch.tensor([0.5, 2.0, 0.05], dtype=torch.float64)
    _, noisy = observe(3, sigma)
    schedule = torch.linspace(0.01, 4, 50).tolist()
    ladder = noise_ladder(sigma, 0.02, 30, schedule)
    steps = [torch.randn(noisy.shape, generator=generator(step), dtype=torch.float64) for step in range(30)]
    together = sample_posterior(wiener, noisy, ladder, spectrum=SPECTRUM, step_noise=lambda step: steps[step])
    for index in range(3):
        one = slice(index, index + 1)
        alone = sample_posterior(
            wiener, noisy[one], ladder[one], spectrum=SPECTRUM, step_noise=lambda step, one=one: steps[step][one]
        )
        assert torch.equal(alone, together[one])


def test_ladder_falls_from_each_level_to_the_smallest_evenly_in_its_logarithm():
    ladder = noise_ladder(torch.tensor([0.1, 3.0], dtype=torch.float64), 0.02, 5)
    assert ladder[:, 0].tolist() == [0.1, 3.0]
    torch.testing.assert_close(ladder[:, -1], torch.full((2,), 0.02, dtype=torch.float64))
    ratios = ladder[:, 1:] / ladder[:, :-1]
    torch.testing.assert_close(ratios, ratios[:, :1].expand_as(ratios))
    assert noise_ladder(torch.tensor([0.3]), 0.02, 1).tolist() == [[pytest.approx(0.3)]]
    assert noise_ladder(torch.tensor([0.25]), 0.5, 3).tolist() == [[0.25] * 3]


def test_ladder_of_a_schedule_begins_at_the_level_itself_and_repeats_it_where_levels_lack():
    ladder = noise_ladder(torch.tensor([0.25, 0.5], dtype=torch.float64), 0.1, 4, [0.4, 0.1, 0.3, 0.2, 0.05])
    assert ladder.tolist() == [[0.25, 0.25, 0.2, 0.1], [0.5, 0.4, 0.2, 0.1]]


def test_ladder_that_cannot_be_is_refused():
    for level in (0.0, float("nan")):
        with pytest.raises(DataError, match=f"must be positive numbers, got .{level}"):
            noise_ladder(torch.tensor([level]), 0.02, 4)
    with pytest.raises(ConfigError, match="evaluations 0 is below 1"):
        noise_ladder(torch.tensor([0.5]), 0.02, 0)
