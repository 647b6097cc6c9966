"""Noisy observations of the fields of a split, each with noise from its own random address.

The noise of a field comes from (seed, field index) on the CPU: it is the same for every checkpoint, in every division
of the work, and on every device.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rhodiff.config.denoising import Denoising
from rhodiff.errors import ConfigError
from rhodiff.fields.noise_space import NetworkFields, NoiseSpace, noise_std
from rhodiff.runtime.streams import stream
from rhodiff.sources.source import TEST, VALIDATION
from rhodiff.stages.training_data import open_training_reader
from rhodiff.stages.workspace import Workspace

__all__ = ["Observation", "chosen_fields", "observe", "require_denoising"]

Float = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Observation:
    """Some fields, and what is seen of them.

    Attributes:
        indices: which fields of the data set, ``[n]``.
        truth: values that noise is added to, ``[n, *space]``.
        noisy: the same with noise, ``[n, *space]``.
        sigma: standard deviation of each field's noise, in the unit of the values, ``[n]``.
        seen: the noisy fields as the network sees them.
    """

    indices: NDArray[np.int64]
    truth: Float
    noisy: Float
    sigma: Float
    seen: NetworkFields

    @property
    def network_sigma(self) -> Float:
        """Noise level of each field in the network's units, ``[n]``."""
        return np.asarray(self.sigma * self.seen.scale)


def require_denoising(workspace: Workspace) -> Denoising:
    """The ``denoising`` section.

    Raises:
        ConfigError: if the experiment has none.
    """
    found = workspace.experiment.denoising
    if found is None:
        raise ConfigError(
            "this experiment has no 'denoising' section, so there is nothing to denoise: write 'denoising: {}' into "
            "its file for the defaults, or --set denoising={}"
        )
    return found


def chosen_fields(workspace: Workspace) -> NDArray[np.int64]:
    """Indices of the fields that are denoised: the first of the split in a fixed random order.

    Raises:
        ConfigError: if more are asked for than the split has.
    """
    settings = require_denoising(workspace)
    part = {"validation": VALIDATION, "test": TEST}[settings.split]
    fields = stream(0, "denoising order").permutation(workspace.store.indices(part))
    if settings.num_fields is not None and settings.num_fields > len(fields):
        raise ConfigError(
            f"denoising.num_fields is {settings.num_fields}, but the {settings.split} split has {len(fields)} valid "
            "fields: take fewer, or null for all"
        )
    return fields[: settings.num_fields]


def observe(workspace: Workspace, space: NoiseSpace, indices: NDArray[np.int64]) -> Observation:
    """Add noise to some fields.

    Args:
        workspace: the experiment, its data prepared.
        space: where the noise is added.
        indices: which fields of the data set, ``[n]``.

    Raises:
        ConfigError: if the fields have several channels.
        DataError: if a field is constant, or has no positive mean that the noise is a share of.
    """
    settings = require_denoising(workspace)
    truth = space.clean(open_training_reader(workspace).read(indices))
    sigma = noise_std(truth, settings.noise.sigma, settings.noise.of)
    white = [stream(settings.seed, "observation noise", int(i)).standard_normal(truth.shape[1:]) for i in indices]
    noisy = truth + sigma.reshape(-1, *[1] * (truth.ndim - 1)) * np.stack(white)
    return Observation(indices, truth, noisy, sigma, space.to_network(noisy))
