# ruff: noqa: E741 - l is the symbol of the degree
"""Harmonics: analytic truth of tesseral harmonics, and the published form."""

from itertools import combinations, pairwise

import numpy as np
import pytest
from scipy.ndimage import map_coordinates
from scipy.special import assoc_legendre_p, factorial

from rhodiff.config.fields import Split
from rhodiff.config.sources import HarmonicsSource
from rhodiff.errors import ConfigError
from rhodiff.sources.harmonics import (
    Harmonics,
    evaluate_harmonic,
    evaluate_paper_harmonic,
    paper_harmonic,
    real_harmonic,
)
from rhodiff.sources.source import TRAIN

PAIRS = [(degree, m) for degree in range(6) for m in range(-degree, degree + 1)]


def sphere(num_polar=24, num_azimuth=48):
    """Nodes and weights of a product rule on the unit sphere, exact to degree 47."""
    cosine, weight = np.polynomial.legendre.leggauss(num_polar)
    azimuth = 2 * np.pi * (np.arange(num_azimuth) + 0.5) / num_azimuth
    cosine, azimuth = np.meshgrid(cosine, azimuth, indexing="ij")
    sine = np.sqrt(1 - cosine**2)
    weights = np.broadcast_to(weight[:, None] * 2 * np.pi / num_azimuth, cosine.shape)
    return np.stack([sine * np.cos(azimuth), sine * np.sin(azimuth), cosine]), weights


def unit_vectors(count=200, seed=0):
    vectors = np.random.default_rng(seed).normal(size=(3, count))
    return vectors / np.linalg.norm(vectors, axis=0)


class TestTesseral:
    def test_are_orthonormal_on_the_sphere(self):
        nodes, weights = sphere()
        values = np.stack([evaluate_harmonic(l, m, *nodes) for l, m in PAIRS]).reshape(len(PAIRS), -1)
        np.testing.assert_allclose((values * weights.ravel()) @ values.T, np.eye(len(PAIRS)), atol=1e-12)

    def test_volumes_are_orthonormal_on_a_sphere_through_them(self):
        nodes, weights = sphere()
        size = 32
        cells = (0.9 * nodes + 1) * size / 2 - 0.5
        values = np.stack([map_coordinates(real_harmonic(l, m, size), cells, order=3).ravel() for l, m in PAIRS])
        np.testing.assert_allclose((values * weights.ravel()) @ values.T, np.eye(len(PAIRS)), atol=1e-3)

    @pytest.mark.parametrize(
        ("l", "m", "closed_form"),
        [
            (0, 0, lambda x, y, z: np.full_like(x, np.sqrt(1 / (4 * np.pi)))),
            (1, 0, lambda x, y, z: np.sqrt(3 / (4 * np.pi)) * z),
            (1, 1, lambda x, y, z: np.sqrt(3 / (4 * np.pi)) * x),
            (1, -1, lambda x, y, z: np.sqrt(3 / (4 * np.pi)) * y),
            (2, 0, lambda x, y, z: np.sqrt(5 / (16 * np.pi)) * (3 * z**2 - 1)),
            (2, 2, lambda x, y, z: np.sqrt(15 / (16 * np.pi)) * (x**2 - y**2)),
            (2, -2, lambda x, y, z: np.sqrt(15 / (4 * np.pi)) * x * y),
            (2, 1, lambda x, y, z: np.sqrt(15 / (4 * np.pi)) * x * z),
            (3, -3, lambda x, y, z: np.sqrt(35 / (32 * np.pi)) * y * (3 * x**2 - y**2)),
        ],
    )
    def test_low_orders_have_their_closed_forms(self, l, m, closed_form):
        directions = unit_vectors()
        np.testing.assert_allclose(evaluate_harmonic(l, m, *directions), closed_form(*directions), atol=1e-14)

    def test_volume_axes_are_x_y_z(self):
        size = 6
        axis = (2 * np.arange(size) + 1 - size) / size
        x, y, z = np.meshgrid(axis, axis, axis, indexing="ij")
        radius = np.sqrt(x**2 + y**2 + z**2)
        for m, component in {1: x, -1: y, 0: z}.items():
            expected = np.sqrt(3 / (4 * np.pi)) * component / radius
            np.testing.assert_allclose(real_harmonic(1, m, size), expected, atol=1e-14)

    @pytest.mark.parametrize("size", [8, 9])
    def test_parity_of_volumes(self, size):
        for l, m in PAIRS:
            volume = real_harmonic(l, m, size)
            np.testing.assert_allclose(volume[::-1, ::-1, ::-1], (-1) ** l * volume, atol=1e-13)

    def test_addition_theorem(self):
        one, two = unit_vectors(seed=1), unit_vectors(seed=2)
        for l in range(6):
            total = sum(evaluate_harmonic(l, m, *one) * evaluate_harmonic(l, m, *two) for m in range(-l, l + 1))
            legendre = np.polynomial.legendre.Legendre.basis(l)(np.clip((one * two).sum(0), -1, 1))
            np.testing.assert_allclose(total, (2 * l + 1) / (4 * np.pi) * legendre, atol=1e-12)

    def test_all_volumes_differ(self):
        volumes = [real_harmonic(l, m, 16) for l, m in PAIRS]
        assert min(np.abs(a - b).max() for a, b in combinations(volumes, 2)) > 0.1

    def test_origin_holds_the_mean_over_directions(self):
        assert real_harmonic(2, 0, 5)[2, 2, 2] == 0
        assert real_harmonic(0, 0, 5)[2, 2, 2] == pytest.approx(0.5 / np.sqrt(np.pi))

    @pytest.mark.parametrize(("l", "m"), [(2, 3), (2, -3), (-1, 0)])
    def test_impossible_orders_are_refused(self, l, m):
        with pytest.raises(ConfigError, match="no spherical harmonic"):
            real_harmonic(l, m, 8)


