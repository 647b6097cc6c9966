"""Random streams: one address, one stream, in whatever order, wherever; other addresses, other numbers."""

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from rhodiff.runtime.noise import normal_field
from rhodiff.runtime.streams import address, stream

ADDRESSES = st.tuples(st.integers(0, 2**63 - 1), st.sampled_from(["noise", "order"]), st.integers(0, 2**40))


def test_addresses_and_numbers_stay_what_they_are():
    """Golden, made by this code when it was written: a change gives every user other data, batches and samples."""
    assert address(0, "noise", 1, 2) == 8206195150748915899
    assert stream(0, "training order", 3).permutation(8).tolist() == [7, 2, 6, 3, 5, 1, 0, 4]
    assert stream(7, "noise level", 1, 2).random(2).tolist() == [0.010821487102364524, 0.3750533791848699]


@given(ADDRESSES, ADDRESSES)
def test_addresses_differ_where_anything_differs(one, two):
    assert (address(*one) == address(*two)) == (one == two)
    assert (stream(*one).random() == stream(*two).random()) == (one == two)


@given(ADDRESSES)
def test_addresses_are_seeds_that_torch_takes(where):
    assert 0 <= address(*where) < 2**63


def test_indices_are_not_run_together():
    assert len({address(1, "a", 1, 23), address(1, "a", 12, 3), address(11, "a", 23), address(1, "a", 123)}) == 4


def test_the_order_of_asking_does_not_matter():
    forward = [stream(3, "a", i).random(4) for i in range(20)]
    backward = [stream(3, "a", i).random(4) for i in reversed(range(20))]
    np.testing.assert_array_equal(forward, backward[::-1])


def test_neighbouring_streams_are_uncorrelated_and_uniform():
    drawn = np.array([stream(0, "a", i).random(1000) for i in range(100)])
    correlations = np.corrcoef(drawn)[np.triu_indices(100, 1)]
    assert np.abs(correlations).max() < 5 / np.sqrt(1000)
    assert abs(drawn.mean() - 0.5) < 5 / np.sqrt(12 * drawn.size)


def test_noise_does_not_depend_on_what_was_drawn_before():
    first = normal_field((2, 8), torch.device("cpu"), 5, "noise", 3, 1)
    torch.rand(17)
    normal_field((4,), torch.device("cpu"), 5, "noise", 3, 2)
    assert torch.equal(first, normal_field((2, 8), torch.device("cpu"), 5, "noise", 3, 1))
    assert not torch.equal(first, normal_field((2, 8), torch.device("cpu"), 5, "noise", 3, 2))


def test_noise_is_standard_normal_and_leaves_the_global_generator_alone():
    torch.manual_seed(1)
    state = torch.get_rng_state()
    drawn = torch.stack([normal_field((100,), torch.device("cpu"), 0, "noise", i) for i in range(400)])
    assert torch.equal(torch.get_rng_state(), state)
    assert abs(float(drawn.mean())) < 5 / 200
    assert abs(float(drawn.var()) - 1) < 5 * (2 / 40000) ** 0.5
    assert np.abs(np.corrcoef(drawn[:50])[np.triu_indices(50, 1)]).max() < 0.5
