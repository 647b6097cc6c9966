"""The octree holds every particle once, its cells the moments of theirs."""

import numpy as np
import pytest

from rhodiff.simulation.octree import build_octree


def clustered(num, seed=3):
    random = np.random.default_rng(seed)
    positions = random.normal(size=(num, 3)) * np.exp(2 * random.normal(size=(num, 1)))
    return positions, random.uniform(0.5, 1.5, num)


def particles_below(tree, element):
    """Particles between an element and the one that follows it, by the links of the walk alone."""
    num, end, found = len(tree.order), tree.following[element], []
    current = element
    while current != end:
        if current < num:
            found.append(current)
            current = tree.following[current]
        else:
            current = tree.first[current]
    return found


@pytest.mark.parametrize("num", [1, 2, 9, 500])
def test_a_walk_that_opens_every_cell_meets_every_particle_once(num):
    tree = build_octree(*clustered(num))
    assert particles_below(tree, num) == list(range(num))
    assert sorted(tree.order) == list(range(num))


def test_a_cell_has_mass_and_centre_of_mass_of_what_is_inside_it():
    positions, masses = clustered(300)
    tree = build_octree(positions, masses)
    assert len(tree.masses) > 300 + 40
    for cell in range(300, len(tree.masses)):
        inside = tree.order[particles_below(tree, cell)]
        mean = np.average(positions[inside], axis=0, weights=masses[inside])
        assert tree.masses[cell] == pytest.approx(masses[inside].sum(), rel=1e-12)
        np.testing.assert_allclose(tree.positions[cell], mean, atol=1e-10)


def test_particles_lie_within_the_cube_that_edge_and_offset_describe():
    positions, masses = clustered(300)
    tree = build_octree(positions, masses)
    for cell in range(300, len(tree.masses)):
        inside = positions[tree.order[particles_below(tree, cell)]]
        assert np.ptp(inside, axis=0).max() <= tree.edges[cell] * (1 + 1e-6)
        assert tree.offsets[cell] <= np.sqrt(3) / 2 * tree.edges[cell] * (1 + 1e-6)


def test_particles_at_one_place_are_all_kept():
    positions = np.repeat([[1.0, 2.0, 3.0], [4.0, 4.0, 4.0]], 20, axis=0)
    tree = build_octree(positions, np.ones(40))
    assert particles_below(tree, 40) == list(range(40))
    assert tree.masses[40] == 40
    at_one_place = build_octree(np.zeros((20, 3)), np.ones(20))
    assert particles_below(at_one_place, 20) == list(range(20))
