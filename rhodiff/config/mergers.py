"""Data made of galaxy mergers: a grid of simulations, the engine that runs them, and the images taken of them.

The grid's axes are of two kinds. Those of ``grid`` ask for another simulation each; those of ``images`` (times and
cameras) look at one that was run. Units are in the names.
"""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, model_validator

from rhodiff.config.section import Operational, Section

__all__ = [
    "AxisInterval",
    "AxisRange",
    "AxisValues",
    "BonsaiSettings",
    "CameraAngles",
    "DeepGalaxySource",
    "EngineSettings",
    "GalaxySettings",
    "HeldOut",
    "MergerGrid",
    "MergerImages",
    "MergersSource",
    "ParticleNumbers",
    "SampledVectors",
    "TreegravSettings",
]

PositiveFloat = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=0)]
HeldOut = dict[str, tuple[float, ...]]


class AxisRange(Section):
    """Evenly spaced values: start, start + step, ... up to stop, which is one of them if a step ends there."""

    start: float
    """First value, in the axis' unit."""
    stop: float
    """No value is beyond it."""
    step: PositiveFloat
    """Distance between values."""

    @model_validator(mode="after")
    def _ordered(self) -> "AxisRange":
        if self.start > self.stop:
            raise ValueError(f"start {self.start:g} is above stop {self.stop:g}")
        return self


class AxisInterval(Section):
    """Values drawn between two ends, together with those of all other such axes: see ``grid.samples``."""

    low: float
    """Lower end, in the axis' unit."""
    high: float
    """Upper end."""

    @model_validator(mode="after")
    def _ordered(self) -> "AxisInterval":
        if self.low >= self.high:
            raise ValueError(f"low {self.low:g} is not below high {self.high:g}")
        return self


def _axis_form(value: Any) -> str:
    """Which form was meant, so that an error speaks of that one alone."""
    if isinstance(value, AxisInterval) or (isinstance(value, dict) and {"low", "high"} & value.keys()):
        return "interval"
    if isinstance(value, AxisRange | dict):
        return "range"
    return "list" if isinstance(value, list | tuple) else "value"


AxisValues = Annotated[
    Annotated[float, Tag("value")]
    | Annotated[tuple[float, ...], Tag("list")]
    | Annotated[AxisRange, Tag("range")]
    | Annotated[AxisInterval, Tag("interval")],
    Discriminator(_axis_form),
]
"""One value, a list, a range, or an interval to draw from."""


class SampledVectors(Section):
    """Points drawn from the intervals of the grid."""

    number: Annotated[int, Field(ge=1)]
    """Points; each is combined with every value of the other axes. A power of two for ``sobol``."""
    method: Literal["sobol", "latin_hypercube"] = "sobol"
    """``sobol``: scrambled Sobol sequence, balanced for a power of two; ``latin_hypercube``: one in each slice."""
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    """Seed of the points."""

    @model_validator(mode="after")
    def _balanced(self) -> "SampledVectors":
        if self.method == "sobol" and self.number & (self.number - 1):
            raise ValueError(
                f"number {self.number} is no power of two, which Sobol points need to be balanced: take "
                f"{1 << self.number.bit_length()}, or method latin_hypercube"
            )
        return self


class MergerGrid(Section):
    """One simulation for each combination of values. Galaxy 2 is galaxy 1 scaled, on an orbit around it."""

    mass_ratio: AxisValues = 1.0
    """Mass of galaxy 2 over that of galaxy 1."""
    size_ratio: AxisValues = 1.0
    """Lengths of galaxy 2 over those of galaxy 1; its velocities follow, so that it stays in equilibrium."""
    pericentre_kpc: AxisValues = 5.0
    """Closest distance of the two centres on their Kepler orbit, as if they were points."""
    separation_kpc: AxisValues = 60.0
    """Distance of the centres at the start."""
    eccentricity: AxisValues = 1.0
    """Of the orbit; 1 is the parabola."""
    inc1_deg: AxisValues = 0.0
    """Angle between the spin of disc 1 and the orbit's: 0 prograde, 180 retrograde."""
    omega1_deg: AxisValues = 0.0
    """Argument of pericentre of disc 1, from the ascending node of the disc in the orbit's plane."""
    inc2_deg: AxisValues = 0.0
    """Angle between the spin of disc 2 and the orbit's."""
    omega2_deg: AxisValues = 0.0
    """Argument of pericentre of disc 2."""
    seed: AxisValues = 0.0
    """Seed of the particles: whole numbers; several make several realisations."""
    samples: SampledVectors | None = None
    """How values are drawn from the axes given as ``low`` and ``high``; needed if there are any."""

    @model_validator(mode="after")
    def _samples_have_intervals(self) -> "MergerGrid":
        axes = {
            name: value for name in type(self).model_fields if name != "samples" and (value := getattr(self, name))
        }
        drawn = [name for name, value in axes.items() if isinstance(value, AxisInterval)]
        if drawn and self.samples is None:
            raise ValueError(
                f"{', '.join(drawn)}: values between low and high are to be drawn; say how many, "
                "e.g. samples: {number: 32}"
            )
        if self.samples is not None and not drawn:
            raise ValueError("'samples' has no effect: no axis of the grid is given as low and high")
        if "seed" in drawn:
            raise ValueError("seed: whole numbers are needed, as a list or a range; they cannot be drawn")
        return self


