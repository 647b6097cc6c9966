"""The denoising network and its conditioning."""

from difflib import get_close_matches
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from rhodiff.config.section import Neutral, Operational, Section

__all__ = ["Conditioning", "ModelSettings", "PluginModel", "UNetSettings"]

Attention = Literal["none", "linear", "full"]


class Conditioning(Section):
    """Physical parameters that the network is told."""

    parameters: tuple[str, ...] = ()
    """Names of the data set's parameters; empty: unconditional."""
    embedding: Literal["continuous", "hash"] = "continuous"
    """``continuous``: standardised values, Fourier features, MLP (interpolates); ``hash``: SHA-512 of the
    parameter dict as in rho-Diffusion (cannot interpolate)."""
    categorical: tuple[str, ...] = ()
    """Those of ``parameters`` that are labels: they get an embedding table of the values in the training split."""
    hashed: Annotated[tuple[str, ...], Neutral] = ()
    """Those of ``parameters`` that are embedded together by their SHA-512, beside the others: names of things between
    which nothing can be interpolated. With embedding ``hash`` all are."""
    fourier_features: Annotated[int, Field(ge=1)] = 16
    """Frequencies for each continuous parameter."""
    hash_length: Annotated[int, Field(ge=128, multiple_of=128)] = 128
    """Length of the hash vector."""
    dropout: Annotated[float, Field(ge=0, lt=1), Neutral] = 0.0
    """Share of the training fields whose parameters are kept from the network, so that it learns to do without them
    too; ``sampling.guidance`` other than 1 needs it, 0.1 is usual. (A plug-in network gets NaN for them.)"""

    @model_validator(mode="after")
    def _kinds_are_parameters(self) -> "Conditioning":
        for kind in ("categorical", "hashed"):
            for name in getattr(self, kind):
                if name not in self.parameters:
                    near = get_close_matches(name, self.parameters, n=1)
                    hint = f": did you mean '{near[0]}'?" if near else ""
                    raise ValueError(f"{kind} '{name}' is not among parameters {list(self.parameters)}{hint}")
            if self.embedding == "hash" and getattr(self, kind):
                raise ValueError(f"{kind} has no effect with embedding 'hash': remove it")
        return self

    @model_validator(mode="after")
    def _each_has_one_embedding(self) -> "Conditioning":
        for kind in ("parameters", "categorical", "hashed"):
            names = getattr(self, kind)
            doubled = sorted({name for name in names if names.count(name) > 1})
            if doubled:
                raise ValueError(f"{kind} names '{doubled[0]}' twice")
        both = sorted(set(self.categorical) & set(self.hashed))
        if both:
            raise ValueError(f"'{both[0]}' is categorical and hashed: take one of them")
        return self

    @model_validator(mode="after")
    def _dropout_has_an_effect(self) -> "Conditioning":
        if self.dropout and not self.parameters:
            raise ValueError("dropout has no effect without parameters: remove it")
        return self


class UNetSettings(Section):
    """An n-dimensional U-Net of residual blocks; its dimension follows the data."""

    kind: Literal["unet"] = "unet"
    width: Annotated[int, Field(ge=8)] = 64
    """Channels of the finest level."""
    multipliers: tuple[Annotated[int, Field(ge=1)], ...] = (1, 2, 4)
    """Channels of each level in units of ``width``, finest first; each level halves the resolution."""
    blocks: Literal["graded"] | Annotated[int, Field(ge=1)] | tuple[Annotated[int, Field(ge=1)], ...] = "graded"
    """Residual blocks in each level on the way down (and up), for all levels or by level; ``graded`` is 1, 1, 2, 3,
    ... from the finest on: most where cells are few, 30 % less time at equal parameters."""
    attention: Attention | tuple[Attention, ...] = "none"
    """Self-attention after the blocks of a level, for all levels or by level."""
    middle_attention: Attention = "full"
    """Self-attention between the two middle blocks."""
    heads: Annotated[int, Field(ge=1)] = 4
    """Attention heads."""
    head_channels: Annotated[int, Field(ge=4)] = 32
    """Channels of an attention head."""
    norm_groups: Annotated[int, Field(ge=1)] = 8
    """Groups of the group normalisation."""
    padding: Literal["auto", "circular", "zeros"] = "auto"
    """``auto``: circular along the periodic axes of the data and zeros along the others."""
    skip: Literal["block", "level"] = "level"
    """Skip connections from every block, or one from each level."""
    resample: Literal["pool", "conv4"] = "pool"
    """Change of resolution between levels: ``pool`` averages and repeats cells; ``conv4`` are learned convolutions of
    kernel 4 and stride 2."""
    modulation: Literal["scale_shift", "shift"] = "scale_shift"
    """How noise level and parameters act on a block: scale and shift of its second group norm, or only a shift."""
    stem_kernel: Literal[3, 5, 7] = 3
    """Kernel of the first convolution."""
    stem_patch: Literal[1, 2, 4] = 1
    """Space-to-depth factor in front of the network (and back behind it): 2 computes at half resolution."""
    coordinates: Annotated[int, Field(ge=0, le=16)] = 0
    """Frequencies of the coordinate that the network is shown along each axis that does not wrap around, from half a
    period over the axis on, each twice the one before; 0: it is not told where a cell is."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Dropout inside the residual blocks."""
    conditioning: Conditioning = Conditioning()
    """Physical parameters the network is told."""
    gradient_checkpointing: Annotated[bool, Operational] = False
    """Recompute activations in the backward pass: less memory, about a third more time."""

    @model_validator(mode="after")
    def _levels_agree(self) -> "UNetSettings":
        for name in ("blocks", "attention"):
            value = getattr(self, name)
            if isinstance(value, tuple) and len(value) != len(self.multipliers):
                raise ValueError(f"{name} has {len(value)} entries for {len(self.multipliers)} levels")
        for multiplier in self.multipliers:
            if self.width * multiplier % self.norm_groups:
                raise ValueError(
                    f"width {self.width} x {multiplier} is not divisible by norm_groups {self.norm_groups}"
                )
        return self


class PluginModel(Section):
    """A network that another package provides under the entry point group ``rhodiff.plugins``."""

    kind: Literal["plugin"] = "plugin"
    name: str
    """Name of the entry point."""
    options: dict[str, Any] = Field(default_factory=dict)
    """Handed to the plug-in, which checks them."""
    conditioning: Conditioning = Conditioning()
    """Physical parameters the network is told."""


ModelSettings = Annotated[UNetSettings | PluginModel, Field(discriminator="kind")]
