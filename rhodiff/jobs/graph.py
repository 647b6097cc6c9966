"""What became of a workflow's stages, and how that is told: a table for people, plain values for programs."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from rhodiff.jobs.stage_submission import StageOutcome

__all__ = ["GraphStep", "PipelineGraph"]

Kind = Literal["done", "live", "submitted", "planned", "left"]
WORDS = {
    "done": "is done",
    "live": "is under way",
    "submitted": "submitted",
    "planned": "to submit",
    "left": "left for now",
}


@dataclass(frozen=True)
class GraphStep:
    """One stage of one experiment.

    Attributes:
        experiment: name of the experiment.
        stage: name of the stage.
        kind: what became of it; ``left`` where the queue has no room.
        waits_for: stages that its jobs wait for.
        outcome: the answer to its submission; None where there was none.
        follows: it works beside the training.
        host: experiment whose preparation it shares; None: its own.
    """

    experiment: str
    stage: str
    kind: Kind
    waits_for: tuple[str, ...] = ()
    outcome: StageOutcome | None = None
    follows: bool = False
    host: str | None = None

    @property
    def num_jobs(self) -> int:
        """Jobs that were, or would be, handed over; each task of an array and each link of a chain counts."""
        planned = None if self.outcome is None else self.outcome.planned
        return 0 if planned is None else sum(piece.count for piece in planned.plan.pieces)

    @property
    def node_hours(self) -> float:
        """Node-hours of these jobs, at most."""
        planned = None if self.outcome is None else self.outcome.planned
        return 0.0 if planned is None else planned.cost.node_hours

    def describe(self) -> str:
        """One line for people."""
        if self.host is not None:
            return f"  {self.stage:<9} shared with {self.host}"
        text = f"  {self.stage:<9} {WORDS[self.kind]:<13}"
        if self.num_jobs:
            text += f" {_counted(self.num_jobs, 'job'):>9} {self.node_hours:9.2f} node-hours"
        if self.outcome is not None and self.outcome.jobs:
            text += f"  {_counted_ids(list(self.outcome.jobs.values()))}"
        if self.waits_for and self.num_jobs:
            text += f"  {'beside' if self.follows else 'after'} {', '.join(self.waits_for)}"
        return text.rstrip()

    def to_plain(self) -> dict[str, Any]:
        """JSON values."""
        return {
            "experiment": self.experiment,
            "stage": self.stage,
            "state": self.kind,
            "waits_for": list(self.waits_for),
            "follows": self.follows,
            "num_jobs": self.num_jobs,
            "node_hours": self.node_hours,
            "jobs": [] if self.outcome is None else list(self.outcome.jobs.values()),
            "shared_with": self.host,
        }


@dataclass(frozen=True)
class PipelineGraph:
    """A workflow's stages for all its experiments, in the order in which they are handed over.

    Attributes:
        steps: the stages.
        reason: why some are left; empty where none is.
    """

    steps: tuple[GraphStep, ...]
    reason: str = ""

    @property
    def num_jobs(self) -> int:
        """Jobs in all."""
        return sum(step.num_jobs for step in self.steps)

    @property
    def node_hours(self) -> float:
        """Node-hours in all, at most."""
        return sum(step.node_hours for step in self.steps)

    @property
    def left(self) -> list[GraphStep]:
        """Stages that the queue had no room for."""
        return [step for step in self.steps if step.kind == "left"]

    @property
    def is_done(self) -> bool:
        """Whether nothing is to be done any more."""
        return all(step.kind == "done" for step in self.steps)

    def describe(self) -> str:
        """A table for people."""
        lines = []
        for number, step in enumerate(self.steps):
            if number == 0 or self.steps[number - 1].experiment != step.experiment:
                lines.append(step.experiment)
            lines.append(step.describe())
        return "\n".join([*lines, *self._summary()])

    def _summary(self) -> list[str]:
        if self.is_done:
            return ["everything is done"]
        experiments = len({step.experiment for step in self.steps})
        own = [step for step in self.steps if step.host is None]
        of = f"{_counted(len(own), 'stage')} of {_counted(experiments, 'experiment')}"
        lines = [f"{of}: {_counted(self.num_jobs, 'job')}, at most {self.node_hours:.2f} node-hours{self._charge()}"]
        if self.left:
            lines.append(
                f"{_counted(len(self.left), 'stage')} left for now: {self.reason}. The same command goes on from here"
            )
        return lines

    def _charge(self) -> str:
        costs = [step.outcome.planned.cost for step in self.steps if step.outcome and step.outcome.planned]
        charged = [(cost.charge, cost.charge_unit) for cost in costs if cost.charge is not None]
        return f", {sum(charge for charge, _ in charged):.2f} {charged[0][1]}" if charged else ""

    def to_plain(self) -> dict[str, Any]:
        """JSON values."""
        return {
            "steps": [step.to_plain() for step in self.steps],
            "num_jobs": self.num_jobs,
            "node_hours": self.node_hours,
            "num_left": len(self.left),
            "reason": self.reason,
            "is_done": self.is_done,
        }


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _counted_ids(ids: Sequence[str]) -> str:
    return f"job{'' if len(ids) == 1 else 's'} {', '.join(ids)}"
