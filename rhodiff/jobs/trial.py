"""A trial of a training: ten steps as they will be made, and what the whole will take.

    T = (t_start + n t_step + c t_checkpoint + s t_sheet) (1 + m),   m = 15 % + 2 standard errors of t_step

with n steps, c checkpoints and s sheets still to come; t_start is from the begin of the job to the first step, and is
paid in each job of a chain. The 15 % are for file systems and networks that others use too. A trial has the real
network, data, batch, processes and nodes; it is made in a folder of its own, so the run's checkpoints stay untouched.
What the ten steps cannot show: a speed that changes later, and the time spent waiting in the queue.
"""

from dataclasses import dataclass
from datetime import datetime
from math import ceil, sqrt
from statistics import fmean, stdev

from rhodiff.config.experiment import Experiment
from rhodiff.config.training import Training
from rhodiff.errors import DataError, RhodiffError
from rhodiff.jobs.attempts import read_attempts
from rhodiff.jobs.sites import Charge
from rhodiff.store.journal import read_journal
from rhodiff.store.layout import RunFolder, SubmissionFolder
from rhodiff.training.metrics import read_metrics
from rhodiff.training.schedule import checkpoint_iterations

__all__ = [
    "Ahead",
    "JobTerms",
    "TrialEstimate",
    "TrialMeasure",
    "describe_trial",
    "estimate_training",
    "read_trial",
    "trial_experiment",
]

WARM_UP, STEPS = 3, 10
MARGIN = 0.15
ROUNDED_TO_MIN = 10


@dataclass(frozen=True)
class TrialMeasure:
    """What a trial measured.

    Attributes:
        steps_s: seconds of each step after the warm-up.
        startup_s: seconds from the begin of the job to the first step.
        checkpoint_s: seconds to write a checkpoint.
        sheet_s: seconds to draw a sheet; 0 where none is asked for.
        host_gb: peak memory of each process.
        device_gb: peak device memory of each process; zeros without device.
    """

    steps_s: tuple[float, ...]
    startup_s: float
    checkpoint_s: float
    sheet_s: float
    host_gb: tuple[float, ...]
    device_gb: tuple[float, ...]

    @property
    def step_s(self) -> float:
        """Mean seconds of a step."""
        return fmean(self.steps_s)

    @property
    def relative_error(self) -> float:
        """Standard error of the mean step, relative to it."""
        return stdev(self.steps_s) / sqrt(len(self.steps_s)) / self.step_s


@dataclass(frozen=True)
class TrialEstimate:
    """What the rest of a training takes.

    Attributes:
        iterations: steps still to be made.
        walltime_h: hours in all, with the margin.
        margin: the margin, relative.
        node_hours: node-hours in all.
        charge: what the site charges; None where it has no rate.
        charge_unit: its unit.
        time_min: suggested time limit of a job.
        chain: suggested number of jobs, each going on where the one before stopped.
    """

    iterations: int
    walltime_h: float
    margin: float
    node_hours: float
    charge: float | None
    charge_unit: str | None
    time_min: int
    chain: int


def trial_experiment(experiment: Experiment, folder: SubmissionFolder) -> Experiment:
    """The experiment of a trial: the real one, for a few steps, with runs inside the submission's folder.

    Args:
        experiment: the real one.
        folder: folder of the submission.
    """
    iterations = WARM_UP + STEPS
    optimizer = experiment.training.optimizer.model_copy(update={"decay_fraction": 0.0})  # no checkpoint on the way
    training = experiment.training.model_copy(
        update={
            "iterations": iterations,
            "checkpoint_every": iterations,
            "sheet_every": None,
            "metrics_every": 1,
            "keep_checkpoints": None,
            "tensorboard": False,
            "wandb_project": None,
            "optimizer": optimizer,
        }
    )
    paths = experiment.paths.model_copy(update={"runs": folder.trial.absolute()})
    return experiment.model_copy(update={"training": training, "paths": paths})


def read_trial(folder: SubmissionFolder) -> TrialMeasure:
    """What a finished trial measured.

    Raises:
        DataError: if its records are not there.
    """
    runs = list(folder.trial.glob("*/metrics"))
    if len(runs) != 1:
        raise DataError(f"{folder.path / 'trial'} holds no measured training: look at 'rhodiff-hpc why'")
    run = RunFolder(runs[0].parent)
    metrics, events = read_metrics(run.metrics), {record["event"]: record for record in read_journal(run.journal)}
    if len(metrics) != WARM_UP + STEPS or "memory" not in events or "checkpoint" not in events:
        raise DataError(f"{run.path} holds {len(metrics)} of {WARM_UP + STEPS} steps: the trial did not end")
    steps_s = [1 / record["iterations_per_second"] for record in metrics]
    begun = datetime.fromisoformat(read_attempts(folder.attempts(0))[-1].started)
    first = datetime.fromisoformat(metrics[0]["time"])
    return TrialMeasure(
        steps_s=tuple(steps_s[WARM_UP:]),
        startup_s=max(0.0, (first - begun).total_seconds()),
        checkpoint_s=events["checkpoint"]["wall_s"],
        sheet_s=events.get("sheet", {}).get("wall_s", 0.0),
        host_gb=tuple(events["memory"]["host_gb"]),
        device_gb=tuple(events["memory"]["device_gb"]),
    )


