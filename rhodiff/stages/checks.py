"""What can be known to fail is refused before anything is computed or written.

The settings of one section may not fit the data or another section, and the stage that would find out may come hours
after the one that is started: an odd size, an unknown sampler, a missing package.
"""

from importlib.util import find_spec

from rhodiff.config.model import UNetSettings
from rhodiff.errors import EnvironmentLacksError
from rhodiff.fields.augmentation import check_augmentation
from rhodiff.models.unet import check_shape
from rhodiff.runtime.oneccl.backend import BACKEND, prepare_backend
from rhodiff.runtime.preparation import resolve_runtime
from rhodiff.stages.asked_conditions import check_conditions
from rhodiff.stages.denoise import check_denoising
from rhodiff.stages.prepare import checked_split
from rhodiff.stages.report_calibration import check_calibration
from rhodiff.stages.report_harmonics import check_harmonics
from rhodiff.stages.report_lines import check_lines
from rhodiff.stages.sequence_pairs import check_sequence
from rhodiff.stages.sweep import check_sweep
from rhodiff.stages.workspace import Workspace

__all__ = ["check_environment", "check_experiment"]


def check_experiment(workspace: Workspace) -> None:
    """Check that all stages can use the fields that the source will make.

    Args:
        workspace: the experiment; its input files are looked at, not read.

    Raises:
        ConfigError: if the network cannot halve the fields, an augmentation does not suit them, a parameter is
            unknown, a part of the split stays empty, the sweep asks for what no sampler can do or for conditions that
            are refused, fields of several channels are to be denoised, or the report's sequence, lines, harmonics
            or calibration cannot be made.
    """
    experiment, spec = workspace.experiment, workspace.source.spec
    if isinstance(experiment.model, UNetSettings):
        check_shape(experiment.model, spec.shape)
    check_augmentation(experiment.fields.augmentation, spec.periodic)
    checked_split(workspace)
    check_sweep(workspace)
    check_conditions(workspace)
    check_denoising(workspace)
    check_sequence(workspace)
    check_lines(workspace)
    check_harmonics(workspace)
    check_calibration(workspace)


def check_environment(workspace: Workspace, num_processes: int = 1) -> None:
    """Check that this machine has what a training demands of it, and compile what is compiled once.

    Args:
        workspace: the experiment.
        num_processes: processes of the training.

    Raises:
        ConfigError: for a backend that does not carry tensors of the device.
        EnvironmentLacksError: for a device that torch does not see, or a missing package.
    """
    if resolve_runtime(workspace.experiment.runtime, num_processes).backend == BACKEND:
        prepare_backend()
    project = workspace.experiment.training.wandb_project
    if project is not None and find_spec("wandb") is None:
        raise EnvironmentLacksError(
            f"training.wandb_project is '{project}', but wandb is not installed: pip install 'rhodiff[wandb]', or "
            "set it to null"
        )
