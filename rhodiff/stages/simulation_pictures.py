"""What the simulations behind a data set did: a table of all, and pictures of one."""

from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from rhodiff.errors import ConfigError, DataError
from rhodiff.report import figure_to_png
from rhodiff.report.simulation_sheet import SimulationHistory, contact_sheet, simulation_history
from rhodiff.runtime.progress import Observer
from rhodiff.simulation.archive import SimulationRecord
from rhodiff.simulation.energies import EnergyHistory, parse_energies
from rhodiff.simulation.history import centre_drift, separation_kpc
from rhodiff.simulation.units import to_myr
from rhodiff.sources.mergers import Mergers
from rhodiff.stages.inspection import Inspected, open_source
from rhodiff.store.files import write_atomic

__all__ = ["SimulationRow", "draw_simulation", "open_mergers", "simulation_rows"]

MOST_TIMES = 8
"""Columns of a contact sheet."""


@dataclass(frozen=True)
class SimulationRow:
    """One simulation of a grid.

    Attributes:
        number: of the point, from 0.
        key: its name in the archive.
        varied: values of the axes in which simulations differ.
        record: what became of it; None while nothing did.
    """

    number: int
    key: str
    varied: dict[str, float]
    record: SimulationRecord | None

    def describe(self) -> str:
        """One line for people."""
        point = ", ".join(f"{name} {value:g}" for name, value in self.varied.items())
        return f"{self.number:>4}  {self.key}  {point or 'the only one':<40}  {_state(self.record)}"


def _state(record: SimulationRecord | None) -> str:
    if record is None:
        return "not done"
    if record.status == "failed":
        return f"failed: {record.reason} ({record.host}, {record.attempts} attempts)"
    retried = f", at dt {record.time_step:g} after a failure" if record.attempts > 1 else ""
    return (
        f"done: |dE/E| {100 * record.energy_error:.2g} %, drift {record.drift_kpc:.2g} kpc, {record.wall_s:.3g} s "
        f"({record.host}{retried})"
    )


def open_mergers(inspected: Inspected, observer: Observer) -> Mergers:
    """The simulations behind a data set.

    Raises:
        DataError: if it was made of something else.
    """
    source = open_source(inspected, observer)
    if not isinstance(source, Mergers):
        raise DataError(f"{inspected.store.path} was not made of simulations: its source is no 'mergers'")
    return source


def simulation_rows(source: Mergers) -> list[SimulationRow]:
    """All simulations of a grid, in its order."""
    rows = []
    for number in range(len(source.points)):
        folder = source.folder_of(number)
        rows.append(SimulationRow(number, folder.key, source.varied_values(number), folder.read_record()))
    return rows


def draw_simulation(source: Mergers, wanted: str, output: Path) -> list[Path]:
    """Write the contact sheet of a simulation, and the history of its energy and its galaxies.

    Args:
        source: the grid.
        wanted: number of the simulation, or the first digits of its key.
        output: folder.

    Returns:
        The files.

    Raises:
        ConfigError: if there is no such simulation.
        DataError: if it is not done, or its particles were not kept.
    """
    row = _find_row(source, wanted)
    if row.record is None or row.record.status == "failed" or not source.folder_of(row.number).particles.exists():
        state = _state(row.record)
        raise DataError(f"simulation {row.number} ({row.key}) has no particles to draw: {state}")
    figures = {
        "sheet": contact_sheet(
            *_images(source, row.number),
            source.camera_names,
            width_kpc=source.spec.box_size[0],
            unit=source.spec.unit.split(", ")[0],
            title=f"simulation {row.key}" + "".join(f", {name} {value:g}" for name, value in row.varied.items()),
        ),
        "history": simulation_history(_history(source, row.number)),
    }
    return [_write(figure, output / f"simulation-{row.key}-{name}.png") for name, figure in figures.items()]


def _write(figure: Figure, path: Path) -> Path:
    png = figure_to_png(figure)
    write_atomic(path, lambda handle: handle.write(png))
    return path


def _find_row(source: Mergers, wanted: str) -> SimulationRow:
    rows = simulation_rows(source)
    found = [row for row in rows if str(row.number) == wanted] or [row for row in rows if row.key.startswith(wanted)]
    if len(found) != 1:
        raise ConfigError(
            f"--simulation {wanted!r} is {'no' if not found else 'more than one'} simulation of this grid: give a "
            f"number from 0 to {len(rows) - 1}, or a key as 'rhodiff-hpc data simulations' lists them"
        )
    return found[0]


def _images(source: Mergers, number: int) -> tuple["np.ndarray[tuple[int, ...], np.dtype[np.float32]]", list[float]]:
    """Images of the first channel at some of the times, ``[time, camera, up, right]``, and these times in Myr."""
    times = source.times.times
    chosen = {times[at] for at in np.unique(np.linspace(0, len(times) - 1, MOST_TIMES).round().astype(int))}
    taken = [
        (one.time, source.images_of(one)[:, 0].swapaxes(-1, -2))
        for one in source.snapshots(number)
        if one.time in chosen
    ]
    return np.stack([images for _, images in taken]), to_myr([time for time, _ in taken]).tolist()


def _history(source: Mergers, number: int) -> SimulationHistory:
    initial = source.initial(number)
    snapshots = list(chain([initial], (one for one in source.snapshots(number) if one.time > 0)))
    energies = _latest(parse_energies(source.folder_of(number).log.read_text()))
    return SimulationHistory(
        times_myr=to_myr(energies.time),
        relative_energy_error=energies.total / energies.total[0] - 1,
        kinetic=energies.kinetic,
        potential=energies.potential,
        snapshot_times_myr=to_myr([one.time for one in snapshots]),
        drift_kpc=np.array([centre_drift(initial, one) for one in snapshots]),
        separation_kpc=np.array([separation_kpc(one) for one in snapshots]),
        max_energy_error=source.limits[0],
        max_drift_kpc=source.limits[1],
    )


def _latest(history: EnergyHistory) -> EnergyHistory:
    """Each time once, as it was told last: a resumed run tells some times twice."""
    _, first_from_behind = np.unique(history.time[::-1], return_index=True)
    last = len(history.time) - 1 - first_from_behind
    return EnergyHistory(
        *(values[last] for values in (history.time, history.total, history.kinetic, history.potential))
    )
