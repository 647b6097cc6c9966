"""A whole workflow as jobs that wait for each other, handed over in one go, or from wherever it stands.

Each stage of each experiment is one submission; it waits (``afterok``, and ends where that cannot come true) for the
submissions of the stages that it needs; a follower begins with the training. What is done is left out, what is live
is waited for, the rest is submitted: so the same command again goes on after a failure, a kill at any point, or a
limit on jobs, and doubles nothing. Experiments that ask for equal data share one preparation, whoever submitted it.

Where the queue has little room a stage takes so much of it that each later stage of its experiment still finds room
for one job; what finds none is left for the same command later.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from rhodiff.config.experiment import Experiment
from rhodiff.config.resources import StageResources
from rhodiff.errors import SubmissionRefusedError
from rhodiff.jobs.cancelling import cancel_submissions, plan_cancellation
from rhodiff.jobs.element_state import ElementState
from rhodiff.jobs.graph import GraphStep, PipelineGraph
from rhodiff.jobs.handover import is_all_done
from rhodiff.jobs.packing import QueueRoom
from rhodiff.jobs.planning import Target
from rhodiff.jobs.scheduler import Scheduler
from rhodiff.jobs.shared_data import find_preparations
from rhodiff.jobs.stage_resources import merge_resources, share_flags
from rhodiff.jobs.stage_submission import StageOutcome, StageRequest, submit_stage
from rhodiff.jobs.state import SubmissionState
from rhodiff.jobs.submission_plan import Dependency, SubmissionPlan, read_plan
from rhodiff.stages.pipeline import StageName, Workflow
from rhodiff.stages.workspace import Workspace
from rhodiff.store.layout import SubmissionFolder

__all__ = ["submit_pipeline", "waits_in_vain", "with_workflow_resources"]

ALONE = StageResources(parts=1, pack=1, side_by_side=1)
"""A follower is one process."""
QUEUE_IS_FULL = ("maxsubmitjob", "job violates accounting/qos policy")
"""What Slurm says where a limit on submitted jobs, which it did not tell before, is reached; lower case."""


def with_workflow_resources(experiment: Experiment, workflow: Workflow) -> Experiment:
    """The experiment with the workflow's resources where it says nothing itself.

    Args:
        experiment: the experiment.
        workflow: its stages.
    """
    merged: dict[str, StageResources] = {
        name: merge_resources(stage.resources, getattr(experiment.jobs, name))
        for name, stage in workflow.stages.items()
    }
    return experiment.model_copy(update={"jobs": experiment.jobs.model_copy(update=merged)})


def submit_pipeline(
    workspaces: Sequence[Workspace],
    workflow: Workflow,
    flags: StageResources,
    scheduler: Scheduler,
    target: Target,
    *,
    dry_run: bool = False,
) -> PipelineGraph:
    """Submit what a workflow still needs.

    Args:
        workspaces: its experiments, checked, with the workflow's resources.
        workflow: the stages.
        flags: resources that the command line gives to every stage that can use them.
        scheduler: takes the jobs.
        target: facts about it, with the room of its queue as it is now.
        dry_run: decide only: nothing is written or handed over.

    Raises:
        ConfigError: for resources that no stage can use.
        RunBusyError: if a stage is live with other settings.
        SubmissionRefusedError: if a job is refused for another reason than a full queue.
    """
    if not dry_run:  # what cannot be submitted is refused before the first stage is
        submit_pipeline(workspaces, workflow, flags, scheduler, target, dry_run=True)
    driver = _Driver(workflow, flags, scheduler, target, dry_run=dry_run)
    return PipelineGraph(tuple(step for one in workspaces for step in driver.submit(one)), driver.full)


@dataclass
class _Made:
    """What was found or submitted so far for one experiment."""

    steps: dict[StageName, GraphStep] = field(default_factory=dict)
    waits: dict[StageName, tuple[Dependency, ...]] = field(default_factory=dict)


class _Driver:
    """Goes through the stages of one experiment after the other; ``full`` says why it stopped submitting."""

    def __init__(
        self, workflow: Workflow, flags: StageResources, scheduler: Scheduler, target: Target, *, dry_run: bool
    ) -> None:
        self.workflow, self.scheduler, self.target = workflow, scheduler, target
        followers = [name for name, stage in workflow.stages.items() if stage.follow]
        self.flags = share_flags(flags, workflow.stages, followers)
        self.dry_run, self.order = dry_run, workflow.order()
        self.full = ""
        self._hosts: dict[str, tuple[str, GraphStep, tuple[Dependency, ...]]] = {}

    def submit(self, workspace: Workspace) -> list[GraphStep]:
        made = _Made()
        for position, stage in enumerate(self.order):
            shared = self._find_shared(workspace) if stage == "prepare" else None
            if shared is None:
                self._submit_one(workspace, stage, made, len(self.order) - position - 1)
            else:
                made.steps[stage], made.waits[stage] = shared
        return list(made.steps.values())

    def _submit_one(self, workspace: Workspace, stage: StageName, made: _Made, num_later: int) -> None:
        name, needs = workspace.experiment.name, self.workflow.stages[stage].needs
        follows = self.workflow.stages[stage].follow
        step = GraphStep(name, stage, "left", needs, follows=follows)
        made.steps[stage], made.waits[stage] = step, ()
        if any(made.steps[one].kind == "left" for one in needs):
            return
        request = self._request(stage, made)
        outcome = self._ask(workspace, request, num_later)
        if outcome is not None and not self.dry_run and self._end_those_in_vain(workspace, outcome, request):
            outcome = self._ask(workspace, request, num_later)
        if outcome is None:
            return
        live = tuple(one for one in needs if made.steps[one].kind != "done")
        made.steps[stage] = replace(step, kind=outcome.kind, outcome=outcome, waits_for=live)
        made.waits[stage] = outcome.dependencies
        if stage == "prepare":
            self._hosts[_data_of(workspace)] = (name, made.steps[stage], made.waits[stage])

    def _request(self, stage: StageName, made: _Made) -> StageRequest:
        settings = self.workflow.stages[stage]
        after = [
            replace(dependency, condition="after") if settings.follow and needed == "train" else dependency
            for needed in settings.needs
            for dependency in made.waits[needed]
        ]
        if not settings.follow:
            return StageRequest(stage, self.flags[stage], tuple(after))
        return StageRequest(
            stage, merge_resources(self.flags[stage], ALONE), tuple(after), options=("--follow",), makes_inputs=True
        )

    def _ask(self, workspace: Workspace, request: StageRequest, num_later: int) -> StageOutcome | None:
        """The answer to one submission; None where the queue has no room for it."""
        if self.full:
            return self._look(workspace, request)
        target = replace(self.target, room=replace(self.target.room, num_reserved=num_later))
        try:
            outcome = submit_stage(workspace, request, self.scheduler, target, dry_run=self.dry_run)
        except SubmissionRefusedError as error:
            if not _is_about_room(error):
                raise
            self.full = str(error)
            return self._look(workspace, request)
        if outcome.planned is not None:
            self._take_room(outcome.planned.plan)
        return outcome

    def _end_those_in_vain(self, workspace: Workspace, outcome: StageOutcome, request: StageRequest) -> bool:
        """End jobs that wait for what failed and was submitted again: the scheduler may take its time to do so."""
        runs = workspace.run_folder.path.parent
        vain = [live for live in outcome.live if waits_in_vain(live, runs, request.after)]
        planned = [found for live in vain if (found := plan_cancellation(live)) is not None]
        cancel_submissions(planned, lambda *_: self.scheduler)
        return bool(planned)

    def _look(self, workspace: Workspace, request: StageRequest) -> StageOutcome | None:
        """What is done or live needs no room."""
        target = replace(self.target, room=QueueRoom(), facts=None)
        outcome = submit_stage(workspace, request, self.scheduler, target, dry_run=True)
        return None if outcome.kind == "planned" else outcome

    def _take_room(self, plan: SubmissionPlan) -> None:
        room = self.target.room
        taken = room.num_queued_jobs + sum(piece.count for piece in plan.pieces)
        self.target = replace(self.target, room=replace(room, num_queued_jobs=taken))

    def _find_shared(self, workspace: Workspace) -> tuple[GraphStep, tuple[Dependency, ...]] | None:
        """The preparation of this data set that another experiment, or another run, has under way."""
        name = workspace.experiment.name
        if _data_of(workspace) in self._hosts:
            host, step, waits = self._hosts[_data_of(workspace)]
            return GraphStep(name, "prepare", "done" if step.kind == "done" else "live", host=host), waits
        if workspace.data_folder.done.exists():
            return None
        found = find_preparations(workspace, self.target.cluster, lambda *_: self.scheduler)
        if not found:
            return None
        host = found[0].submission.partition("/")[0]
        return GraphStep(name, "prepare", "live", host=host), found


def waits_in_vain(live: SubmissionState, runs: Path, after: Sequence[Dependency]) -> bool:
    """Whether a submission waits for one that has ended without being done.

    Args:
        live: how it stands.
        runs: folder of all runs.
        after: what it would wait for if it were submitted now.
    """
    if len(live.of(ElementState.PENDING)) < len(live.elements):
        return False
    current = {dependency.submission for dependency in after}
    others = [SubmissionFolder(runs / one.submission) for one in live.plan.after if one.submission not in current]
    return any(not is_all_done(folder, read_plan(folder.plan)) for folder in others)


def _data_of(workspace: Workspace) -> str:
    return str(workspace.data_folder.path)


def _is_about_room(error: SubmissionRefusedError) -> bool:
    said = str(error).lower()
    return "can be submitted now" in said or any(words in said for words in QUEUE_IS_FULL)
