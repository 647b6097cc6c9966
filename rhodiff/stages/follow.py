"""Following a training: what comes after it is done for each checkpoint as soon as that is written.

A follower looks for new finished checkpoints, does its work for these alone, and ends with the last checkpoint of the
training. Cells and comparisons have the same identities as in a sweep over all checkpoints made later, so nothing is
made twice. It never waits for a training that nobody works on: a waiting job is paid for like a working one.
"""

from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic, sleep

from rhodiff.errors import ConfigError, StoppedEarly
from rhodiff.runtime.stopping import StopRequest, listen_for_stop
from rhodiff.stages.evaluate import evaluate
from rhodiff.stages.sample import sample_sweep
from rhodiff.stages.workspace import Workspace
from rhodiff.store.locks import lock_owner
from rhodiff.training.checkpoints import Checkpoint, CheckpointFolder
from rhodiff.training.schedule import checkpoint_iterations, decay_start

__all__ = ["Patience", "check_follow", "follow"]

SLICE_S = 0.2
"""A stop signal is noticed after so many seconds."""


@dataclass(frozen=True)
class Patience:
    """How a follower waits.

    Attributes:
        first_s: seconds until it looks again after something new; each look without news doubles them.
        longest_s: at most so many.
        idle_s: seconds after which it leaves a training that nobody works on.
    """

    first_s: float = 1.0
    longest_s: float = 20.0
    idle_s: float = 600.0


def check_follow(workspace: Workspace) -> None:
    """Refuse to follow where checkpoints would be missed.

    Raises:
        ConfigError: unless all checkpoints are sampled, and all are kept.
    """
    sampling, training = workspace.experiment.sampling, workspace.experiment.training
    if sampling.checkpoints != "all":
        raise ConfigError(
            f"sampling.checkpoints is {_shown(sampling.checkpoints)}, but a follower works on each checkpoint as it "
            "appears: set it to all, or do not follow"
        )
    if training.keep_checkpoints is not None:
        raise ConfigError(
            f"training.keep_checkpoints is {training.keep_checkpoints}: the training would remove checkpoints that "
            "the follower has not come to yet. Set it to null, or do not follow"
        )


def _shown(checkpoints: str | tuple[int, ...]) -> str:
    return checkpoints if isinstance(checkpoints, str) else str(list(checkpoints))


def follow(
    workspace: Workspace,
    stage: str,
    why_ended: Callable[[], str | None],
    patience: Patience = Patience(),
) -> int:
    """Work on each checkpoint of a training as it appears, until the last one.

    Args:
        workspace: the experiment; its sampling is of all checkpoints.
        stage: ``sample``, or ``evaluate``, which makes the samples first.
        why_ended: why the training has ended for now though it is not finished; None while it may go on.
        patience: how to wait.

    Returns:
        The number of checkpoints.

    Raises:
        StoppedEarly: if the training ended before its last checkpoint, or a stop signal came while waiting.
        ConfigError: see :func:`check_follow`.
    """
    check_follow(workspace)
    iterations = workspace.experiment.training.iterations
    planned = len(checkpoint_iterations(workspace.experiment.training))
    done: list[int] = []
    while not done or done[-1] < iterations:
        new = _wait_for_checkpoints(workspace, done, planned, why_ended, patience)
        narrowed = workspace.at_checkpoints(tuple(c.iteration for c in new))
        sample_sweep(narrowed)
        if stage == "evaluate":
            evaluate(narrowed)
        done += [c.iteration for c in new]
        workspace.observer.note(f"followed {new[-1].name}")
    return len(done)


def _wait_for_checkpoints(
    workspace: Workspace,
    done: list[int],
    planned: int,
    why_ended: Callable[[], str | None],
    patience: Patience,
) -> list[Checkpoint]:
    """Checkpoints that are not done, at least one."""
    idle_since, pause_s, seen = monotonic(), patience.first_s, frozenset[str]()
    with listen_for_stop() as stop:
        while True:
            ended, is_idle = why_ended(), _is_idle(workspace)  # before looking: what ended wrote its last before
            names = _marker_names(workspace)
            new = [c for c in _on_the_way(workspace) if c.iteration not in done] if names != seen else []
            if new:
                return new
            seen = names
            if ended is not None:
                raise StoppedEarly(_left(done, f"the training has ended before its last checkpoint ({ended})"))
            if not is_idle:
                idle_since = monotonic()
            elif monotonic() - idle_since > patience.idle_s:
                minutes = f"{patience.idle_s / 60:.3g} minutes"
                raise StoppedEarly(_left(done, f"nobody has worked on the training for {minutes}"))
            workspace.observer.progress(len(done), max(planned, len(done) + 1), "waiting for the next checkpoint")
            _pause(pause_s, stop, done)
            pause_s = min(2 * pause_s, patience.longest_s)


def _is_idle(workspace: Workspace) -> bool:
    """Whether no process works on the training."""
    return lock_owner(workspace.run_folder.training_lock) is None


def _marker_names(workspace: Workspace) -> frozenset[str]:
    """Names of the checkpoints' markers: one look at a folder, where opening each would cost a file server more."""
    return frozenset(path.name for path in workspace.run_folder.checkpoints.glob("step-*.json"))


def _on_the_way(workspace: Workspace) -> list[Checkpoint]:
    training = workspace.experiment.training
    common = decay_start(training.optimizer, training.iterations)
    return CheckpointFolder(workspace.run_folder.checkpoints).list(training.iterations, common)


def _pause(seconds: float, stop: StopRequest, done: list[int]) -> None:
    until = monotonic() + seconds
    while monotonic() < until:
        if stop:
            raise StoppedEarly(_left(done, f"stopped by {stop.reason}"))
        sleep(min(SLICE_S, seconds))


def _left(done: list[int], reason: str) -> str:
    return f"{reason}; {len(done)} checkpoints were followed, the same command goes on"
