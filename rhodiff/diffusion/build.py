"""From settings and measured numbers to a formulation, and back from a checkpoint's record."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field, TypeAdapter

from rhodiff.config.diffusion import DdpmSettings, DiffusionSettings
from rhodiff.diffusion.ddpm import DdpmFormulation
from rhodiff.diffusion.formulation import Formulation
from rhodiff.diffusion.preconditioning import EdmFormulation
from rhodiff.diffusion.schedules import NoiseRange

__all__ = ["build_formulation", "restore_formulation"]

RECORDS: TypeAdapter[EdmFormulation | DdpmFormulation] = TypeAdapter(
    Annotated[EdmFormulation | DdpmFormulation, Field(discriminator="kind")]
)


def build_formulation(settings: DiffusionSettings, sigma_data: float, noise_range: NoiseRange) -> Formulation:
    """The formulation of a training.

    Args:
        settings: the ``diffusion`` section.
        sigma_data: standard deviation of a cell of the training fields, in network units; DDPM does not use it.
        noise_range: from :func:`rhodiff.diffusion.noise_range`.

    Returns:
        A frozen record; ``model_dump()`` makes it plain.
    """
    low, high = noise_range
    if isinstance(settings, DdpmSettings):
        return DdpmFormulation(sigma_min=low, sigma_max=high, settings=settings)
    resolved = settings.model_dump(exclude={"kind", "sigma_min", "sigma_max"})
    return EdmFormulation(sigma_min=low, sigma_max=high, sigma_data=sigma_data, **resolved)


def restore_formulation(record: Mapping[str, Any]) -> Formulation:
    """The formulation whose ``model_dump()`` a checkpoint holds."""
    return RECORDS.validate_python(dict(record))
