"""The model of a step against what can be said by hand."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rhodiff.errors import ConfigError
from rhodiff.training.scaling import (
    MEGABYTE,
    ComputeTimes,
    LinkSpeed,
    predict_step,
    put_into_buckets,
    ring_all_reduce,
)

TIMES = ComputeTimes(ready_s=(1.0, 2.0, 3.0), sizes=(2 * MEGABYTE,) * 3, backward_s=3.0, update_s=0.5)


def test_ring_costs_what_its_steps_cost():
    link = LinkSpeed(latency_s=1e-3, bandwidth_bytes_s=1e6)
    # reduce-scatter and all-gather: n - 1 messages of s / n bytes each
    assert ring_all_reduce(4_000_000, 4, link) == pytest.approx(2 * 3 * (1e-3 + 1.0))
    assert ring_all_reduce(4_000_000, 1, link) == 0


def test_large_ring_moves_twice_the_bytes_whatever_its_size():
    link = LinkSpeed(0.0, 1e6)
    assert ring_all_reduce(1_000_000, 10_000, link) == pytest.approx(2.0, rel=1e-3)


def test_communication_that_fits_between_the_gradients_is_hidden():
    found = predict_step(TIMES, 2, [0.5, 0.5, 0.25], bucket_mb=2)
    assert (found.step_s, found.exposed_s, found.hidden_s) == (3.75, 0.25, 1.0)


def test_slow_network_queues_the_buckets():
    found = predict_step(TIMES, 2, [4.0, 4.0, 4.0], bucket_mb=2)
    assert found.step_s == 1.0 + 12.0 + 0.5
    assert found.exposed_s == 10.0
    assert found.hidden_s == 2.0


def test_one_process_waits_for_nobody():
    assert predict_step(TIMES, 1, LinkSpeed(10.0, 1.0)).step_s == TIMES.step_s


def test_first_bucket_is_small_and_the_last_holds_the_rest():
    found = put_into_buckets(TIMES, bucket_mb=3)
    assert found == [(1.0, 2 * MEGABYTE), (3.0, 4 * MEGABYTE)]


def test_buckets_are_those_of_torch():
    """Against torch's own assignment of parameters to buckets."""
    import torch
    import torch.distributed as dist

    network = torch.nn.Sequential(*(torch.nn.Linear(300, 300) for _ in range(12)))
    gradients = list(reversed(list(network.parameters())))
    sizes = [4 * one.numel() for one in gradients]
    theirs, _ = dist._compute_bucket_assignment_by_size(gradients, [MEGABYTE, 2 * MEGABYTE])
    times = ComputeTimes(tuple(range(len(sizes))), tuple(sizes), float(len(sizes)), 0.0)
    assert [size for _, size in put_into_buckets(times, bucket_mb=2)] == [
        sum(sizes[index] for index in indices) for indices in theirs
    ]


@given(
    st.lists(st.tuples(st.floats(0, 10), st.integers(1, 10**7)), min_size=1, max_size=8),
    st.integers(2, 64),
    st.floats(0, 1e-2),
    st.floats(1e6, 1e12),
    st.floats(0.1, 100),
)
def test_a_step_lies_between_its_computation_and_all_of_it_one_after_another(gradients, n, latency, bandwidth, mb):
    ready, sizes = zip(*sorted(gradients), strict=True)
    times = ComputeTimes(ready, sizes, ready[-1], 0.1)
    link = LinkSpeed(latency, bandwidth)
    found = predict_step(times, n, link, mb)
    every = sum(ring_all_reduce(size, n, link) for _, size in put_into_buckets(times, mb))
    assert times.step_s <= found.step_s <= times.step_s + every * (1 + 1e-9)
    assert found.exposed_s + found.hidden_s == pytest.approx(every)
    assert predict_step(times, n, LinkSpeed(latency, 2 * bandwidth), mb).step_s <= found.step_s * (1 + 1e-12)


def test_what_makes_no_sense_is_refused():
    with pytest.raises(ConfigError, match="positive bandwidth"):
        LinkSpeed(0.0, 0.0)
    with pytest.raises(ConfigError, match="2 times of all-reduces for 3 buckets"):
        predict_step(TIMES, 2, [1.0, 1.0], bucket_mb=2)
    with pytest.raises(ConfigError, match="positive size"):
        put_into_buckets(TIMES, 0.0)
