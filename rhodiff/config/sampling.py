"""Sampling sweeps: checkpoint x condition x sampler x evaluations x guidance x EMA width x seed."""

from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from rhodiff.config.constraints import Constraints
from rhodiff.config.section import Neutral, Operational, Section

__all__ = ["SamplerSteps", "Sampling"]

Count = Annotated[int, Field(ge=1)]
PositiveFloat = Annotated[float, Field(gt=0)]


class SamplerSteps(Section):
    """How samplers go down the noise levels; what is not given follows from the training and its spectrum."""

    sigma_min: PositiveFloat | None = None
    """Smallest noise level, within the range of the training; None: its end."""
    sigma_max: PositiveFloat | None = None
    """Largest noise level, within the range of the training; None: its end."""
    grid: Literal["log", "rho"] = "log"
    """``log`` spaces ln(sigma) evenly, ``rho`` spaces sigma^(1/rho) (Karras et al. 2022)."""
    rho: PositiveFloat | None = None
    """Exponent of the ``rho`` grid; None: 7."""
    start: Literal["spectrum", "white"] = "spectrum"
    """``spectrum``: variance sigma_max^2 + S in a mode of power S in the training set; ``white``: sigma_max^2, which
    leaves 1 / (1 + S / sigma_max^2) of its power."""
    options: dict[str, dict[str, float]] = Field(default_factory=dict)
    """Options of samplers by name: ``{heun_churn: {s_churn: 4}}``."""

    @model_validator(mode="after")
    def _rho_has_an_effect(self) -> "SamplerSteps":
        if self.rho is not None and self.grid != "rho":
            raise ValueError("rho has no effect with grid 'log': take grid 'rho' or leave rho out")
        return self


class Sampling(Section):
    """A sweep; its cells are all combinations of the listed axes, each stored on its own."""

    num_samples: Count = 64
    """Fields in each cell."""
    checkpoints: Literal["last", "all"] | tuple[Count, ...] = "last"
    """Iterations of the checkpoints to sample from."""
    conditions: Literal["reference"] | tuple[dict[str, float], ...] = "reference"
    """``reference``: sample i gets the parameters of field i of the evaluation's reference split (cyclically);
    or a list of parameter sets, each a cell. Without conditioning it must stay ``reference``."""
    samplers: tuple[str, ...] = ("gaussian_reference",)
    """Names of samplers."""
    evaluations: tuple[Count, ...] = (25,)
    """Network evaluations for a sample."""
    guidance: Annotated[tuple[Annotated[float, Field(ge=0)], ...], Field(min_length=1), Neutral] = (1.0,)
    """Weights w of classifier-free guidance, one or a list: the denoiser is w times that with the parameters plus
    1 - w times that without. 1 is the model as trained, and the only weight whose statistics are those of the data;
    others cost twice the network, and need ``model.conditioning.dropout``."""
    steps: SamplerSteps = SamplerSteps()
    """Noise levels and start of the samplers."""
    seeds: tuple[Annotated[int, Field(ge=0, lt=2**63)], ...] = (0,)
    """Seeds of the starting noise."""
    weights: Literal["ema", "raw"] = "ema"
    """Averaged weights, or those of the optimizer."""
    ema_gamma: Annotated[tuple[PositiveFloat, ...], Field(min_length=1)] | None = None
    """Exponents of the averaged weights, one or a list, put together from all checkpoints up to the sampled one,
    where the training kept two averages; None: as trained, the first of two. The ranking of several against the
    ``validation`` split (``evaluation.reference``) tells which to take."""
    constraints: Annotated[Constraints, Neutral] = Constraints()
    """Positivity and total mass of the generated fields."""
    trajectory: Annotated[int, Field(ge=0)] = 0
    """Intermediate denoised estimates kept with each sample, evenly over the evaluations; 0: none."""
    micro_batch: Count = 16
    """Fields that go through the network together. Fixed, because the batch size changes the last bits."""
    shard_length: Count = 64
    """Fields in one file of a store; a task owns whole shards."""
    skip_damaged: Annotated[bool, Operational] = False
    """Leave damaged checkpoints out, with a warning, instead of ending."""
    threads: Annotated[int | None, Operational] = None
    """CPU threads of a task; None: ``runtime.threads``."""
    outside_range: Annotated[Literal["warn", "refuse", "allow"], Operational] = "warn"
    """Conditions outside the range of a continuous parameter in the training split, or a combination of hashed ones
    that it does not have: ``warn`` and go on, ``refuse``, or ``allow`` without a word. Labels that training did not
    see are always refused."""

    @field_validator("guidance", "ema_gamma", mode="before")
    @classmethod
    def _one_weight_is_a_list(cls, value: Any) -> Any:
        """``guidance: 2`` is ``guidance: [2]``."""
        return (value,) if isinstance(value, int | float) and not isinstance(value, bool) else value

    @model_validator(mode="after")
    def _shards_hold_batches(self) -> "Sampling":
        if self.shard_length % self.micro_batch:
            raise ValueError(f"shard_length {self.shard_length} is not a multiple of micro_batch {self.micro_batch}")
        return self

    @model_validator(mode="after")
    def _values_of_axes_differ(self) -> "Sampling":
        for name, values in (("guidance", self.guidance), ("ema_gamma", self.ema_gamma or ())):
            if len(set(values)) < len(values):
                raise ValueError(f"{name} {list(values)} names a value twice")
        return self

    @model_validator(mode="after")
    def _options_have_samplers(self) -> "Sampling":
        idle = set(self.steps.options) - set(self.samplers)
        if idle:
            raise ValueError(f"steps.options are given for {sorted(idle)}, the samplers are {list(self.samplers)}")
        return self