class CameraAngles(Section):
    """A direction to look from."""

    polar_deg: Annotated[float, Field(ge=0, le=180)]
    """Angle between the camera's direction and +z, the orbit's spin."""
    azimuth_deg: float
    """Angle of its direction in the orbit's plane, from +x (where galaxy 2 passes pericentre) towards +y."""
    roll_deg: float = 0.0
    """Turn of the image, anticlockwise."""


class MergerImages(Section):
    """The images taken of each simulation: every camera at every time."""

    times_myr: tuple[Annotated[float, Field(ge=0)], ...] | AxisRange = AxisRange(start=300, stop=650, step=5)
    """Times since the start, Myr. Each is taken at the nearest snapshot; the true time is what is stored."""
    time_tolerance_myr: PositiveFloat = 2.5
    """How far a snapshot may be from the time asked for, as far as the time step allows; a smaller one makes the
    engine write more snapshots."""
    cameras: tuple[Annotated[int, Field(ge=0, le=13)] | CameraAngles, ...] = tuple(range(14))
    """Fixed cameras 0 to 13, spread evenly over the sphere, or angles; those get the numbers 14, 15, ..."""
    size: Annotated[int, Field(ge=4, multiple_of=2)] = 128
    """Pixels on a side."""
    width_kpc: PositiveFloat = 120.0
    """Side of the image; its centre is the centre of mass."""
    channels: tuple[Literal["stars", "dark", "velocity"], ...] = ("stars",)
    """``stars`` and ``dark``: surface density, Msun/kpc^2; ``velocity``: mean line-of-sight velocity of the stars,
    km/s."""
    neighbours: Annotated[int, Field(ge=1)] = 32
    """Particles are smoothed over the distance to this neighbour."""

    @model_validator(mode="after")
    def _something_is_seen(self) -> "MergerImages":
        for name in ("cameras", "channels", "times_myr"):
            values = getattr(self, name)
            if not isinstance(values, AxisRange) and not values:
                raise ValueError(f"'{name}' is empty: name at least one")
            if not isinstance(values, AxisRange) and len(set(values)) < len(values):
                raise ValueError(f"'{name}' names the same twice")
        if isinstance(self.times_myr, AxisRange) and self.times_myr.start < 0:
            raise ValueError(f"'times_myr' starts at {self.times_myr.start:g}: simulations start at 0")
        return self


class ParticleNumbers(Section):
    """Particles of each component of one galaxy."""

    dark: Count
    """Of the halo."""
    disc: Count
    """Of the disc."""
    bulge: Count
    """Of the bulge."""


class GalaxySettings(Section):
    """Galaxy 1: Hernquist halo and bulge, exponential disc. The default is like the Milky Way within 60 kpc."""

    halo_mass_msun: PositiveFloat = 2e11
    """Dark matter, solar masses."""
    halo_scale_kpc: PositiveFloat = 15.0
    """Scale radius a of the halo."""
    halo_taper_kpc: PositiveFloat = 60.0
    """Where the halo ends."""
    bulge_mass_msun: Annotated[float, Field(ge=0)] = 1e10
    """Bulge, solar masses; 0: none."""
    bulge_scale_kpc: PositiveFloat = 0.6
    """Scale radius a of the bulge."""
    bulge_taper_kpc: PositiveFloat = 10.0
    """Where the bulge ends."""
    disc_mass_msun: Annotated[float, Field(ge=0)] = 4e10
    """Disc, solar masses; 0: none."""
    disc_length_kpc: PositiveFloat = 3.0
    """Scale length of the disc."""
    disc_height_kpc: PositiveFloat = 0.3
    """Scale height z_0 of sech^2(z / z_0)."""
    toomre_q: PositiveFloat = 1.3
    """Toomre's Q of the disc; below 1 it breaks into rings."""

    @model_validator(mode="after")
    def _has_stars(self) -> "GalaxySettings":
        if self.bulge_mass_msun == self.disc_mass_msun == 0:
            raise ValueError("bulge_mass_msun and disc_mass_msun are both 0: a galaxy needs stars to be seen")
        return self


class Integration(Section):
    """What every engine is told."""

    time_step: PositiveFloat = 0.125
    """Step dt of all particles, 2^-k in units of 9.778145 Myr. A simulation whose energy or centre of mass is not
    kept is tried once more at half of it."""
    theta: Annotated[float, Field(gt=0, le=1)] = 0.7
    """Opening angle of the tree."""
    softening_kpc: PositiveFloat = 0.5
    """Plummer softening length eps."""
    max_energy_error: PositiveFloat = 0.01
    """Largest |E - E_0| / |E_0| of a good simulation."""
    max_drift_kpc: PositiveFloat = 0.1
    """Largest drift of the centre of mass of a good simulation."""
    timeout_min: Annotated[PositiveFloat | None, Operational] = None
    """Wall time that one attempt at a simulation may take; null for no limit. What takes longer twice is masked."""


