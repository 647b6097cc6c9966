import numpy as np
import pytest
import torch

from rhodiff.models.convolution import Convolution, Downsample, Upsample, depth_to_space, space_to_depth, wrap

SPACES = [(16,), (12, 8), (8, 4, 6)]


def roll(x, shift, axis=2):
    return torch.roll(x, shift, dims=axis)


@pytest.mark.parametrize("space", SPACES)
def test_wrapping_is_numpy_s(space):
    x = torch.randn(2, 3, *space)
    padding = [(0, 0), (0, 0), *[(2, 2)] * len(space)]
    expected = torch.from_numpy(np.pad(x.numpy(), padding, mode="wrap"))
    assert torch.equal(wrap(x, (2,) * len(space)), expected)


@pytest.mark.parametrize("kernel", [1, 3, 5, 7])
@pytest.mark.parametrize("space", SPACES)
def test_a_periodic_convolution_is_torch_s_circular_one(space, kernel):
    ours = Convolution(3, 4, kernel, (True,) * len(space))
    theirs = type(ours.conv)(3, 4, kernel, padding=kernel // 2, padding_mode="circular")
    theirs.load_state_dict(ours.conv.state_dict())
    x = torch.randn(2, 3, *space)
    torch.testing.assert_close(ours(x), theirs(x))


@pytest.mark.parametrize("kernel", [3, 7])
def test_a_zero_padded_axis_is_zero_padded_and_the_other_wraps(kernel):
    ours = Convolution(1, 1, kernel, (False, True))
    x = torch.randn(1, 1, 8, 10)
    half = kernel // 2
    padded = torch.nn.functional.pad(wrap(x, (0, half)), (0, 0, half, half))
    torch.testing.assert_close(ours(x), torch.nn.functional.conv2d(padded, ours.conv.weight, ours.conv.bias))


@pytest.mark.parametrize("method", ["pool", "conv4"])
@pytest.mark.parametrize("space", SPACES)
def test_changes_of_resolution_commute_with_translations_of_a_periodic_axis(space, method):
    periodic = (True,) + (False,) * (len(space) - 1)
    down, up = Downsample(3, method, periodic), Upsample(3, method, periodic)
    x = torch.randn(2, 3, *space)
    half = down(x)
    assert half.shape[2:] == tuple(n // 2 for n in space)
    assert up(half).shape == x.shape
    torch.testing.assert_close(down(roll(x, 2)), roll(half, 1))
    torch.testing.assert_close(up(roll(half, 1)), roll(up(half), 2))


@pytest.mark.parametrize("patch", [1, 2, 4])
@pytest.mark.parametrize("space", [(16,), (8, 4), (8, 4, 4)])
def test_depth_to_space_inverts_space_to_depth(space, patch):
    x = torch.randn(2, 3, *space)
    deep = space_to_depth(x, patch)
    assert deep.shape == (2, 3 * patch ** len(space), *(n // patch for n in space))
    assert torch.equal(depth_to_space(deep, patch), x)


def test_space_to_depth_is_pixel_unshuffle_in_two_dimensions():
    x = torch.randn(2, 3, 8, 4)
    assert torch.equal(space_to_depth(x, 2), torch.nn.functional.pixel_unshuffle(x, 2))
