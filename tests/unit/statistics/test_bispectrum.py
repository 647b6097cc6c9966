"""Bispectra against the sum over triangles; zero for Gaussian fields; closed form of local non-Gaussianity."""

import itertools

import numpy as np
import pytest

from rhodiff.errors import ConfigError, DataError
from rhodiff.statistics import MeanCovariance, bispectrum, merge_all, power_spectrum


def noise(shape, number=3, seed=0):
    return np.random.default_rng(seed).normal(size=(number, *shape))


def sum_over_triangles(field, box, edges, shells):
    """Every pair of modes of the first two shells, on the full plane; a third, not aliased, closes the triangle."""
    shape, axes = field.shape, range(field.ndim)
    transform = np.fft.fftn(field - field.mean())
    ranges = [range(-((n - 1) // 2), n // 2 + 1) for n in shape]

    def shell_of(mode):
        k = 2 * np.pi / box * np.sqrt(sum(m**2 for m in mode))
        return int(np.searchsorted(edges, k * (1 + 1e-12), side="right")) - 1

    of = {m: shell_of(m) for m in itertools.product(*ranges) if any(m)}
    first, second = ([m for m in of if of[m] == shell] for shell in shells[:2])
    total, count = 0.0, 0
    for one, two in itertools.product(first, second):
        three = tuple(-one[a] - two[a] for a in axes)
        if of.get(three) == shells[2]:
            total += (transform[one] * transform[two] * transform[three]).real
            count += 1
    return total / count * box ** (2 * field.ndim) / field.size**3, count


@pytest.mark.parametrize(
    ("shape", "triangles"),
    [
        ((15,), [(0, 1, 2), (0, 3, 4), (1, 1, 3)]),
        ((16,), [(0, 0, 1), (2, 1, 4)]),
        ((9, 9), [(0, 0, 0), (1, 1, 1), (0, 1, 2), (2, 2, 0)]),
        ((10, 10), [(2, 2, 2), (0, 2, 2), (1, 2, 3)]),
        ((6, 6, 6), [(0, 0, 0), (0, 1, 1), (1, 1, 0)]),
    ],
)
def test_it_equals_the_sum_over_triangles(shape, triangles):
    fields = noise(shape, 2) ** 2 + 1
    found = bispectrum(fields, box_size=3.0, triangles=triangles)
    for i, triangle in enumerate(triangles):
        for field, value in zip(fields, found.bispectrum[:, i], strict=True):
            expected, count = sum_over_triangles(field, 3.0, found.bin_edges, triangle)
            assert value == pytest.approx(expected, rel=1e-9)
            assert found.num_triangles[i] == count


@pytest.mark.parametrize(
    ("shape", "kind", "expected"),
    [
        ((18, 18), "equilateral", [(i, i, i) for i in range(5)]),
        ((12, 12), "squeezed", [(0, i, i) for i in range(1, 5)]),
        ((12,), "squeezed", [(0, i, i + 1) for i in range(1, 4)]),
        ((9, 9, 9), "equilateral", [(0, 0, 0), (1, 1, 1)]),
    ],
)
def test_named_shapes_hold_all_shells_that_do_not_alias(shape, kind, expected):
    found = bispectrum(noise(shape), box_size=1.0, triangles=kind)
    np.testing.assert_array_equal(found.shells, expected)
    assert np.all(found.num_triangles > 0)


def test_shell_powers_are_those_of_the_power_spectrum():
    fields = noise((16, 16))
    found, power = bispectrum(fields, box_size=2.0), power_spectrum(fields, box_size=2.0)
    np.testing.assert_allclose(found.power[:, :, 0], power.power[:, found.shells[:, 0]], rtol=1e-12)
    np.testing.assert_allclose(found.k[:, 1], power.k[found.shells[:, 1]], rtol=1e-12)
    p = found.power[:, :, 0]
    np.testing.assert_allclose(found.reduced, found.bispectrum / (3 * p**2), rtol=1e-12)


@pytest.mark.parametrize(
    ("shape", "kind"), [((256,), "squeezed"), ((32, 32), "equilateral"), ((16, 16, 16), "squeezed")]
)
def test_gaussian_fields_have_none_within_errors(shape, kind):
    values = bispectrum(noise(shape, 200, seed=4), box_size=1.0, triangles=kind).bispectrum
    error = values.std(axis=0, ddof=1) / np.sqrt(len(values))
    assert np.max(np.abs(values.mean(axis=0)) / error) < 4.5


@pytest.mark.parametrize(("shape", "kind"), [((128,), "squeezed"), ((24, 24), "equilateral"), ((24, 24), "squeezed")])
def test_local_non_gaussianity_has_the_closed_form(shape, kind):
    """f = g + F (g^2 - <g^2>): B = 2 F (P1 P2 + P2 P3 + P3 P1) to first order in F.

    g has one power in each shell and none beyond, so that the mean over triangles is exact; the difference of F and
    -F from the same g leaves odd orders alone, the third of which is F^2 var(g) ~ 1e-6 of the first.
    """
    box, F, axes = 5.0, 1e-3, tuple(range(1, len(shape) + 1))
    edges = bispectrum(noise(shape), box_size=box, triangles=kind).bin_edges
    k = np.sqrt(
        sum(f**2 for f in np.meshgrid(*[2 * np.pi * np.fft.fftfreq(n, box / n) for n in shape], indexing="ij"))
    )
    shell = np.searchsorted(edges, k * (1 + 1e-12), side="right") - 1
    powers = 1 / (1.0 + np.arange(len(edges) - 1)) ** 1.5
    power = np.where((shell >= 0) & (shell < len(powers)), powers[np.clip(shell, 0, len(powers) - 1)], 0)
    white = np.random.default_rng(7).normal(size=(800, *shape))
    scale = np.sqrt(power * np.prod(shape) / box ** len(shape))
    g = np.fft.ifftn(np.fft.fftn(white, axes=axes) * scale, axes=axes).real
    g2 = g**2 - np.mean(scale**2)
    plus, minus = (bispectrum(g + s * F * g2, box_size=box, triangles=kind) for s in (1, -1))
    values = (plus.bispectrum - minus.bispectrum) / 2
    p1, p2, p3 = powers[plus.shells].T
    expected = 2 * F * (p1 * p2 + p2 * p3 + p3 * p1)
    error = values.std(axis=0, ddof=1) / np.sqrt(len(values))
    assert np.max(np.abs(values.mean(axis=0) - expected) / error) < 4.5
    assert np.max(error / expected) < 0.15
    q = (plus.mean().reduced - minus.mean().reduced)[0] / 2
    assert np.max(np.abs(q / (2 * F) - 1)) < 0.5


def test_shifts_and_reflections_change_nothing_and_a_sign_turns_it():
    fields = noise((12, 12)) ** 2
    truth = bispectrum(fields, box_size=1.0).bispectrum
    near = {"rtol": 0, "atol": 1e-11 * np.abs(truth).max()}
    for other in (np.roll(fields, (3, 5), (1, 2)), np.flip(fields, 1), np.swapaxes(fields, 1, 2), fields + 9):
        np.testing.assert_allclose(bispectrum(other, box_size=1.0).bispectrum, truth, **near)
    np.testing.assert_allclose(bispectrum(-fields, box_size=1.0).bispectrum, -truth, **near)
    doubled = bispectrum(fields, box_size=2.0)
    np.testing.assert_allclose(doubled.bispectrum, truth * 2**4, **{**near, "atol": 16 * near["atol"]})


def test_parts_merge_in_any_order(monkeypatch):
    fields = noise((8, 8), 12)
    whole = MeanCovariance.of(bispectrum(fields, box_size=1.0).vectors())
    monkeypatch.setattr("rhodiff.statistics.transform.CELLS_AT_ONCE", 1)
    parts = [MeanCovariance.of(bispectrum(part, box_size=1.0).vectors()) for part in np.split(fields, 4)]
    for order in itertools.permutations(parts):
        merged = merge_all(order)
        np.testing.assert_allclose(merged.mean, whole.mean, rtol=1e-11, atol=1e-15)


@pytest.mark.parametrize(
    ("shape", "options", "told"),
    [
        ((16,), {}, "no three modes of one line"),
        ((16, 16), {"triangles": "folded"}, "got 'folded'"),
        ((16, 16), {"triangles": [(7, 7, 7)]}, "aliases"),
        ((16, 16), {"triangles": [(0, 0, 9)]}, "not of the shells 0 ... 7"),
        ((16, 16), {"triangles": [(0, 0, 5)]}, "no three modes"),
        ((16, 16), {"triangles": []}, "none of the triangles"),
        ((16, 16), {"bin_edges": [40.0, 50.0]}, "none of the triangles"),
    ],
)
def test_triangles_without_sense_are_refused(shape, options, told):
    with pytest.raises(ConfigError, match=told):
        bispectrum(noise(shape), box_size=1.0, **options)


def test_fields_that_are_not_finite_are_named():
    fields = noise((8, 8))
    fields[1, 2, 3] = np.nan
    with pytest.raises(DataError, match="field 1"):
        bispectrum(fields, box_size=1.0)
