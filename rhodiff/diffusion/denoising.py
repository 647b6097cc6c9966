r"""Remove noise of a known level from observed fields: the mean, and samples, of what the clean field may have been.

An observation :math:`y = x_0 + \sigma n` is a state of the diffusion process at the noise level :math:`\sigma`. So

- the denoiser itself is the posterior mean, :math:`D(y, \sigma) = E[x_0 | y]`, in one evaluation: the estimate of
  least squared error;
- the reverse process started from y ends in a draw from the posterior :math:`p(x_0 | y)` (Ho et al. 2020, eq. 6-7).
  Its spread is only that of the posterior if the process is stochastic: the probability flow gives every y a single
  answer.

A step from :math:`\sigma` to :math:`\sigma' < \sigma` with :math:`r = \sigma'/\sigma` draws from
:math:`p(x_{\sigma'} | x_\sigma)`. Given :math:`x_0` that is a Gaussian; averaged over the posterior of :math:`x_0`,
with :math:`C = \mathrm{Cov}(x_0 | x_\sigma)`, mean and covariance are exactly

.. math::
   \mathrm{mean} = D + r^2 (x - D), \qquad \mathrm{Cov} = \sigma'^2 (1 - r^2) + (1 - r^2)^2 C

The last step goes to :math:`\sigma' = 0`: mean D, covariance C. What differs is what is taken for C:

- ``ddpm`` takes C = 0, the ancestral step of Ho et al. with variance beta-tilde. Over n steps the spread of the
  samples comes out too small by a part of order 1/n.
- ``gaussian_ancestral`` takes, mode by mode, that of a Gaussian field with the power S of the training fields,
  :math:`C = S \sigma^2 / (S + \sigma^2)`. For such a field every number of steps, even one, draws from the exact
  posterior; for others the error falls with the number of steps, and is several times smaller than that of C = 0.

The optimal C without structure in Fourier space: Bao et al. 2022, arXiv:2201.06503.

Axes: N observation, C channel, L level; ``*space`` one to three spatial axes, ``*rspace`` those of its ``rfftn``.
"""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rhodiff.diffusion.ancestral import ancestral_power
from rhodiff.diffusion.formulation import Denoiser, expand_as
from rhodiff.diffusion.modes import colour
from rhodiff.errors import ConfigError, DataError

__all__ = ["noise_ladder", "posterior_mean", "sample_posterior"]


def noise_ladder(
    start: Tensor, sigma_min: float, evaluations: int, schedule: Sequence[float] | None = None
) -> Tensor:
    """The falling noise levels of each observation, from its own down to the smallest.

    Levels are even in ln(sigma), or an even stride of a discrete-time model's own levels below the observation's. An
    observation with fewer of those below it than asked for repeats its first level, which costs and changes nothing;
    one at or below the smallest level has its own alone.

    Args:
        start: noise level of each observation, ``[N]``.
        sigma_min: smallest level; the last step goes from there to zero.
        evaluations: calls of the denoiser, L.
        schedule: levels of a discrete-time model, in any order.

    Returns:
        float64 ``[N, L]``; the first column is ``start`` itself, not the nearest level of a schedule.

    Raises:
        ConfigError: if there is no evaluation.
        DataError: if a level is not a positive number.
    """
    if evaluations < 1:
        raise ConfigError(f"evaluations {evaluations} is below 1")
    first = start.detach().cpu().numpy().astype(np.float64)
    if not (np.isfinite(first) & (first > 0)).all():
        raise DataError(f"noise levels must be positive numbers, got {first.tolist()}")
    if schedule is None:
        steps = np.linspace(0.0, 1.0, evaluations) if evaluations > 1 else np.zeros(1)
        levels = first[:, None] * np.minimum(sigma_min / first[:, None], 1) ** steps
    else:
        rising = np.sort(np.asarray(schedule, dtype=np.float64))
        rising = rising[rising >= sigma_min * (1 - 1e-6)]
        levels = np.stack([_strided(level, rising, evaluations) for level in first])
    return torch.from_numpy(levels)


def _strided(start: float, rising: NDArray[np.float64], evaluations: int) -> NDArray[np.float64]:
    """One row: the start, repeated where the schedule has too few levels, and an even stride of those below it."""
    below = rising[rising < start * (1 - 1e-9)][::-1]
    wanted = min(evaluations - 1, len(below))
    chosen = np.rint(np.linspace(len(below) - 1, 0, wanted)).astype(np.int64)[::-1]
    return np.concatenate([np.full(evaluations - wanted, start), below[chosen]])


@torch.no_grad()
def posterior_mean(denoiser: Denoiser, noisy: Tensor, sigma: Tensor) -> Tensor:
    """E[x_0 | y], the estimate of least squared error, in one evaluation.

    Args:
        denoiser: ``(x [N, C, *space], sigma [N])`` to the clean estimate.
        noisy: x_0 + sigma n, ``[N, C, *space]``.
        sigma: noise level of each, ``[N]``.
    """
    return denoiser(noisy, sigma.to(noisy)).to(noisy.dtype)


@torch.no_grad()
def sample_posterior(
    denoiser: Denoiser,
    noisy: Tensor,
    levels: Tensor,
    *,
    spectrum: Tensor | None,
    step_noise: Callable[[int], Tensor],
) -> Tensor:
    """One draw from p(x_0 | y) for each observation (see the module for the step).

    Args:
        denoiser: ``(x [N, C, *space], sigma [N])`` to the clean estimate.
        noisy: x_0 + sigma n, ``[N, C, *space]``.
        levels: falling noise levels of each, from :func:`noise_ladder`, ``[N, L]``; the first is that of ``noisy``.
        spectrum: power for each mode of the orthonormal ``rfftn`` of clean fields, ``[*rspace]``:
            ``gaussian_ancestral``; None: ``ddpm``.
        step_noise: ``step_noise(i)`` is the standard normal noise ``[N, C, *space]`` of step i, counted over the
            columns of ``levels``, so that a caller can seed it by sample index.

    Returns:
        ``[N, C, *space]``.
    """
    ladder = torch.cat([levels, torch.zeros_like(levels[:, :1])], dim=1).double().cpu()
    x = noisy
    for step in range(levels.shape[1]):
        sigma, following = ladder[:, step], ladder[:, step + 1]
        moves = following < sigma
        if not bool(moves.any()):
            continue
        clean = denoiser(x, sigma.to(x)).to(x.dtype)
        moved = _step(x, clean, sigma, following, spectrum, step_noise(step).to(x))
        x = torch.where(expand_as(moves, x).bool(), moved, x)
    return x


def _step(
    x: Tensor, clean: Tensor, sigma: Tensor, following: Tensor, spectrum: Tensor | None, noise: Tensor
) -> Tensor:
    """A draw from p(x_following | x_sigma)."""
    ratio_squared = (following / sigma) ** 2
    mean = clean + expand_as(ratio_squared, x) * (x - clean)
    if spectrum is None:
        white = following**2 * (1 - ratio_squared)
        return mean + expand_as(white.sqrt(), x) * noise
    power = ancestral_power(spectrum.to(x), _expand(sigma, spectrum, x), _expand(following, spectrum, x))
    return mean + colour(noise, power[:, None])


def _expand(values: Tensor, power: Tensor, x: Tensor) -> Tensor:
    """``[N]`` to ``[N, 1, ...]`` against ``[*rspace]``, with the device and precision of ``x``."""
    return values.to(x).reshape(-1, *[1] * power.ndim)
