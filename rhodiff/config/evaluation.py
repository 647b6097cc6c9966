"""Which statistics compare generated fields with the reference split, and how."""

from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from rhodiff.config.fields import MinMax, TransformStep
from rhodiff.config.section import Operational, Section
from rhodiff.config.selection import Selection

__all__ = [
    "Bispectrum",
    "CorrelationFunction",
    "Evaluation",
    "Memorisation",
    "Minkowski",
    "Peaks",
    "PixelDistribution",
    "PluginStatistic",
    "PowerSpectrum",
    "StatisticSettings",
    "ThresholdSpread",
    "WaveletL1",
]


OwnSpace = Annotated[tuple[TransformStep, ...], Field(min_length=1)]


class PowerSpectrum(Section):
    """Azimuthally averaged power spectrum of each field."""

    kind: Literal["power_spectrum"] = "power_spectrum"
    bin_edges: tuple[Annotated[float, Field(ge=0)], ...] | Literal["paper_a"] | None = None
    """Edges in k, inverse length units of the data; None: bins of the fundamental mode's width on its multiples;
    ``paper_a``: of those, only the modes within a quarter of the multiple (arXiv 2211.12444)."""

    @model_validator(mode="after")
    def _edges_rise(self) -> "PowerSpectrum":
        edges = self.bin_edges
        if isinstance(edges, tuple) and (len(edges) < 2 or any(b <= a for a, b in pairwise(edges))):
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


class ThresholdSpread(Section):
    """Thresholds laid over the values of the reference, evenly spaced in x = -w ... w."""

    over: Literal["quantiles", "std"] = "quantiles"
    """``std``: mean + x std. ``quantiles``: where a share Φ(x) of the values lies below (Φ: normal)."""
    number: Annotated[int, Field(ge=2)] = 25
    """How many."""
    half_width_std: Annotated[float, Field(gt=0, le=8)] = 2.5
    """w, in standard deviations (of the reference, or of the normal distribution behind ``quantiles``)."""


class Minkowski(Section):
    """Minkowski functionals of the sets above thresholds: area, perimeter and Euler characteristic in 2D."""

    kind: Literal["minkowski"] = "minkowski"
    thresholds: tuple[float, ...] | ThresholdSpread = ThresholdSpread()
    """Two or more rising values in the unit of the compared fields, or how to lay them over the reference."""
    boundary: Literal["auto", "open", "periodic"] = "auto"
    """``open`` counts interior windows alone, ``periodic`` wraps around; ``auto``: as the data (QuantImPy: open)."""
    backend: Literal["rhodiff", "quantimpy"] = "rhodiff"
    """``quantimpy``: 2D and 3D, open boundaries; of 3D only volume and surface, since its others are wrong."""
    quantimpy_python: Annotated[Path | None, Operational] = None
    """Interpreter that has QuantImPy; None: this one if it has, else that of ``$RHODIFF_QUANTIMPY_PYTHON``."""

    @model_validator(mode="after")
    def _settings_agree(self) -> "Minkowski":
        given = self.thresholds
        if isinstance(given, tuple) and (len(given) < 2 or any(b <= a for a, b in pairwise(given))):
            raise ValueError(f"thresholds must be two or more rising numbers, got {list(given)}")
        if self.backend == "quantimpy" and self.boundary == "periodic":
            raise ValueError("backend 'quantimpy' has open boundaries only: say 'open', or backend 'rhodiff'")
        if self.backend != "quantimpy" and self.quantimpy_python is not None:
            raise ValueError(
                "quantimpy_python has no effect with backend 'rhodiff': leave it out, or say 'quantimpy'"
            )
        return self


class Bispectrum(Section):
    """Bispectrum over triangles of shells, divided by the powers of the reference."""

    kind: Literal["bispectrum"] = "bispectrum"
    triangles: tuple[Literal["equilateral", "squeezed"], ...] | None = None
    """Shapes; None: both, in one dimension squeezed alone."""
    bin_edges: tuple[Annotated[float, Field(ge=0)], ...] | None = None
    """Edges of the shells in k; None: of the fundamental mode's width on its multiples."""

    @model_validator(mode="after")
    def _shells_rise(self) -> "Bispectrum":
        edges, shapes = self.bin_edges, self.triangles
        if edges is not None and (len(edges) < 2 or any(b <= a for a, b in pairwise(edges))):
            raise ValueError(f"bin_edges must be two or more rising numbers, got {list(edges)}")
        if shapes is not None and (not shapes or len(set(shapes)) < len(shapes)):
            raise ValueError(f"triangles must name one or more different shapes, got {list(shapes)}")
        return self


