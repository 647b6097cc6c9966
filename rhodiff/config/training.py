"""Training: length, batch, optimizer, averaging, checkpoints and what is written on the way."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from rhodiff.config.section import Operational, Section

__all__ = ["Optimizer", "Training"]

PositiveFloat = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=1)]
Exponent = Annotated[float, Field(ge=0)]


class Optimizer(Section):
    """Optimizer and learning-rate schedule, by iteration."""

    kind: Literal["adamw", "adam"] = "adamw"
    """Adam with decoupled weight decay, or without."""
    learning_rate: PositiveFloat = 1e-3
    """Peak learning rate."""
    betas: tuple[Annotated[float, Field(ge=0, lt=1)], Annotated[float, Field(ge=0, lt=1)]] = (0.9, 0.99)
    """Decay rates of the two moments."""
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    """Decoupled weight decay a unit of learning rate; adamw only."""
    warmup_iterations: Annotated[int, Field(ge=0)] = 100
    """Linear rise from 0 to the peak."""
    decay_fraction: Annotated[float, Field(ge=0, le=1)] = 0.25
    """Last share of the training over which the rate falls linearly to 0; 0 keeps it constant. A longer training
    goes on from the last checkpoint before the fall."""
    gradient_clip: PositiveFloat | None = 1.0
    """Largest norm of the whole gradient; None: no clipping."""
    scale_rate_by_processes: bool = False
    """Multiply the rate by the number of processes (the global batch stays what it is)."""

    @model_validator(mode="after")
    def _decay_has_effect(self) -> "Optimizer":
        if self.kind == "adam" and self.weight_decay:
            raise ValueError("weight_decay has no effect with 'adam': take 'adamw' or 0")
        return self


class Training(Section):
    """The training of one network."""

    iterations: Annotated[Count, Operational] = 10000
    """Optimizer steps in all; a larger number extends an existing training."""
    batch_size: Count = 40
    """Fields in a step, over all processes together."""
    micro_batch: Annotated[Count | None, Operational] = None
    """Fields in one forward pass of a process (gradient accumulation); None: its whole share."""
    bucket_mb: Annotated[PositiveFloat, Operational] = 25.0
    """Largest bucket of gradients that processes sum together, MiB; smaller ones start earlier, larger ones cost
    fewer latencies. ``rhodiff-hpc bench scaling`` tells what it does."""
    static_graph: Annotated[bool, Operational] = False
    """Tell torch that every step uses the same parameters in the same order; not with ``micro_batch``, with whose
    first step torch 2.13 fails."""
    optimizer: Optimizer = Optimizer()
    """Optimizer and schedule."""
    ema_gamma: Exponent | tuple[Exponent, Exponent] | None = 9.0
    """Exponent of the power-function average of the weights (Karras et al. 2024); None: no average. Two, such as
    16.97 and 6.94: checkpoints hold both averages, and ``sampling.ema_gamma`` can ask for others."""
    precision: Literal["float32", "bfloat16"] = "float32"
    """Arithmetic of the network's forward pass; weights, optimizer and loss stay float32."""
    checkpoint_every: Annotated[Count, Operational] = 2000
    """Iterations between checkpoints."""
    keep_checkpoints: Annotated[Count | None, Operational] = None
    """Newest checkpoints kept (the one before the rate falls always is); None keeps all."""
    metrics_every: Annotated[Count, Operational] = 50
    """Iterations between lines of the metrics file."""
    sheet_every: Annotated[Count | None, Operational] = None
    """Iterations between sheets of generated fields, a multiple of ``checkpoint_every``; None: each checkpoint."""
    sheet_samples: Annotated[int, Field(ge=0), Operational] = 4
    """Fields on such a sheet; 0: no sheets."""
    compile: Annotated[bool, Operational] = False
    """Use torch.compile."""
    tensorboard: Annotated[bool, Operational] = True
    """Write TensorBoard event files."""
    wandb_project: Annotated[str | None, Operational] = None
    """Weights & Biases project (extra ``wandb``; offline unless WANDB_MODE says otherwise); None: not used."""

    @property
    def averages(self) -> tuple[float, ...]:
        """Exponents of the averages that are kept: none, one or two."""
        if isinstance(self.ema_gamma, tuple):
            return self.ema_gamma
        return () if self.ema_gamma is None else (self.ema_gamma,)

    @model_validator(mode="after")
    def _averages_differ(self) -> "Training":
        if len(set(self.averages)) < len(self.averages):
            raise ValueError(f"ema_gamma has {self.averages[0]:g} twice: take two values or one")
        return self

    @model_validator(mode="after")
    def _static_graph_is_not_accumulated(self) -> "Training":
        if self.static_graph and self.micro_batch is not None:
            raise ValueError("static_graph does not go with micro_batch (torch fails in the first step): drop either")
        return self

    @model_validator(mode="after")
    def _sheets_have_checkpoints(self) -> "Training":
        if self.sheet_every is not None and self.sheet_every % self.checkpoint_every:
            raise ValueError(
                f"sheet_every {self.sheet_every} is not a multiple of checkpoint_every {self.checkpoint_every}: a "
                "sheet is drawn from a checkpoint"
            )
        return self
