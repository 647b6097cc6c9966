"""Noise levels, preconditioning and loss. All noise levels are sigma in x + sigma n, with x in network units."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from rhodiff.config.section import Section

__all__ = ["ContinuousSettings", "DdpmSettings", "DiffusionSettings", "EdmSettings", "WienerSettings"]

PositiveFloat = Annotated[float, Field(gt=0)]


class ContinuousSettings(Section):
    """Noise levels anywhere in the range that the data's own spectrum asks for."""

    fields_shown: ClassVar[int] = 1
    """Fields that the network is shown for the one it returns, each of the channels of the data."""
    title: ClassVar[str]
    """Its name in a report."""
    kind: str
    sigma_min: PositiveFloat | None = None
    """Smallest noise level; None: 0.05 sqrt(S(k_Nyquist)) of the training split."""
    sigma_max: PositiveFloat | None = None
    """Largest noise level; None: 10 sqrt(max over k of S(k)) of the training split."""
    noise_distribution: Literal["log_uniform", "log_normal"] = "log_uniform"
    """Distribution of sigma in training."""
    log_normal_mean: float = -1.2
    """Mean of ln sigma for ``log_normal``."""
    log_normal_std: PositiveFloat = 1.2
    """Standard deviation of ln sigma for ``log_normal``."""
    stratified: bool = True
    """Draw the levels of a batch from equal strata: less noise in the loss."""

    @model_validator(mode="after")
    def _range_ordered(self) -> "ContinuousSettings":
        if self.sigma_min is not None and self.sigma_max is not None and self.sigma_min >= self.sigma_max:
            raise ValueError(f"sigma_min {self.sigma_min} is not below sigma_max {self.sigma_max}")
        return self


class EdmSettings(ContinuousSettings):
    """EDM preconditioning (Karras et al. 2022) over the noise range that the data's own spectrum asks for."""

    title: ClassVar[str] = "EDM"
    kind: Literal["edm"] = "edm"


class WienerSettings(ContinuousSettings):
    """The network adds to the Wiener filter of the training spectrum, and is shown its result beside the field."""

    fields_shown: ClassVar[int] = 2
    title: ClassVar[str] = "Wiener skip"
    kind: Literal["wiener"] = "wiener"


class DdpmSettings(Section):
    """Discrete-time DDPM (Ho et al. 2020); the defaults are paper A's."""

    fields_shown: ClassVar[int] = 1
    title: ClassVar[str] = "DDPM"
    kind: Literal["ddpm"] = "ddpm"
    timesteps: Annotated[int, Field(ge=2)] = 2000
    """Number of noise levels T."""
    schedule: Literal["linear", "cosine"] = "linear"
    """``linear``: beta from beta_start to beta_end; ``cosine``: Nichol & Dhariwal 2021."""
    beta_start: Annotated[float, Field(gt=0, lt=1)] = 1e-4
    """First beta of the linear schedule."""
    beta_end: Annotated[float, Field(gt=0, lt=1)] = 0.02
    """Last beta of the linear schedule."""
    prediction: Literal["epsilon", "v"] = "epsilon"
    """What the network predicts: the noise, or v = alpha epsilon - sigma x (Salimans & Ho 2022)."""
    loss: Literal["huber", "mse"] = "huber"
    """Loss on the prediction; huber with delta 1."""


DiffusionSettings = Annotated[EdmSettings | WienerSettings | DdpmSettings, Field(discriminator="kind")]
