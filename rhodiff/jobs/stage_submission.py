"""Submitting a stage, or finding that it is done or under way: the same request again never does anything twice.

Everything is decided and written under the lock of the run's submissions, so that of several drivers at a time one
submits and the others find what it submitted.
"""

import getpass
import socket
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from typing import Literal

from rhodiff.config.loading import dump_experiment, read_yaml
from rhodiff.config.resources import StageResources
from rhodiff.errors import ConfigError, DataError, EnvironmentLacksError, RunBusyError, SubmissionRefusedError
from rhodiff.jobs.checks import check_allocation
from rhodiff.jobs.container_choice import PYTHON_INSIDE, choose_container, doubts_about, read_labels
from rhodiff.jobs.element_state import ElementState
from rhodiff.jobs.handover import submit_pieces
from rhodiff.jobs.launch import num_processes
from rhodiff.jobs.packing import QueueRoom
from rhodiff.jobs.pinning import name_code, pin_code
from rhodiff.jobs.planning import PlannedSubmission, Stamp, Target, Work, num_parts_of, plan_submission
from rhodiff.jobs.registry import (
    create_submission,
    hold_submissions,
    known_jobs,
    new_token,
    next_number,
)
from rhodiff.jobs.scheduler import Scheduler
from rhodiff.jobs.scheduling import scheduler_for
from rhodiff.jobs.selection import read_submissions
from rhodiff.jobs.shared_data import find_preparations
from rhodiff.jobs.sites import SiteProfile
from rhodiff.jobs.stage_resources import resources_of_stage
from rhodiff.jobs.standing import Need, differing_settings, is_live, judge_need, refuse_other_settings
from rhodiff.jobs.state import SubmissionState, observe_submissions
from rhodiff.jobs.submission_plan import Dependency, SubmissionPlan
from rhodiff.jobs.trial import trial_experiment
from rhodiff.runtime.oneccl.backend import prepare_backend
from rhodiff.stages.unfinished import NEEDS, find_tasks, inputs_are_there, report_is_current
from rhodiff.stages.workspace import Workspace
from rhodiff.store.files import write_json
from rhodiff.store.journal import utc_now
from rhodiff.store.layout import SubmissionFolder
from rhodiff.store.locks import lock_owner

__all__ = ["StageOutcome", "StageRequest", "hand_over", "resources_of_request", "submit_stage"]


@dataclass(frozen=True)
class StageRequest:
    """What is asked for.

    Attributes:
        stage: name of the stage.
        flags: resources that the command line gives.
        after: submissions to wait for; with any, the stage's inputs need not be there yet.
        is_trial: ten steps to measure a training: whatever else was submitted does not matter.
        options: more words for ``rhodiff-hpc run STAGE``.
        makes_inputs: the stage makes what it reads itself: a following evaluation.
        samples_too: an evaluation that makes its samples itself, and needs what sampling needs.
    """

    stage: str
    flags: StageResources = field(default_factory=StageResources)
    after: tuple[Dependency, ...] = ()
    is_trial: bool = False
    options: tuple[str, ...] = ()
    makes_inputs: bool = False
    samples_too: bool = False


@dataclass(frozen=True)
class StageOutcome:
    """What became of a request.

    Attributes:
        kind: ``done`` before; ``live`` already; ``submitted``; ``planned`` on a dry run.
        stage: name of the stage.
        planned: the new submission; None where there is none.
        folder: its folder, made unless on a dry run.
        jobs: piece -> id of its job, of the new submission.
        live: submissions that work on the stage already.
        dependencies: what a later stage has to wait for.
    """

    kind: Literal["done", "live", "submitted", "planned"]
    stage: str
    planned: PlannedSubmission | None = None
    folder: SubmissionFolder | None = None
    jobs: dict[int, str] = field(default_factory=dict)
    live: tuple[SubmissionState, ...] = ()
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
    lock: AbstractContextManager[None] = nullcontext()
    if not dry_run:
        lock = hold_submissions(workspace.run_folder.jobs, f"submitting '{request.stage}'")
    with lock:
        return _StageSubmission(workspace, request, scheduler, target).settle(dry_run=dry_run)


