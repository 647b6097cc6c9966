"""The experiments that one file stands for: a workflow's fan-out gives each its values and its name.

A variant is the experiment with the values of one combination set, and a name that tells them: ``tiny-seed2`` or
``tiny-seed2-learning_rate0.001``. Its identities follow from its settings as those of any experiment: variants that
ask for equal data share the prepared data set, and each has a run folder of its own.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import yaml

from rhodiff.config.experiment import Experiment
from rhodiff.config.loading import load_experiment
from rhodiff.errors import ConfigError
from rhodiff.stages.pipeline import Workflow

__all__ = ["Variant", "load_variants"]

LONGEST_NAME = 64


@dataclass(frozen=True)
class Variant:
    """One experiment of a workflow.

    Attributes:
        experiment: the resolved experiment.
        overrides: ``key.path=value`` strings that make it of the experiment file, those of the user included.
        values: what the fan-out gave it, by key path.
    """

    experiment: Experiment
    overrides: tuple[str, ...]
    values: dict[str, Any]


def load_variants(path: Path, overrides: Sequence[str], workflow: Workflow) -> list[Variant]:
    """The experiments of a workflow, in order of its fan-out; the last key varies fastest.

    Args:
        path: experiment file.
        overrides: ``key.path=value`` strings of the user.
        workflow: its fan-out counts.

    Raises:
        ConfigError: if the fan-out sets what the user sets, or two variants would have one name.
    """
    _refuse_contradictions(workflow, overrides)
    combinations = [
        dict(zip(workflow.fan_out, values, strict=True)) for values in product(*workflow.fan_out.values())
    ]
    variants = [_variant(path, overrides, values) for values in combinations]
    names = [variant.experiment.name for variant in variants]
    doubled = sorted({name for name in names if names.count(name) > 1})
    if doubled:
        raise ConfigError(f"fan_out gives several experiments the name {doubled[0]}: make its values distinct")
    return variants


def _variant(path: Path, overrides: Sequence[str], values: dict[str, Any]) -> Variant:
    sets = [*overrides, *(f"{key}={_as_yaml(value)}" for key, value in values.items())]
    experiment = load_experiment(path, sets)
    if values:
        sets.append(f"name={_named(experiment.name, values)}")
        experiment = load_experiment(path, sets)
    return Variant(experiment, tuple(sets), values)


def _as_yaml(value: Any) -> str:
    """A value on one line, as ``--set`` reads it."""
    return yaml.safe_dump(value, default_flow_style=True, width=10**6).removesuffix("\n...\n").removesuffix("\n")


def _named(name: str, values: dict[str, Any]) -> str:
    """The name with the last word of each key and its value."""
    parts = [f"{key.rpartition('.')[2]}{_in_a_name(value)}" for key, value in values.items()]
    full = "-".join([name, *parts])
    if len(full) > LONGEST_NAME:
        raise ConfigError(
            f"fan_out: the name '{full}' would have {len(full)} characters, at most {LONGEST_NAME} are allowed: give "
            "the experiment a shorter 'name'"
        )
    return full


def _in_a_name(value: Any) -> str:
    text = "_".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
    return re.sub(r"[^A-Za-z0-9._-]+", "_", text).strip("_")


def _refuse_contradictions(workflow: Workflow, overrides: Sequence[str]) -> None:
    if "name" in workflow.fan_out:
        raise ConfigError("fan_out.name: each experiment is named after its values: leave it out")
    for override in overrides:
        key = override.partition("=")[0]
        for path in workflow.fan_out:
            if f"{key}.".startswith(f"{path}.") or f"{path}.".startswith(f"{key}."):
                raise ConfigError(
                    f"--set {key} and the workflow's fan_out.{path} contradict each other: leave one out"
                )
