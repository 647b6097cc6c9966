"""Submitting a stage, or finding that it is done or under way: the same request again never does anything twice.

Everything is decided and written under the lock of the run's submissions, so that of several drivers at a time one
submits and the others find what it submitted.
"""

from dataclasses import dataclass, field
from typing import Literal

from rhodiff.config.resources import StageResources
from rhodiff.jobs.planning import PlannedSubmission, Target
from rhodiff.jobs.scheduler import Scheduler
from rhodiff.jobs.submission_plan import Dependency
from rhodiff.stages.workspace import Workspace

__all__ = ["StageOutcome", "StageRequest", "submit_stage"]


@dataclass(frozen=True)
class StageRequest:
    """What is asked for.

    Attributes:
        stage: name of the stage.
        flags: resources that the command line gives.
        after: submissions to wait for; with any, the stage's inputs need not be there yet.
        is_trial: ten steps to measure a training.
        options: more words for ``rhodiff-hpc run STAGE``.
    """

    stage: str
    flags: StageResources = field(default_factory=StageResources)
    after: tuple[Dependency, ...] = ()
    is_trial: bool = False
    options: tuple[str, ...] = ()


@dataclass(frozen=True)
class StageOutcome:
    """What became of a request.

    Attributes:
        kind: ``done`` before; ``live`` already; ``submitted``; ``planned`` where nothing was to be done yet.
        stage: name of the stage.
        text: what to tell people.
        planned: the new submission; None where there is none.
        jobs: piece -> id of its job, of the new submission.
        dependencies: what a later stage has to wait for.
    """

    kind: Literal["done", "live", "submitted", "planned"]
    stage: str
    text: str
    planned: PlannedSubmission | None = None
    jobs: dict[int, str] = field(default_factory=dict)
    dependencies: tuple[Dependency, ...] = ()


def submit_stage(
    workspace: Workspace, request: StageRequest, scheduler: Scheduler, target: Target, *, dry_run: bool = False
) -> StageOutcome:
    """Submit what a stage still needs.

    Args:
        workspace: the experiment, checked.
        request: stage, resources and what it waits for.
        scheduler: takes the jobs.
        target: facts about it.
        dry_run: decide only: nothing is written or handed over.

    Raises:
        RunBusyError: if the stage is live with other resources or settings, or a training runs here.
        DataError: if the stage's inputs are not there, and nothing makes them.
    """
    raise NotImplementedError
