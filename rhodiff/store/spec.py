"""FieldSpec: what a stored field is - its grid, its spacing, its units, and along which axes it wraps around."""

from typing import Annotated

from pydantic import Field, model_validator

from rhodiff.config.section import Section

__all__ = ["FieldSpec", "Parameter"]


class Parameter(Section):
    """One physical parameter of a field."""

    name: str
    """The field's standard symbol, e.g. ``Omega_m``."""
    unit: str = ""
    """Unit; empty for dimensionless."""


class FieldSpec(Section):
    """Geometry and units of the fields of one store."""

    name: str
    """The quantity, e.g. ``E(B-V)``."""
    unit: str = ""
    """Unit of the values; empty for dimensionless."""
    channels: tuple[str, ...] = ("value",)
    """Names of the channels."""
    shape: tuple[Annotated[int, Field(ge=1)], ...]
    """Cells along each spatial axis."""
    spacing: tuple[Annotated[float, Field(gt=0)], ...]
    """Distance between cells along each axis, in ``length_unit``."""
    length_unit: str = "cell"
    """Unit of ``spacing``."""
    periodic: tuple[bool, ...]
    """Whether the field wraps around, by axis."""

    @model_validator(mode="after")
    def _axes_agree(self) -> "FieldSpec":
        if not 1 <= len(self.shape) <= 3:
            raise ValueError(f"fields have 1, 2 or 3 spatial axes, got shape {self.shape}")
        if not len(self.shape) == len(self.spacing) == len(self.periodic):
            raise ValueError("shape, spacing and periodic must have one entry for each spatial axis")
        return self

    @property
    def ndim(self) -> int:
        """Number of spatial axes."""
        return len(self.shape)

    @property
    def box_size(self) -> tuple[float, ...]:
        """Extent along each axis, in ``length_unit``."""
        return tuple(n * d for n, d in zip(self.shape, self.spacing, strict=True))

    @property
    def field_shape(self) -> tuple[int, ...]:
        """Shape of one field, ``[channel, *space]``."""
        return (len(self.channels), *self.shape)
