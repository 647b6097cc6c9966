"""Particles of one time, and what their ids say."""

import numpy as np
import pytest

from rhodiff.errors import DataError
from rhodiff.simulation import Snapshot, galaxy_of, merge_snapshots, particle_ids


def particles(ids, time=0.0):
    numbers = np.arange(len(ids), dtype=np.float32)
    return Snapshot(time, numbers, np.stack([numbers] * 3, 1), -np.stack([numbers] * 3, 1), np.array(ids, np.uint64))


@pytest.mark.parametrize(
    ("component", "first", "end"), [("disc", 0, 2e18), ("bulge", 2e18, 3e18), ("dark", 3e18, 2.0**64)]
)
@pytest.mark.parametrize("galaxy", [0, 1, 999])
def test_ids_of_a_component_lie_in_bonsais_range_and_tell_the_galaxy(component, first, end, galaxy):
    ids = particle_ids(galaxy, component, 5)
    assert ids.dtype == np.uint64
    assert int(ids[0]) >= int(first)
    assert int(ids[-1]) < int(end)
    assert galaxy_of(ids).tolist() == [galaxy] * 5


def test_no_two_components_share_an_id():
    ids = [particle_ids(g, c, 1000) for g in range(3) for c in ("disc", "bulge", "dark")]
    assert len(np.unique(np.concatenate(ids))) == 9000


def test_the_last_id_of_a_galaxy_is_still_its_own():
    last = np.array([10**15 - 1, 10**15], np.uint64)
    assert galaxy_of(last).tolist() == [0, 1]
    assert galaxy_of(last + np.uint64(3 * 10**18)).tolist() == [0, 1]


@pytest.mark.parametrize(
    ("galaxy", "component", "count"), [(0, "gas", 1), (1000, "disc", 1), (-1, "disc", 1), (0, "disc", -1)]
)
def test_ids_that_do_not_exist_are_refused(galaxy, component, count):
    with pytest.raises(DataError, match=r"gas|galaxies are 0\.\.999"):
        particle_ids(galaxy, component, count)


def test_particles_are_sorted_by_id_with_all_that_belongs_to_them():
    snapshot = particles([7, 3 * 10**18, 2, 2 * 10**18])
    assert snapshot.ids.tolist() == [2, 7, 2 * 10**18, 3 * 10**18]
    assert snapshot.masses.tolist() == [2, 0, 3, 1]
    assert snapshot.positions[:, 1].tolist() == [2, 0, 3, 1]
    assert snapshot.velocities[:, 2].tolist() == [-2, 0, -3, -1]


def test_kinds_follow_from_ids_at_the_edges_of_the_ranges():
    snapshot = particles([0, 2 * 10**18 - 1, 2 * 10**18, 3 * 10**18 - 1, 3 * 10**18, 2**64 - 1])
    assert snapshot.is_disc.tolist() == [True, True, False, False, False, False]
    assert snapshot.is_bulge.tolist() == [False, False, True, True, False, False]
    assert snapshot.is_dark.tolist() == [False, False, False, False, True, True]
    assert snapshot.stars.ids.tolist() == snapshot.ids[:4].tolist()


def test_parts_merge_into_one_sorted_snapshot():
    merged = merge_snapshots([particles([5, 1], 2.0), particles([3], 2.0)])
    assert merged.time == 2.0
    assert merged.ids.tolist() == [1, 3, 5]
    with pytest.raises(DataError, match=r"of one time.*\[1.0, 2.0\]"):
        merge_snapshots([particles([1], 1.0), particles([2], 2.0)])
    with pytest.raises(DataError, match="got 0 parts"):
        merge_snapshots([])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"masses": np.zeros(3)}, "masses has the shape"),
        ({"positions": np.zeros((2, 2))}, "positions has the shape"),
        ({"velocities": np.zeros(2)}, "velocities has the shape"),
        ({"ids": np.array([1.0, 2.0])}, "whole numbers"),
        ({"ids": np.array([-1, 2])}, "whole numbers"),
    ],
)
def test_arrays_that_do_not_fit_together_are_refused(change, message):
    good = {"masses": np.zeros(2), "positions": np.zeros((2, 3)), "velocities": np.zeros((2, 3)), "ids": np.arange(2)}
    assert Snapshot(0.0, **good).num_particles == 2
    with pytest.raises(DataError, match=message):
        Snapshot(0.0, **good | change)
