"""Small mergers to simulate, and processes that do so and stand still where a test wants them."""

import itertools
import os
import signal
import sys
from functools import partial
from pathlib import Path

import holds
import numpy as np
from experiments import SERVER, wait_until

from rhodiff.simulation import GalaxyModel, MergerPoint, ParticleCounts, build_merger
from rhodiff.simulation import simulator as simulator_module
from rhodiff.simulation.archive import SimulationFolder
from rhodiff.simulation.bonsai_engine import BonsaiEngine, BonsaiProgram
from rhodiff.simulation.engine import RunSettings
from rhodiff.simulation.simulator import Simulator, Task, Workplace
from rhodiff.simulation.treegrav_engine import TreegravEngine

STAND_IN = Path(__file__).with_name("bonsai_stand_in.py")
POINT = MergerPoint(mass_ratio=0.5, size_ratio=0.75, pericentre_kpc=4.0, separation_kpc=40.0, seed=3)
COUNTS = ParticleCounts(dark=90, disc=40, bulge=20)
KEPT = (0.0, 1.0, 2.0, 4.0)
KEY = "0123456789abcdef"
RUN = {"end": 4.0, "snapshot_interval": 0.5, "softening_kpc": 0.5, "max_energy_error": 0.05, "max_drift_kpc": 1.0}
TIME_STEP = 0.125
NUM_STEPS = 32


def initial():
    """2 x 150 particles."""
    return build_merger(POINT, GalaxyModel(softening_kpc=0.5), COUNTS)


def treegrav(time_step, **changes):
    return TreegravEngine(RunSettings(time_step=time_step, **(RUN | changes)))


def stand_in(executable, time_step, **changes):
    """Bonsai's stand-in, which is written at the path of its executable."""
    executable.write_text(f'#!/bin/sh\nexec {sys.executable} {STAND_IN} "$@"\n')
    executable.chmod(0o755)
    return BonsaiEngine(RunSettings(time_step=time_step, **(RUN | changes)), BonsaiProgram(str(executable)))


def task():
    return Task(KEY, POINT, initial, lambda folder: folder.holds(folder.particles), keep)


def keep(folder, snapshots):
    folder.write_particles(snapshots, KEPT)


def simulate(archive, engine=treegrav, time_step=TIME_STEP, **place):
    """The record of the one simulation."""
    return Simulator(Workplace(archive, **place), engine, time_step, KEPT).simulate(task())


def positions(archive):
    """What the archive has of it, ``[time, particle, axis]``."""
    return np.stack([snapshot.positions for snapshot in SimulationFolder(archive, KEY).read_particles(KEPT)])


class Process:
    """A process that simulates.

    Args:
        archive: of the simulations.
        hold_at: which of the things that it tells it stands still at, counted from 1; None: at none.
        hold_in: name of a file in whose first write it stands still; None: in none.
        scratch: folder of simulations at work.
    """

    def __init__(self, archive, *, hold_at=None, hold_in=None, scratch=None):
        self._told = archive.with_name(f"{archive.name}-told-{next(COUNT)}")
        self.process = SERVER.Process(target=_work, args=(archive, scratch, hold_at, hold_in, self._told))
        self.process.start()

    @property
    def told(self):
        """What it told so far."""
        return self._told.read_text() if self._told.exists() else ""

    def is_running(self):
        return self.process.is_alive()

    def wait(self):
        """The message of its error; empty for none."""
        self.process.join(300)
        assert self.process.exitcode == 0, self.told
        return self.told

    def wait_until_held(self):
        state = Path(f"/proc/{self.process.pid}/stat")
        wait_until(lambda: not self.is_running() or state.read_text().rpartition(")")[2].split()[0] == "T")
        assert self.is_running(), f"it ended with {self.process.exitcode}: {self.told}"

    def wait_until_told(self, words):
        wait_until(lambda: words in self.told or not self.is_running())
        assert self.is_running(), f"it ended with {self.process.exitcode}: {self.told}"

    def release(self):
        os.kill(self.process.pid, signal.SIGCONT)

    def kill(self):
        """``kill -9``."""
        self.process.kill()
        self.process.join()


COUNT = itertools.count()


def _work(archive, scratch, hold_at, hold_in, told):
    """What a :class:`Process` does."""
    simulator_module.WAIT_S = 0.05
    if hold_in is not None:
        holds.hold_in_write(hold_in, 1)
    number = itertools.count(1)
    with told.open("w") as handle:
        simulate(archive, scratch=scratch, tell=partial(_tell, handle, number, hold_at))


def _tell(handle, number, hold_at, text):
    handle.write(f"{text}\n")
    handle.flush()
    if next(number) == hold_at:
        holds.hold()
