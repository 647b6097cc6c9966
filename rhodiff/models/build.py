"""From settings to a network: the table of model kinds, and models that other packages provide."""

from torch import nn

from rhodiff.config.model import ModelSettings, PluginModel, UNetSettings
from rhodiff.errors import ConfigError
from rhodiff.models.conditioning import build_condition_encoder
from rhodiff.models.conditioning_table import ConditioningTable
from rhodiff.models.unet import UNet, check_shape
from rhodiff.runtime.plugins import build_plugin
from rhodiff.store.spec import FieldSpec

__all__ = ["build_model", "count_parameters"]


def build_model(
    settings: ModelSettings, spec: FieldSpec, table: ConditioningTable | None = None, *, fields_shown: int = 1
) -> nn.Module:
    """A network for fields of a kind, freshly initialised.

    The network is called as ``network(x [N, C, *space], noise_label [N], parameters [N, P] or None)`` and returns
    ``[N, C, *space]``; the noise label is ln(sigma) / 4, parameters are raw physical values in the order of
    ``settings.conditioning.parameters``. Where it is shown several fields, x has the channels of all of them.

    Args:
        settings: the ``model`` section.
        spec: geometry of the fields.
        table: constants of the parameters in the training split; None for an unconditional network.
        fields_shown: fields that the network is shown for the one it returns (the ``diffusion`` section's).

    Returns:
        The network, on the CPU.

    Raises:
        ConfigError: if the fields do not fit the network, the table does not fit the settings, or a plug-in is
            missing or to be shown several fields.
    """
    wanted = settings.conditioning.parameters
    if bool(wanted) != bool(table is not None and table.names):
        raise ConfigError(
            f"model.conditioning.parameters is {list(wanted)}, the conditioning table has "
            f"{list(table.names) if table else 'no parameters'}: fit the table to the same settings"
        )
    if isinstance(settings, PluginModel):
        if fields_shown != 1:
            raise ConfigError(
                f"the plug-in network '{settings.name}' takes one field, but is to be shown {fields_shown}: take "
                "diffusion kind 'edm'"
            )
        return build_plugin(
            settings.name, "model.name", nn.Module, lambda build: build(settings.options, spec, table)
        )
    return _build_unet(settings, spec, table, fields_shown)


def count_parameters(model: nn.Module) -> int:
    """Number of trainable parameters."""
    return sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)


def _build_unet(settings: UNetSettings, spec: FieldSpec, table: ConditioningTable | None, fields_shown: int) -> UNet:
    check_shape(settings, spec.shape)
    periodic = {
        "auto": spec.periodic,
        "circular": (True,) * spec.ndim,
        "zeros": (False,) * spec.ndim,
    }[settings.padding]
    if settings.coordinates and all(periodic):
        raise ConfigError(
            f"model.coordinates is {settings.coordinates}, but the fields wrap around along all axes, where no place "
            "is special: leave it out, or take padding 'zeros'"
        )
    condition = None
    if table is not None and table.names:
        condition = build_condition_encoder(settings.conditioning, table, 4 * settings.width)
    return UNet(settings, len(spec.channels), periodic, condition, fields_shown=fields_shown)
