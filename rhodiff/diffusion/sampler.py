r"""What all samplers share: a falling grid of noise levels, and the denoiser that they call.

A sampler carries a field from the largest noise level to the clean estimate at the smallest one. With the denoiser's
estimate :math:`D(x, \sigma)` of the clean field, the probability flow (Karras et al. 2022) is

.. math:: dx / d\sigma = (x - D(x, \sigma)) / \sigma

The default grid is uniform in ln(sigma): for power spectra that fall over decades every octave of noise matters, and
the usual ``rho`` grid (:math:`\sigma^{1/\rho}` uniform) spends too few steps on the large scales.

Axes: N sample, C channel; ``*space`` one to three spatial axes.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from rhodiff.diffusion.formulation import Denoiser
from rhodiff.errors import ConfigError

__all__ = ["Callback", "Estimator", "Sampler"]

GRIDS = ("log", "rho")
DEFAULT_RHO = 7.0

Callback = Callable[[int, Tensor], None]
"""``callback(step, clean estimate [N, C, *space])``, once for each noise level."""


@dataclass(frozen=True)
class Estimator:
    """A denoiser that takes a plain number as noise level, and reports its estimates.

    Attributes:
        denoiser: what it calls.
        callback: told each estimate that starts a step, or None.
    """

    denoiser: Denoiser
    callback: Callback | None

    def __call__(self, x: Tensor, sigma: float) -> Tensor:
        """The clean estimate ``[N, C, *space]`` of ``x`` in its own precision."""
        return self.denoiser(x, torch.full(x.shape[:1], sigma, dtype=x.dtype, device=x.device)).to(x.dtype)

    def at_step(self, step: int, x: Tensor, sigma: float) -> Tensor:
        """The clean estimate that starts a step, reported."""
        clean = self(x, sigma)
        if self.callback is not None:
            self.callback(step, clean)
        return clean


@dataclass(frozen=True, kw_only=True)
class Sampler(ABC):
    """A way to follow the flow; the fields of a subclass are its options.

    Attributes:
        grid: ``log`` spaces ln(sigma) evenly, ``rho`` spaces sigma^(1/rho).
        rho: exponent of the ``rho`` grid, 7 if not given.
        schedule: noise levels of a discrete-time model in any order, used instead of a grid: an even stride of those
            within the range.
    """

    needs_reference: ClassVar[bool] = False

    grid: str = "log"
    rho: float | None = None
    schedule: Sequence[float] | None = None

    def __post_init__(self) -> None:
        if self.grid not in GRIDS:
            raise ConfigError(f"sampler option grid '{self.grid}' is unknown; allowed are {list(GRIDS)}")
        if self.rho is not None and self.grid != "rho":
            raise ConfigError("sampler option rho has no effect with grid 'log': take grid 'rho' or leave rho out")
        if self.schedule is not None and self.grid != "log":
            raise ConfigError("sampler option grid has no effect with a schedule: leave one of them out")

    @abstractmethod
    def integrate(self, estimate: Estimator, x: Tensor, levels: Sequence[float], spectrum: Tensor | None) -> Tensor:
        """Carry a field down the grid.

        Args:
            estimate: the denoiser.
            x: field at the noise level ``levels[0]``, ``[N, C, *space]``.
            levels: falling noise levels.
            spectrum: reference spectrum of the orthonormal ``rfftn``, ``[*rspace]`` or ``[C, *rspace]``, or None.

        Returns:
            The clean estimate at the last level, ``[N, C, *space]``.
        """

    @classmethod
    def possible_evaluations(cls, at_most: int) -> int:
        """The largest number of calls of the denoiser, up to ``at_most``, that the sampler can make exactly."""
        return at_most

    def num_levels(self, evaluations: int) -> int:
        """Noise levels that use up exactly ``evaluations`` calls of the denoiser.

        Raises:
            ConfigError: if no number of levels does.
        """
        return evaluations

    def levels(self, evaluations: int, sigma_min: float, sigma_max: float) -> list[float]:
        """The falling grid of noise levels.

        Args:
            evaluations: calls of the denoiser.
            sigma_min: smallest level.
            sigma_max: largest level.

        Raises:
            ConfigError: if there is no such grid.
        """
        if not 0 < sigma_min < sigma_max:
            raise ConfigError(f"need 0 < sigma_min < sigma_max, got {sigma_min:g} and {sigma_max:g}")
        if evaluations < 1:
            raise ConfigError(f"evaluations {evaluations} is below 1")
        number = self.num_levels(evaluations)
        if self.schedule is not None:
            return _stride(self.schedule, number, sigma_min, sigma_max)
        if self.grid == "log":
            return [float(level) for level in np.geomspace(sigma_max, sigma_min, number)]
        power = 1.0 / (self.rho or DEFAULT_RHO)
        return [float(level) ** (1 / power) for level in np.linspace(sigma_max**power, sigma_min**power, number)]


def _stride(schedule: Sequence[float], number: int, sigma_min: float, sigma_max: float) -> list[float]:
    """An even stride of the levels within the range, falling, with both ends; the range is widened by rounding."""
    inside = np.sort([level for level in schedule if sigma_min * (1 - 1e-6) <= level <= sigma_max * (1 + 1e-6)])[::-1]
    if number > len(inside):
        raise ConfigError(
            f"the schedule has {len(inside)} noise levels between {sigma_min:g} and {sigma_max:g}, "
            f"fewer than the {number} asked for: take fewer evaluations"
        )
    chosen = np.rint(np.linspace(0, len(inside) - 1, number)).astype(np.int64)
    return [float(level) for level in inside[chosen]]
