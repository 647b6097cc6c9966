"""The cells of a sampling sweep: checkpoint x condition x sampler x evaluations x seed, each with its identity."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from itertools import product
from pathlib import Path

from rhodiff.config.diffusion import DdpmSettings, DiffusionSettings
from rhodiff.config.identity import identity_hash
from rhodiff.config.sampling import SamplerSteps
from rhodiff.config.section import result_settings
from rhodiff.diffusion.sampling import SAMPLERS
from rhodiff.diffusion.schedules import ddpm_levels
from rhodiff.errors import ConfigError, DataError
from rhodiff.models.conditioning import ConditioningTable
from rhodiff.stages.constraint_checks import check_constraints
from rhodiff.stages.sampler_plan import check_steps
from rhodiff.stages.trained_network import find_checkpoints, find_snapshots
from rhodiff.stages.workspace import Workspace
from rhodiff.store.field_store import num_shards, open_fields
from rhodiff.store.files import read_marker
from rhodiff.training.checkpoints import Checkpoint

__all__ = [
    "Cell",
    "check_identity",
    "check_sweep",
    "describe_condition",
    "is_sampled",
    "sweep_cells",
]


@dataclass(frozen=True)
class Cell:
    """One cell of a sweep.

    Attributes:
        identity: names its store.
        checkpoint: whose weights are sampled.
        condition: parameters of all its samples; None: those of the reference fields, or none at all.
        sampler: name of the sampler.
        evaluations: network evaluations a sample.
        seed: seed of the starting noise.
        steps: noise levels and start.
    """

    identity: str
    checkpoint: Checkpoint
    condition: Mapping[str, float] | None
    sampler: str
    evaluations: int
    seed: int
    steps: SamplerSteps = field(default_factory=SamplerSteps)

    def describe(self) -> str:
        """One line for people."""
        condition = "" if self.condition is None else " at " + describe_condition(self.condition)
        return f"{self.checkpoint.name}, {self.sampler} {self.evaluations}, seed {self.seed}{condition}"


def describe_condition(condition: Mapping[str, float]) -> str:
    """Parameters and values on one line."""
    return ", ".join(f"{name} = {value:g}" for name, value in condition.items())


def check_sweep(workspace: Workspace) -> None:
    """Refuse a sweep that cannot run, before anything is computed.

    Raises:
        ConfigError: for an unknown sampler, impossible evaluations, constraints that cannot be kept, or conditions
            without a value for a parameter.
    """
    settings, conditioning = workspace.experiment.sampling, workspace.experiment.model.conditioning
    check_constraints(workspace)
    for sampler, evaluations in product(settings.samplers, settings.evaluations):
        steps = _check_sampler(sampler, evaluations, settings.steps, workspace.experiment.diffusion)
        if settings.trajectory > steps:
            raise ConfigError(
                f"sampling.trajectory: {settings.trajectory} estimates cannot be kept of the {steps} steps that "
                f"'{sampler}' makes in {evaluations} evaluations"
            )
    ConditioningTable.columns(conditioning, [parameter.name for parameter in workspace.source.parameters])
    if settings.conditions != "reference":
        for position, condition in enumerate(settings.conditions):
            if set(condition) != set(conditioning.parameters):
                raise ConfigError(
                    f"sampling.conditions.{position} gives {sorted(condition)}, the network is told "
                    f"{sorted(conditioning.parameters)}: give a value for exactly these"
                )


def _check_sampler(name: str, evaluations: int, steps: SamplerSteps, diffusion: DiffusionSettings) -> int:
    """Number of steps the sampler makes."""
    if name not in SAMPLERS:
        near = get_close_matches(name, SAMPLERS, n=1, cutoff=0.4)
        hint = f"did you mean '{near[0]}'? " if near else ""
        raise ConfigError(f"sampling.samplers: '{name}' is unknown; {hint}Allowed are {', '.join(SAMPLERS)}")
    if isinstance(diffusion, DdpmSettings) and evaluations > diffusion.timesteps:
        raise ConfigError(
            f"sampling.evaluations: {evaluations} is more than diffusion.timesteps {diffusion.timesteps}"
        )
    schedule = ddpm_levels(diffusion).tolist() if isinstance(diffusion, DdpmSettings) else None
    return check_steps(name, evaluations, steps, schedule)


def sweep_cells(workspace: Workspace) -> list[Cell]:
    """All cells of the experiment's sweep, in order of its axes.

    Raises:
        DataError: if a checkpoint is not there.
    """
    settings = workspace.experiment.sampling
    checkpoints = find_checkpoints(
        workspace, settings.checkpoints, "sampling.checkpoints", skip_damaged=settings.skip_damaged
    )
    conditions = [None] if settings.conditions == "reference" else list(settings.conditions)
    axes = product(checkpoints, conditions, settings.samplers, settings.evaluations, settings.seeds)
    return [Cell(_identity(workspace, *values), *values, steps=settings.steps) for values in axes]


def is_sampled(workspace: Workspace, cell: Cell) -> bool:
    """Whether every shard of a cell is there."""
    settings = workspace.experiment.sampling
    shards = range(num_shards(settings.num_samples, settings.shard_length))
    return all(read_marker(workspace.run_folder.samples_marker(cell.identity, s)) is not None for s in shards)


def check_identity(path: Path, cell: Cell) -> None:
    """Refuse a store that is not the one of this cell.

    Raises:
        DataError: naming both identities.
    """
    found = open_fields(path).attributes.get("identity")
    if found != cell.identity:
        raise DataError(
            f"{path} holds the samples {found}, not {cell.identity}: it was renamed or copied over. Remove it and "
            "its markers, and run 'rhodiff-hpc run sample'"
        )


def _identity(
    workspace: Workspace,
    checkpoint: Checkpoint,
    condition: Mapping[str, float] | None,
    sampler: str,
    evaluations: int,
    seed: int,
) -> str:
    settings = result_settings(workspace.experiment.sampling)
    for axis in ("checkpoints", "conditions", "samplers", "evaluations", "seeds"):
        del settings[axis]
    settings["steps"]["options"] = workspace.experiment.sampling.steps.options.get(sampler, {})
    reference = workspace.experiment.evaluation.reference if condition is None else None
    made_of = [checkpoint] if settings["ema_gamma"] is None else find_snapshots(workspace, checkpoint)
    return identity_hash(
        "samples",
        workspace.training_id,
        *(one.digest for one in made_of),
        condition,
        reference,
        sampler,
        evaluations,
        seed,
        settings,
    )
