"""Generate fields from a trained network, each from its own random address.

Sample i starts from noise at (seed, condition, checkpoint, i). Samples go through the network in micro-batches of
fixed size, the last one filled up and cut, because the size of a batch changes the last bits of a convolution: so any
division of the work gives the same arrays, bit for bit, on one kind of device with one number of threads.

Another number of CPU threads changes the last bits too (measured with torch 2.13: 2e-7 to 8e-7 of the largest value
in one evaluation). Tasks of one sweep that may get different numbers of CPUs need ``sampling.threads``.

Axes: n sample, C channel, P parameter.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from rhodiff.diffusion.ddpm import DdpmFormulation
from rhodiff.diffusion.sampling import sample
from rhodiff.diffusion.schedules import NoiseRange
from rhodiff.errors import DataError
from rhodiff.fields.transforms import Transform
from rhodiff.runtime.noise import normal_field
from rhodiff.stages.sampler_plan import SamplerPlan, Training, plan_steps
from rhodiff.stages.sweep import Cell
from rhodiff.training.restored import RestoredModel

__all__ = ["Generated", "generate", "kept_steps", "plan_sampler", "to_stored_space"]


@dataclass(frozen=True)
class Generated:
    """Generated fields in the space they are stored in.

    Attributes:
        fields: float32 ``[n, C, *space]``; a diverged sample is NaN.
        valid: bool ``[n]``.
        trajectory: float32 ``[n, step, C, *space]`` of denoised estimates, or None.
    """

    fields: NDArray[np.float32]
    valid: NDArray[np.bool_]
    trajectory: NDArray[np.float32] | None


def generate(
    model: RestoredModel, cell: Cell, parameters: NDArray[np.float64], first: int, micro_batch: int, trajectory: int
) -> Generated:
    """Generate one micro-batch.

    Args:
        model: the trained network.
        cell: sampler, evaluations and seed.
        parameters: conditions, ``[n, P]`` with n at most ``micro_batch``.
        first: index of the first sample.
        micro_batch: size of the batch that the network sees.
        trajectory: intermediate estimates to keep; 0: none.
    """
    count = len(parameters)
    device = model.spectrum.device
    filled = np.concatenate([parameters, np.repeat(parameters[-1:], micro_batch - count, axis=0)])
    condition = torch.from_numpy(filled).to(device) if model.parameter_names else None
    noise_at = _noise_source(model, cell, first, micro_batch, device)
    plan = plan_sampler(model, cell, lambda step: noise_at("step noise", step))
    kept = _KeptSteps(len(plan.levels), trajectory)
    with torch.no_grad():
        found = sample(
            model.denoiser(condition, cell.guidance),
            noise_at("sample noise", 0),
            sampler=cell.sampler,
            evaluations=cell.evaluations,
            sigma_min=plan.range.sigma_min,
            sigma_max=plan.range.sigma_max,
            reference_spectrum=plan.spectrum,
            callback=kept.take,
            **plan.options,
        )
    fields, valid = to_stored_space(found.cpu().numpy()[:count], model.transform)
    states = None
    if trajectory:
        steps = [to_stored_space(step.cpu().numpy()[:count], model.transform)[0] for step in kept.states]
        states = np.stack(steps, axis=1)
    return Generated(fields, valid, states)


def plan_sampler(
    model: RestoredModel, cell: Cell, step_noise: Callable[[int], torch.Tensor] | None = None
) -> SamplerPlan:
    """Options and noise levels of a cell's sampler; index-seeded noise goes to a stochastic one.

    Args:
        model: the trained network.
        cell: sampler, evaluations and steps.
        step_noise: standard normal noise of a step.
    """
    formulation = model.formulation
    training = Training(
        NoiseRange(formulation.sigma_min, formulation.sigma_max),
        formulation.levels.tolist() if isinstance(formulation, DdpmFormulation) else None,
        model.spectrum,
    )
    return plan_steps(training, cell.sampler, cell.evaluations, cell.steps, step_noise)


def to_stored_space(
    fields: NDArray[np.float32], transform: Transform
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Network units to physical ones, or to where generated fields are comparable (per-image min-max).

    Args:
        fields: ``[n, C, *space]`` in network units.
        transform: the fitted transform.

    Returns:
        The fields, NaN where a sample has diverged, and which are valid, ``[n]``.
    """
    way = transform if transform.invertible_for_generated else transform.generation
    out = np.full_like(fields, np.nan)
    valid = np.zeros(len(fields), dtype=np.bool_)
    for index, field in enumerate(fields):
        try:
            stored = way.inverse(field[None])
            way.forward(stored)  # a density that came out as zero has no logarithm to be compared by
        except DataError:
            continue  # diverged: the sample stays NaN and is counted as invalid by whoever stores it
        out[index], valid[index] = stored[0], True
    return out, valid


def _noise_source(
    model: RestoredModel, cell: Cell, first: int, micro_batch: int, device: torch.device
) -> Callable[[str, int], torch.Tensor]:
    """Standard normal noise ``[micro_batch, C, *space]`` by purpose and step."""
    where = "" if cell.condition is None else json.dumps(cell.condition, sort_keys=True)
    shape = model.spec.field_shape

    def noise_at(purpose: str, step: int) -> torch.Tensor:
        indices = range(first, first + micro_batch)
        purpose = f"{purpose}{where}"
        return torch.stack(
            [normal_field(shape, device, cell.seed, purpose, model.iteration, i, step) for i in indices]
        )

    return noise_at


class _KeptSteps:
    """Keeps ``number`` of the denoised estimates, evenly over the steps, the last one included."""

    def __init__(self, num_steps: int, number: int) -> None:
        self._wanted = kept_steps(num_steps, number)
        self.states: list[torch.Tensor] = []

    def take(self, step: int, estimate: torch.Tensor) -> None:
        if step in self._wanted:
            self.states.append(estimate)


def kept_steps(num_steps: int, number: int) -> list[int]:
    """Steps whose estimates a trajectory keeps, ``number`` of them evenly spread from the last to the first."""
    return sorted(set(np.linspace(num_steps - 1, 0, number).round().astype(int).tolist()))
