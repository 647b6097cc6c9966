"""From the settings of the ``mergers`` source to galaxies, engines, cameras and times."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rhodiff.config.mergers import (
    AxisRange,
    BonsaiSettings,
    CameraAngles,
    EngineSettings,
    GalaxySettings,
    MergerImages,
    MergersSource,
    ParticleNumbers,
)
from rhodiff.errors import ConfigError
from rhodiff.simulation.bonsai_engine import BonsaiEngine, BonsaiProgram
from rhodiff.simulation.camera import NUM_CAMERAS, Camera, fixed_camera
from rhodiff.simulation.engine import Engine, RunSettings
from rhodiff.simulation.exponential_disc import ExponentialDisc
from rhodiff.simulation.galaxy_model import GalaxyModel
from rhodiff.simulation.galaxy_particles import ParticleCounts, equal_mass_counts
from rhodiff.simulation.grid import range_values
from rhodiff.simulation.hernquist import HernquistSphere
from rhodiff.simulation.treegrav_engine import TreegravEngine
from rhodiff.simulation.units import MASS_MSUN, check_time_step, to_myr, to_units

__all__ = [
    "ImageTimes",
    "build_cameras",
    "build_counts",
    "build_engine",
    "build_model",
    "executable_of",
    "plan_times",
]


@dataclass(frozen=True)
class ImageTimes:
    """When images are taken, in units of 9.778145 Myr.

    Attributes:
        times: of the images, increasing.
        interval: between the snapshots that the engine writes, a multiple of its step.
    """

    times: tuple[float, ...]
    interval: float

    @property
    def end(self) -> float:
        """The last time."""
        return self.times[-1]


def plan_times(images: MergerImages, time_step: float) -> ImageTimes:
    """The snapshots nearest to the times asked for.

    Snapshots are 2^k steps apart, with the largest k for which none is further from a time asked for than
    ``time_tolerance_myr``, or a step where that is longer, and no two times share one.

    Args:
        images: ``data.source.images``.
        time_step: dt, in units of 9.778145 Myr.

    Raises:
        ConfigError: if dt is not 2^-k, two times fall on one step, or all are 0.
    """
    check_time_step(time_step)
    asked = images.times_myr
    wanted_myr = np.sort(np.asarray(range_values(asked) if isinstance(asked, AxisRange) else asked, np.float64))
    wanted = to_units(wanted_myr)
    closest = float(np.diff(wanted).min()) if len(wanted) > 1 else np.inf
    longest = max(min(closest, 2 * float(to_units(images.time_tolerance_myr))), time_step)
    interval = time_step * 2.0 ** np.floor(np.log2(longest / time_step) + 1e-9)
    times = tuple((np.round(wanted / interval) * interval).tolist())
    if len(set(times)) < len(times):
        raise ConfigError(
            f"data.source.images.times_myr: times only {np.diff(wanted_myr).min():g} Myr apart fall on one step of "
            f"{float(to_myr(time_step)):.4g} Myr: take a smaller data.source.engine.time_step, or fewer times"
        )
    if times[-1] == 0:
        raise ConfigError("data.source.images.times_myr: only time 0 is asked for, which needs no simulation")
    return ImageTimes(times, float(interval))


def build_model(settings: GalaxySettings, softening_kpc: float) -> GalaxyModel:
    """Galaxy 1, in equilibrium for the engine's softening."""
    bulge, disc = None, None
    halo = HernquistSphere(settings.halo_mass_msun / MASS_MSUN, settings.halo_scale_kpc, settings.halo_taper_kpc)
    if settings.bulge_mass_msun > 0:
        bulge = HernquistSphere(
            settings.bulge_mass_msun / MASS_MSUN, settings.bulge_scale_kpc, settings.bulge_taper_kpc
        )
    if settings.disc_mass_msun > 0:
        disc = ExponentialDisc(
            settings.disc_mass_msun / MASS_MSUN, settings.disc_length_kpc, settings.disc_height_kpc, settings.toomre_q
        )
    return GalaxyModel(halo, bulge, disc, softening_kpc)


def build_counts(particles: int | ParticleNumbers, model: GalaxyModel) -> ParticleCounts:
    """Particles of each component.

    Raises:
        ConfigError: if a component gets none, or one that the model lacks gets some.
    """
    if isinstance(particles, int):
        return equal_mass_counts(model, particles)
    counts = ParticleCounts(particles.dark, particles.disc, particles.bulge)
    for name, part in (("dark", model.halo), ("disc", model.disc), ("bulge", model.bulge)):
        if (getattr(counts, name) > 0) != (part is not None):
            raise ConfigError(
                f"data.source.particles.{name} is {getattr(counts, name)}, but the galaxy has "
                f"{'no ' if part is None else 'a '}{'halo' if name == 'dark' else name}: a component needs "
                "particles, one of mass 0 has none"
            )
    return counts


def build_cameras(images: MergerImages) -> tuple[tuple[int, Camera], ...]:
    """Cameras with their numbers; those given by angles count from 14 on."""
    numbered, number = [], NUM_CAMERAS
    for one in images.cameras:
        if isinstance(one, CameraAngles):
            numbered.append((number, Camera(one.polar_deg, one.azimuth_deg, one.roll_deg)))
            number += 1
        else:
            numbered.append((one, fixed_camera(one)))
    return tuple(numbered)


def build_engine(settings: MergersSource, times: ImageTimes, folder: Path, threads: int) -> Callable[[float], Engine]:
    """What makes the engine for a time step.

    Args:
        settings: ``data.source``.
        times: of the images.
        folder: where relative paths start.
        threads: CPU threads of the embedded engine.
    """
    engine = settings.engine

    def build(time_step: float) -> Engine:
        run = RunSettings(
            time_step=time_step,
            end=times.end,
            snapshot_interval=times.interval,
            softening_kpc=engine.softening_kpc,
            theta=engine.theta,
            max_energy_error=engine.max_energy_error,
            max_drift_kpc=engine.max_drift_kpc,
            timeout_min=engine.timeout_min,
        )
        if isinstance(engine, BonsaiSettings):
            return BonsaiEngine(run, _program(engine, folder))
        return TreegravEngine(run, threads=threads)

    return build


def _program(engine: BonsaiSettings, folder: Path) -> BonsaiProgram:
    """A bare name is looked up on PATH, a path starts at the experiment's folder."""
    path = engine.executable
    name = str(path) if len(path.parts) == 1 and not (folder / path).exists() else str((folder / path).absolute())
    return BonsaiProgram(name, device=engine.device, launcher=engine.launcher, ranks=engine.ranks)


def executable_of(engine: EngineSettings, folder: Path) -> tuple[Path, ...]:
    """The program whose content is part of the data's identity, if there is one."""
    return (_program(engine, folder).find(),) if isinstance(engine, BonsaiSettings) else ()
