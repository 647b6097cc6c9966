"""The exact denoiser of a Gaussian field, and what a sampler does to each of its modes.

One-dimensional periodic fields whose mode k has the power that shell k of a two-dimensional field has: samplers act
mode by mode, so nothing else of the dimension matters.
"""

import numpy as np
import torch

from rhodiff.diffusion import sample


def shell_spectrum(num_cells, slope, std=1.0):
    """S(k) for k = 1..Nyquist of a 2D field with S ~ k^-slope and standard deviation std, orthonormal FFT."""
    axis = np.fft.fftfreq(num_cells, 1 / num_cells)
    k = np.hypot(*np.meshgrid(axis, axis, indexing="ij"))
    k[0, 0] = np.inf
    return torch.from_numpy(std**2 / np.mean(k**-slope) * np.arange(1.0, num_cells // 2 + 1) ** -slope)


def wiener_denoiser(spectrum):
    """E[x0 | x] for 1D fields of 2 K cells with the power spectrum[k - 1] in mode k and spectrum[0] in mode 0."""
    power = torch.cat((spectrum[:1], spectrum))

    def denoiser(x, sigma):
        modes = torch.fft.rfft(x, norm="ortho") * power / (power + sigma[:, None, None] ** 2)
        return torch.fft.irfft(modes, n=x.shape[-1], norm="ortho")

    return denoiser


def power_bias(spectrum, sampler, evaluations, sigma_min, sigma_max, reference=None, **options):
    """P / S - 1 for each mode: the sampler is linear, so the image of a delta field is its transfer function."""
    delta = torch.zeros(1, 1, 2 * len(spectrum), dtype=torch.float64)
    delta[..., 0] = (2 * len(spectrum)) ** 0.5
    reference_spectrum = None if reference is None else torch.cat((reference[:1], reference))
    x = sample(
        wiener_denoiser(spectrum),
        delta,
        sampler=sampler,
        evaluations=evaluations,
        sigma_min=sigma_min,
        sigma_max=sigma_max,
        reference_spectrum=reference_spectrum,
        **options,
    )
    return torch.fft.rfft(x, norm="ortho")[0, 0, 1:].real ** 2 / spectrum - 1


def ancestral_power_bias(spectrum, levels):
    """The same for DDPM: row j of the batch carries only the noise of step j - 1, and variances add."""
    evaluations = len(levels)
    start = torch.zeros(evaluations, 1, len(spectrum), dtype=torch.float64)
    start[0] = 1.0

    def step_noise(step):
        noise = torch.zeros_like(start)
        noise[step + 1] = 1.0
        return noise

    x = sample(
        lambda x, sigma: x * spectrum / (spectrum + sigma[:, None, None] ** 2),
        start,
        sampler="ddpm",
        evaluations=evaluations,
        sigma_min=levels[0],
        sigma_max=levels[-1],
        schedule=levels,
        step_noise=step_noise,
    )
    return (x**2).sum(dim=0)[0] / spectrum - 1


def worst_percent(bias):
    """The worst |dP/P| over modes, in percent."""
    return 100 * float(bias.abs().max())
