"""From settings and measured numbers to a formulation, and back from a checkpoint's record."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field, TypeAdapter
from torch import Tensor

from rhodiff.config.diffusion import DdpmSettings, DiffusionSettings, WienerSettings
from rhodiff.diffusion.ddpm import DdpmFormulation
from rhodiff.diffusion.formulation import Formulation
from rhodiff.diffusion.preconditioning import EdmFormulation
from rhodiff.diffusion.schedules import NoiseRange
from rhodiff.diffusion.wiener import WienerFilter, WienerFormulation
from rhodiff.errors import ConfigError

__all__ = ["build_formulation", "restore_formulation"]

RECORDS: TypeAdapter[EdmFormulation | WienerFormulation | DdpmFormulation] = TypeAdapter(
    Annotated[EdmFormulation | WienerFormulation | DdpmFormulation, Field(discriminator="kind")]
)


def build_formulation(
    settings: DiffusionSettings, sigma_data: float, noise_range: NoiseRange, spectrum: Tensor | None = None
) -> Formulation:
    """The formulation of a training.

    Args:
        settings: the ``diffusion`` section.
        sigma_data: standard deviation of a cell of the training fields, in network units; EDM uses it.
        noise_range: from :func:`rhodiff.diffusion.noise_range`.
        spectrum: power for each mode of the training fields in network units, ``[*rspace]`` or ``[C, *rspace]``;
            ``wiener`` uses it.

    Returns:
        A frozen record; ``model_dump()`` makes it plain, without the spectrum.

    Raises:
        ConfigError: if the spectrum is needed and not given.
        DataError: if it is negative or not finite.
    """
    low, high = noise_range
    if isinstance(settings, DdpmSettings):
        return DdpmFormulation(sigma_min=low, sigma_max=high, settings=settings)
    resolved = settings.model_dump(exclude={"kind", "sigma_min", "sigma_max"})
    if isinstance(settings, WienerSettings):
        return WienerFormulation(sigma_min=low, sigma_max=high, reference=_reference(spectrum), **resolved)
    return EdmFormulation(sigma_min=low, sigma_max=high, sigma_data=sigma_data, **resolved)


def restore_formulation(record: Mapping[str, Any], spectrum: Tensor | None = None) -> Formulation:
    """The formulation whose ``model_dump()`` a checkpoint holds.

    Args:
        record: from ``model_dump()``.
        spectrum: the one that it was built with; ``wiener`` uses it.

    Raises:
        ConfigError: if the spectrum is needed and not given.
        DataError: if it is negative or not finite.
    """
    values = dict(record)
    if values["kind"] == "wiener":
        values["reference"] = _reference(spectrum)
    return RECORDS.validate_python(values)


def _reference(spectrum: Tensor | None) -> WienerFilter:
    if spectrum is None:
        raise ConfigError("diffusion kind 'wiener' filters by the spectrum of the training fields: give spectrum")
    return WienerFilter(spectrum)
