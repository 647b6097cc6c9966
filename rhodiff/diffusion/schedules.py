r"""Which noise levels there are: the range that a data set asks for, and the levels of discrete-time DDPM.

Everywhere the noise level is sigma in :math:`x_\sigma = x_0 + \sigma n`. The power S(k) of a data set, per mode of
the orthonormal Fourier transform, compares directly with :math:`\sigma^2`: a mode drowns where sigma^2 > S(k).

- Data-driven range: :math:`\sigma_{min} = 0.05 \sqrt{S(k_{Nyquist})}`, :math:`\sigma_{max} = 10 \sqrt{\max_k S(k)}`;
  a narrower one biases the power spectrum by more than a percent at its ends.
- DDPM (Ho et al. 2020): :math:`\bar\alpha_t = \prod (1 - \beta_s)`, :math:`\sigma_t = \sqrt{(1-\bar\alpha_t) /
  \bar\alpha_t}`, beta linear, or the cosine schedule of Nichol & Dhariwal 2021 (arXiv:2102.09672).
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rhodiff.config.diffusion import DdpmSettings, DiffusionSettings
from rhodiff.errors import ConfigError, DataError

__all__ = ["NoiseRange", "ddpm_levels", "noise_range", "shell_power"]

FRACTION_OF_FINEST = 0.05
MULTIPLE_OF_LARGEST = 10.0
COSINE_OFFSET = 0.008
LARGEST_COSINE_BETA = 0.999


class NoiseRange(NamedTuple):
    """Smallest and largest noise level."""

    sigma_min: float
    sigma_max: float


def noise_range(spectrum: ArrayLike, settings: DiffusionSettings, *, ndim: int | None = None) -> NoiseRange:
    """The noise levels between which a model is trained and sampled.

    Args:
        spectrum: power for each mode of the orthonormal ``rfftn`` of the training fields in network units,
            ``[*rspace]`` or ``[C, *rspace]``; not used where the settings fix both ends.
        settings: the ``diffusion`` section; given ends win.
        ndim: number of spatial axes; None: all axes of ``spectrum``. Axes in front of them are channels, of which the
            lowest small-scale and the highest large-scale power count.

    Returns:
        The range; DDPM has that of its schedule.

    Raises:
        ConfigError: if the range is empty.
        DataError: if the spectrum is not finite and positive somewhere.
    """
    if isinstance(settings, DdpmSettings):
        levels = ddpm_levels(settings)
        return NoiseRange(float(levels[0]), float(levels[-1]))
    low, high = settings.sigma_min, settings.sigma_max
    if low is None or high is None:
        finest, largest = _finest_and_largest(np.asarray(spectrum, dtype=np.float64), ndim)
        low = FRACTION_OF_FINEST * finest**0.5 if low is None else low
        high = MULTIPLE_OF_LARGEST * largest**0.5 if high is None else high
    if low >= high:
        raise ConfigError(f"diffusion.sigma_min {low:g} is not below sigma_max {high:g}: set both")
    return NoiseRange(low, high)


def shell_power(spectrum: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean power in shells of wave number.

    Args:
        spectrum: power for each mode of an orthonormal ``rfftn``, ``[*rspace]``. The last axis is taken to be of even
            length; where it is odd, wave numbers along it are off by one part in its length.

    Returns:
        Wave numbers in cycles a cell, rising in steps of the longest axis' fundamental one, and the power there,
        both ``[shell]``; the first shell is the mean of the field, the last the one at the Nyquist frequency 1/2.
    """
    cells = (*spectrum.shape[:-1], max(2 * (spectrum.shape[-1] - 1), 1))
    axes = [np.fft.fftfreq(n) for n in cells[:-1]] + [np.fft.rfftfreq(cells[-1])]
    grids = np.meshgrid(*axes, indexing="ij")
    step = 1.0 / max(cells)
    shell = np.rint(np.sqrt(sum(grid**2 for grid in grids)) / step).astype(np.int64)
    num_shells = max(cells) // 2 + 1
    modes = np.bincount(shell.ravel(), minlength=num_shells)[:num_shells]
    power = np.bincount(shell.ravel(), weights=spectrum.ravel(), minlength=num_shells)[:num_shells]
    filled = modes > 0
    return step * np.flatnonzero(filled), power[filled] / modes[filled]


def ddpm_levels(settings: DdpmSettings) -> NDArray[np.float64]:
    """Noise levels of a discrete-time DDPM.

    Args:
        settings: number of levels and schedule.

    Returns:
        sigma_t for t = 1..T, rising, ``[T]``.
    """
    beta = _cosine_betas(settings.timesteps) if settings.schedule == "cosine" else _linear_betas(settings)
    log_alpha_bar = np.cumsum(np.log1p(-beta))
    levels: NDArray[np.float64] = np.sqrt(np.expm1(-log_alpha_bar))
    return levels


def _linear_betas(settings: DdpmSettings) -> NDArray[np.float64]:
    return np.linspace(settings.beta_start, settings.beta_end, settings.timesteps)


def _cosine_betas(timesteps: int) -> NDArray[np.float64]:
    t = np.arange(timesteps + 1) / timesteps
    alpha_bar = np.cos((t + COSINE_OFFSET) / (1 + COSINE_OFFSET) * np.pi / 2) ** 2
    betas: NDArray[np.float64] = np.minimum(1 - alpha_bar[1:] / alpha_bar[:-1], LARGEST_COSINE_BETA)
    return betas


def _finest_and_largest(spectrum: NDArray[np.float64], ndim: int | None) -> tuple[float, float]:
    """Power at the Nyquist frequency and the largest of any shell."""
    if not (np.isfinite(spectrum).all() and (spectrum >= 0).all()):
        raise DataError("the spectrum of the training fields has NaN, infinite or negative entries: verify the data")
    space = spectrum.shape[-ndim:] if ndim else spectrum.shape
    shells = [shell_power(channel)[1] for channel in spectrum.reshape(-1, *space)]
    finest = min(float(power[-1]) for power in shells)
    largest = max(float(power.max()) for power in shells)
    if finest <= 0:
        raise DataError(
            "the training fields have no power at the Nyquist frequency, so no smallest noise level follows from "
            "them: set diffusion.sigma_min and diffusion.sigma_max"
        )
    return finest, largest
