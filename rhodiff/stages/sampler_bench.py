"""The bias of samplers on a spectrum: that of an experiment's training fields, or a power law.

Spectra are taken in shells of wave number, each with its mean power: what a shell's modes differ by is left out.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from rhodiff.config.diffusion import DdpmSettings, DiffusionSettings, EdmSettings
from rhodiff.config.sampling import SamplerSteps
from rhodiff.diffusion.gaussian_bias import power_bias
from rhodiff.diffusion.sampling import SAMPLERS
from rhodiff.diffusion.schedules import ddpm_levels, noise_range, shell_power
from rhodiff.errors import ConfigError
from rhodiff.report.sampler_bias import BiasCurve
from rhodiff.stages.sampler_plan import Training, check_steps, plan_steps
from rhodiff.stages.training_data import fitted_transform, training_spectrum
from rhodiff.stages.workspace import Workspace

__all__ = ["MeasuredBias", "Shells", "bias_curves", "measure_bias", "power_law_shells", "training_shells"]

Float = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Shells:
    """A spectrum in shells of wave number, in network units.

    Attributes:
        name: what it is of.
        power: mean power of a mode, orthonormal FFT; shell k is at k fundamental wave numbers, ``[Nyquist + 1]``.
        diffusion: noise levels of the network.
        steps: how samplers go down them.
    """

    name: str
    power: Float
    diffusion: DiffusionSettings
    steps: SamplerSteps


@dataclass(frozen=True, eq=False)
class MeasuredBias:
    """What a sampler does to a spectrum.

    Attributes:
        sampler: its name.
        evaluations: calls of the network.
        sigma_min: smallest noise level.
        sigma_max: largest noise level.
        bias: P / S - 1 for the shells 1..Nyquist; NaN without power.
    """

    sampler: str
    evaluations: int
    sigma_min: float
    sigma_max: float
    bias: Float

    @property
    def worst(self) -> float:
        """Largest |P / S - 1| of a shell."""
        return float(np.nanmax(np.abs(self.bias)))

    @property
    def worst_shell(self) -> int:
        """Where that is."""
        return 1 + int(np.nanargmax(np.abs(self.bias)))

    @property
    def mean(self) -> float:
        """Mean |P / S - 1| over shells."""
        return float(np.nanmean(np.abs(self.bias)))


def training_shells(workspace: Workspace) -> Shells:
    """The spectrum of an experiment's training fields, in the network's units.

    Raises:
        DataError: if the data are not prepared, or do not vary.
    """
    spectrum, _ = training_spectrum(workspace, fitted_transform(workspace))
    experiment = workspace.experiment
    cells = " x ".join(str(n) for n in workspace.store.spec.shape)
    name = f"training fields of {experiment.name}, {cells}"
    return Shells(name, shell_power(spectrum)[1], experiment.diffusion, experiment.sampling.steps)


def power_law_shells(slope: float, size: int, ndim: int) -> Shells:
    """The power law S ~ k^-slope of fields with unit standard deviation and no mean.

    Args:
        slope: minus the exponent of the wave number.
        size: cells along an axis.
        ndim: number of axes.

    Raises:
        ConfigError: if there are no such fields.
    """
    if size < 4 or size % 2 or not 1 <= ndim <= 3 or not np.isfinite(slope):
        raise ConfigError(
            f"a power law needs a finite slope, an even size from 4 on and 1 to 3 axes, got {slope:g}, {size}, {ndim}"
        )
    number = np.fft.fftfreq(size, 1 / size)
    squared = sum(np.meshgrid(*[number**2] * ndim, indexing="ij", sparse=True), start=np.zeros((1,) * ndim))
    shape = np.where(squared > 0, squared, np.inf) ** (-slope / 2)
    shells = np.arange(size // 2 + 1.0)
    shells[1:] **= -slope
    name = f"S ~ k^-{slope:g}, {' x '.join([str(size)] * ndim)}"
    return Shells(name, shells * (size**ndim / shape[squared > 0].sum()), EdmSettings(), SamplerSteps())


def measure_bias(
    shells: Shells, samplers: Sequence[str], evaluations: Sequence[int], reference_factor: float = 1.0
) -> list[MeasuredBias]:
    """The bias of samplers at numbers of evaluations.

    A sampler that cannot make a number of evaluations takes the largest one below that it can.

    Args:
        shells: the spectrum.
        samplers: their names.
        evaluations: calls of the network.
        reference_factor: the samplers take this times the spectrum for it.

    Returns:
        One for each sampler and number of evaluations, in this order.

    Raises:
        ConfigError: if a sampler is unknown, the evaluations are more than the schedule has levels, or the factor is
            negative.
    """
    unknown = [name for name in samplers if name not in SAMPLERS]
    if unknown or not samplers or not evaluations or min(evaluations) < 1 or not 0 <= reference_factor < np.inf:
        raise ConfigError(
            f"the bias of samplers needs names among {', '.join(SAMPLERS)}, evaluations from 1 on and a reference "
            f"factor that is not negative, got {', '.join(samplers) or 'none'}, {list(evaluations)} and "
            f"{reference_factor:g}"
        )
    training = Training(
        noise_range(shells.power, shells.diffusion),
        ddpm_levels(shells.diffusion).tolist() if isinstance(shells.diffusion, DdpmSettings) else None,
        torch.from_numpy(reference_factor * shells.power),
    )
    return [_measure(shells, training, name, number) for name in samplers for number in evaluations]


def _measure(shells: Shells, training: Training, sampler: str, evaluations: int) -> MeasuredBias:
    possible = SAMPLERS[sampler].possible_evaluations(evaluations)
    check_steps(sampler, possible, shells.steps, training.schedule)
    plan = plan_steps(training, sampler, possible, shells.steps)
    bias = power_bias(
        shells.power,
        sampler=sampler,
        evaluations=possible,
        sigma_min=plan.range.sigma_min,
        sigma_max=plan.range.sigma_max,
        reference_spectrum=None if plan.spectrum is None else plan.spectrum.numpy(),
        **plan.options,
    )
    return MeasuredBias(sampler, possible, *plan.range, bias[1:])


def bias_curves(found: Sequence[MeasuredBias]) -> list[BiasCurve]:
    """Biases by sampler, for the figure."""
    curves = []
    for name in dict.fromkeys(one.sampler for one in found):
        mine = {one.evaluations: one for one in found if one.sampler == name}
        counts = sorted(mine)
        worst, mean = (np.array([getattr(mine[n], value) for n in counts]) for value in ("worst", "mean"))
        curves.append(BiasCurve(name, counts, worst, mean))
    return curves
