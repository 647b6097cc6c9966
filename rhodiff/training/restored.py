"""A trained network as a checkpoint holds it: everything needed to sample from it, and nothing else needed."""

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from rhodiff.config.loading import parse_experiment
from rhodiff.diffusion.build import restore_formulation
from rhodiff.diffusion.formulation import Denoiser, Formulation
from rhodiff.diffusion.guidance import guide
from rhodiff.errors import ConfigError
from rhodiff.fields.transforms import Transform
from rhodiff.models.build import build_model
from rhodiff.models.conditioning import ConditioningTable
from rhodiff.store.spec import FieldSpec
from rhodiff.training.checkpoints import read_checkpoint

__all__ = ["RestoredModel", "restore_model"]


@dataclass(frozen=True)
class RestoredModel:
    """A network ready to sample from.

    Attributes:
        network: in evaluation mode, on its device.
        formulation: noise levels and preconditioning.
        transform: from physical fields to network units.
        spectrum: power a mode of the training fields in network units, ``[*rspace]``.
        spec: geometry and units.
        table: conditioning parameters, in the order the network takes them, and where it was trained.
        training_id: identity of the training.
        iteration: steps made.
    """

    network: nn.Module
    formulation: Formulation
    transform: Transform
    spectrum: torch.Tensor
    spec: FieldSpec
    table: ConditioningTable
    training_id: str
    iteration: int

    @property
    def parameter_names(self) -> tuple[str, ...]:
        """Conditioning parameters, in the order the network takes them."""
        return self.table.names

    def denoiser(self, parameters: torch.Tensor | None, guidance: float = 1.0) -> Denoiser:
        """The function that samplers call.

        Args:
            parameters: in physical units, ``[n, P]``; None for an unconditional network.
            guidance: weight of classifier-free guidance; others than 1 need dropout of conditions in the training.
        """
        if parameters is None:
            return self.formulation.denoiser(self.network)
        return guide(lambda at: self.formulation.denoiser(self.network, at), parameters, guidance)


def restore_model(path: Path, weights: str, device: torch.device) -> RestoredModel:
    """Build the network of a checkpoint and load its weights.

    Args:
        path: the checkpoint.
        weights: ``ema`` or ``raw``.
        device: where the network goes.

    Raises:
        DataError: if the checkpoint is damaged.
        ConfigError: if averaged weights are asked for and there are none.
    """
    content = read_checkpoint(path)
    if weights == "ema" and content["ema"] is None:
        raise ConfigError(f"sampling.weights is 'ema', but {path.name} was trained without ema_gamma: take 'raw'")
    experiment = parse_experiment(content["experiment"], f"the experiment in {path}")
    spec = FieldSpec.model_validate(content["spec"])
    table = ConditioningTable.model_validate(content["conditioning"])
    network = build_model(experiment.model, spec, table, fields_shown=experiment.diffusion.fields_shown)
    network.load_state_dict(content["ema" if weights == "ema" else "model"])
    spectrum = content["spectrum"].to(device)
    return RestoredModel(
        network=network.to(device).eval().requires_grad_(False),
        formulation=restore_formulation(content["formulation"], spectrum),
        transform=Transform.from_record(content["transform"]),
        spectrum=spectrum,
        spec=spec,
        table=table,
        training_id=content["training_id"],
        iteration=content["iteration"],
    )
