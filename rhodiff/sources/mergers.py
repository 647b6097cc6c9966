"""Images of galaxy mergers on a grid of parameters, the two-dimensional test of rho-Diffusion (arXiv 2312.08153).

Each point of ``grid`` is one simulation; each of them gives an image for every time and camera of ``images``. Field
(i T + j) C + k is that of simulation i, time j and camera k. Images are surface densities on one physical scale:
nothing is normalised by image or simulation, no logarithm is taken.

All images of a simulation are one group: they never straddle training and test, unless some of their parameters'
values are held out on purpose (:mod:`rhodiff.sources.held_out`).

Finished simulations are in an archive under keys that hold everything that makes them, so that a grid that grows, or
another experiment, runs what is new and nothing else (:mod:`rhodiff.simulation.simulator`). One that failed is
masked: its images are NaN and not valid.
"""

import glob
import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, astuple
from functools import cached_property, partial
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rhodiff.config.fields import Split
from rhodiff.config.mergers import MergersSource
from rhodiff.errors import ConfigError
from rhodiff.runtime.cpus import cpus_of_process
from rhodiff.runtime.launcher_variables import LINEAGE
from rhodiff.runtime.places import place_from_environment
from rhodiff.simulation.archive import SimulationFolder
from rhodiff.simulation.engine import BASE
from rhodiff.simulation.grid import expand_grid, varied_axes
from rhodiff.simulation.initial_conditions import MergerPoint, build_merger
from rhodiff.simulation.rendering import UNITS, Frame, Renderer
from rhodiff.simulation.simulator import Simulator, Task, Workplace
from rhodiff.simulation.snapshot import Snapshot
from rhodiff.simulation.snapshot_files import snapshot_bytes
from rhodiff.simulation.units import to_myr
from rhodiff.sources.held_out import held_out_split
from rhodiff.sources.merger_cost import describe_cost, measured_before, measured_now
from rhodiff.sources.merger_parameters import image_parameters, image_table
from rhodiff.sources.merger_settings import (
    build_cameras,
    build_counts,
    build_engine,
    build_model,
    executable_of,
    plan_times,
)
from rhodiff.sources.source import FieldBatch, Source
from rhodiff.store.records import to_plain
from rhodiff.store.spec import FieldSpec, Parameter

__all__ = ["Mergers"]

VERSION = 1
"""Of initial conditions, integrator and images: raised when the same settings would give other numbers."""
FILES_OF_A_SIMULATION, BYTES_BESIDE, LINE_BYTES = 4, 20_000, 160
"""At most: record, results, a log of each attempt; bytes of record and metadata, and of a line of a log."""

Floats = NDArray[np.float64]


