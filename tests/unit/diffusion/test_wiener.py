"""Wiener skip: exact for Gaussian fields, a loss of one for a network of zeros, and the record of its spectrum."""

import numpy as np
import pytest
import torch

from rhodiff.config.diffusion import WienerSettings
from rhodiff.diffusion import NoiseRange, build_formulation, restore_formulation, sample
from rhodiff.diffusion.modes import colour
from rhodiff.diffusion.preconditioning import precondition
from rhodiff.diffusion.wiener import WienerFilter
from rhodiff.errors import ConfigError, DataError

SHAPES = [(1, 16), (2, 9), (1, 8, 6), (2, 5, 4), (1, 6, 4, 4), (3, 4, 6, 5)]
"""Channels and cells; odd lengths have no mode of their own Nyquist frequency along the last axis."""
RANGE = NoiseRange(0.01, 100.0)


def steep_spectrum(space):
    """(1 + k^2)^-1.5 for each mode of rfftn over ``space``."""
    axes = [np.fft.fftfreq(n, 1 / n) for n in space[:-1]] + [np.fft.rfftfreq(space[-1], 1 / space[-1])]
    k = np.meshgrid(*axes, indexing="ij")
    return torch.from_numpy((1 + sum(axis**2 for axis in k)) ** -1.5)


def formulation_of(spectrum, **settings):
    return build_formulation(WienerSettings(**settings), 1.0, RANGE, spectrum)


