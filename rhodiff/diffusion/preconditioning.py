r"""EDM: a network wrapped so that its input and its target have unit variance at every noise level.

.. math:: D(x, \sigma) = c_{skip} x + c_{out} F(c_{in} x, \ln(\sigma)/4)

.. math:: c_{skip} = \frac{\sigma_d^2}{\sigma^2 + \sigma_d^2}, \quad
   c_{out} = \frac{\sigma \sigma_d}{\sqrt{\sigma^2 + \sigma_d^2}}, \quad
   c_{in} = \frac{1}{\sqrt{\sigma^2 + \sigma_d^2}}

The loss :math:`\lambda |D - x_0|^2` with :math:`\lambda = 1 / c_{out}^2` is one for a network that returns zero.

Reference: Karras et al. 2022, arXiv:2206.00364, table 1. Axes: N sample, C channel, P parameter.
"""

from typing import Literal, NamedTuple

from torch import Tensor

from rhodiff.diffusion.continuous import ContinuousFormulation
from rhodiff.diffusion.formulation import Network, expand_as, mean_over_field, noise_label

__all__ = ["EdmFormulation", "Preconditioning", "precondition"]


class Preconditioning(NamedTuple):
    """The factors of EDM at some noise levels, each of the shape of sigma."""

    c_skip: Tensor
    c_out: Tensor
    c_in: Tensor


def precondition(sigma: Tensor, sigma_data: float) -> Preconditioning:
    """The factors of EDM.

    Args:
        sigma: noise levels, any shape.
        sigma_data: standard deviation of the data.

    Returns:
        The factors, each of the shape of ``sigma``.
    """
    total = sigma**2 + sigma_data**2
    return Preconditioning(sigma_data**2 / total, sigma * sigma_data * total.rsqrt(), total.rsqrt())


class EdmFormulation(ContinuousFormulation):
    """EDM over a range of noise levels."""

    kind: Literal["edm"] = "edm"
    """Tells formulations apart in a checkpoint."""
    sigma_data: float
    """Standard deviation of a cell of the data, in network units."""

    def loss(
        self, network: Network, x0: Tensor, noise: Tensor, u: Tensor, parameters: Tensor | None = None
    ) -> Tensor:
        """Mean squared error of the unit-variance target, ``[N]``."""
        sigma = self.noise_levels(u)
        level = expand_as(sigma, x0)
        c_in = precondition(level, self.sigma_data).c_in
        predicted = network(c_in * (x0 + level * noise), noise_label(sigma).to(x0), parameters).to(x0)
        # (x0 - c_skip x) / c_out, written without the cancellation at small sigma.
        target = c_in * (level / self.sigma_data * x0 - self.sigma_data * noise)
        return mean_over_field((predicted - target) ** 2)

    def denoise(self, network: Network, x: Tensor, sigma: Tensor, parameters: Tensor | None = None) -> Tensor:
        """c_skip x + c_out F(c_in x), ``[N, C, *space]``."""
        c_skip, c_out, c_in = precondition(expand_as(sigma, x), self.sigma_data)
        return c_skip * x + c_out * network(c_in * x, noise_label(sigma).to(x), parameters).to(x)
