"""Sampling sweeps: checkpoint x condition x sampler x evaluations x seed."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from rhodiff.config.section import Operational, Section

__all__ = ["Sampling"]

Count = Annotated[int, Field(ge=1)]


class Sampling(Section):
    """A sweep; its cells are all combinations of the listed axes, each stored on its own."""

    num_samples: Count = 64
    """Fields in each cell."""
    checkpoints: Literal["last", "all"] | tuple[Count, ...] = "last"
    """Iterations of the checkpoints to sample from."""
    conditions: Literal["reference"] | tuple[dict[str, float], ...] = "reference"
    """``reference``: sample i gets the parameters of field i of the evaluation's reference split (cyclically);
    or a list of parameter sets, each a cell. Without conditioning it must stay ``reference``."""
    samplers: tuple[str, ...] = ("dpmpp_2m",)
    """Names of samplers."""
    evaluations: tuple[Count, ...] = (25,)
    """Network evaluations for a sample."""
    seeds: tuple[Annotated[int, Field(ge=0, lt=2**63)], ...] = (0,)
    """Seeds of the starting noise."""
    weights: Literal["ema", "raw"] = "ema"
    """Averaged weights, or those of the optimizer."""
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

    @model_validator(mode="after")
    def _shards_hold_batches(self) -> "Sampling":
        if self.shard_length % self.micro_batch:
            raise ValueError(f"shard_length {self.shard_length} is not a multiple of micro_batch {self.micro_batch}")
        return self
