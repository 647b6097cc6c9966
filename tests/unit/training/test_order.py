"""The order of training fields: every epoch once, whatever the batch, the split over processes, or the start."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from rhodiff.training.order import SampleOrder


def sequence(order, iterations, batch_size):
    return np.concatenate([order.batch(i, range(batch_size)) for i in range(iterations)])


@settings(deadline=None)
@given(num_fields=st.integers(1, 40), batch_size=st.integers(1, 60), seed=st.integers(0, 2**63 - 1))
def test_every_epoch_sees_each_field_once(num_fields, batch_size, seed):
    seen = sequence(SampleOrder(seed, num_fields, batch_size), -(-3 * num_fields // batch_size), batch_size)
    for epoch in range(3):
        assert sorted(seen[epoch * num_fields : (epoch + 1) * num_fields]) == list(range(num_fields))


@settings(deadline=None)
@given(
    num_fields=st.integers(1, 40),
    batch_size=st.integers(1, 30),
    iteration=st.integers(0, 10**6),
    world_size=st.integers(1, 9),
)
def test_processes_together_see_the_batch_of_one(num_fields, batch_size, iteration, world_size):
    whole = SampleOrder(5, num_fields, batch_size).batch(iteration, range(batch_size))
    edges = [rank * batch_size // world_size for rank in range(world_size + 1)]
    shares = [
        SampleOrder(5, num_fields, batch_size).batch(iteration, range(edges[rank], edges[rank + 1]))
        for rank in range(world_size)
    ]
    np.testing.assert_array_equal(np.concatenate(shares), whole)


def test_the_sequence_does_not_depend_on_the_batch_size():
    np.testing.assert_array_equal(sequence(SampleOrder(1, 17, 6), 10, 6), sequence(SampleOrder(1, 17, 20), 3, 20))


def test_a_batch_is_the_same_whenever_it_is_asked_for():
    order = SampleOrder(1, 17, 6)
    late = order.batch(1000, range(6))
    sequence(order, 30, 6)
    np.testing.assert_array_equal(order.batch(1000, range(6)), late)
    np.testing.assert_array_equal(SampleOrder(1, 17, 6).batch(1000, range(6)), late)


def test_epochs_and_seeds_are_shuffled_differently():
    one, other = sequence(SampleOrder(1, 50, 50), 2, 50), sequence(SampleOrder(2, 50, 50), 2, 50)
    assert (one[:50] != one[50:]).sum() > 40
    assert (one != other).sum() > 80


def test_an_empty_share_is_empty():
    assert SampleOrder(1, 5, 2).batch(3, range(0)).shape == (0,)
