"""A whole merger of sampled galaxies: conservation laws over the encounter, and the same files from a broken run."""

from dataclasses import replace

import numpy as np
import pytest

from rhodiff.simulation import (
    Frame,
    GalaxyModel,
    MergerPoint,
    ParticleCounts,
    Renderer,
    RunSettings,
    TreegravEngine,
    build_merger,
    fixed_camera,
    galaxy_of,
    read_snapshot,
)
from rhodiff.simulation.units import MASS_MSUN

SOFTENING = 0.5
SETTINGS = RunSettings(time_step=0.125, end=25.0, snapshot_interval=2.5, softening_kpc=SOFTENING)


@pytest.fixture(scope="module")
def merger(tmp_path_factory):
    """A merger of 2 x 400 particles through its pericentre: its folder, engine and report."""
    point = MergerPoint(mass_ratio=0.5, size_ratio=0.75, pericentre_kpc=4.0, separation_kpc=50.0, seed=3)
    start = build_merger(point, GalaxyModel(softening_kpc=SOFTENING), ParticleCounts(dark=240, disc=120, bulge=40))
    engine, folder = TreegravEngine(SETTINGS), tmp_path_factory.mktemp("merger")
    report = engine.run(engine.prepare(start, folder), folder)
    return folder, engine, report


def distances(folder, engine):
    """Between the median positions of the two galaxies' stars, at each snapshot."""
    for paths in [[folder / "initial.tipsy"], *engine.snapshots(folder)]:
        stars = read_snapshot(paths[0]).stars
        galaxy = galaxy_of(stars.ids)
        centres = [np.median(stars.positions[galaxy == number], axis=0) for number in (0, 1)]
        yield float(np.linalg.norm(centres[1] - centres[0]))


def test_energy_is_kept_to_a_per_cent_and_the_centre_of_mass_to_a_tenth_of_a_kpc(merger):
    assert merger[2].is_good
    assert merger[2].energy_error <= 0.01
    assert merger[2].drift_kpc <= 0.1


def test_galaxies_fall_towards_each_other_and_pass(merger):
    apart = list(distances(*merger[:2]))
    assert apart[0] == pytest.approx(50, abs=1)
    assert min(apart) < 20
    assert apart.index(min(apart)) not in (0, len(apart) - 1)


def test_images_of_all_times_hold_the_stars_mass(merger):
    folder, engine, _ = merger
    for paths in engine.snapshots(folder)[::3]:
        snapshot = read_snapshot(paths[0])
        image = Renderer(snapshot, Frame(120.0, 64)).render(fixed_camera(2))
        inside = image.pixels.sum(dtype=np.float64) * (120 / 64) ** 2
        total = snapshot.stars.masses.sum(dtype=np.float64) * MASS_MSUN
        assert inside + image.outside_msun[0] == pytest.approx(total, rel=1e-6)
        assert inside > 0.7 * total


def test_half_the_step_keeps_energy_four_times_better(merger, tmp_path):
    folder, *_ = merger
    start = read_snapshot(folder / "initial.tipsy")
    errors = []
    for step in (1 / 16, 1 / 32):
        settings = replace(SETTINGS, time_step=step, end=2.5, theta=0.1, max_energy_error=1.0)
        other = TreegravEngine(settings)
        path = tmp_path / str(step)
        errors.append(other.run(other.prepare(start, path), path).energy_error)
    assert errors[0] / errors[1] == pytest.approx(4, rel=0.15)
