"""Posterior mean and draws of noisy fields from a trained network, in micro-batches of fixed size.

Draw j of field i takes its noise from (seed, checkpoint, i, j, step). Fields and draws go through the network in
micro-batches, the last one filled up and cut, as generated fields do (:mod:`rhodiff.stages.generation`): so any
division of the work gives the same arrays, bit for bit, on one kind of device with one number of threads.

The network is told the true parameters of each field, where it was trained with parameters.

Axes: n field, K draw, P parameter; fields of one channel are ``[n, *space]``.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from rhodiff.config.denoising import Denoising
from rhodiff.config.diffusion import EdmSettings
from rhodiff.diffusion import noise_ladder, noise_range, posterior_mean, sample_posterior
from rhodiff.diffusion.ddpm import DdpmFormulation
from rhodiff.errors import DataError
from rhodiff.runtime.noise import normal_field
from rhodiff.stages.observation import Observation
from rhodiff.training.restored import RestoredModel

__all__ = ["FieldDenoiser", "Posterior", "ladder"]


@dataclass(frozen=True, eq=False)
class Posterior:
    """What a network makes of noisy fields, in its own units.

    Attributes:
        mean: E[x_0 | y], ``[n, *space]``.
        draws: from p(x_0 | y), ``[n, K, *space]``.
    """

    mean: NDArray[np.float32]
    draws: NDArray[np.float32]


def ladder(model: RestoredModel, settings: Denoising, sigma: NDArray[np.float64]) -> torch.Tensor:
    """Noise levels of the reverse process of each field.

    A network trained on DDPM's levels takes an even stride of those with the sampler ``ddpm``. The other sampler ends
    where the power of the training fields has no mode left to be found below the noise.

    Args:
        model: the trained network.
        settings: sampler and evaluations.
        sigma: noise level of each field in network units, ``[n]``.

    Returns:
        float64 ``[n, L]``.

    Raises:
        DataError: if a level is outside the range that the network was trained for.
    """
    low, high = model.formulation.sigma_min, model.formulation.sigma_max
    if sigma.min() < low or sigma.max() > high:
        raise DataError(
            f"the noise has levels from {sigma.min():.4g} to {sigma.max():.4g} in the network's units, which was "
            f"trained for {low:.4g} to {high:.4g}: change denoising.noise.sigma"
        )
    start = torch.from_numpy(sigma)
    if not isinstance(model.formulation, DdpmFormulation):
        return noise_ladder(start, low, settings.evaluations)
    if settings.sampler == "ddpm":
        return noise_ladder(start, low, settings.evaluations, model.formulation.levels.tolist())
    wanted = noise_range(model.spectrum.cpu().numpy(), EdmSettings())
    return noise_ladder(start, max(low, wanted.sigma_min), settings.evaluations)


@dataclass(frozen=True)
class FieldDenoiser:
    """A network with the settings that it denoises by.

    Attributes:
        model: the trained network.
        settings: the ``denoising`` section.
    """

    model: RestoredModel
    settings: Denoising

    def posterior(self, observation: Observation, parameters: NDArray[np.float64]) -> Posterior:
        """Denoise some fields.

        Args:
            observation: the noisy fields.
            parameters: conditions, ``[n, P]``.
        """
        levels = ladder(self.model, self.settings, observation.network_sigma)
        count, draws = len(parameters), self.settings.posterior_samples
        rows = np.arange(count)
        pairs = np.stack([np.repeat(rows, draws), np.tile(np.arange(draws), count)], axis=1)
        drawn = [self._draw(observation, parameters, levels, batch) for batch in self._batches(pairs)]
        space = observation.noisy.shape[1:]
        return Posterior(
            self.mean(observation, parameters), np.concatenate(drawn)[: len(pairs)].reshape(count, draws, *space)
        )

    def mean(self, observation: Observation, parameters: NDArray[np.float64]) -> NDArray[np.float32]:
        """E[x_0 | y] of some fields in the network's units, ``[n, *space]``; arguments of :meth:`posterior`."""
        levels = ladder(self.model, self.settings, observation.network_sigma)
        rows = np.arange(len(parameters))
        found = [self._mean(observation, parameters, levels, batch) for batch in self._batches(rows)]
        return np.concatenate(found)[: len(rows)]

    def _batches(self, rows: NDArray[np.int64]) -> Sequence[NDArray[np.int64]]:
        """Micro-batches of full size; the last one repeats its last row."""
        size = self.settings.micro_batch
        missing = -len(rows) % size
        filled = np.concatenate([rows, np.repeat(rows[-1:], missing, axis=0)])
        return [filled[first : first + size] for first in range(0, len(filled), size)]

    def _mean(
        self, seen: Observation, parameters: NDArray[np.float64], levels: torch.Tensor, rows: NDArray[np.int64]
    ) -> NDArray[np.float32]:
        denoiser = self.model.denoiser(self._condition(parameters[rows]))
        found = posterior_mean(denoiser, self._input(seen, rows), levels[rows, 0])
        return found[:, 0].cpu().numpy()

    def _draw(
        self, seen: Observation, parameters: NDArray[np.float64], levels: torch.Tensor, pairs: NDArray[np.int64]
    ) -> NDArray[np.float32]:
        rows = pairs[:, 0]
        addresses = [(int(seen.indices[row]), int(draw)) for row, draw in pairs]
        found = sample_posterior(
            self.model.denoiser(self._condition(parameters[rows])),
            self._input(seen, rows),
            levels[rows],
            spectrum=self.model.spectrum if self.settings.sampler == "gaussian_ancestral" else None,
            step_noise=lambda step: self._noise(addresses, step),
        )
        return found[:, 0].cpu().numpy()

    def _input(self, seen: Observation, rows: NDArray[np.int64]) -> torch.Tensor:
        return torch.from_numpy(seen.seen.values[rows][:, None]).to(self._device)

    def _condition(self, parameters: NDArray[np.float64]) -> torch.Tensor | None:
        return torch.from_numpy(parameters).to(self._device) if self.model.parameter_names else None

    def _noise(self, addresses: Sequence[tuple[int, int]], step: int) -> torch.Tensor:
        shape, seed, iteration = self.model.spec.field_shape, self.settings.seed, self.model.iteration
        return torch.stack(
            [normal_field(shape, self._device, seed, "posterior noise", iteration, *at, step) for at in addresses]
        )

    @property
    def _device(self) -> torch.device:
        return self.model.spectrum.device