class _StageSubmission:
    """One request: what is to be done is settled first, and then done."""

    def __init__(self, workspace: Workspace, request: StageRequest, scheduler: Scheduler, target: Target) -> None:
        self.workspace, self.request, self.scheduler, self.target = workspace, request, scheduler, target
        self.stage, self.run = request.stage, workspace.run_folder
        self.resources = resources_of_request(workspace, request, target.profile)
        self.tasks = find_tasks(workspace, self.stage)
        self.num_parts = num_parts_of(self.stage, self.resources, self.tasks.total)
        self.container = choose_container(workspace, target.profile.container)

    def settle(self, *, dry_run: bool) -> StageOutcome:
        """Find what is missing, and submit it unless on a dry run."""
        need = Need((0,), ()) if self.request.is_trial else self._need()
        if not dry_run:
            for live in need.live:
                submit_pieces(self._scheduler_of(live.folder, live.plan), live.folder, live.plan)
        if not need.to_submit:
            return self._nothing_to_submit(need)
        self._refuse_training_elsewhere(need)
        if not dry_run:
            self._prepare_collectives()
        code = name_code(self.run.jobs) if dry_run else pin_code(self.run.jobs)
        planned = self._planned(need.to_submit, self.request.after or self._inputs_under_way(), code)
        folder = self.run.jobs.submission(planned.plan.cluster, planned.plan.token)
        jobs = {} if dry_run else self._hand_over(planned.plan)
        return StageOutcome(
            "planned" if dry_run else "submitted",
            self.stage,
            planned,
            folder,
            jobs,
            need.live,
            (*(_dependency(live.plan) for live in need.live), _dependency(planned.plan)),
        )

    def _nothing_to_submit(self, need: Need) -> StageOutcome:
        dependencies = tuple(_dependency(live.plan) for live in need.live)
        return StageOutcome("live" if need.live else "done", self.stage, live=need.live, dependencies=dependencies)

    def _need(self) -> Need:
        """Which parts are to be submitted, and what is live."""
        parts = self.tasks.parts_to_do(self.num_parts)
        earlier = self._earlier(self.stage)
        if self.stage == "report" and self._is_reported(earlier):
            parts = ()
        wanted = self._plan_of(tuple(range(self.num_parts)), (), None, replace(self.target, room=QueueRoom()))
        need = judge_need(wanted.plan, parts, earlier)
        for live in need.live:
            refuse_other_settings(self.stage, self._differing(live), live)
        return need

    def _earlier(self, stage: str) -> list[SubmissionState]:
        """How earlier submissions of a stage of this run stand; trials do not count."""
        chosen = [one for one in read_submissions(self.run) if one.plan.stage == stage and not one.plan.is_trial]
        return observe_submissions(chosen, self._scheduler_of)

    def _scheduler_of(self, folder: SubmissionFolder, plan: SubmissionPlan) -> Scheduler:
        return self.scheduler if plan.cluster == self.scheduler.cluster else scheduler_for(folder, plan)

    def _differing(self, submission: SubmissionState) -> list[str]:
        """Settings that differ from those that a submission pinned."""
        path = submission.folder.config
        theirs = read_yaml(path.read_text(encoding="utf-8"), str(path))
        return differing_settings(self.stage, self.workspace.experiment.model_dump(mode="json"), theirs)

    def _is_reported(self, earlier: Sequence[SubmissionState]) -> bool:
        """Whether the report of just these settings was made from the statistics that are there."""
        made = [one for one in earlier if one.of(ElementState.DONE)]
        return bool(made) and not self._differing(made[-1]) and report_is_current(self.workspace)

    def _refuse_training_elsewhere(self, need: Need) -> None:
        if self.stage != "train" or need.live or self.request.is_trial:
            return
        owner = lock_owner(self.run.training_lock) if self.run.training_lock.exists() else None
        if owner is not None:
            raise RunBusyError(
                f"{self.run.path.name} is being trained already, by {owner}: wait for it or end it. If that process "
                f"no longer exists, remove {self.run.training_lock}"
            )

    def _prepare_collectives(self) -> None:
        """Compile here what nodes may have no compiler for; on nodes with devices torch has it inside."""
        runtime = self.workspace.experiment.runtime
        on_devices = runtime.device == "xpu" or (runtime.device == "auto" and self.target.profile.devices_per_node)
        if self.stage == "train" and runtime.backend == "oneccl" and not on_devices and self.container is None:
            prepare_backend()

    def _inputs_under_way(self) -> tuple[Dependency, ...]:
        """Live submissions that make the inputs; none where these are there."""
        reader = "sample" if self.request.samples_too else self.stage
        if self.request.makes_inputs or inputs_are_there(self.workspace, reader):
            return ()
        needed = NEEDS[reader]
        live = [_dependency(one.plan) for one in self._earlier(needed) if is_live(one)]
        if needed == "prepare":
            live += find_preparations(self.workspace, self.target.cluster, self._scheduler_of)
        if not live:
            raise DataError(
                f"'{self.stage}' needs the results of '{needed}', which are not there (completely), and nothing is "
                f"submitted that makes them: 'rhodiff-hpc submit {needed}' first, or 'rhodiff-hpc submit pipeline'"
            )
        return tuple(live)

    def _planned(self, elements: tuple[int, ...], after: tuple[Dependency, ...], code: str) -> PlannedSubmission:
        """The plan, checked against what the cluster can run."""
        planned = self._plan_of(elements, after, code, self.target)
        facts = self.target.facts
        self._refuse_without_mpi(planned.plan)
        warnings = [] if facts is None else check_allocation(planned.plan.allocation, facts)
        if self.container is not None:
            needs_mpi = self.stage == "evaluate" and planned.plan.launch.kind != "none"
            warnings += doubts_about(self.container, read_labels(self.container.image), needs_mpi=needs_mpi)
        return replace(planned, warnings=(*planned.warnings, *warnings, *_wrong_site(self.target)))

    def _refuse_without_mpi(self, plan: SubmissionPlan) -> None:
        """The processes of an evaluation meet over MPI, which their interpreter must have."""
        if self.container is not None:
            return  # its image has an MPI of its own
        if self.stage == "evaluate" and plan.launch.kind != "none" and find_spec("mpi4py") is None:
            raise EnvironmentLacksError(
                f"an evaluation by {num_processes(plan)} processes needs MPI, and {sys.executable} lacks mpi4py: pip "
                "install 'rhodiff[mpi]', or mpi4py built with the site's MPI; or ask for one process (--parts cuts "
                "it into jobs)"
            )

    def _plan_of(
        self, elements: tuple[int, ...], after: tuple[Dependency, ...], code: str | None, target: Target
    ) -> PlannedSubmission:
        work = Work(
            stage=self.stage,
            run=self.run,
            folder=self.workspace.folder.absolute(),
            num_parts=self.num_parts,
            elements=elements,
            python=sys.executable if self.container is None else PYTHON_INSIDE,
            on_devices=self.workspace.experiment.runtime.device != "cpu",
            after=after,
            iterations=self.workspace.experiment.training.iterations,
            progress_globs=self.workspace.source.progress_globs if self.stage == "prepare" else (),
            is_trial=self.request.is_trial,
            options=self.request.options,
            container=self.container,
        )
        stamp = Stamp(
            token=new_token(),
            number=next_number(self.run.jobs),
            created=utc_now(),
            user=getpass.getuser(),
            host=socket.gethostname(),
            code=code,
        )
        return plan_submission(work, self.resources, target, stamp)

    def _hand_over(self, plan: SubmissionPlan) -> dict[int, str]:
        experiment, folder = self.workspace.experiment, self.run.jobs.submission(plan.cluster, plan.token)
        pinned = trial_experiment(experiment, folder) if plan.is_trial else experiment
        create_submission(self.run.jobs, plan, dump_experiment(pinned), self.scheduler)
        return hand_over(self.scheduler, folder, plan)


