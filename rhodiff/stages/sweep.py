"""The cells of a sampling sweep, each with its identity.

Axes of a sweep: checkpoint x condition x sampler x evaluations x guidance x EMA width x seed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
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
        guidance: weight of classifier-free guidance.
        ema_gamma: exponent of the averaged weights; None: as trained.
    """

    identity: str
    checkpoint: Checkpoint
    condition: Mapping[str, float] | None
    sampler: str
    evaluations: int
    seed: int
    steps: SamplerSteps = field(default_factory=SamplerSteps)
    guidance: float = 1.0
    ema_gamma: float | None = None

    def describe(self) -> str:
        """One line for people."""
        condition = "" if self.condition is None else " at " + describe_condition(self.condition)
        return f"{self.checkpoint.name}, {self.called}, seed {self.seed}{condition}"

    @property
    def called(self) -> str:
        """Sampler and evaluations, and the guidance and the EMA width where they were asked for."""
        guidance = "" if self.guidance == 1 else f", guidance {self.guidance:g}"
        width = "" if self.ema_gamma is None else f", EMA gamma {self.ema_gamma:g}"
        return f"{self.sampler} {self.evaluations}{guidance}{width}"


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
    _tell_of_guidance(workspace, settings.guidance)
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
            _check_names(f"sampling.conditions.{position}", condition, conditioning.parameters)


def _tell_of_guidance(workspace: Workspace, weights: Sequence[float]) -> None:
    others = [f"{weight:g}" for weight in weights if weight != 1]
    if others:
        workspace.warn_once(
            f"sampling.guidance {', '.join(others)}: a weight other than 1 biases variances and power spectra, and "
            "its statistics are no longer those of the data; take 1 for statistics"
        )


def _check_names(key: str, condition: Mapping[str, float], parameters: Sequence[str]) -> None:
    if set(condition) == set(parameters):
        return
    hints = [(name, get_close_matches(name, parameters, n=1)) for name in sorted(set(condition) - set(parameters))]
    meant = "".join(f" (for '{name}', did you mean '{near[0]}'?)" for name, near in hints if near)
    raise ConfigError(
        f"{key} gives {sorted(condition)}, the network is told {sorted(parameters)}: give a value for exactly "
        f"these{meant}"
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
    widths = settings.ema_gamma or (None,)
    axes = product(
        checkpoints, conditions, settings.samplers, settings.evaluations, settings.guidance, widths, settings.seeds
    )
    cells = [
        Cell("", checkpoint, condition, sampler, evaluations, seed, settings.steps, guidance, width)
        for checkpoint, condition, sampler, evaluations, guidance, width, seed in axes
    ]
    return [replace(cell, identity=_identity(workspace, cell)) for cell in cells]


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


def _identity(workspace: Workspace, cell: Cell) -> str:
    settings = result_settings(workspace.experiment.sampling)
    for axis in ("checkpoints", "conditions", "samplers", "evaluations", "guidance", "seeds"):
        settings.pop(axis, None)
    settings["steps"]["options"] = cell.steps.options.get(cell.sampler, {})
    if cell.guidance != 1:  # samples without it are called what they were before there was any
        settings["guidance"] = cell.guidance
    reference = workspace.experiment.evaluation.reference if cell.condition is None else None
    settings["ema_gamma"] = cell.ema_gamma
    made_of = [cell.checkpoint] if cell.ema_gamma is None else find_snapshots(workspace, cell.checkpoint)
    return identity_hash(
        "samples",
        workspace.training_id,
        *(one.digest for one in made_of),
        cell.condition,
        reference,
        cell.sampler,
        cell.evaluations,
        cell.seed,
        settings,
    )
