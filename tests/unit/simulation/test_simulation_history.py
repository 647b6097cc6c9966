"""Separation of two galaxies and drift of their centre of mass, of clouds whose answers are known."""

from dataclasses import replace

import numpy as np
import pytest

from rhodiff.errors import DataError
from rhodiff.simulation import Snapshot, centre_drift, particle_ids, separation_kpc

FIRST, SECOND = np.array([1.0, -2.0, 0.5]), np.array([4.0, 2.0, 12.5])
"""Centres, |(3, 4, 12)| = 13 kpc."""


def cloud(seed=0, outliers=0):
    """Two galaxies of stars in mirror pairs about known centres, so medians are exact, and dark matter elsewhere.

    Outliers are stars of the second galaxy thrown far out.
    """
    random = np.random.default_rng(seed)
    offsets = random.integers(-16, 17, (20, 3)) / 8
    pairs = np.concatenate([offsets, -offsets, np.zeros((41, 3))])
    dark = random.normal(100, 30, (30, 3))
    positions = np.concatenate([FIRST + pairs, SECOND + pairs, dark])
    positions[81 : 81 + outliers] += 1000
    ids = [particle_ids(0, "disc", 81), particle_ids(1, "disc", 40), particle_ids(1, "bulge", 41)]
    ids += [particle_ids(0, "dark", 15), particle_ids(1, "dark", 15)]
    masses = random.integers(1, 9, len(positions)) / 4
    return Snapshot(0.0, masses, positions, random.normal(size=positions.shape), np.concatenate(ids))


def test_separation_is_the_distance_of_the_median_stars_whatever_the_dark_matter_does():
    assert separation_kpc(cloud()) == pytest.approx(13, abs=1e-6)


def test_a_few_stars_thrown_out_do_not_change_it():
    assert separation_kpc(cloud(outliers=10)) == pytest.approx(13, abs=1e-6)


def test_separation_needs_the_stars_of_two_galaxies():
    snapshot = cloud()
    alone = snapshot.select(np.arange(snapshot.num_particles) < 81)
    with pytest.raises(DataError, match=r"galaxies \[0\]"):
        separation_kpc(alone)


def test_separation_of_lost_stars_is_refused():
    snapshot = cloud()
    positions = snapshot.positions.copy()
    positions[3, 1] = np.nan
    with pytest.raises(DataError, match="not finite"):
        separation_kpc(replace(snapshot, positions=positions))


def test_a_centre_of_mass_that_moves_on_its_path_does_not_drift_and_a_shift_is_told():
    start = cloud()
    later = replace(start, time=2.0, positions=start.positions + 2 * start.velocities)
    assert centre_drift(start, later) == pytest.approx(0, abs=1e-5)
    shifted = replace(later, positions=later.positions + np.float32([0.3, 0.0, -0.4]))
    assert centre_drift(start, shifted) == pytest.approx(0.5, abs=1e-5)


def test_a_drift_of_other_particles_is_refused():
    start = cloud()
    with pytest.raises(DataError, match="same particles"):
        centre_drift(start, start.select(np.arange(start.num_particles) > 0))