class TestPaperForm:
    def test_is_the_real_part_with_exchanged_angles(self):
        x, y, z = unit_vectors()
        for l, m in PAIRS:
            order = abs(m)
            norm = np.sqrt((2 * l + 1) / (4 * np.pi) * factorial(l - order) / factorial(l + order))
            legendre = assoc_legendre_p(l, order, np.cos(np.arctan(y / x)))[0]
            expected = norm * legendre * np.cos(order * np.arccos(z))
            np.testing.assert_allclose(evaluate_paper_harmonic(l, m, x, y, z), expected, atol=1e-12)

    def test_forgets_the_sign_of_the_order(self):
        np.testing.assert_array_equal(paper_harmonic(3, 2, 8), paper_harmonic(3, -2, 8))

    def test_is_not_orthonormal(self):
        nodes, weights = sphere()
        norm = (evaluate_paper_harmonic(5, 2, *nodes) ** 2 * weights).sum()
        assert abs(norm - 1) > 0.1


def build(**settings):
    return Harmonics(HarmonicsSource(**{"size": 8, "max_degree": 2} | settings), None)


class TestSource:
    def test_makes_every_degree_and_order(self):
        source = build()
        batch = source.make(0, source.num_fields)
        assert source.num_fields == 9
        assert [tuple(row) for row in batch.parameters] == [p for p in PAIRS if p[0] <= 2]
        assert [p.name for p in source.parameters] == ["l", "m"]
        assert batch.fields.shape == (9, *source.spec.field_shape) and batch.fields.dtype == np.float32
        np.testing.assert_allclose(batch.fields[8, 0], real_harmonic(2, 2, 8), rtol=1e-6)

    def test_any_split_of_the_work_gives_the_same_fields(self):
        source = build(repeats=3, amplitude_scatter=0.2)
        whole = source.make(0, 27)
        parts = [source.make(a, b).fields for a, b in pairwise([0, 5, 6, 20, 27])]
        np.testing.assert_array_equal(np.concatenate(parts), whole.fields)

    def test_copies_are_scaled_within_the_scatter_by_seed(self):
        source = build(repeats=50, amplitude_scatter=0.2)
        factors = source.make(0, 450).fields[:, 0, 0, 0, 0].reshape(50, 9)[:, 0] / real_harmonic(0, 0, 8)[0, 0, 0]
        assert 0.8 <= factors.min() < 0.85 and 1.15 < factors.max() <= 1.2
        other = build(repeats=50, amplitude_scatter=0.2, seed=1)
        assert not np.array_equal(other.make(0, 9).fields, source.make(0, 9).fields)

    def test_unshuffled_split_gives_whole_sets_to_training(self):
        source = build(repeats=4)
        part = source.assign_split(Split(train=0.5, validation=0.25, test=0.25, shuffle=False))
        trained = source.make(0, source.num_fields).parameters[part == TRAIN]
        assert len(trained) == 18 and len(np.unique(trained, axis=0)) == 9

    def test_radial_profile_is_a_gaussian(self):
        plain, tapered = build().make(0, 1).fields[0, 0], build(radial_width=0.5).make(0, 1).fields[0, 0]
        radius2 = 3 * (1 / 8) ** 2
        assert tapered[4, 4, 4] / plain[4, 4, 4] == pytest.approx(np.exp(-radius2 / 0.5), rel=1e-6)

    def test_paper_form_is_a_setting(self):
        batch = build(form="paper_b").make(0, 9)
        np.testing.assert_allclose(batch.fields[4, 0], paper_harmonic(2, -2, 8), rtol=1e-6)

    def test_spec_is_the_cube_of_two(self):
        assert build().spec.box_size == (2, 2, 2) and not any(build().spec.periodic)
