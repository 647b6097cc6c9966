"""Which statistics compare generated fields with the reference split, and how."""

from itertools import pairwise
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from rhodiff.config.section import Section

__all__ = ["Evaluation", "PixelDistribution", "PluginStatistic", "PowerSpectrum", "StatisticSettings"]


class PowerSpectrum(Section):
    """Azimuthally averaged power spectrum of each field."""

    kind: Literal["power_spectrum"] = "power_spectrum"
    bin_edges: tuple[Annotated[float, Field(ge=0)], ...] | None = None
    """Edges in k, inverse length units of the data; None: bins of the fundamental mode's width on its multiples."""

    @model_validator(mode="after")
    def _edges_rise(self) -> "PowerSpectrum":
        edges = self.bin_edges
        if edges is not None and (len(edges) < 2 or any(b <= a for a, b in pairwise(edges))):
            raise ValueError(f"bin_edges must be two or more rising numbers, got {list(edges)}")
        return self


class PixelDistribution(Section):
    """Histogram of the values, its moments, quantiles and the Wasserstein-1 distance."""

    kind: Literal["pixel_distribution"] = "pixel_distribution"
    num_bins: Annotated[int, Field(ge=4)] = 80
    """Bins of the histogram."""
    half_width_std: Annotated[float, Field(gt=0)] = 5.0
    """The histogram spans the reference mean -+ this many reference standard deviations."""
    quantiles: tuple[Annotated[float, Field(gt=0, lt=1)], ...] = (0.001, 0.01, 0.1, 0.5, 0.9, 0.99, 0.999)
    """Quantiles that are compared."""


class PluginStatistic(Section):
    """A statistic that another package provides under the entry point group ``rhodiff.plugins``."""

    kind: Literal["plugin"] = "plugin"
    name: str
    """Name of the entry point."""
    options: dict[str, Any] = Field(default_factory=dict)
    """Handed to the plug-in, which checks them."""


StatisticSettings = Annotated[PowerSpectrum | PixelDistribution | PluginStatistic, Field(discriminator="kind")]


class Evaluation(Section):
    """Statistics of every cell of the sweep against a part of the data."""

    reference: Literal["validation", "test"] = "test"
    """Part of the data that generated fields are compared with."""
    space: Literal["transformed", "physical"] = "transformed"
    """Compare what the network sees (paper A: the log field), or fields in physical units."""
    statistics: Annotated[tuple[StatisticSettings, ...], Field(min_length=1)] = (PowerSpectrum(), PixelDistribution())
    """What is measured."""
    bootstrap: Annotated[int, Field(ge=100)] = 1000
    """Bootstrap resamples (over independent groups of the reference) behind each error."""
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    """Seed of the bootstrap."""