class WaveletL1(Section):
    """Starlet l1-norm: absolute wavelet coefficients of each scale, by their value."""

    kind: Literal["wavelet_l1"] = "wavelet_l1"
    num_scales: Annotated[int, Field(ge=1)] | None = None
    """Scales of 2, 4, 8, ... cells; None: all that the fields hold, five at most."""
    num_bins: Annotated[int, Field(ge=2)] = 20
    """Bins of the coefficients of each scale."""
    half_width_std: Annotated[float, Field(gt=0)] = 4.0
    """They span -+ this many standard deviations of the reference's; the outermost take what is beyond."""
    boundary: Literal["auto", "open", "periodic"] = "auto"
    """``periodic`` wraps around, ``open`` mirrors at the border; ``auto``: as the data."""


class Peaks(Section):
    """Number density of local maxima by height."""

    kind: Literal["peaks"] = "peaks"
    num_bins: Annotated[int, Field(ge=2)] = 20
    """Bins of the height."""
    half_width_std: Annotated[float, Field(gt=0)] = 4.0
    """They span the reference mean -+ this many standard deviations; the outermost take what is beyond."""
    boundary: Literal["auto", "open", "periodic"] = "auto"
    """``periodic`` wraps around, ``open`` leaves out cells at the border; ``auto``: as the data."""


class CorrelationFunction(Section):
    """Correlation function of each field by distance, and its correlation length."""

    kind: Literal["correlation_function"] = "correlation_function"
    largest_lag: Annotated[float, Field(gt=0)] | None = None
    """Largest distance, in length units of the data; None: half the box."""


class PluginStatistic(Section):
    """A statistic that another package provides under the entry point group ``rhodiff.plugins``."""

    kind: Literal["plugin"] = "plugin"
    name: str
    """Name of the entry point."""
    options: dict[str, Any] = Field(default_factory=dict)
    """Handed to the plug-in, which checks them."""


StatisticSettings = Annotated[
    PowerSpectrum
    | PixelDistribution
    | Minkowski
    | Bispectrum
    | WaveletL1
    | Peaks
    | CorrelationFunction
    | PluginStatistic,
    Field(discriminator="kind"),
]


class Memorisation(Section):
    """Whether generated fields are copies of training fields: distance to the nearest one under the symmetries."""

    fields: Annotated[int, Field(ge=8)] = 128
    """Generated fields, and as many of the reference, that are held against the training fields."""
    training_fields: Annotated[int, Field(ge=2)] | None = None
    """At most so many training fields, evenly spread; None: as many as about a minute of one core allows, and none
    where those would be fewer than 64 (large volumes)."""


class Evaluation(Section):
    """Statistics of every cell of the sweep against a part of the data."""

    reference: Literal["validation", "test"] = "test"
    """Part of the data that generated fields are compared with."""
    space: Literal["transformed", "physical"] | Annotated[tuple[TransformStep, ...], Field(min_length=1)] = (
        "transformed"
    )
    """Compare what the network sees (paper A: the log field), fields in physical units, or those after steps of their
    own, written as in ``fields.transform``, in which networks that see different things can be compared."""
    statistics: Annotated[tuple[StatisticSettings, ...], Field(min_length=1)] = (PowerSpectrum(), PixelDistribution())
    """What is measured; each kind once."""
    memorisation: Memorisation | None = Memorisation()
    """Search for copies of training fields; null: none."""
    block_fields: Annotated[int | None, Field(ge=1), Operational] = None
    """Fields measured together, and lost together where a process is killed; None: what makes half a million
    cells."""
    bootstrap: Annotated[int, Field(ge=100)] = 1000
    """Bootstrap resamples (over independent groups of the reference) behind each error."""
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    """Seed of the bootstrap."""
    selection: Annotated[Selection, Operational] = Selection()
    """How checkpoints are ranked, from what is stored of each field: another ranking measures nothing again."""

    @model_validator(mode="after")
    def _own_space_keeps_scales(self) -> "Evaluation":
        steps = () if isinstance(self.space, str) else self.space
        if any(isinstance(step, MinMax) and step.scope == "image" for step in steps):
            raise ValueError("space: min_max with scope 'image' removes the scale of each field: take scope 'set'")
        return self

    @model_validator(mode="after")
    def _selection_has_its_statistics(self) -> "Evaluation":
        needed = {"paper_a": ("power_spectrum", "minkowski"), "power_spectrum": ("power_spectrum",)}
        score, measured = self.selection.score, [one.kind for one in self.statistics]
        missing = [kind for kind in needed.get(score, ()) if kind not in measured]
        if missing:
            raise ValueError(
                f"selection.score '{score}' needs {' and '.join(missing)} among the statistics, which has "
                f"{', '.join(measured)}: add it, or take another score"
            )
        if self.selection.combination is not None and not {"power_spectrum", "minkowski"} <= set(measured):
            raise ValueError(
                "selection.combination has no effect unless power_spectrum and minkowski are both among the "
                "statistics: leave it out"
            )
        return self

    @model_validator(mode="after")
    def _kinds_differ(self) -> "Evaluation":
        names = [one.name if isinstance(one, PluginStatistic) else one.kind for one in self.statistics]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(
                f"statistics names {', '.join(twice)} twice, and results are stored by that name: give each kind once"
            )
        return self
