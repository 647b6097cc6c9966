"""How a sampler is called for a network, trained or planned: its options, noise range and starting spectrum.

The defaults follow from the training: its noise range, a grid even in ln(sigma), a start from noise and training
spectrum together. ``sampling.steps`` of the experiment overrides each.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from difflib import get_close_matches
from typing import Any

import torch
from torch import Tensor

from rhodiff.config.diffusion import EdmSettings
from rhodiff.config.sampling import SamplerSteps
from rhodiff.diffusion.sampler import Sampler
from rhodiff.diffusion.sampling import SAMPLERS, build_sampler, is_stochastic
from rhodiff.diffusion.schedules import NoiseRange, noise_range
from rhodiff.diffusion.stochastic import StochasticSampler
from rhodiff.errors import ConfigError

__all__ = ["SamplerPlan", "Training", "check_steps", "plan_steps"]

ON_THE_SCHEDULE = ("ddpm", "ddim")
"""Samplers that ask a network trained on DDPM's levels at just those."""


@dataclass(frozen=True)
class Training:
    """What a sampler has to know of a network's training.

    Attributes:
        range: smallest and largest noise level.
        schedule: noise levels of DDPM, or None where the network knows all levels in the range.
        spectrum: power for each mode of the training fields in network units, ``[*rspace]`` or ``[C, *rspace]``.
    """

    range: NoiseRange
    schedule: Sequence[float] | None
    spectrum: Tensor


@dataclass(frozen=True)
class SamplerPlan:
    """How a sampler is called.

    Attributes:
        options: of the sampler.
        range: smallest and largest noise level.
        levels: noise levels of its steps, falling.
        spectrum: power for each mode that it starts with beside the noise and may refer to, ``[*rspace]``, or None.
    """

    options: dict[str, Any]
    range: NoiseRange
    levels: list[float]
    spectrum: Tensor | None


def plan_steps(
    training: Training,
    sampler: str,
    evaluations: int,
    steps: SamplerSteps,
    step_noise: Callable[[int], Tensor] | None = None,
) -> SamplerPlan:
    """Options and noise levels of a sampler.

    A network trained on DDPM's levels is asked at those by ``ddpm`` and ``ddim``; other samplers would waste most of
    their steps on a range that starts at sigma of some 10^4, and take the part that the data's own spectrum asks for.

    Args:
        training: of the network.
        sampler: its name.
        evaluations: calls of the network.
        steps: what the experiment asks for.
        step_noise: standard normal noise of a step, for a stochastic sampler; None leaves it to the caller.

    Raises:
        ConfigError: if the range is empty or beyond that of the training.
    """
    options = _options(sampler, steps, training.schedule)
    limits = _range(training, steps, data_driven=training.schedule is not None and "schedule" not in options)
    noise = {"step_noise": step_noise or torch.zeros} if is_stochastic(sampler) else {}
    levels = build_sampler(sampler, {**options, **noise}).levels(evaluations, *limits)
    given = {} if step_noise is None else noise
    return SamplerPlan({**options, **given}, limits, levels, training.spectrum if steps.start == "spectrum" else None)


def check_steps(sampler: str, evaluations: int, steps: SamplerSteps, schedule: Sequence[float] | None) -> int:
    """Refuse what cannot be, before there is a network.

    Args:
        sampler: its name.
        evaluations: calls of the network.
        steps: what the experiment asks for.
        schedule: noise levels of a network trained on DDPM's, or None.

    Returns:
        Number of steps that the sampler makes.

    Raises:
        ConfigError: if the sampler is unknown, or an option, or the evaluations are impossible.
    """
    if steps.start == "white" and SAMPLERS[sampler].needs_reference:
        raise ConfigError(f"sampling.steps.start: '{sampler}' needs the training spectrum: leave it at 'spectrum'")
    noise = {"step_noise": torch.zeros} if is_stochastic(sampler) else {}
    try:
        built = build_sampler(sampler, {**_options(sampler, steps, schedule), **noise})
    except ConfigError as error:
        raise ConfigError(f"sampling.steps: {error}") from error
    try:
        return built.num_levels(evaluations)
    except ConfigError as error:
        raise ConfigError(f"sampling.evaluations: {error}") from error


def _options(sampler: str, steps: SamplerSteps, schedule: Sequence[float] | None) -> dict[str, Any]:
    own = steps.options.get(sampler, {})
    shared = {field.name for kind in (Sampler, StochasticSampler) for field in fields(kind)}
    allowed = [field.name for field in fields(SAMPLERS[sampler]) if field.name not in shared]
    for name in own:
        if name not in allowed:
            near = get_close_matches(name, allowed, n=1, cutoff=0.4)
            hint = f"; did you mean '{near[0]}'?" if near else ""
            raise ConfigError(f"options of '{sampler}' are {allowed or 'none'}, got '{name}'{hint}")
    options: dict[str, Any] = {**own, "grid": steps.grid, "rho": steps.rho}
    if schedule is not None and sampler in ON_THE_SCHEDULE:
        options["schedule"] = schedule
    return options


def _range(training: Training, steps: SamplerSteps, *, data_driven: bool) -> NoiseRange:
    trained = low, high = training.range
    if data_driven:
        wanted = noise_range(training.spectrum.cpu().numpy(), EdmSettings())
        low, high = max(low, wanted.sigma_min), min(high, wanted.sigma_max)
    low, high = steps.sigma_min or low, steps.sigma_max or high
    if low < trained.sigma_min * (1 - 1e-6) or high > trained.sigma_max * (1 + 1e-6) or low >= high:
        raise ConfigError(
            f"sampling.steps: noise levels from {low:.4g} to {high:.4g} are no range within that of the training, "
            f"{trained.sigma_min:.4g} to {trained.sigma_max:.4g}: change sigma_min and sigma_max"
        )
    return NoiseRange(low, high)
