"""Denoising: noise is added to fields of a split, and the trained network takes it away again (paper A)."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from rhodiff.config.section import Section

__all__ = ["Denoising", "ObservationNoise"]

Count = Annotated[int, Field(ge=1)]


class ObservationNoise(Section):
    """White Gaussian noise of a known level, added to each field."""

    sigma: Annotated[float, Field(gt=0)] = 0.2
    """Its standard deviation, in units of ``of``."""
    of: Literal["mean", "std", "unit"] = "mean"
    """``mean``: the mean of the clean field (paper A: 0.2); ``std``: its standard deviation; ``unit``: the unit of
    the values it is added to."""
    space: Literal["transformed", "physical"] = "transformed"
    """``transformed``: added to the values after the last step of ``fields.transform`` that is not affine, e.g. to
    log10(E(B-V)); ``physical``: to the stored fields, where all steps are affine. Either way it is white Gaussian
    noise of a known level for the network too."""


class Denoising(Section):
    """Noisy fields of a split, denoised by the network and by filters, and scored against the truth.

    A conditional network is told the true parameters of each field.
    """

    split: Literal["validation", "test"] = "validation"
    """Part of the data that is made noisy."""
    num_fields: Count | None = None
    """Fields, in a fixed random order; null: the whole split."""
    noise: ObservationNoise = ObservationNoise()
    """The noise."""
    rescale: Annotated[int, Field(ge=0, le=10)] = 0
    """With min_max by image: times that its extremes are taken again, from the posterior mean; 0: from the noisy
    field, whose range is too wide (paper A). Two make the posterior nearly calibrated."""
    checkpoints: Literal["last", "all"] | tuple[Count, ...] = "last"
    """Iterations of the checkpoints that denoise."""
    weights: Literal["ema", "raw"] = "ema"
    """Averaged weights, or those of the optimizer."""
    posterior_samples: Annotated[int, Field(ge=2)] = 16
    """Draws from the posterior for each field; 39 resolve an interval of 95 %."""
    samples_kept: Count = 1
    """Of the draws, so many of each field are stored; moments and ranks are made of all."""
    sampler: Literal["gaussian_ancestral", "ddpm"] = "gaussian_ancestral"
    """Steps of the reverse process: ``gaussian_ancestral`` with the posterior covariance of a Gaussian field,
    ``ddpm`` with the variance beta-tilde (paper A), whose spread is too small. Both are stochastic: a flow (ddim,
    heun) gives each noisy field one answer, and no spread."""
    evaluations: Count = 16
    """Network evaluations for a draw; of ``ddpm`` with a DDPM network at most as many as it has levels below the
    noise."""
    micro_batch: Count = 64
    """Noisy fields, or draws, that go through the network together. Fixed, because the batch size changes the last
    bits."""
    block_length: Count = 64
    """Fields of a task, and in one file of the store. A task holds all draws of its fields in memory, 8 bytes a cell,
    a few times over."""
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    """Seed of the noise and of the draws; noise of a field is the same for all checkpoints."""

    @model_validator(mode="after")
    def _keeps_what_it_draws(self) -> "Denoising":
        if self.samples_kept > self.posterior_samples:
            raise ValueError(
                f"samples_kept {self.samples_kept} is more than posterior_samples {self.posterior_samples}"
            )
        return self
