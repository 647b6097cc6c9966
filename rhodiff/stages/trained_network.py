"""The trained networks of a run: which checkpoints there are, and one of them loaded."""

from typing import Literal

import torch

from rhodiff.errors import DataError
from rhodiff.stages.workspace import Workspace
from rhodiff.training.checkpoints import Checkpoint, CheckpointFolder
from rhodiff.training.reconstruction import reconstruct_average
from rhodiff.training.restored import RestoredModel, restore_model
from rhodiff.training.schedule import decay_start

__all__ = ["find_checkpoints", "find_snapshots", "load_network"]


def find_checkpoints(
    workspace: Workspace,
    wanted: Literal["last", "all"] | tuple[int, ...],
    key: str,
    *,
    skip_damaged: bool = False,
) -> list[Checkpoint]:
    """The checkpoints that a stage works on, the earliest first.

    Args:
        workspace: the experiment.
        wanted: their iterations.
        key: key path of that setting, for the error.
        skip_damaged: leave damaged ones out, with a warning.

    Raises:
        DataError: if a checkpoint is not there, or damaged as far as can be told without reading it.
    """
    training = workspace.experiment.training
    common = decay_start(training.optimizer, training.iterations)
    folder = CheckpointFolder(workspace.run_folder.checkpoints)
    damaged = folder.damaged(training.iterations, common)
    found = [c for c in folder.list(training.iterations, common) if c not in damaged]
    concerned = {c: why for c, why in damaged.items() if _is_wanted(c, wanted, found)}
    if concerned:
        _tell_damaged(workspace, concerned, key, skip=skip_damaged)
        wanted = wanted if isinstance(wanted, str) else tuple(set(wanted) - {c.iteration for c in concerned})
    if not found:
        raise DataError(f"{workspace.run_folder.path} has no checkpoint yet: run 'rhodiff-hpc run train'")
    if wanted == "all":
        return found
    if wanted == "last":
        if found[-1].iteration < training.iterations:
            workspace.observer.warn(
                f"training stands at {found[-1].iteration} of {training.iterations} iterations; going on from there"
            )
        return found[-1:]
    missing = sorted(set(wanted) - {c.iteration for c in found})
    if missing:
        raise DataError(f"{key}: there is none of iteration {missing}; there are {[c.iteration for c in found]}")
    return [c for c in found if c.iteration in wanted]


def _is_wanted(
    checkpoint: Checkpoint, wanted: Literal["last", "all"] | tuple[int, ...], others: list[Checkpoint]
) -> bool:
    if wanted == "last":
        return not others or checkpoint.iteration > others[-1].iteration
    return wanted == "all" or checkpoint.iteration in wanted


def _tell_damaged(workspace: Workspace, damaged: dict[Checkpoint, str], key: str, *, skip: bool) -> None:
    listed = "; ".join(f"{checkpoint.path}: {why}" for checkpoint, why in damaged.items())
    if not skip:
        raise DataError(
            f"{key}: {len(damaged)} damaged checkpoint{'s' * (len(damaged) > 1)} ({listed}). Restore them, name the "
            f"others alone, or leave damaged ones out with sampling.skip_damaged"
        )
    workspace.observer.warn(f"left out, since damaged: {listed}")


def find_snapshots(workspace: Workspace, checkpoint: Checkpoint) -> list[Checkpoint]:
    """The checkpoints that the training passed through up to one of its own, that one last.

    Args:
        workspace: the experiment.
        checkpoint: the last one.
    """
    training = workspace.experiment.training
    common = decay_start(training.optimizer, training.iterations)
    folder = CheckpointFolder(workspace.run_folder.checkpoints)
    return [c for c in folder.list(training.iterations, common) if c.iteration <= checkpoint.iteration]


def load_network(
    workspace: Workspace, checkpoint: Checkpoint, weights: str, device: torch.device, gamma: float | None = None
) -> RestoredModel:
    """The network of a checkpoint, which must be one of this run.

    Args:
        workspace: the experiment.
        checkpoint: which one.
        weights: ``ema`` or ``raw``.
        device: where the network goes.
        gamma: exponent of an average that is put together from all checkpoints up to this one; None: a stored one.

    Raises:
        DataError: if it belongs to another training, or is damaged.
        ConfigError: if the checkpoints cannot make up that average.
    """
    model = restore_model(checkpoint.path, weights, device)
    if model.training_id != workspace.training_id:
        raise DataError(
            f"{checkpoint.path} belongs to the training {model.training_id}, this one is "
            f"{workspace.training_id}: it was copied here, or the folder was renamed. Remove it"
        )
    if gamma is not None:
        model.network.load_state_dict(reconstruct_average(find_snapshots(workspace, checkpoint), gamma))
    return model
