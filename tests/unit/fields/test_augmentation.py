"""Augmentation: a group, exact on pixels, uniformly drawn."""

import numpy as np
import pytest
from scipy.stats import chisquare

from rhodiff.errors import ConfigError
from rhodiff.fields.augmentation import Symmetry, augment, keeping_symmetries, symmetry_group

ORDERS = {1: 2, 2: 8, 3: 48}


def generic(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def generator(index=0):
    return np.random.Generator(np.random.Philox(key=index))


@pytest.mark.parametrize("ndim", ORDERS)
class TestGroup:
    def test_has_its_order_and_distinct_images(self, ndim):
        field = generic(2, *(4,) * ndim)
        images = {symmetry.apply(field).tobytes() for symmetry in symmetry_group(ndim)}
        assert len(symmetry_group(ndim)) == len(images) == ORDERS[ndim]

    def test_is_closed_and_composition_is_doing_one_after_the_other(self, ndim):
        group, field = symmetry_group(ndim), generic(1, *(3,) * ndim)
        for first in group:
            for second in group:
                both = first.then(second)
                assert both in group
                np.testing.assert_array_equal(both.apply(field), second.apply(first.apply(field)))

    def test_every_element_has_its_inverse(self, ndim):
        field = generic(2, *(4,) * ndim)
        for symmetry in symmetry_group(ndim):
            assert symmetry.inverse() in symmetry_group(ndim)
            np.testing.assert_array_equal(symmetry.inverse().apply(symmetry.apply(field)), field)

    def test_starts_with_the_identity(self, ndim):
        assert symmetry_group(ndim)[0] == Symmetry(tuple(range(ndim)), (False,) * ndim)

    def test_is_drawn_uniformly(self, ndim):
        field = generic(1, *(4,) * ndim)
        rank = {symmetry.apply(field).tobytes(): i for i, symmetry in enumerate(symmetry_group(ndim))}
        drawn = [rank[augment(field, ["dihedral"], generator(i), (False,) * ndim).tobytes()] for i in range(2000)]
        counts = np.bincount(drawn, minlength=ORDERS[ndim])
        assert chisquare(counts).pvalue > 1e-3


class TestAugment:
    @pytest.mark.parametrize("shape", [(2, 9), (2, 6, 6), (1, 4, 4, 4)])
    def test_moves_values_and_changes_none(self, shape):
        field, periodic = generic(*shape), (True,) * (len(shape) - 1)
        moved = augment(field, ["dihedral", "periodic_shift"], generator(5), periodic)
        assert moved.shape == field.shape and moved.dtype == field.dtype and moved.flags.c_contiguous
        for channel in range(shape[0]):
            np.testing.assert_array_equal(np.sort(moved[channel], axis=None), np.sort(field[channel], axis=None))

    def test_channels_move_together(self):
        field = np.stack([generic(6, 6)] * 2)
        moved = augment(field, ["dihedral", "periodic_shift"], generator(3), (True, True))
        np.testing.assert_array_equal(moved[0], moved[1])

    def test_same_generator_same_field(self):
        field = generic(1, 8, 8)
        one, two = (augment(field, ["periodic_shift"], generator(4), (True, True)) for _ in range(2))
        np.testing.assert_array_equal(one, two)

    def test_input_is_left_alone_and_not_shared(self):
        field = generic(1, 4)
        kept = field.copy()
        moved = augment(field, [], generator(), (False,))
        moved[:] = 0
        np.testing.assert_array_equal(field, kept)

    def test_a_shift_keeps_the_power_spectrum(self):
        field = generic(1, 16, 16).astype(np.float64)
        moved = augment(field, ["periodic_shift"], generator(1), (True, True))
        assert not np.array_equal(moved, field)
        power = [np.abs(np.fft.rfftn(f[0])) ** 2 for f in (field, moved)]
        np.testing.assert_allclose(power[1], power[0], rtol=1e-9)

    def test_shifts_are_uniform_over_whole_cells(self):
        field = np.arange(6.0)[None]
        first = [int(augment(field, ["periodic_shift"], generator(i), (True,))[0, 0]) for i in range(1200)]
        assert chisquare(np.bincount(first, minlength=6)).pvalue > 1e-3

    def test_shifts_run_along_periodic_axes_only(self):
        field = generic(1, 5, 7)
        for index in range(20):
            moved = augment(field, ["periodic_shift"], generator(index), (False, True))
            shift = next(s for s in range(7) if np.array_equal(np.roll(field, s, 2), moved))
            assert 0 <= shift < 7

    def test_a_shift_without_a_periodic_axis_is_refused(self):
        with pytest.raises(ConfigError, match=r"fields\.augmentation.*periodic: \[False, False\].*remove"):
            augment(generic(1, 4, 4), ["periodic_shift"], generator(), (False, False))


class TestKeepingSymmetries:
    def test_unequal_lengths_keep_only_flips(self):
        assert len(keeping_symmetries((4, 6), (False, False))) == 4
        assert len(keeping_symmetries((4, 5, 6), (False,) * 3)) == 8

    def test_two_equal_axes_of_three_may_be_exchanged(self):
        assert len(keeping_symmetries((4, 4, 6), (False,) * 3)) == 16

    def test_axes_with_another_spacing_or_boundary_are_not_exchanged(self):
        assert len(keeping_symmetries((4, 4), (True, True), (1.0, 2.0))) == 4
        assert len(keeping_symmetries((4, 4), (True, False))) == 4
        assert len(keeping_symmetries((4, 4), (True, True), (2.0, 2.0))) == 8

    def test_a_rectangle_keeps_its_shape(self):
        field = generic(1, 4, 6)
        assert all(augment(field, ["dihedral"], generator(i), (False, False)).shape == field.shape for i in range(30))
