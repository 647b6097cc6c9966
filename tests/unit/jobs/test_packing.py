"""Packing: every element in exactly one job, every job in exactly one call of each link, all limits obeyed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rhodiff.errors import ConfigError, SubmissionRefusedError
from rhodiff.jobs.packing import PackingWishes, QueueRoom, pack_elements

FREE = QueueRoom()


def ranges(packing):
    return [(piece.first, piece.count) for piece in packing.pieces]


def test_one_element_is_a_single_job():
    packing = pack_elements(1, PackingWishes(), FREE)
    assert ranges(packing) == [(0, 1)]
    assert not packing.pieces[0].is_array


def test_elements_are_an_array_with_a_job_each():
    packing = pack_elements(8, PackingWishes(), FREE)
    assert (packing.pack, ranges(packing), packing.remarks) == (1, [(0, 8)], ())
    assert packing.pieces[0].is_array


def test_2500_jobs_are_split_over_arrays_of_at_most_1001():
    packing = pack_elements(2500, PackingWishes(), QueueRoom(max_array_size=1001))
    assert ranges(packing) == [(0, 1001), (1001, 1001), (2002, 498)]
    assert all(piece.after == () for piece in packing.pieces)
    assert "an array holds at most 1001 jobs" in packing.remarks[0]


def test_2500_elements_share_4_jobs_where_4_may_be_submitted():
    packing = pack_elements(2500, PackingWishes(), QueueRoom(max_array_size=1001, max_submitted_jobs=4))
    assert (packing.pack, ranges(packing)) == (625, [(0, 4)])
    assert packing.remarks == ("packed 625 to a job: at most 4 jobs may be submitted",)


def test_jobs_in_the_queue_count_against_the_limit():
    packing = pack_elements(10, PackingWishes(), QueueRoom(max_submitted_jobs=4, num_queued_jobs=2))
    assert (packing.pack, ranges(packing)) == (5, [(0, 2)])
    assert "at most 4 jobs may be submitted and 2 are in the queue" in packing.remarks[0]


def test_a_full_queue_is_refused():
    with pytest.raises(SubmissionRefusedError, match="no job can be submitted now: at most 4"):
        pack_elements(10, PackingWishes(), QueueRoom(max_submitted_jobs=4, num_queued_jobs=4))


def test_each_link_of_a_chain_counts():
    packing = pack_elements(10, PackingWishes(chain=3), QueueRoom(max_submitted_jobs=7))
    assert (packing.pack, ranges(packing)) == (5, [(0, 2)] * 3)
    assert [piece.link for piece in packing.pieces] == [0, 1, 2]
    assert [piece.after for piece in packing.pieces] == [(), (0,), (1,)]
    with pytest.raises(SubmissionRefusedError, match="shorten the chain"):
        pack_elements(1, PackingWishes(chain=3), QueueRoom(max_submitted_jobs=2))


def test_a_chain_over_several_arrays_follows_each_of_them():
    packing = pack_elements(5, PackingWishes(chain=2), QueueRoom(max_array_size=3))
    assert ranges(packing) == [(0, 3), (3, 2), (0, 3), (3, 2)]
    assert [piece.after for piece in packing.pieces] == [(), (), (0,), (1,)]


def test_a_throttle_over_several_arrays_runs_one_after_another():
    packing = pack_elements(50, PackingWishes(throttle=7), QueueRoom(max_array_size=20))
    assert ranges(packing) == [(0, 20), (20, 20), (40, 10)]
    assert [piece.throttle for piece in packing.pieces] == [7, 7, 7]
    assert [piece.after for piece in packing.pieces] == [(), (0,), (1,)]
    assert "no more than 7 run at a time" in packing.remarks[0]


def test_a_throttle_that_cannot_bind_is_told():
    packing = pack_elements(4, PackingWishes(throttle=4), FREE)
    assert packing.pieces[0].throttle is None
    assert packing.warnings == ("throttle 4 has no effect: there are only 4 jobs",)


def test_lanes_fill_a_job_where_nothing_else_was_asked_for():
    packing = pack_elements(10, PackingWishes(side_by_side=4), FREE)
    assert (packing.pack, packing.side_by_side, packing.num_rounds, ranges(packing)) == (4, 4, 1, [(0, 3)])
    assert pack_elements(2, PackingWishes(side_by_side=4), FREE).side_by_side == 2


def test_more_lanes_than_elements_a_job_are_refused():
    with pytest.raises(ConfigError, match="side_by_side 4 is more than the 2"):
        pack_elements(10, PackingWishes(pack=2, side_by_side=4), FREE)


def test_a_limit_over_an_explicit_pack_is_a_warning():
    packing = pack_elements(100, PackingWishes(pack=10), QueueRoom(max_submitted_jobs=4))
    assert packing.pack == 25
    assert packing.warnings == (
        "packed 25 to a job instead of the 10 that were asked for: at most 4 jobs may be submitted",
    )
    assert pack_elements(100, PackingWishes(pack=50), QueueRoom(max_submitted_jobs=4)).pack == 50


@given(
    st.integers(1, 3000),
    st.integers(1, 40) | st.none(),
    st.integers(1, 4),
    st.integers(1, 30) | st.none(),
    st.integers(1, 3),
    st.integers(1, 1001) | st.none(),
    st.integers(3, 50) | st.none(),
)
def test_every_job_is_called_once_a_link_and_no_limit_is_broken(number, pack, lanes, throttle, chain, array, jobs):
    pack = None if pack is None else max(pack, lanes)
    packing = pack_elements(
        number, PackingWishes(pack, lanes, throttle, chain), QueueRoom(max_array_size=array, max_submitted_jobs=jobs)
    )
    num_jobs = -(-number // packing.pack)
    for link in range(chain):
        covered = [p.first + k for p in packing.pieces if p.link == link for k in range(p.count)]
        assert covered == list(range(num_jobs))
    assert [piece.index for piece in packing.pieces] == list(range(len(packing.pieces)))
    assert all(before < piece.index for piece in packing.pieces for before in piece.after)
    assert array is None or all(piece.count <= array for piece in packing.pieces)
    assert jobs is None or sum(piece.count for piece in packing.pieces) <= jobs
    assert packing.pack >= (pack or lanes if number >= (pack or lanes) else number)
