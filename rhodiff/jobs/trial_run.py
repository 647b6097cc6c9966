"""Beginning and reading a trial of a training (:mod:`rhodiff.jobs.trial`); whoever asked for it waits in between."""

import shutil

from rhodiff.config.resources import StageResources
from rhodiff.errors import ConfigError
from rhodiff.jobs.planning import Target
from rhodiff.jobs.scheduler import Scheduler
from rhodiff.jobs.stage_resources import allocate, resources_of_stage
from rhodiff.jobs.stage_submission import StageOutcome, StageRequest, submit_stage
from rhodiff.jobs.submission_plan import Allocation, BodyRules
from rhodiff.jobs.trial import Ahead, JobTerms, TrialEstimate, TrialMeasure, estimate_training, read_trial
from rhodiff.jobs.trial_resources import longest_walltime_min, trial_resources
from rhodiff.stages.workspace import Workspace
from rhodiff.training.checkpoints import CheckpointFolder
from rhodiff.training.schedule import decay_start

__all__ = ["begin_trial", "finish_trial"]


def begin_trial(
    workspace: Workspace, flags: StageResources, scheduler: Scheduler, target: Target, *, dry_run: bool = False
) -> StageOutcome:
    """Submit a trial.

    Args:
        workspace: the experiment, with prepared data.
        flags: resources that the command line gives.
        scheduler: takes the job.
        target: facts about it.
        dry_run: decide only.

    Raises:
        ConfigError: if the training is done.
        DataError: if the data are not prepared.
    """
    if _ahead(workspace).iterations <= 0:
        raise ConfigError(f"the training {workspace.run_folder.path.name} is done: there is nothing to estimate")
    wanted = trial_resources(target.profile, flags, _allocation(workspace, flags, target), target.facts)
    request = StageRequest("train", wanted, is_trial=True)
    return submit_stage(workspace, request, scheduler, target, dry_run=dry_run)


def finish_trial(
    workspace: Workspace, flags: StageResources, outcome: StageOutcome, target: Target
) -> tuple[TrialMeasure, TrialEstimate]:
    """What a trial that has ended says of the training.

    Args:
        workspace: the experiment.
        flags: resources that the command line gives.
        outcome: the answer to its submission.
        target: facts about the scheduler.

    Raises:
        DataError: if it did not end well.
    """
    assert outcome.folder is not None, "a trial that was begun has a folder"
    measure = read_trial(outcome.folder)
    shutil.rmtree(outcome.folder.trial, ignore_errors=True)  # its checkpoint is as large as a real one
    allocation = _allocation(workspace, flags, target)
    resources = resources_of_stage(target.profile, "train", workspace.experiment.jobs.train, flags)
    terms = JobTerms(
        nodes=allocation.nodes,
        longest_min=None if target.facts is None else longest_walltime_min(allocation, target.facts),
        stop_margin_s=resources.stop_margin_s or BodyRules().stop_margin_s,
        charge=target.profile.charge,
    )
    return measure, estimate_training(measure, _ahead(workspace), terms)


def _allocation(workspace: Workspace, flags: StageResources, target: Target) -> Allocation:
    """What a job of the training itself asks for."""
    resources = resources_of_stage(target.profile, "train", workspace.experiment.jobs.train, flags)
    on_devices = workspace.experiment.runtime.device != "cpu"
    return allocate("train", resources, target.profile, on_devices=on_devices)


def _ahead(workspace: Workspace) -> Ahead:
    training = workspace.experiment.training
    common = decay_start(training.optimizer, training.iterations)
    found = CheckpointFolder(workspace.run_folder.checkpoints).list(training.iterations, common)
    return Ahead.of(training, found[-1].iteration if found else 0)