@dataclass(frozen=True)
class Ahead:
    """What a training still has to do.

    Attributes:
        iterations: steps.
        checkpoints: checkpoints to write.
        sheets: sheets to draw.
    """

    iterations: int
    checkpoints: int
    sheets: int

    @classmethod
    def of(cls, training: Training, done: int) -> "Ahead":
        """What is ahead of a training after ``done`` iterations."""
        written = [iteration for iteration in checkpoint_iterations(training) if iteration > done]
        every = training.sheet_every or training.checkpoint_every
        drawn = [i for i in written if training.sheet_samples and (i % every == 0 or i == training.iterations)]
        return cls(training.iterations - done, len(written), len(drawn))


@dataclass(frozen=True)
class JobTerms:
    """On what terms the jobs of a training run.

    Attributes:
        nodes: nodes a job.
        longest_min: longest time limit that it may have; None: no limit is known.
        stop_margin_s: seconds before the limit at which it is told to stop.
        charge: what the site charges.
    """

    nodes: int
    longest_min: int | None = None
    stop_margin_s: int = 120
    charge: Charge | None = None


def estimate_training(measure: TrialMeasure, ahead: Ahead, terms: JobTerms) -> TrialEstimate:
    """What the rest of a training takes.

    Args:
        measure: what the trial measured.
        ahead: what is to be done.
        terms: nodes, limits and charge of its jobs.

    Raises:
        RhodiffError: if the longest job would end before its first step.
    """
    margin = MARGIN + 2 * measure.relative_error
    startup_s = measure.startup_s * (1 + margin)
    work_s = (1 + margin) * (
        ahead.iterations * measure.step_s + ahead.checkpoints * measure.checkpoint_s + ahead.sheets * measure.sheet_s
    )
    time_min, chain = _jobs(startup_s, work_s, terms)
    walltime_h = (chain * startup_s + work_s) / 3600
    node_hours = terms.nodes * walltime_h
    charge = terms.charge
    return TrialEstimate(
        iterations=ahead.iterations,
        walltime_h=walltime_h,
        margin=margin,
        node_hours=node_hours,
        charge=None if charge is None else node_hours * charge.per_node_hour,
        charge_unit=None if charge is None else charge.unit,
        time_min=time_min,
        chain=chain,
    )


def _jobs(startup_s: float, work_s: float, terms: JobTerms) -> tuple[int, int]:
    """Time limit of a job, and the number of jobs."""
    single_min = (startup_s + work_s + terms.stop_margin_s) / 60
    rounded_min = ROUNDED_TO_MIN * ceil(single_min / ROUNDED_TO_MIN)
    if terms.longest_min is None or rounded_min <= terms.longest_min:
        return rounded_min, 1
    if single_min <= terms.longest_min:
        return terms.longest_min, 1
    usable_s = 60 * terms.longest_min - terms.stop_margin_s - startup_s
    if usable_s <= 0:
        raise RhodiffError(
            f"a job may run {terms.longest_min} minutes, of which {startup_s:.0f} s go by before its first step and "
            f"{terms.stop_margin_s} s are kept to stop: take a partition with a longer limit"
        )
    return terms.longest_min, ceil(work_s / usable_s)


def describe_trial(measure: TrialMeasure, estimate: TrialEstimate, nodes: int) -> str:
    """The answer of a trial, for people."""
    speed = 1 / measure.step_s
    processes = len(measure.host_gb)
    device = f", {max(measure.device_gb):.2f} GB of its device" if max(measure.device_gb) > 0 else ""
    charge = "" if estimate.charge is None else f", {estimate.charge:.2f} {estimate.charge_unit}"
    chain = f" --chain {estimate.chain}" if estimate.chain > 1 else ""
    lines = [
        f"{len(measure.steps_s)} steps after {WARM_UP} of warm-up, {processes} processes on {nodes} nodes",
        f"speed       {speed:.3g} it/s +- {speed * measure.relative_error:.1g}",
        f"memory      {max(measure.host_gb):.2f} GB{device}: the largest process",
        f"beside it   {measure.startup_s:.1f} s to the first step, {measure.checkpoint_s:.2f} s a checkpoint"
        + (f", {measure.sheet_s:.1f} s a sheet" if measure.sheet_s else ""),
        f"the rest    {estimate.iterations} iterations: {_hours(estimate.walltime_h)}, {estimate.node_hours:.2f} "
        f"node-hours{charge}, with a margin of {100 * estimate.margin:.0f} % in each",
        f"suggested   --time {estimate.time_min}{chain}",
    ]
    return "\n".join(lines)


def _hours(hours: float) -> str:
    if hours < 1 / 60:
        return f"{3600 * hours:.0f} s"
    return f"{hours:.3g} h" if hours >= 1 else f"{60 * hours:.2g} min"
