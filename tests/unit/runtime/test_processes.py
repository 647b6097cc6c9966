"""The few things that the processes of a training do together."""

import sys

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from rhodiff.errors import ConfigError, PeerEndedError, RhodiffError
from rhodiff.runtime.local_processes import run_processes
from rhodiff.runtime.places import Place
from rhodiff.runtime.processes import Processes, join_processes


@given(st.integers(1, 300), st.integers(0, 1000))
def test_shares_cover_a_batch_once_and_are_even(world_size, total):
    processes = Processes(Place(world_size=world_size), torch.device("cpu"))
    shares = [processes.share(rank, total) for rank in range(world_size)]
    assert [position for share in shares for position in share] == list(range(total))
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


def test_a_single_process_needs_nobody():
    with join_processes(Place(), torch.device("cpu")) as processes:
        assert processes.is_first
        assert processes.sum(torch.tensor([2.0, 3.0])).tolist() == [2.0, 3.0]
        assert processes.any(True)
        assert not processes.any(False)
        processes.wait_for_all()


def test_errors_that_all_come_to_are_told_by_the_first():
    with pytest.raises(RhodiffError, match="the reason"):
        Processes(Place(0, 2), torch.device("cpu")).end_together(RhodiffError("the reason"))
    with pytest.raises(PeerEndedError) as caught:
        Processes(Place(1, 2), torch.device("cpu")).end_together(ConfigError("the reason"))
    assert caught.value.exit_code == 2


TOGETHER = """
import os, sys, torch
from rhodiff.runtime.places import place_from_environment
from rhodiff.runtime.processes import join_processes
place = place_from_environment(os.environ)
with join_processes(place, torch.device("cpu")) as processes:
    assert processes.sum(torch.tensor([1.0, place.rank])).tolist() == [3.0, 3.0]
    assert processes.any(place.rank == 2)
    assert not processes.any(False)
    processes.wait_for_all()
    assert processes.is_first == (place.rank == 0)
    open(os.path.join(sys.argv[1], str(place.rank)), "w").write(str(list(processes.share(place.rank, 7))))
"""


def test_processes_find_each_other_and_add_up(tmp_path):
    assert run_processes([[sys.executable, "-c", TOGETHER, str(tmp_path)]] * 3) == 0
    shares = {path.name: path.read_text() for path in tmp_path.iterdir()}
    assert shares == {"0": "[0, 1]", "1": "[2, 3]", "2": "[4, 5, 6]"}
