"""How fields are split, stored, transformed and augmented before a network sees them."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from rhodiff.config.section import Operational, Section
from rhodiff.config.sources import DeepGalaxySource, MergersSource, SourceSettings

__all__ = [
    "Asinh",
    "Data",
    "Fields",
    "Gaussianise",
    "Log10",
    "MinMax",
    "Power",
    "Split",
    "Standardise",
    "TransformStep",
]


class Split(Section):
    """Shares of the independent groups (parameter vectors, longitudes) that go to each part, in this order."""

    train: Annotated[float, Field(gt=0, le=1)] = 0.7
    """Share for training; transforms are fitted on it alone."""
    validation: Annotated[float, Field(ge=0, lt=1)] = 0.15
    """Share for choices (checkpoint, EMA width)."""
    test: Annotated[float, Field(ge=0, lt=1)] = 0.15
    """Share kept for the last comparison."""
    shuffle: bool = True
    """Shuffle the groups by ``seed`` first; False keeps the order of the files, as paper A does."""
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    """Seed of the shuffle."""

    @model_validator(mode="after")
    def _sums_to_one(self) -> "Split":
        total = self.train + self.validation + self.test
        if abs(total - 1) > 1e-6:
            raise ValueError(f"train + validation + test is {total:g}, it must be 1")
        return self


class Data(Section):
    """The data set: its source, its split and the form of its store."""

    source: SourceSettings
    """Where the fields come from."""
    split: Split = Split()
    """Training, validation and test parts."""
    shard_length: Annotated[int, Field(ge=1)] = 64
    """Fields in one file of the store; a preparation task owns whole shards."""
    compression: Literal["none", "zstd"] = "none"
    """``none`` can be memory-mapped while training; ``zstd`` saves bytes and costs reading time."""

    def fills(self, part: Literal["train", "validation", "test"]) -> bool:
        """Whether fields go to a part: by its share or, for the test part, by values that the source holds out."""
        is_held_out = isinstance(self.source, MergersSource | DeepGalaxySource) and bool(self.source.held_out)
        return (part == "test" and is_held_out) or bool(getattr(self.split, part) > 0)


class Log10(Section):
    """y = log10(max(x, floor) + offset); exactly invertible for x >= floor."""

    kind: Literal["log10"] = "log10"
    offset: Annotated[float, Field(ge=0)] = 0.0
    """Added before the logarithm, in units of the field."""
    floor: float | None = None
    """Values below are raised to it, in units of the field; None: a value whose log does not exist is an error."""

    @model_validator(mode="after")
    def _log_of_floor_exists(self) -> "Log10":
        if self.floor is not None and self.floor + self.offset <= 0:
            raise ValueError(f"floor {self.floor:g} + offset {self.offset:g} is not positive: its log does not exist")
        return self


class Asinh(Section):
    """y = asinh(x / scale): linear below ``scale``, logarithmic above, any sign."""

    kind: Literal["asinh"] = "asinh"
    scale: Annotated[float, Field(gt=0)] = 1.0
    """Where the linear part ends, in units of the field."""


class Power(Section):
    """y = sign(x) |x|^exponent."""

    kind: Literal["power"] = "power"
    exponent: Annotated[float, Field(gt=0)] = 0.5
    """Exponent; below 1 it compresses large values."""


class Standardise(Section):
    """y = (x - mean) / std, by channel, with the moments of the training split."""

    kind: Literal["standardise"] = "standardise"


class Gaussianise(Section):
    """y = standard normal score of x among the values of the training split, by channel: single cells become normal.

    A smooth increasing curve through exact quantiles, straight beyond the outermost; exactly invertible.
    """

    kind: Literal["gaussianise"] = "gaussianise"
    num_knots: Annotated[int, Field(ge=5)] = 33
    """Quantiles that the curve goes through, equally spaced in y."""
    tail_count: Annotated[int, Field(ge=2)] = 100
    """Values of the training split beyond each outermost knot (at most 1 % of them), where the curve is straight."""


class MinMax(Section):
    """y = low + (high - low) (x - min) / (max - min)."""

    kind: Literal["min_max"] = "min_max"
    scope: Literal["set", "image"] = "set"
    """``set``: extremes of the training split; ``image``: each field's own, as paper A does for dust (a generated
    field then has no physical scale)."""
    low: float = -1.0
    """Where the minimum goes."""
    high: float = 1.0
    """Where the maximum goes."""

    @model_validator(mode="after")
    def _ordered(self) -> "MinMax":
        if self.low >= self.high:
            raise ValueError(f"low {self.low} is not below high {self.high}")
        return self


TransformStep = Annotated[Log10 | Asinh | Power | Standardise | MinMax | Gaussianise, Field(discriminator="kind")]


class Fields(Section):
    """From stored fields to what the network sees: the transform, in order, and augmentation while training."""

    transform: tuple[TransformStep, ...] = (Standardise(),)
    """Steps applied one after another; the constants are fitted on the training split and stored."""
    augmentation: tuple[Literal["dihedral", "periodic_shift"], ...] = ()
    """``dihedral``: all flips and quarter turns (1D: flip, 2D: 8, 3D: the 48 of the cube); ``periodic_shift``:
    by whole cells along periodic axes. Both move pixels exactly, nothing is interpolated."""
    memory_map: Annotated[bool, Operational] = True
    """Read uncompressed shards by memory map; False reads them through zarr."""
