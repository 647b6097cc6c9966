"""Pipelines: stages and what each needs, from YAML, run one after another on this machine."""

from collections.abc import Callable
from graphlib import CycleError, TopologicalSorter
from typing import Annotated, Literal

from pydantic import Field, ValidationError

from rhodiff.config.loading import read_yaml
from rhodiff.config.section import Section
from rhodiff.config.shipped import read_shipped
from rhodiff.errors import ConfigError

__all__ = ["STAGES", "StageName", "Workflow", "load_workflow", "run_workflow"]

StageName = Literal["prepare", "train", "sample", "evaluate", "report"]
STAGES: tuple[StageName, ...] = ("prepare", "train", "sample", "evaluate", "report")


class WorkflowStage(Section):
    """One stage of a workflow."""

    needs: tuple[StageName, ...] = ()
    """Stages that must be done before."""


class Workflow(Section):
    """Stages and their order."""

    description: str = ""
    """What the workflow is for, one line."""
    stages: Annotated[dict[StageName, WorkflowStage], Field(min_length=1)]
    """The stages by name."""

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


def load_workflow(name: str) -> Workflow:
    """A shipped workflow.

    Raises:
        ConfigError: if there is none of that name, or it is wrong.
    """
    try:
        return Workflow.model_validate(read_yaml(read_shipped("workflows", name), f"workflow '{name}'"))
    except ValidationError as error:
        raise ConfigError(f"workflow '{name}': {error}") from None


def run_workflow(workflow: Workflow, run_stage: Callable[[StageName], None]) -> None:
    """Run the stages in order; the first that fails ends the workflow.

    Args:
        workflow: the stages.
        run_stage: runs one of them.
    """
    for name in workflow.order():
        run_stage(name)