class Mergers(Source):
    """Simulated mergers.

    Args:
        settings: ``data.source``.
        folder: where relative paths start.

    Raises:
        ConfigError: if the grid, the galaxies, the times or the engine's settings make no sense.
        EnvironmentLacksError: if the engine is not there.
    """

    def __init__(self, settings: MergersSource, folder: Path) -> None:
        self._settings, self._archive = settings, folder / settings.archive
        self._files = executable_of(settings.engine, folder)
        self.points = expand_grid(settings.grid)
        self.times = plan_times(settings.images, settings.engine.time_step)
        self._cameras = build_cameras(settings.images)
        self._model = build_model(settings.galaxy, settings.engine.softening_kpc)
        self._counts = build_counts(settings.particles, self._model)
        self._frame = Frame(settings.images.width_kpc, settings.images.size)
        self._threads = cpus_of_process(os.environ, place_from_environment(os.environ).processes_here)
        self._build_engine = build_engine(settings, self.times, folder, self._threads)
        self._engine = self._build_engine(settings.engine.time_step)
        self._tell: Callable[[str], None] = _keep_quiet
        self._check_paths()

    @property
    def spec(self) -> FieldSpec:
        """A square of kiloparsecs, not periodic; the first axis to the right and the second up."""
        images = self._settings.images
        return FieldSpec(
            name="surface density" if "velocity" not in images.channels else "surface density and velocity",
            unit=", ".join(dict.fromkeys(UNITS[channel] for channel in images.channels)),
            channels=images.channels,
            shape=(images.size,) * 2,
            spacing=(images.width_kpc / images.size,) * 2,
            length_unit="kpc",
            periodic=(False, False),
        )

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """All axes of the grid, the time, the camera's number, its angles, and its direction, which has no seam."""
        return image_parameters()

    @property
    def num_fields(self) -> int:
        """Simulations times times times cameras."""
        return len(self.points) * self.fields_together

    @property
    def fields_together(self) -> int:
        """Images of a simulation."""
        return len(self.times.times) * len(self._cameras)

    @property
    def input_files(self) -> tuple[Path, ...]:
        """The engine's program, if it is not the embedded one."""
        return self._files

    @property
    def provenance(self) -> Mapping[str, str | int | float]:
        """Engine, galaxies and conventions."""
        engine, identity = self._settings.engine, self._engine.identity
        return {
            "engine": ", ".join(f"{name} {value}" for name, value in identity.items()),
            "time_step": f"{engine.time_step:g} of 9.778145 Myr",
            "softening": f"{engine.softening_kpc:g} kpc (Plummer equivalent), opening angle {engine.theta:g}",
            "particles": "dark {}, disc {}, bulge {} in each galaxy".format(*astuple(self._counts)),
            "orbit": "Kepler orbit in the x-y plane; mass x m, length x s, velocity x sqrt(m / s) for galaxy 2",
            "image": "projected density, particles smoothed over their neighbours, linear; axes right and up",
            "times": "of the snapshots nearest to those asked for",
            "simulations": len(self.points),
        }

    @property
    def progress_globs(self) -> tuple[str, ...]:
        """Snapshots of simulations at work, or put aside, and records of finished ones; of all tasks together."""
        archive = glob.escape(str(self._archive.absolute()))
        return f"{archive}/*/*/{BASE}_*", f"{archive}/*/record.json"

    def groups(self) -> NDArray[np.int64]:
        """The number of the simulation."""
        return np.repeat(np.arange(len(self.points)), self.fields_together)

    def assign_split(self, split: Split) -> NDArray[np.int8]:
        """By simulations, after images with held-out values."""
        held_out = dict(self._settings.held_out)
        if not held_out:
            return super().assign_split(split)
        if "t_myr" in held_out:
            held_out["t_myr"] = tuple(self._nearest_time(one) for one in held_out["t_myr"])
        names = [parameter.name for parameter in self.parameters]
        return held_out_split(split, self.groups(), self._table(range(len(self.points))), names, held_out)

    def accompany(self, tell: Callable[[str], None]) -> None:
        """Have somebody told how far simulations are, who may end the work."""
        self._tell = tell

    def make(self, start: int, stop: int) -> FieldBatch:
        """Simulate, or find, a range of whole simulations, and take their images."""
        length = self.fields_together
        assert start % length == stop % length == 0, f"fields {start}:{stop} cut a simulation of {length} images"
        chosen = range(start // length, stop // length)
        fields = np.full((stop - start, *self.spec.field_shape), np.nan, dtype=np.float32)
        valid = np.zeros(stop - start, dtype=np.bool_)
        records = []
        for row, number in enumerate(chosen):
            record = self._simulator().simulate(self._task(number))
            records.append(record)
            if record.status == "done":
                part = slice(row * length, (row + 1) * length)
                fields[part], valid[part] = self._images(number), True
        failures = tuple(one.describe_failure(self._archive) for one in records if one.status == "failed")
        facts = {"simulations": [to_plain(record) for record in records]}
        return FieldBatch(fields, self._table(chosen), valid, failures, facts)

    def forget_failures(self) -> None:
        """Remove the records of failed simulations, so that they are tried again."""
        for folder in map(self.folder_of, range(len(self.points))):
            record = folder.read_record()
            if record is not None and record.status == "failed":
                folder.forget()

    def folder_of(self, number: int) -> SimulationFolder:
        """A simulation's folder in the archive.

        Args:
            number: of the point.
        """
        return SimulationFolder(self._archive, self._key(self.points[number]))

    def varied_values(self, number: int) -> dict[str, float]:
        """Values of a point in the axes in which points differ."""
        return {name: getattr(self.points[number], name) for name in varied_axes(self._settings.grid)}

    def initial(self, number: int) -> Snapshot:
        """The particles of a simulation at time 0."""
        return self._initial(self.points[number])

    def snapshots(self, number: int) -> Iterator[Snapshot]:
        """The particles of a simulation at the times of its images, where they were kept.

        Raises:
            DataError: if they were not, or are damaged.
        """
        return self.folder_of(number).read_particles(self.times.times)

    def images_of(self, snapshot: Snapshot) -> NDArray[np.float32]:
        """What all cameras see of a snapshot, float32 ``[camera, channel, right, up]``."""
        images = self._settings.images
        renderer = Renderer(snapshot, self._frame, images.channels, images.neighbours)
        return np.stack([renderer.render(camera).pixels.swapaxes(-1, -2) for _, camera in self._cameras])

    @property
    def camera_names(self) -> tuple[str, ...]:
        """Number and direction of each camera."""
        return tuple(f"camera {name}\n{one.polar_deg:.0f}°, {one.azimuth_deg:.0f}°" for name, one in self._cameras)

    @property
    def limits(self) -> tuple[float, float]:
        """Largest energy error, and largest drift in kpc, of a good simulation."""
        return self._settings.engine.max_energy_error, self._settings.engine.max_drift_kpc

    def describe_work(self) -> str:
        """Simulations, steps and core hours, with the time of a step as it was measured."""
        records = [folder.read_record() for folder in map(self.folder_of, range(len(self.points)))]
        done = [record for record in records if record is not None]
        text = (
            f"{len(self.points)} simulations ({len(done)} there already) of {self._num_particles} particles in "
            f"{self._num_steps} steps, {len(self.times.times)} times x {len(self._cameras)} cameras each"
        )
        steps_left = (len(self.points) - len(done)) * self._num_steps
        if not steps_left:
            return text
        cost = measured_before(done) or measured_now(self.initial(0), self._engine, self._threads)
        return f"{text}\n{describe_cost(cost, steps_left)}"

    def extra_files(self) -> tuple[int, int]:
        """Files and bytes of the archive, beside the data set."""
        num_times, dark = len(self.times.times), 2 * self._counts.dark
        size = snapshot_bytes(dark, self._num_particles - dark) * num_times
        if not self._settings.keep_snapshots:
            size = 4 * self.fields_together * prod(self.spec.field_shape)
        size += BYTES_BESIDE + 3 * self._num_steps * LINE_BYTES  # one attempt, and one with half the step
        return FILES_OF_A_SIMULATION * len(self.points), size * len(self.points)

    @property
    def _num_steps(self) -> int:
        """Of the first attempt at a simulation."""
        return round(self.times.end / self._settings.engine.time_step)

    def _check_paths(self) -> None:
        """Refuse folders that the engine cannot work in; one below a $VARIABLE is known on its node alone."""
        scratch = self._settings.scratch
        if scratch is None or "$" not in os.path.expandvars(scratch):
            half_step = self._settings.engine.time_step / 2  # of a second attempt: its folder has a longer name
            self._engine.check_folder(self._workplace().work_folder(self._key(self.points[0]), half_step))

    def _workplace(self) -> Workplace:
        return Workplace(self._archive, self._settings.scratch, self._threads, os.environ.get(LINEAGE), self._tell)

    def _simulator(self) -> Simulator:
        return Simulator(self._workplace(), self._build_engine, self._settings.engine.time_step, self.times.times)

    def _task(self, number: int) -> Task:
        point = self.points[number]
        return Task(self._key(point), point, partial(self._initial, point), self._is_kept, self._keep)

    def _initial(self, point: MergerPoint) -> Snapshot:
        return build_merger(point, self._model, self._counts)

    @property
    def _num_particles(self) -> int:
        return 2 * (self._counts.dark + self._counts.disc + self._counts.bulge)

    def _is_kept(self, folder: SimulationFolder) -> bool:
        """Particles give any images; where only images are kept, they must be these."""
        return folder.holds(folder.particles) or folder.holds(folder.images(self._images_id))

    def _keep(self, folder: SimulationFolder, snapshots: Iterator[Snapshot]) -> None:
        if self._settings.keep_snapshots:
            folder.write_particles(snapshots, self.times.times)
        else:
            folder.write_images(self._images_id, self._taken(snapshots))

    def _images(self, number: int) -> NDArray[np.float32]:
        """Images of a finished simulation, ``[image, channel, right, up]``."""
        folder = self.folder_of(number)
        if folder.holds(folder.images(self._images_id)):
            return folder.read_images(self._images_id)
        return self._taken(self.snapshots(number))

    def _taken(self, snapshots: Iterator[Snapshot]) -> NDArray[np.float32]:
        taken = []
        for snapshot in snapshots:
            taken.append(self.images_of(snapshot))
            self._tell(f"images at {float(to_myr(snapshot.time)):.0f} Myr")
        return np.concatenate(taken)

    def _table(self, simulations: range) -> Floats:
        """Parameters of all images of some simulations, ``[image, parameter]``."""
        return image_table([self.points[number] for number in simulations], self.times.times, self._cameras)

    def _nearest_time(self, time_myr: float) -> float:
        """The true time of the image that is nearest.

        Raises:
            ConfigError: if none is within half the distance of two snapshots.
        """
        times = to_myr(self.times.times)
        nearest = float(times[np.argmin(np.abs(times - time_myr))])
        if abs(nearest - time_myr) > float(to_myr(self.times.interval)) / 2 + 1e-6:
            raise ConfigError(
                f"data.source.held_out.t_myr: no image is taken at {time_myr:g} Myr, the nearest is at {nearest:.4g}"
            )
        return nearest

    def _key(self, point: MergerPoint) -> str:
        return _digest(asdict(point), self._making)

    @cached_property
    def _making(self) -> dict[str, Any]:
        """What all simulations of the grid share and depend on."""
        engine = self._settings.engine
        return {
            "version": VERSION,
            "galaxy": self._settings.galaxy.model_dump(mode="json"),
            "counts": asdict(self._counts),
            "engine": self._engine.identity,
            "integration": [engine.time_step, engine.theta, engine.softening_kpc],
            "limits": [engine.max_energy_error, engine.max_drift_kpc],
            "times": [self.times.interval, *self.times.times],
        }

    @cached_property
    def _images_id(self) -> str:
        return _digest(VERSION, self._settings.images.model_dump(mode="json"))


def _digest(*parts: Any) -> str:
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _keep_quiet(_: str) -> None:
    """Nobody is there to be told."""
