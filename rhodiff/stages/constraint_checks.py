"""Whether the constraints of a sweep can be kept, before anything is computed."""

from rhodiff.config.constraints import Constraints
from rhodiff.config.fields import Log10, MinMax
from rhodiff.errors import ConfigError
from rhodiff.stages.workspace import Workspace

__all__ = ["TRAINING", "check_constraints"]

TRAINING = "training"
"""``sampling.constraints.mean``: that of the training split."""


def check_constraints(workspace: Workspace) -> None:
    """Refuse constraints that cannot be kept, before anything is computed.

    Raises:
        ConfigError: if generated fields have no physical units, the mean is that of no known parameter, or the bound
            is outside the domain of the transform.
    """
    settings, experiment = workspace.experiment.sampling.constraints, workspace.experiment
    if settings.is_empty:
        return
    steps, told = experiment.fields.transform, experiment.model.conditioning.parameters
    if any(isinstance(step, MinMax) and step.scope == "image" for step in steps):
        raise ConfigError(
            "sampling.constraints are in physical units, which generated fields do not have with min_max of scope "
            "'image' in fields.transform: leave them out, or take scope 'set'"
        )
    if settings.mean not in (None, TRAINING):
        if settings.mean not in told:
            raise ConfigError(
                f"sampling.constraints.mean: '{settings.mean}' is neither 'training' nor one of the parameters that "
                f"the network is told, {list(told)}"
            )
        if len(workspace.source.spec.channels) > 1:
            raise ConfigError("sampling.constraints.mean: one parameter cannot be the mean of several channels")
    _check_logarithm(settings, steps[0] if steps else None)


def _check_logarithm(settings: Constraints, first: object) -> None:
    """The logarithm of the bound exists, and there is a bound where values could leave the logarithm's domain."""
    if not isinstance(first, Log10) or first.floor is not None:
        return
    if settings.lower is not None and settings.lower + first.offset <= 0:
        raise ConfigError(
            f"sampling.constraints.lower is {settings.lower:g}, but fields.transform begins with log10, which keeps "
            f"generated values above {0 - first.offset:g} by itself: leave it out, or take a larger one"
        )
    if settings.by == "shift" and settings.lower is None:
        raise ConfigError(
            "sampling.constraints: by 'shift' can move values to where the log10 of fields.transform does not exist: "
            "set lower (e.g. the smallest value of the data), or take by 'scale'"
        )
