"""Channels that say where a cell is."""

import math

import torch

from rhodiff.models.coordinates import Coordinates


def test_channels_are_cosines_and_sines_of_the_cell_centres():
    shown = Coordinates(3, (False,))(torch.zeros(2, 1, 8))
    places = (torch.arange(8) + 0.5) / 8
    for j in range(3):
        assert torch.allclose(shown[1, 1 + j], torch.cos(math.pi * 2**j * places), atol=1e-6)
        assert torch.allclose(shown[1, 4 + j], torch.sin(math.pi * 2**j * places), atol=1e-6)


def test_each_axis_that_does_not_wrap_has_its_own_channels_constant_along_the_others():
    module = Coordinates(2, (False, True, False))
    x = torch.randn(1, 3, 4, 5, 6)
    shown = module(x)
    assert shown.shape == (1, 3 + module.num_channels, 4, 5, 6)
    assert module.num_channels == 8
    assert torch.equal(shown[:, :3], x)
    first, second = shown[0, 3:7], shown[0, 7:]
    assert torch.equal(first, first[:, :, :1, :1].expand_as(first))
    assert torch.equal(second, second[:, :1, :1].expand_as(second))


def test_no_frequencies_add_nothing_and_the_type_stays():
    x = torch.randn(1, 2, 4, dtype=torch.float64)
    assert torch.equal(Coordinates(0, (False,))(x), x)
    assert Coordinates(2, (False,))(x).dtype == torch.float64