def _wrong_site(target: Target) -> list[str]:
    """That the profile is another cluster's."""
    wanted = target.profile.cluster
    if target.facts is None or wanted in (None, target.cluster):
        return []
    return [f"site profile '{target.site}' is for the cluster '{wanted}', and this is '{target.cluster}' (--site)"]


def hand_over(scheduler: Scheduler, folder: SubmissionFolder, plan: SubmissionPlan) -> dict[int, str]:
    """Submit all pieces of a new submission; one that was refused altogether is marked as cancelled.

    Returns:
        Piece -> id of its job.
    """
    try:
        return submit_pieces(scheduler, folder, plan)
    except (SubmissionRefusedError, ConfigError) as error:
        if not known_jobs(folder):
            write_json(folder.cancelled, {"time": utc_now(), "reason": str(error)})
        raise


def resources_of_request(workspace: Workspace, request: StageRequest, profile: SiteProfile) -> StageResources:
    """What the jobs of a request ask for, from all who may say so."""
    experiment: StageResources = getattr(workspace.experiment.jobs, request.stage)
    return resources_of_stage(profile, request.stage, experiment, request.flags, is_trial=request.is_trial)


def _dependency(plan: SubmissionPlan) -> Dependency:
    return Dependency(f"{plan.run}/jobs/{plan.cluster}-{plan.token}")