def zeros(x, label, parameters):
    return torch.zeros_like(x[:, : x.shape[1] // 2])


def covariance(power, space):
    """Covariance matrix of a periodic Gaussian field's cells, from plane waves: no Fourier transform involved."""
    cells = np.stack(np.meshgrid(*[np.arange(n) for n in space], indexing="ij"), -1).reshape(-1, len(space))
    full = np.fft.fftn(np.fft.irfftn(power.numpy(), s=space, axes=range(len(space)))).real.ravel()
    phase = 2 * np.pi * (cells / np.array(space)) @ cells.T
    waves = np.exp(1j * phase) / np.sqrt(len(cells))
    return torch.from_numpy((waves * full @ waves.conj().T).real)


@pytest.mark.parametrize("shape", SHAPES)
def test_a_network_of_zeros_is_the_best_linear_estimate(shape):
    """C (C + sigma^2)^-1 x by linear algebra in the cells."""
    channels, *space = shape
    power = steep_spectrum(space)
    matrix = covariance(power, space)
    x = torch.randn(2, *shape, dtype=torch.float64)
    sigma = torch.tensor([0.3, 2.0], dtype=torch.float64)
    found = formulation_of(power).denoise(zeros, x, sigma)
    for row, level in enumerate(sigma):
        noisy = x[row].reshape(channels, -1).T
        expected = matrix @ torch.linalg.solve(matrix + level**2 * torch.eye(len(matrix)), noisy)
        torch.testing.assert_close(found[row].reshape(channels, -1).T, expected)


@pytest.mark.parametrize("shape", SHAPES)
def test_error_is_the_trace_of_the_posterior_covariance(shape):
    space = shape[1:]
    power = steep_spectrum(space)
    matrix = covariance(power, space)
    reference = WienerFilter(power)
    x, sigma = torch.zeros(1, *shape, dtype=torch.float64), torch.tensor([0.7], dtype=torch.float64)
    posterior = matrix - matrix @ torch.linalg.solve(matrix + 0.49 * torch.eye(len(matrix)), matrix)
    assert float(reference.error(x, sigma)) == pytest.approx(float(posterior.diagonal().mean()))
    assert float(reference.variance(x)) == pytest.approx(float(matrix.diagonal().mean()))


def test_channels_may_have_spectra_of_their_own():
    power = torch.stack((steep_spectrum((8,)), 4 * steep_spectrum((8,))))
    x, sigma = torch.randn(3, 2, 8, dtype=torch.float64), torch.full((3,), 0.5, dtype=torch.float64)
    both = WienerFilter(power).estimate(x, sigma)
    alone = [WienerFilter(power[c]).estimate(x[:, c : c + 1], sigma) for c in range(2)]
    torch.testing.assert_close(both, torch.cat(alone, dim=1))
    errors = [WienerFilter(power[c]).error(x[:, c : c + 1], sigma) for c in range(2)]
    torch.testing.assert_close(WienerFilter(power).error(x, sigma), (errors[0] + errors[1]) / 2)


@pytest.mark.parametrize("sigma", [0.02, 0.5, 30.0])
def test_a_network_of_zeros_has_a_loss_of_one_whatever_the_distribution(sigma):
    """Only the spectrum enters: fields of signs times fixed amplitudes are far from Gaussian."""
    generator = torch.Generator().manual_seed(1)
    power = steep_spectrum((32, 32))
    spikes = torch.randn(400, 1, 32, 32, generator=generator, dtype=torch.float64).sign()
    noise = torch.randn(spikes.shape, generator=generator, dtype=torch.float64)
    formulation = formulation_of(power, sigma_min=0.01, sigma_max=100.0)
    u = torch.full((400,), np.log(sigma / 0.01) / np.log(1e4), dtype=torch.float64)
    loss = formulation.loss(zeros, colour(spikes, power), noise, u)
    assert float(loss.mean()) == pytest.approx(1, abs=4 * float(loss.std()) / 20)
    assert float(loss.std()) / 20 < 0.02


def test_the_loss_is_the_weighted_error_of_the_denoiser():
    formulation = formulation_of(steep_spectrum((8, 8)))
    x0, noise = torch.randn(2, 5, 2, 8, 8, dtype=torch.float64)
    u = torch.rand(5, dtype=torch.float64)
    sigma = formulation.noise_levels(u)
    network = lambda x, label, parameters: torch.sin(x[:, :2] + 2 * x[:, 2:] + label[:, None, None, None])  # noqa: E731
    error = formulation.denoise(network, x0 + sigma[:, None, None, None] * noise, sigma) - x0
    expected = error.square().mean(dim=(1, 2, 3)) / formulation.reference.error(x0, sigma)
    torch.testing.assert_close(formulation.loss(network, x0, noise, u), expected)


def test_the_target_is_exact_in_single_precision_at_small_noise():
    """x0 - W x of single-precision numbers would lose all digits at sigma = 1e-4."""
    power = steep_spectrum((64,))
    x0, noise = torch.randn(2, 1, 1, 64, dtype=torch.float64)
    exact = WienerFilter(power).residual(x0, noise, torch.tensor([1e-4]))
    single = WienerFilter(power).residual(x0.float(), noise.float(), torch.tensor([1e-4]))
    torch.testing.assert_close(single.double(), exact, rtol=0, atol=2e-6 * float(exact.abs().max()))


def test_for_white_data_it_is_edm():
    sigma = torch.tensor([0.1, 1.0, 10.0], dtype=torch.float64)
    white = WienerFilter(torch.full((5,), 0.49, dtype=torch.float64))
    x = torch.randn(3, 1, 8, dtype=torch.float64)
    c_skip, c_out, _ = precondition(sigma, 0.7)
    torch.testing.assert_close(white.estimate(x, sigma), c_skip[:, None, None] * x)
    torch.testing.assert_close(white.error(x, sigma), c_out**2)


def test_the_network_sees_two_fields_of_unit_variance_and_the_gradient_reaches_it():
    generator = torch.Generator().manual_seed(2)
    power = 9 * steep_spectrum((16, 16))
    x0 = colour(torch.randn(500, 1, 16, 16, generator=generator, dtype=torch.float64), power)
    seen = []
    weight = torch.zeros(2, dtype=torch.float64, requires_grad=True)

    def network(x, label, parameters):
        seen.append(x.detach())
        return weight[0] * x[:, :1] + weight[1] * x[:, 1:]

    u = torch.zeros(500, dtype=torch.float64)
    noise = torch.randn(x0.shape, generator=generator, dtype=torch.float64)
    formulation_of(power).loss(network, x0, noise, u).mean().backward()
    assert seen[0].shape == (500, 2, 16, 16)
    torch.testing.assert_close(seen[0].square().mean(dim=(0, 2, 3)), torch.ones(2).double(), rtol=0, atol=0.03)
    # The Wiener filter's residual does not correlate with its input, mode by mode: no linear network improves on it.
    assert float(weight.grad.abs().max()) < 0.02
    assert float(weight.grad.abs().min()) > 0


@pytest.mark.parametrize("evaluations", [1, 2, 15])
def test_gaussian_reference_sampling_has_no_bias_in_any_mode(evaluations):
    """The solver and the network of zeros share S: sigma_min leaves S / (S + sigma_min^2) of a mode, nothing else."""
    space = (8, 10)
    power = steep_spectrum(space)
    denoiser = formulation_of(power).denoiser(zeros)
    noise = torch.randn(1, 1, *space, dtype=torch.float64)
    found = sample(
        denoiser,
        noise,
        sampler="gaussian_reference",
        evaluations=evaluations,
        sigma_min=0.01,
        sigma_max=100.0,
        reference_spectrum=power,
    )
    last = 100.0 if evaluations == 1 else 0.01
    torch.testing.assert_close(found, colour(noise, power**2 / (power + last**2)))


def test_the_record_is_plain_and_the_spectrum_stands_beside_it():
    power = steep_spectrum((8,))
    formulation = formulation_of(power)
    record = formulation.model_dump(mode="json")
    assert record["kind"] == "wiener"
    assert all(isinstance(value, str | float | bool) for value in record.values())
    restored = restore_formulation(record, power)
    x, sigma = torch.randn(2, 1, 8, dtype=torch.float64), torch.tensor([0.1, 1.0], dtype=torch.float64)
    assert torch.equal(restored.denoise(zeros, x, sigma), formulation.denoise(zeros, x, sigma))
    assert restored.model_dump() == formulation.model_dump()


def test_without_its_spectrum_it_cannot_be_built():
    with pytest.raises(ConfigError, match="spectrum"):
        formulation_of(None)
    with pytest.raises(ConfigError, match="spectrum"):
        restore_formulation(formulation_of(steep_spectrum((8,))).model_dump())


@pytest.mark.parametrize("wrong", [float("nan"), float("inf"), -1.0])
def test_an_impossible_spectrum_is_refused(wrong):
    with pytest.raises(DataError, match="negative, NaN or infinite"):
        formulation_of(torch.tensor([1.0, wrong, 1.0]))


def test_fields_of_another_size_are_refused():
    with pytest.raises(DataError, match=r"\[5\].*\[10\]"):
        formulation_of(steep_spectrum((8,))).denoise(zeros, torch.randn(1, 1, 10), torch.ones(1))