class TreegravSettings(Integration):
    """The embedded engine: Barnes-Hut forces of pytreegrav in a leapfrog, on the CPUs of the task."""

    kind: Literal["treegrav"] = "treegrav"


class BonsaiSettings(Integration):
    """Bonsai (Bedorf et al. 2012), on an NVIDIA GPU; the program is yours."""

    kind: Literal["bonsai"] = "bonsai"
    executable: Path
    """``bonsai2_slowdust``: a path, or a name on PATH."""
    device: Annotated[int, Field(ge=0), Operational] = 0
    """Number of the GPU within the task."""
    launcher: Annotated[tuple[str, ...], Operational] = ()
    """Words that start several ranks, e.g. [mpiexec, -n, "4"]; none for one rank."""
    ranks: Annotated[int, Field(ge=1), Operational] = 1
    """Processes that the launcher starts."""


EngineSettings = Annotated[TreegravSettings | BonsaiSettings, Field(discriminator="kind")]


class MergersSource(Section):
    """Images of galaxy mergers, simulated on a grid (rho-Diffusion's first test)."""

    kind: Literal["mergers"] = "mergers"
    grid: MergerGrid = MergerGrid()
    """Which simulations."""
    images: MergerImages = MergerImages()
    """What is taken of each."""
    galaxy: GalaxySettings = GalaxySettings()
    """The galaxies before they meet."""
    particles: Annotated[int, Field(ge=100)] | ParticleNumbers = 10000
    """Particles of each galaxy: a number, shared out so that all have nearly one mass, or one for each component."""
    engine: EngineSettings = TreegravSettings()
    """What moves them."""
    held_out: HeldOut = Field(default_factory=dict)
    """Images that no network is trained on, e.g. {mass_ratio: [0.75], t_myr: [450]}: those with one of the values of
    any named parameter are the test part (times: nearest snapshot); ``data.split`` shares out the others."""
    archive: Annotated[Path, Operational] = Path("data/simulations")
    """Folder of finished simulations, one folder each, found again by whatever experiment asks for the same."""
    scratch: Annotated[Path | None, Operational] = None
    """Folder for simulations at work, on a disk of the node: $VARIABLES are filled in on the node. null: in the
    archive, from where a simulation goes on after its task was killed on any node."""
    keep_snapshots: Annotated[bool, Operational] = True
    """Keep the particles at the images' times: then other cameras and sizes need no new simulation. false: keep the
    images alone."""

    @model_validator(mode="before")
    @classmethod
    def _default_engine(cls, value: Any) -> Any:
        """``engine`` may leave out its ``kind``: it is then that of the default."""
        if isinstance(value, dict) and isinstance(value.get("engine"), dict):
            return {**value, "engine": {"kind": "treegrav", **value["engine"]}}
        return value


class DeepGalaxySource(Section):
    """Images of galaxy mergers in the published layout of DeepGalaxy (Cai et al. 2020), ``output_bw_512.h5``."""

    kind: Literal["deepgalaxy"] = "deepgalaxy"
    file: Path
    """HDF5 file with a group ``s_<size>_m_<mass>`` for each simulation."""
    size_ratios: tuple[PositiveFloat, ...] | None = None
    """Only these size ratios; null: all of the file."""
    mass_ratios: tuple[PositiveFloat, ...] | None = None
    """Only these mass ratios; null: all of the file."""
    cameras: tuple[Annotated[int, Field(ge=0, le=99)], ...] | None = None
    """Only these cameras; null: all of the file."""
    t_min_myr: float | None = None
    """Only images from this time on, Myr."""
    t_max_myr: float | None = None
    """Only images up to this time, Myr."""
    size: Annotated[int, Field(ge=4, multiple_of=2)] | None = None
    """Pixels on a side after binning down (means over blocks); a divisor of the file's size. null keeps it."""
    width_kpc: PositiveFloat | None = None
    """Side of an image; the file does not say. null: lengths are in pixels."""
    held_out: HeldOut = Field(default_factory=dict)
    """Images that no network is trained on, e.g. {mass_ratio: [0.75]}: those with one of the values of any named
    parameter are the test part; ``data.split`` shares out the others."""

    @model_validator(mode="after")
    def _something_is_taken(self) -> "DeepGalaxySource":
        for name in ("size_ratios", "mass_ratios", "cameras"):
            if getattr(self, name) == ():
                raise ValueError(f"'{name}' is empty: name at least one, or say null for all")
        return self

    @model_validator(mode="after")
    def _times_ordered(self) -> "DeepGalaxySource":
        if self.t_min_myr is not None and self.t_max_myr is not None and self.t_min_myr > self.t_max_myr:
            raise ValueError(f"t_min_myr {self.t_min_myr:g} is above t_max_myr {self.t_max_myr:g}")
        return self
