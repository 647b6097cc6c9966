r"""Draw fields with a denoiser: the table of samplers, the starting field, and the two entry points.

A sampler starts from :math:`\sigma_{max} n`. With a reference spectrum S it starts from variance
:math:`\sigma_{max}^2 + S` for each Fourier mode, which is what data at that noise level have: the white start leaves
a mode with :math:`1 / (1 + S / \sigma_{max}^2)` of its power.

Axes: N sample, C channel; ``*space`` one to three spatial axes, ``*rspace`` those of its ``rfftn``.
"""

import dataclasses
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

import torch
from torch import Tensor

from rhodiff.diffusion.ancestral import GaussianAncestralSampler
from rhodiff.diffusion.churn import HeunChurnSampler
from rhodiff.diffusion.first_order import DdimSampler, DdpmSampler
from rhodiff.diffusion.formulation import Denoiser
from rhodiff.diffusion.gaussian_reference import GaussianReferenceSampler
from rhodiff.diffusion.modes import checked_spectrum, colour, spectrum_like
from rhodiff.diffusion.sampler import Callback, Estimator, Sampler
from rhodiff.diffusion.second_order import DpmSolverSampler, DpmSolverSdeSampler, HeunSampler
from rhodiff.diffusion.stochastic import StochasticSampler
from rhodiff.errors import ConfigError

__all__ = ["SAMPLERS", "build_sampler", "integrate", "is_stochastic", "sample"]

SAMPLERS: dict[str, type[Sampler]] = {
    "ddpm": DdpmSampler,
    "ddim": DdimSampler,
    "heun": HeunSampler,
    "dpmpp_2m": DpmSolverSampler,
    "gaussian_reference": GaussianReferenceSampler,
    "heun_churn": HeunChurnSampler,
    "dpmpp_2m_sde": DpmSolverSdeSampler,
    "gaussian_ancestral": GaussianAncestralSampler,
}
"""Samplers by name."""


@torch.no_grad()
def sample(
    denoiser: Denoiser,
    noise: Tensor,
    *,
    sampler: str,
    evaluations: int,
    sigma_min: float,
    sigma_max: float,
    reference_spectrum: Tensor | None = None,
    callback: Callback | None = None,
    **options: Any,
) -> Tensor:
    """Turn white noise into fields.

    Args:
        denoiser: ``(x [N, C, *space], sigma [N])`` to the clean estimate.
        noise: standard normal, ``[N, C, *space]``; the state is at least single precision.
        sampler: a name of :data:`SAMPLERS`.
        evaluations: exact number of calls of the denoiser.
        sigma_min: smallest noise level.
        sigma_max: largest noise level.
        reference_spectrum: power for each mode of the orthonormal ``rfftn``, ``[*rspace]`` or ``[C, *rspace]``.
        callback: told each step's number and clean estimate.
        options: of the sampler, see its class; ``grid``, ``rho`` and ``schedule`` are common to all.

    Returns:
        Clean estimates at the smallest noise level, ``[N, C, *space]``.

    Raises:
        ConfigError: if the sampler, an option, the number of evaluations or the range is not possible.
        DataError: if the reference spectrum has the wrong shape, or is negative or not finite.
    """
    method = build_sampler(sampler, options)
    state = _at_least_single(noise)
    spectrum = _fit_spectrum(reference_spectrum, state)
    levels = method.levels(evaluations, sigma_min, sigma_max)
    start = levels[0] * state if spectrum is None else colour(state, spectrum + levels[0] ** 2)
    return _run(method, Estimator(denoiser, callback), start, levels, spectrum)


@torch.no_grad()
def integrate(
    denoiser: Denoiser,
    x: Tensor,
    *,
    sampler: str,
    evaluations: int,
    sigma_min: float,
    sigma_max: float,
    reference_spectrum: Tensor | None = None,
    callback: Callback | None = None,
    **options: Any,
) -> Tensor:
    """Carry given fields, whose noise level is ``sigma_max``, down to the clean estimate: see :func:`sample`.

    This removes noise of a known level from an observed field.

    Args:
        denoiser: ``(x [N, C, *space], sigma [N])`` to the clean estimate.
        x: fields x_0 + sigma_max n, ``[N, C, *space]``.
        sampler: a name of :data:`SAMPLERS`.
        evaluations: exact number of calls of the denoiser.
        sigma_min: smallest noise level.
        sigma_max: noise level of ``x``.
        reference_spectrum: power for each mode of the orthonormal ``rfftn``, ``[*rspace]`` or ``[C, *rspace]``.
        callback: told each step's number and clean estimate.
        options: of the sampler.

    Returns:
        Clean estimates, ``[N, C, *space]``.
    """
    method = build_sampler(sampler, options)
    state = _at_least_single(x)
    spectrum = _fit_spectrum(reference_spectrum, state)
    levels = method.levels(evaluations, sigma_min, sigma_max)
    return _run(method, Estimator(denoiser, callback), state, levels, spectrum)


def build_sampler(name: str, options: Mapping[str, Any]) -> Sampler:
    """The sampler of a name with its options.

    Args:
        name: a name of :data:`SAMPLERS`.
        options: values for fields of its class.

    Raises:
        ConfigError: if the name or an option is unknown.
    """
    found = _find(name)
    allowed = [field.name for field in dataclasses.fields(found)]
    for option in options:
        if option not in allowed:
            raise ConfigError(f"sampler '{name}' has no option '{option}'; {_suggest(option, allowed)}")
    return found(**options)


def is_stochastic(name: str) -> bool:
    """Whether the sampler of a name draws noise in its steps.

    Raises:
        ConfigError: if the name is unknown.
    """
    return issubclass(_find(name), StochasticSampler)


def _find(name: str) -> type[Sampler]:
    if name not in SAMPLERS:
        raise ConfigError(f"sampler '{name}' is unknown; {_suggest(name, list(SAMPLERS))}")
    return SAMPLERS[name]


def _run(method: Sampler, estimate: Estimator, x: Tensor, levels: list[float], spectrum: Tensor | None) -> Tensor:
    if method.needs_reference and spectrum is None:
        raise ConfigError("this sampler needs a reference spectrum: give reference_spectrum, or take 'dpmpp_2m'")
    return method.integrate(estimate, x, levels, spectrum)


def _at_least_single(x: Tensor) -> Tensor:
    return x.float() if x.dtype in (torch.float16, torch.bfloat16) else x


def _fit_spectrum(spectrum: Tensor | None, x: Tensor) -> Tensor | None:
    return None if spectrum is None else spectrum_like(checked_spectrum(spectrum), x)


def _suggest(name: str, allowed: list[str]) -> str:
    near = get_close_matches(name, allowed, n=1, cutoff=0.4)
    hint = f"did you mean '{near[0]}'? " if near else ""
    return f"{hint}Allowed are {', '.join(allowed)}"
