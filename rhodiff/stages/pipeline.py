"""Workflows: stages, what each needs, its resources, and a fan-out over experiments, from YAML.

    description: five trainings that differ by their seed
    stages:
      prepare: {}
      train: {needs: [prepare], resources: {nodes: 2, walltime_min: 720}}
      sample: {needs: [train]}
      evaluate: {needs: [sample]}
    fan_out:
      seed: [0, 1, 2, 3, 4]

Resources of a workflow stand between the site's and the experiment's own: profile < workflow < experiment < flags.
What the fan-out makes of one experiment is in :mod:`rhodiff.stages.variants`.
"""

from collections.abc import Callable
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, model_validator

from rhodiff.config.loading import read_yaml
from rhodiff.config.resources import StageResources
from rhodiff.config.section import Section
from rhodiff.config.shipped import read_shipped
from rhodiff.errors import ConfigError

__all__ = ["STAGES", "StageName", "Workflow", "WorkflowStage", "load_workflow", "run_workflow"]

StageName = Literal["prepare", "train", "sample", "evaluate", "denoise", "report"]
STAGES: tuple[StageName, ...] = ("prepare", "train", "sample", "evaluate", "denoise", "report")
FOLLOWERS = ("sample", "evaluate")
"""Stages that can follow a training."""

KeyPath = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z0-9_]+)*$")]


class WorkflowStage(Section):
    """One stage of a workflow."""

    needs: tuple[StageName, ...] = ()
    """Stages that must be done before."""
    follow: bool = False
    """Of ``sample`` or ``evaluate``, which then needs ``train``: work on each checkpoint as soon as the training has
    written it. A following evaluation makes the samples itself."""
    resources: StageResources = StageResources()
    """What its jobs ask for, where the experiment says nothing."""


class Workflow(Section):
    """Stages, their order, and the experiments that one file stands for."""

    description: str = ""
    """What the workflow is for, one line."""
    stages: Annotated[dict[StageName, WorkflowStage], Field(min_length=1)]
    """The stages by name."""
    fan_out: dict[KeyPath, Annotated[tuple[Any, ...], Field(min_length=1)]] = Field(default_factory=dict)
    """Key path of the experiment -> values: the stages run for every combination."""

    @model_validator(mode="after")
    def _followers_have_a_training(self) -> "Workflow":
        for name, stage in self.stages.items():
            if stage.follow and (name not in FOLLOWERS or "train" not in stage.needs):
                raise ValueError(
                    f"stages.{name}.follow: only {' and '.join(FOLLOWERS)} can follow, and need 'train' itself for it"
                )
        if "sample" in self.stages and "evaluate" in self.stages and self.stages["evaluate"].follow:
            raise ValueError(
                "stages.evaluate.follow: a following evaluation makes the samples itself: leave 'sample' out, or let "
                "'sample' follow and 'evaluate' need it"
            )
        return self

    def order(self) -> list[StageName]:
        """The stages, each after all that it needs.

        Raises:
            ConfigError: if a needed stage is missing, or stages need each other in a circle.
        """
        for name, stage in self.stages.items():
            missing = sorted(set(stage.needs) - set(self.stages))
            if missing:
                raise ConfigError(f"workflow stage '{name}' needs {missing}, which the workflow does not have")
        try:
            return list(TopologicalSorter({name: stage.needs for name, stage in self.stages.items()}).static_order())
        except CycleError as error:
            raise ConfigError(f"workflow stages need each other in a circle: {' -> '.join(error.args[1])}") from None

    def work_of(self, stage: StageName) -> tuple[StageName, ...]:
        """The stages whose results a stage makes: a following evaluation samples too."""
        return ("sample", "evaluate") if stage == "evaluate" and self.stages[stage].follow else (stage,)


def load_workflow(name: str) -> Workflow:
    """A shipped workflow, or one from a file.

    Args:
        name: name of a shipped one, or path of a YAML file (it has a ``/`` or ends with ``.yaml`` or ``.yml``).

    Raises:
        ConfigError: if there is none, or it is wrong.
    """
    is_file = "/" in name or name.endswith((".yaml", ".yml"))
    text = _read_file(Path(name)) if is_file else read_shipped("workflows", name)
    try:
        return Workflow.model_validate(read_yaml(text, f"workflow '{name}'"))
    except ValidationError as error:
        raise ConfigError(
            f"workflow '{name}':\n" + "\n".join(_explain(detail) for detail in error.errors())
        ) from None


def _read_file(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"cannot read the workflow file {path}: {error}. A name without '/' and '.yaml' is a shipped workflow's"
        ) from error


def _explain(detail: Any) -> str:
    """One line a key path."""
    where = ".".join(str(key) for key in detail["loc"] if key != "[key]") or "the file"
    reason = str(detail["msg"]).removeprefix("Value error, ")
    allowed = f". Stages are {', '.join(STAGES)}" if detail["type"] == "literal_error" else ""
    return f"  {where}: {reason}{allowed}"


def run_workflow(workflow: Workflow, run_stage: Callable[[StageName], None]) -> None:
    """Run the stages in order; the first that fails ends the workflow.

    Args:
        workflow: the stages.
        run_stage: runs one of them.
    """
    for name in workflow.order():
        run_stage(name)
